"""What ``evaluate`` does with each kind of data: predictions of the network, baselines beside them, the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nnzoo.data.dataset import Data, Part
from nnzoo.data.imagedata import FILE
from nnzoo.data.sequences import IN_TIME
from nnzoo.data.splits import PART_NAMES, TRAIN
from nnzoo.data.textrecipe import TextRecipe
from nnzoo.evaluation.baselines import NAMES, Baseline, run_baselines
from nnzoo.evaluation.forecasts import bits, choose_scored, forecast_baselines, symbol_baselines
from nnzoo.evaluation.imagecolumns import EFFORT, image_columns
from nnzoo.evaluation.report import Report, evaluate_predictions
from nnzoo.evaluation.rowvalues import evaluate_row_values
from nnzoo.evaluation.sequencecolumns import paired_columns
from nnzoo.model import Model
from nnzoo.ragged import Ragged
from nnzoo.recipes import AnyRecipe, encode_rows, output_of

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


@dataclass(frozen=True)
class Answers:
    """What a network says of some rows, beside what is true.

    Attributes
    ----------
    task : str
    truth, prediction : array (n,), or (n, k) with several labels
        Labels, or numbers in their own unit; of sequences, an entry a scored step.
    probability : array (n, k) or None
    classes : sequence or None
        Labels of the columns of ``probability``.
    rows : int array (n,)
        Row in the source that each answer is about, from 1.
    several_labels : bool
    words : str
        What was asked, where that needs saying.
    """

    task: str
    truth: np.ndarray
    prediction: np.ndarray
    probability: np.ndarray | None
    classes: Any
    rows: np.ndarray
    several_labels: bool = False
    words: str = ""


def answer(model: Model, data: Data, part: Part) -> Answers:
    """Return what the model says of some rows that have a target, or whose next values are known."""
    recipe: Any = model.recipe
    if output_of(recipe) == "next":
        return (_next_symbols if isinstance(recipe, TextRecipe) else _next_numbers)(model, data, part)
    X, y = encode_rows(recipe, part, data.origin)
    prediction, probability = model.network.predict_rows(X)
    by_step = isinstance(y, Ragged)
    return Answers(
        str(model.network.task),
        y.values[:, 0] if by_step else y,
        prediction,
        probability,
        model.class_names() or None,
        np.repeat(part.rows, y.lengths) if by_step else part.rows,
        several_labels=_several(recipe),
    )


def beside(
    recipe: AnyRecipe, data: Data, train: Part, part: Part, *, seed: int, names: Sequence[str] = NAMES
) -> tuple[list[Baseline], str]:
    """Return the baselines that fit the data, trained on some rows and scored on others, and how they see the rows.

    Parameters
    ----------
    recipe : Recipe of any kind
        Learned from training rows.
    data : Data
    train, part : Part
        Rows to learn from, rows to score.
    seed : int
    names : sequence of str
        Which ones, where the rows have a target; what comes next has baselines of its own.
    """
    if output_of(recipe) == "next":
        return (_beside_symbols if isinstance(recipe, TextRecipe) else _beside_numbers)(recipe, data, train, part, seed)
    return _beside_targets(recipe, data, train, part, seed, names)


def measure(model: Model, data: Data, part: Part, how: str) -> Report:
    """Return the report on unseen rows that have a target, or whose next values are known; ``how`` says which."""
    recipe: Any = model.recipe
    baselines, about = [], "" if output_of(recipe) == "next" else NO_BASELINES
    if _is_same(model, data):
        train = data.chosen(model.provenance.part == TRAIN, PART_NAMES[TRAIN])
        baselines, about = beside(recipe, data, train, part, seed=model.seed)
    elif output_of(recipe) == "next" and not isinstance(recipe, TextRecipe):
        baselines, about = beside(recipe, data, part, part, seed=model.seed)
    return report_beside(model, data, part, how, baselines, about)


def report_beside(
    model: Model, data: Data, part: Part, how: str, baselines: Sequence[Baseline], about: str = ""
) -> Report:
    """Return the report on some rows with what baselines said of the same rows; ``about`` says how those see them."""
    recipe: Any = model.recipe
    said = answer(model, data, part)
    names = part.frame[FILE].to_list() if data.kind == "image" and FILE in part.frame.columns else None
    notes = [f"{each.name}: {each.note}" for each in baselines if output_of(recipe) == "next" and each.note]
    return evaluate_predictions(
        said.task,
        said.truth,
        said.prediction,
        said.probability,
        said.classes,
        rows=said.rows,
        baselines=baselines,
        several_labels=said.several_labels,
        how=(how + said.words + about, *notes),
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


def _is_same(model: Model, data: Data) -> bool:
    return data.fingerprint == model.provenance.fingerprint


def _several(recipe: AnyRecipe) -> bool:
    return recipe.target is not None and recipe.target.labels == "several"


def _beside_targets(
    recipe: Any, data: Data, train: Part, part: Part, seed: int, names: Sequence[str]
) -> tuple[list[Baseline], str]:
    X_train, y_train = encode_rows(recipe, train, data.origin)
    X, y = encode_rows(recipe, part, data.origin)
    codes, about = recipe.categorical_features, data.kind
    if isinstance(y_train, Ragged):
        X_train, X, about = X_train.values, X.values, "step"
        y_train, y = y_train.values[:, 0], y.values[:, 0]
    elif isinstance(X, Ragged):
        X_train, X = paired_columns(X_train, X, codes)
        codes, about = {}, "sequence"
    elif data.kind == "image":
        X_train, X = image_columns(X_train), image_columns(X)
    found = run_baselines(
        str(data.task),
        X_train,
        y_train,
        X,
        y,
        names=names,
        effort=EFFORT if data.kind == "image" else 1.0,
        categorical_features=codes,
        several_labels=_several(recipe),
        seed=seed,
        source=data.origin if data.kind == "table" and Path(data.origin).is_file() else None,
        target=data.target,
        columns={column.name: column.kind for column in recipe.columns},
    )
    return found, ABOUT_BASELINES.get(about, "")


def _next_numbers(model: Model, data: Data, part: Part) -> Answers:
    recipe, network = model.recipe, model.network
    X, n_scored = _with_past(recipe, data, part, same=_is_same(model, data))
    _, predicted, _ = network.predict_next(X)  # pyright: ignore[reportAttributeAccessIssue]
    name, said = _first_column(recipe, predicted.reshape(len(predicted), -1))
    came = np.split(_first_column(recipe, X.values)[1], X.starts[1:])
    scored = _last_of_each(X.lengths - 1, n_scored)
    truth = np.concatenate([each[1:] for each in came])[scored]
    rows = np.arange(1, len(truth) + 1) if data.thing == "piece" else np.repeat(part.rows, n_scored)
    words = f" Each value of {name} was predicted from all values before it, one step ahead."
    return Answers("regression", truth, said[scored], None, None, rows, words=words)


def _beside_numbers(recipe: Any, data: Data, train: Part, part: Part, seed: int) -> tuple[list[Baseline], str]:
    X, n_scored = _with_past(recipe, data, part, same=train is not part)
    came = np.split(_first_column(recipe, X.values)[1], X.starts[1:])
    learned = encode_rows(recipe, train, data.origin)[0]
    training = np.split(_first_column(recipe, learned.values)[1], learned.starts[1:])
    return forecast_baselines(came, n_scored, training, seed), ""


def _with_past(recipe: Any, data: Data, part: Part, *, same: bool) -> tuple[Ragged, list[int]]:
    """Return the series to read, and how many of the last steps of each are scored.

    Of series that were cut by time the pieces before the part are read first: they are its past.
    """
    if data.schema is None or data.schema.layout not in IN_TIME or not same:
        X, _ = encode_rows(recipe, part, data.origin)
        return X, [n - 1 for n in X.lengths.tolist()]
    X, _ = encode_rows(recipe, data.all, data.origin)
    n_pieces = PART_NAMES.index(part.name) + 1
    X = X[np.arange(len(X)) % len(PART_NAMES) < n_pieces]
    lengths = X.lengths.reshape(-1, n_pieces)
    return Ragged(X.values, lengths.sum(axis=1)), lengths[:, -1].tolist()


def _next_symbols(model: Model, data: Data, part: Part) -> Answers:
    recipe: Any = model.recipe
    network: Any = model.network
    X, _ = encode_rows(recipe, part, data.origin)
    came, _, probability = network.predict_next(X)
    names = _names_of_codes(recipe, len(network.classes_))
    places = choose_scored(len(came), model.seed)
    came = came.astype(np.int64)
    words = (
        f" Each {recipe.unit} was predicted from those before it: {bits(probability, came):.3f} bits a {recipe.unit}."
    )
    if len(places) < len(came):
        words += f" {len(places):,} of {len(came):,} were drawn for the figures."
    long = X.lengths > 1
    return Answers(
        "classification",
        names[came[places]],
        names[probability[places].argmax(axis=1)],
        probability[places],
        names,
        np.repeat(part.rows[long], X.lengths[long] - 1)[places],
        words=words,
    )


def _beside_symbols(recipe: Any, data: Data, train: Part, part: Part, seed: int) -> tuple[list[Baseline], str]:
    names = _names_of_codes(recipe, recipe.vocabulary.n_codes)
    both = [encode_rows(recipe, each, data.origin)[0] for each in (part, train)]
    codes, training = ([row[:, 0].astype(np.int64) for row in each if len(row) > 1] for each in both)
    places = choose_scored(sum(len(row) - 1 for row in codes), seed)
    return symbol_baselines(codes, places, training, names, seed), ""


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
