"""What ``evaluate`` does with each kind of data: predictions of the network, baselines beside them, the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nnzoo.data.dataset import Data, Part
from nnzoo.data.imagedata import FILE
from nnzoo.data.sequences import IN_TIME
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN
from nnzoo.data.textrecipe import TextRecipe
from nnzoo.evaluation.baselines import Baseline, run_baselines
from nnzoo.evaluation.forecasts import bits, choose_scored, forecast_baselines, symbol_baselines
from nnzoo.evaluation.imagecolumns import EFFORT, image_columns
from nnzoo.evaluation.report import Report, evaluate_predictions
from nnzoo.evaluation.rowvalues import evaluate_row_values
from nnzoo.evaluation.sequencecolumns import paired_columns
from nnzoo.model import Model
from nnzoo.ragged import Ragged
from nnzoo.recipes import AnyRecipe, encode_rows

NO_BASELINES = " The baselines need the training rows, which this content does not hold."
ABOUT_BASELINES = {
    "image": " The baselines see the images as means over squares of pixels, at most 14 along a side.",
    "sequence": (
        " The baselines see each sequence as its length, the mean, deviation, ends, first and last of its values, and "
        "how often each code occurs."
    ),
    "step": " The baselines see one step at a time.",
}


@runtime_checkable
class HasPictures(Protocol):
    """A network that shows what it has learned."""

    def pictures(self) -> dict[str, np.ndarray]:
        """Return name to filters (n_filters, height, width, channels)."""
        ...


def measure(model: Model, data: Data, part: Part, how: str) -> Report:
    """Return the report on some rows with a target, which the network has not seen; ``how`` says which."""
    recipe: Any = model.recipe
    X, y = encode_rows(recipe, part, data.origin)
    prediction, probability = model.network.predict_rows(X)
    rows, truth = part.rows, y
    if isinstance(y, Ragged):
        rows, truth = np.repeat(part.rows, y.lengths), y.values[:, 0]
    baselines, about = [], NO_BASELINES
    if data.fingerprint == model.provenance.fingerprint:
        baselines, about = _baselines(model, data, X, truth)
    names = part.frame[FILE].to_list() if data.kind == "image" and FILE in part.frame.columns else None
    return evaluate_predictions(
        model.network.task,
        truth,
        prediction,
        probability,
        model.class_names() or None,
        rows=rows,
        baselines=baselines,
        several_labels=_several(recipe),
        how=how + about,
        history=model.network.history_,
        seed=model.seed,
        images=part.images,
        filters=model.network.pictures() if isinstance(model.network, HasPictures) else None,
        names=names,
    )


def measure_unlabelled(model: Model, data: Data, part: Part, how: str) -> Report:
    """Return the report of a network that learned without a target, by what it says is to be measured."""
    network: Any = model.network
    X, y = encode_rows(model.recipe, part, data.origin)  # pyright: ignore[reportArgumentType]
    X_train, y_train, about = None, None, NO_BASELINES
    if data.fingerprint == model.provenance.fingerprint:
        train = data.chosen(model.provenance.part == TRAIN, "train")
        X_train, y_train = encode_rows(model.recipe, train, data.origin)  # pyright: ignore[reportArgumentType]
        about = ""
    inputs = getattr(model.recipe, "symbols", ()) or getattr(model.recipe, "feature_names", ())
    more: dict[str, Any] = {"inputs": inputs} if network.shows_inputs else {}
    more |= {"y": y, "y_train": y_train} if network.reads_target else {}
    found = network.measures(X, X_train, **more)
    return evaluate_row_values(found, how=how + about, history=network.history_, seed=model.seed)


def measure_next(model: Model, data: Data, part: Part, how: str) -> Report:
    """Return the report on predictions of what comes next in some sequences, one step ahead."""
    if isinstance(model.recipe, TextRecipe):
        return _measure_symbols(model, data, part, how)
    return _measure_numbers(model, data, part, how)


def _several(recipe: AnyRecipe) -> bool:
    return recipe.target is not None and recipe.target.labels == "several"


def _baselines(model: Model, data: Data, X: Any, y: np.ndarray) -> tuple[list[Baseline], str]:
    recipe: Any = model.recipe
    X_train, y_train = encode_rows(recipe, data.chosen(model.provenance.part == TRAIN, "train"), data.origin)
    codes = recipe.categorical_features
    about = data.kind
    if isinstance(y_train, Ragged):
        X_train, X, y_train, about = X_train.values, X.values, y_train.values[:, 0], "step"
    elif isinstance(X, Ragged):
        X_train, X = paired_columns(X_train, X, codes)
        codes, about = {}, "sequence"
    elif data.kind == "image":
        X_train, X = image_columns(X_train), image_columns(X)
    found = run_baselines(
        model.network.task,
        X_train,
        y_train,
        X,
        y,
        effort=EFFORT if data.kind == "image" else 1.0,
        categorical_features=codes,
        several_labels=_several(recipe),
        seed=model.seed,
        source=data.origin if data.kind == "table" and Path(data.origin).is_file() else None,
        target=data.target,
        columns={column.name: column.kind for column in recipe.columns},
    )
    return found, ABOUT_BASELINES.get(about, "")


def _measure_numbers(model: Model, data: Data, part: Part, how: str) -> Report:
    recipe, network = model.recipe, model.network
    X, n_scored = _with_past(model, data, part)
    _, predicted, _ = network.predict_next(X)  # pyright: ignore[reportAttributeAccessIssue]
    said = _first_column(recipe, predicted.reshape(len(predicted), -1))
    name, came = _first_column(recipe, X.values)
    series = np.split(came, X.starts[1:])
    scored = _last_of_each(X.lengths - 1, n_scored)
    truth = np.concatenate([each[1:] for each in series])[scored]
    same = data.fingerprint == model.provenance.fingerprint
    train = encode_rows(recipe, data.chosen(model.provenance.part == TRAIN, "train"), data.origin)[0] if same else X  # pyright: ignore[reportArgumentType]
    training = np.split(_first_column(recipe, train.values)[1], train.starts[1:])
    baselines = forecast_baselines(series, n_scored, training, model.seed)
    return evaluate_predictions(
        "regression",
        truth,
        said[1][scored],
        rows=np.arange(1, len(truth) + 1) if data.thing == "piece" else np.repeat(part.rows, n_scored),
        baselines=baselines,
        how=f"{how} Each value of {name} was predicted from all values before it, one step ahead.",
        history=network.history_,
        seed=model.seed,
    )


def _with_past(model: Model, data: Data, part: Part) -> tuple[Ragged, list[int]]:
    """Return the series to read, and how many of the last steps of each are scored.

    Of series that were cut by time the pieces before the test are read first: they are its past.
    """
    recipe: Any = model.recipe
    same = data.fingerprint == model.provenance.fingerprint
    if data.schema is None or data.schema.layout not in IN_TIME or not same:
        X, _ = encode_rows(recipe, part, data.origin)
        return X, [n - 1 for n in X.lengths.tolist()]
    X, _ = encode_rows(recipe, data.all, data.origin)
    lengths = X.lengths.reshape(-1, len(PART_NAMES))
    return Ragged(X.values, lengths.sum(axis=1)), lengths[:, TEST].tolist()


def _measure_symbols(model: Model, data: Data, part: Part, how: str) -> Report:
    recipe: Any = model.recipe
    network: Any = model.network
    X, _ = encode_rows(recipe, part, data.origin)
    came, _, probability = network.predict_next(X)
    names = _names_of_codes(recipe, len(network.classes_))
    places = choose_scored(len(came), model.seed)
    same = data.fingerprint == model.provenance.fingerprint
    baselines: list[Baseline] = []
    rows = X[X.lengths > 1]
    if same:
        train, _ = encode_rows(recipe, data.chosen(model.provenance.part == TRAIN, "train"), data.origin)
        codes = ([np.minimum(row[:, 0], len(names) - 1) for row in each] for each in (rows, train))
        baselines = symbol_baselines(next(codes), places, next(codes), names, model.seed)
    number = bits(probability, came.astype(np.int64))
    sampled = "" if len(places) == len(came) else f" {len(places):,} of {len(came):,} were drawn for the figures."
    return evaluate_predictions(
        "classification",
        names[came.astype(np.int64)[places]],
        names[probability[places].argmax(axis=1)],
        probability[places],
        names,
        rows=np.repeat(part.rows[X.lengths > 1], rows.lengths - 1)[places],
        baselines=baselines,
        how=(
            f"{how} Each {recipe.unit} was predicted from those before it: {number:.3f} bits a {recipe.unit}.{sampled}",
            *(f"{each.name}: {each.note}" for each in baselines),
        ),
        history=network.history_,
        seed=model.seed,
    )


def _first_column(recipe: Any, steps: np.ndarray) -> tuple[str, np.ndarray]:
    """Return name and values, in their own unit, of the column that a forecast is about."""
    columns = recipe.to_units(steps)
    name = next(iter(columns))
    return name, columns[name]


def _last_of_each(lengths: np.ndarray, n_scored: Sequence[int]) -> np.ndarray:
    """Return which of the steps of rows of these lengths, one behind the other, are among the last of their row."""
    return np.concatenate([np.arange(n) >= n - wanted for n, wanted in zip(lengths.tolist(), n_scored, strict=True)])


def _names_of_codes(recipe: Any, n_codes: int) -> np.ndarray:
    names = [recipe.decode(np.array([code])) for code in range(n_codes)]
    return np.array([name if names.count(name) == 1 and name else f"<{code}>" for code, name in enumerate(names)])
