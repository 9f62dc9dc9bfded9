"""The five steps: load the data, build the model, train, evaluate, predict."""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import nn

from nnzoo import catalog
from nnzoo.checks import check_names, check_ranges
from nnzoo.data.dataset import Data, Part, load, load_like, training_parts
from nnzoo.data.imagerecipe import ImageRecipe
from nnzoo.data.recipe import Recipe
from nnzoo.data.samples import bundled_or_same
from nnzoo.data.splits import PART_NAMES, TEST
from nnzoo.errors import DataError, SchemaError, UsageError, counted, listing, quote
from nnzoo.estimator import Network
from nnzoo.evaluation.report import Report
from nnzoo.files import Pathish
from nnzoo.manifest import architecture, plain_params
from nnzoo.measuring import measure, measure_unlabelled
from nnzoo.model import Model, Provenance, surroundings
from nnzoo.networks.own_body import OwnBody
from nnzoo.prediction.decode import Decoder
from nnzoo.prediction.images import ImageDecoder
from nnzoo.prediction.sequences import SequenceDecoder, check_forecast
from nnzoo.prediction.stream import Decodes, predict_chunks
from nnzoo.recipes import AnyRecipe, encode_rows, kind_of, labels_as_bytes, learn_recipe
from nnzoo.suiting import suit
from nnzoo.training.checkpoint import Checkpoints
from nnzoo.training.loop import Run

__all__ = ["build", "encode", "evaluate", "load", "predict", "train"]

DEFAULT_NETWORKS = {
    "table": "deep-feed-forward",
    "image": "deep-convolutional-network",
    "sequence": "gated-recurrent-unit",
    "text": "long-short-term-memory",
}
SALT_BYTES = 16
MAX_HASHED_ROWS = 1_000_000
"""Of a table larger than the memory, so many training rows are recognised in other data, the first ones."""


def build(
    network: str | Network | nn.Module | None, data: Data, params: Mapping[str, Any] | None = None, *, seed: int = 0
) -> Model:
    """Build a model for the data: its recipe is learned from the training rows, its network is still untrained.

    Parameters
    ----------
    network : str, Network, torch.nn.Module or None
        A name on the chart in any usual form, an unfitted estimator, a body of your own, or None for a good default,
        which is said. A network given by name gets settings that suit the data (``nnzoo.suiting``).
    data : Data
        What ``load`` gave.
    params : mapping of str to value, optional
        Parameters of the network; checked against its class.
    seed : int, default 0
        ``random_state`` of the network, unless the estimator or ``params`` has one.

    Returns
    -------
    Model

    Raises
    ------
    UsageError
        The network is unknown or cannot do the task of the data.
    ParameterError
        A parameter is unknown or out of its range.

    Examples
    --------
    >>> import nnzoo
    >>> data = nnzoo.load("penguins", target="species")
    >>> nnzoo.build("lda", data)
    Traceback (most recent call last):
    ...
    nnzoo.errors.UsageError: network needs the name of one on the chart; got 'lda'. Known: "perceptron", ...
    """
    estimator = _estimator(network, data.kind)
    name, ranges = type(estimator).__name__, type(estimator).ranges
    check_names(name, params or {}, ranges)
    reads_target = type(estimator)(**(estimator.get_params(deep=False) | dict(params or {}))).reads_target
    if reads_target and data.task is None and data.output != "next":
        raise UsageError("build needs data with a target; none was given.", "Say load(..., target='column').")
    _check_fit(estimator, data)
    known = estimator.get_params(deep=False)
    settings: dict[str, Any] = {"task": learned_task(data)} if "task" in known else {}
    if not isinstance(network, Network):
        advice = suit(estimator, data, params or {})
        settings |= advice.settings
        for line in advice.words:
            print(line, file=sys.stderr)
    if known["random_state"] is None:
        settings["random_state"] = seed
    if data.kind == "image" and known["kind"] is None:
        settings["kind"] = "image"
    if data.output is not None and "output" in known:
        settings["output"] = data.output
    with_codes = "categorical_features" in known
    recipe = learn_recipe(data, with_codes=with_codes, with_target=reads_target, symbols=estimator.reads_symbols)
    if "categorical_features" in known and recipe.categorical_features:
        settings["categorical_features"] = list(recipe.categorical_features)
    settings |= dict(params or {})
    check_ranges(name, settings, ranges)
    return Model(estimator.set_params(**settings), recipe, seed=seed)


def _check_fit(estimator: Network, data: Data) -> None:
    """Raise UsageError unless the network reads such data and can be asked their task."""
    rows = [row for row in catalog.CATALOG if row.class_name == type(estimator).__name__]
    tasks = rows[0].tasks if rows else ("classification", "regression")
    kinds = rows[0].kinds if rows else estimator.kinds
    able = [row.id for row in catalog.CATALOG if learned_task(data) in row.tasks and data.kind in row.kinds]
    if tasks and learned_task(data) not in tasks:
        raise UsageError(
            f"{type(estimator).__name__} needs a task of {listing(tasks)}; the data set a {learned_task(data)}.",
            f"Use {listing(able)}.",
        )
    if data.kind not in kinds:
        raise UsageError(
            f"{type(estimator).__name__} reads {listing(kinds)}; the data are of the kind {data.kind}, whose columns "
            "stand in no order."
            if data.kind == "table"
            else f"{type(estimator).__name__} reads {listing(kinds)}; the data are of the kind {data.kind}.",
            f"Use {listing(able)}.",
        )


def learned_task(data: Data) -> str | None:
    """Return the task of the data; what comes next is a symbol in a text, else a number."""
    if data.output == "next":
        return "classification" if data.kind == "text" else "regression"
    return data.task


def train(
    model: Model,
    data: Data,
    *,
    time_limit: float | None = None,
    checkpoint: Pathish | Checkpoints | None = None,
    resume: bool = False,
    verbose: int = 1,
) -> Model:
    """Train the model on the training rows; the validation rows choose the best weights and the end.

    Ctrl-C, SIGTERM and the time limit leave a usable model: ``model.network.stopped_`` says which.

    Parameters
    ----------
    model : Model
        What ``build`` gave, for the same data.
    data : Data
    time_limit : float, optional
        Seconds.
    checkpoint : path or Checkpoints, optional
        Folder for checkpoints, made if it is not there; they go when training ends by itself. Those of a
        ``Checkpoints`` stay until its ``clear()``, so that they outlive a failure to save the model.
    resume : bool, default False
        Go on from the latest checkpoint, to the same bits as a run that was never interrupted.
    verbose : int, default 1
        0 is silent, 1 shows one line of progress on a terminal.

    Returns
    -------
    Model
        The same object.

    Raises
    ------
    CheckpointError
        ``resume`` without a usable checkpoint of the same run.
    TrainingDiverged, ResourceError, DataError
    """
    if time_limit is not None and not time_limit > 0:
        raise UsageError(f"train needs a time_limit above 0 seconds; got {time_limit}.", "Pass seconds, e.g. 60.")
    if resume and checkpoint is None:
        raise UsageError("train needs the folder of the checkpoints to resume; got none.", "Pass checkpoint=folder.")
    own = isinstance(checkpoint, str | os.PathLike)
    checkpoints = Checkpoints(checkpoint) if own else checkpoint
    run = Run(
        time_limit=time_limit,
        checkpoints=checkpoints,
        resume=resume,
        identity=_identity(model, data),
        surroundings=surroundings(),
        verbose=verbose,
        paced=True,
    )
    fit(model, data, run)
    if own and checkpoints is not None and model.network.stopped_ not in ("interrupt", "terminate", "time"):
        checkpoints.clear()
    return model


def fit(model: Model, data: Data, run: Run) -> None:
    """Train the model within a run, and note where it comes from."""
    X, y = encode_part(model, data.train, data.origin)
    validation = (*encode_part(model, data.valid, data.origin), None) if len(data.valid) else None
    hashes: list[np.ndarray] = []
    parts = None if data.large is None else partial(_all_parts, model, data, hashes)
    model.network.fit_run(run, X, y, None, validation, parts)
    model.provenance = _provenance(model, data, X, y)
    model.provenance.trained_rows = np.unique(np.concatenate([model.provenance.trained_rows, *hashes]))
    model.made_with = surroundings()


def _all_parts(model: Model, data: Data, hashes: list[np.ndarray]) -> Iterator[tuple[Any, Any]]:
    """Yield all training rows of a table larger than the memory, encoded, and keep hashes of the first million."""
    salt = _salt(model, data)
    labels = None
    if data.task == "classification" and not data.several_labels:
        labels = np.unique(encode_part(model, data.train, data.origin)[1])
    for part in training_parts(data):
        X, y = encode_part(model, part, data.origin)
        unknown = np.zeros(len(y), dtype=bool) if labels is None else ~np.isin(y, labels)
        if unknown.any():
            place = int(unknown.argmax())
            raise SchemaError(
                f"{data.origin}, row {part.rows[place]} has the label {quote(y[place])}, which none of the "
                f"{len(data.train):,} rows drawn has.",
                "Draw more rows, or leave out rows of so rare a label.",
            )
        if sum(map(len, hashes)) < MAX_HASHED_ROWS:
            hashes.append(row_hashes(X, y, salt))
        yield X, y


def _salt(model: Model, data: Data) -> str:
    return hashlib.sha256(f"{data.fingerprint}{model.seed}".encode()).hexdigest()[: 2 * SALT_BYTES]


def evaluate(model: Model, data: Any) -> Report:
    """Measure the model on rows that it has never seen, beside the baselines.

    On the content that it was trained on these are the rows of the test part. On other content they are all rows but
    those that it was trained on, which are recognised, left out and counted.

    Parameters
    ----------
    model : Model
        Trained by ``train``, or loaded.
    data : Data, or a source as for ``load``

    Returns
    -------
    Report
        With ``metrics``, ``baselines``, ``verdict``, ``to_json()`` and ``to_html(path)``.

    Raises
    ------
    DataError
        No row is left to evaluate on.
    """
    check_is_fitted(model.network)
    recipe = _recipe(model)
    if not isinstance(data, Data):
        data = load_like(data, model.provenance.settings)
    if data.kind != kind_of(recipe):
        raise DataError(f"The model was not trained on data of the kind {data.kind}.", "Give data of its own kind.")
    part, how = _rows_to_evaluate(model, data)
    if model.network.task is None:
        return measure_unlabelled(model, data, part, how)
    return measure(model, data, part, how)


def predict(
    model: Model, rows: Any, *, n_steps: int | None = None, strict: bool = False, on_bad_row: str = "error"
) -> Any:
    """Predict for new rows, in their order.

    Parameters
    ----------
    model : Model
    rows : path, frame, array, dict of column to value (one row) or to list, list of dicts, or Data
    n_steps : int, optional
        Of series: how many steps to go on; 1 by default.
    strict : bool, default False
        Refuse what training never saw (categories, missing values), instead of counting it.
    on_bad_row : "error" or "skip", default "error"
        "skip": a row that cannot be used gets an empty prediction and the reason as its note.

    Returns
    -------
    data frame
        Of the kind that came in; polars for a path, an array or a dict. Columns: the id column or "row" (from 1),
        "prediction", "probability_<label>" for each label, "note".

    Raises
    ------
    SchemaError
        A column is missing, a cell does not fit its column, or ``strict`` and a value is new.
    """
    rows = rows_of(rows)
    decoder = make_decoder(model, n_steps=n_steps, strict=strict, on_bad_row=on_bad_row)
    if isinstance(rows, np.ndarray) and isinstance(model.recipe, Recipe):
        _check_width(model, rows)
    out = pl.concat(list(predict_chunks(decoder, rows)), how="vertical_relaxed")
    decoder.warn()
    came = nw.from_native(rows, pass_through=True, eager_only=True)
    if isinstance(came, nw.DataFrame) and came.implementation.is_pandas():
        frame = out.to_pandas()
        frame.index = came.to_native().index
        return frame
    return out


def encode(model: Model, rows: Any, *, on_bad_row: str = "error") -> pl.DataFrame:
    """Return one vector for each row, image, sequence or text: what the network has made of it before its last layer.

    Parameters
    ----------
    model : Model
    rows : as for ``predict``
    on_bad_row : "error" or "skip", default "error"

    Returns
    -------
    polars.DataFrame
        The name of the row or "row" (from 1), then "code_1", "code_2", ...

    Raises
    ------
    UsageError
        The network has no ``transform``.
    """
    if not hasattr(model.network, "transform"):
        raise UsageError(
            f"{type(model.network).__name__} makes no vector of a row.", "Use a network with hidden units."
        )
    decoder = make_decoder(model, on_bad_row=on_bad_row)
    return pl.concat([decoder.encode(chunk) for chunk in decoder.read(rows_of(rows))], how="vertical_relaxed")


def rows_of(source: Any) -> Any:
    """Return what a decoder reads: the rows behind Data, the file of a bundled set for its name, all else as it is."""
    if isinstance(source, Data) and source.kind in ("table", "image"):
        return source.frame if source.images is None else source.images
    return bundled_or_same(source)


def make_decoder(
    model: Model, *, n_steps: int | None = None, strict: bool = False, on_bad_row: str = "error"
) -> Decodes:
    """Return what turns rows into predictions of this model."""
    if on_bad_row not in ("error", "skip"):
        raise UsageError(f"on_bad_row needs 'error' or 'skip'; got {on_bad_row!r}.", "Pass on_bad_row='skip'.")
    check_is_fitted(model.network)
    settings, recipe = model.provenance.settings, _recipe(model)
    network: Any = model.network
    check_forecast(network, n_steps)
    if isinstance(recipe, ImageRecipe):
        return ImageDecoder(network, recipe, model.class_names(), on_bad_row=on_bad_row)
    if not isinstance(recipe, Recipe):
        return SequenceDecoder(
            network, recipe, model.class_names(), settings, strict=strict, on_bad_row=on_bad_row, n_steps=n_steps
        )
    return Decoder(
        network,
        recipe,
        model.class_names(),
        id_column=settings.get("id_column"),
        aside=_left_aside(recipe, settings),
        strict=strict,
        on_bad_row=on_bad_row,
        coerce=bool(settings.get("coerce")),
    )


def _left_aside(recipe: AnyRecipe, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the target of the data that the network did not learn, whose column may come and is not used."""
    target = settings.get("target")
    return () if recipe.target is not None or target is None else (target["name"],)


def _estimator(network: str | Network | nn.Module | None, kind: str) -> Network:
    if network is None:
        network = DEFAULT_NETWORKS[kind]
        print(f"network: {network}, the default for data of the kind {kind}", file=sys.stderr)
    if isinstance(network, str):
        return catalog.find(network).load_class()()
    if isinstance(network, nn.Module):
        return OwnBody(network)
    if isinstance(network, Network):
        return clone(network)  # pyright: ignore[reportReturnType]
    raise UsageError(
        f"build needs a name, an estimator of nnzoo, a torch.nn.Module or None; got {type(network).__name__}.",
        "See nnzoo list for the names.",
    )


def _recipe(model: Model) -> AnyRecipe:
    if model.recipe is None:
        raise UsageError(
            "This model was saved from a bare estimator and has no recipe for raw rows.",
            "Call model.network.predict(X).",
        )
    return model.recipe


def _identity(model: Model, data: Data) -> dict[str, Any]:
    """Return what a checkpoint must agree with to be resumed."""
    unimportant = ("verbose", "device")
    params = {name: value for name, value in plain_params(model.network).items() if name not in unimportant}
    start = getattr(model.network, "start_from", None)
    if start is not None:
        params["start_from"] = start.hidden_layers().fingerprint
    return {
        "data": data.fingerprint,
        "split": hashlib.sha256(data.part.tobytes()).hexdigest(),
        "network": architecture(model.network),
        "parameters": params,
    }


def _provenance(model: Model, data: Data, X: Any, y: Any) -> Provenance:
    salt = _salt(model, data)
    best = {model.network.best_by_: model.network.history_.get(model.network.best_by_, [])}
    epoch = model.network.best_epoch_
    return Provenance(
        origin=data.origin,
        fingerprint=data.fingerprint,
        part=data.part,
        how_split=data.how_split,
        salt=salt,
        trained_rows=np.sort(row_hashes(X, y, salt)),
        settings=data.settings,
        metrics={f"best_{name}": column[epoch - 1] for name, column in best.items() if 0 < epoch <= len(column)},
    )


def encode_part(model: Model, part: Part, origin: str) -> tuple[Any, Any]:
    """Return X and y of some rows, as the network of the model is trained on them."""
    return encode_rows(_recipe(model), part, origin)


def row_hashes(X: Any, y: Any, salt: str) -> np.ndarray:
    """Return a salted 64-bit hash of each encoded row with its target: int64 (n,)."""
    key = bytes.fromhex(salt)
    digests = (
        hashlib.blake2b(row.tobytes() + label, digest_size=8, key=key).digest()
        for row, label in zip(X, labels_as_bytes(y, len(X)), strict=True)
    )
    return np.frombuffer(b"".join(digests), dtype="<i8")


def _rows_to_evaluate(model: Model, data: Data) -> tuple[Part, str]:
    """Return the rows that the model has not seen, and which they are in words."""
    origin = model.provenance
    if data.fingerprint == origin.fingerprint and len(data.part) == len(origin.part):
        part = data.chosen(origin.part == TEST, PART_NAMES[TEST])
        if not len(part):
            raise DataError(f"{data.origin} needs rows in its test part; it has none.", "Train on more rows.")
        what = counted(len(part), f"test {data.thing}")
        return part, f"{what} of {data.origin}, which nothing has seen ({origin.how_split})."
    everything = data.all
    X, y = encode_part(model, everything, data.origin)
    seen = np.isin(row_hashes(X, y, origin.salt), origin.trained_rows) if origin.salt else np.zeros(len(X), dtype=bool)
    if seen.all():
        raise DataError(
            f"{data.origin} needs rows that the model was not trained on; all {len(X):,} were in training.",
            "Give other rows.",
        )
    part = data.chosen(~seen, "all")
    how = f"all {counted(len(part), data.thing)} of {data.origin}"
    if seen.any():
        how += f" but {int(seen.sum()):,} that the model was trained on"
    return part, how + "."


def _check_width(model: Model, rows: np.ndarray) -> None:
    """Raise scikit-learn's error where an array has another number of columns than the training array had."""
    n_inputs = len(_recipe(model).columns)
    if rows.ndim == 2 and rows.shape[1] < n_inputs:
        name = type(model.network).__name__
        raise DataError(
            f"X has {rows.shape[1]} features, but {name} is expecting {n_inputs} features as input.",
            "Give all columns.",
        )
