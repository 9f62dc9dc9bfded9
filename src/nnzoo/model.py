"""Model: recipe + network + provenance, and the one file that holds them from raw row to label.

The manifest of the file names an architecture, which is looked up in a table of our own classes; its parameters are
checked against that class, and names, types and shapes of all tensors follow from them. Nothing in a file is ever
imported, called or unpickled.
"""

import html
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import sklearn
import torch
from sklearn.base import BaseEstimator
from torch import nn

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.checks import check_ranges
from nnzoo.data import stored
from nnzoo.engine.device import PRECISIONS
from nnzoo.errors import ModelFileError, NnzooError, UsageError, listing, quote
from nnzoo.estimator import FittedState, Network
from nnzoo.files import Pathish
from nnzoo.heads import HEADS, NO_HEAD, TASKS
from nnzoo.inputs import KINDS, N_DIMENSIONS
from nnzoo.networks.own_body import OwnBody
from nnzoo.plainjson import json_bytes, parse_json
from nnzoo.predictor import Predictor
from nnzoo.recipes import AnyRecipe, ImageRecipe, Recipe, SequenceRecipe, TextRecipe, read_recipe
from nnzoo.tensorfile import read_tensors, write_tensors
from nnzoo.tensorlayout import Table

FORMAT, FORMAT_VERSION = "nnzoo-model", 1
OWN_BODY = "own-body"
MAX_FEATURES = 10**7
LABEL_TYPES = {"int64": np.int64, "float64": np.float64, "bool": np.bool_, "str": np.object_}
LABEL_CLASSES = {"int64": int, "float64": float, "bool": bool, "str": str}
BLOB_TYPES = {"recipe": "U8", "settings": "U8", "split": "U8", "trained_rows": "I64"}
TYPE_NAMES = {"float64": "F64", "float32": "F32", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}


@dataclass
class Provenance:
    """Where a model comes from.

    Attributes
    ----------
    origin : str
        Name of the training table, as messages call it.
    fingerprint : str
        SHA-256 of the content of the training table, 64 hexadecimal digits; empty if it never saw one.
    part : ndarray of int8, shape (n_rows,)
        0 for a training row, 1 for validation, 2 for test.
    how_split : str
    salt : str
        32 hexadecimal digits.
    trained_rows : ndarray of int64
        Salted hashes of the training rows, sorted.
    settings : dict
        How the table was read.
    metrics : dict of str to float
        What was measured in training.
    """

    origin: str = ""
    fingerprint: str = ""
    part: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int8))
    how_split: str = ""
    salt: str = ""
    trained_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Model:
    """A network with its recipe and where it comes from; what ``save`` writes and ``load_model`` returns.

    Parameters
    ----------
    network : Network
        An estimator of nnzoo; a bare fitted one may be wrapped to be saved.
    recipe : Recipe, ImageRecipe, SequenceRecipe, TextRecipe or None
        How raw rows become numbers; without one, rows must come as numbers.
    provenance : Provenance, optional
    seed : int, default 0
    """

    def __init__(
        self,
        network: Network,
        recipe: AnyRecipe | None = None,
        provenance: Provenance | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(network, Network):
            raise UsageError(
                f"Model needs an estimator of nnzoo; got {type(network).__name__}.", "Pass e.g. nnzoo.FeedForward()."
            )
        self.network = network
        self.recipe = recipe
        self.provenance = provenance or Provenance()
        self.seed = seed
        self.made_with = surroundings()

    def save(self, path: Pathish) -> str:
        """Write the model to one file, atomically; an older file of the name stays as ``NAME.bak``.

        Returns
        -------
        str
            SHA-256 of the file, 64 hexadecimal digits. Equal models give equal files.

        Raises
        ------
        NotFittedError
            The network has not been trained.
        ModelFileError
            The model holds what could not be loaded again.
        OSError
            The file cannot be written; an older file is as it was.
        """
        state = self.network.fitted_state()
        origin = self.provenance
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "architecture": architecture(self.network),
            "params": plain_params(self.network),
            "sizes": state.sizes,
            "task": self.network.task,
            "classes": _plain_classes(state.classes),
            "seed": self.seed,
            "metrics": {name: float(value) for name, value in origin.metrics.items()},
            "versions": self.made_with["versions"],
            "threads": self.made_with["threads"],
            "arithmetic": self.network.arithmetic_,
            "data_fingerprint": origin.fingerprint,
            "data": {"origin": origin.origin, "how_split": origin.how_split, "salt": origin.salt},
        }
        blobs = {
            "recipe": _bytes(None if self.recipe is None else self.recipe.to_json()),
            "settings": _bytes(origin.settings),
            "split": origin.part.view(np.uint8),
            "trained_rows": origin.trained_rows,
        }
        return write_tensors(path, manifest, state.tensors | blobs, backup=True)

    def card(self) -> dict[str, Any]:
        """Return what the model is, as plain JSON: the model card."""
        network, origin = self.network, self.provenance
        fitted = hasattr(network, "network_")
        return {
            "network": type(network).__name__,
            "task": network.task,
            "target": None if self.recipe is None or self.recipe.target is None else self.recipe.target.name,
            "classes": [_plain(label) for label in self.class_names()] if fitted else None,
            "parameters": plain_params(network),
            "weights": n_weights(network) if fitted else None,
            "inputs": [] if self.recipe is None else [f"{c.name} ({c.kind})" for c in self.recipe.columns],
            "row_shape": list(network.inputs_.shape) if fitted else None,
            "arithmetic": network.arithmetic_ if fitted else None,
            "epochs": network.n_iter_ if fitted else None,
            "best_epoch": network.best_epoch_ if fitted else None,
            "best_by": network.best_by_ if fitted else None,
            "stopped_by": network.stopped_ if fitted else None,
            "trained_on": origin.origin,
            "rows": {name: int((origin.part == n).sum()) for n, name in enumerate(("train", "valid", "test"))},
            "split": origin.how_split,
            "data_sha256": origin.fingerprint,
            "metrics": origin.metrics,
            "seed": self.seed,
            **self.made_with,
        }

    def class_names(self) -> list[Any]:
        """Return the labels whose probabilities ``predict_proba`` gives, in its order; empty but for classification."""
        if self.network.task != "classification":
            return []
        if self.recipe is not None and self.recipe.target is not None and self.recipe.target.label_names:
            return list(self.recipe.target.label_names)
        return self.network.classes_.tolist()

    def encode(self, rows: Any, *, on_bad_row: str = "error") -> Any:
        """Return one vector for each row, as ``nnzoo.encode`` does."""
        from nnzoo.steps import encode

        return encode(self, rows, on_bad_row=on_bad_row)

    def predictor(self) -> Predictor:
        """Return a callable that predicts one row at a time, with as little as can be between row and network.

        Examples
        --------
        >>> import nnzoo
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = nnzoo.Model(nnzoo.FeedForward(n_epochs=300, random_state=0).fit(X, y))
        >>> predictor = model.predictor()
        >>> int(predictor(X[0]).prediction), predictor(X[0]).probabilities.shape
        (0, (3,))
        """
        return Predictor(self)

    def sample(
        self, n_samples: int = 1, *, length: int = 400, prompt: str = "", temperature: float = 1.0, seed: int = 0
    ) -> Any:
        """Return new texts, rows or images, drawn from what the network has learned.

        Parameters
        ----------
        n_samples : int
        length : int
            Of texts: characters or words of each.
        prompt : str
            Of texts: what they go on from.
        temperature : float, default 1
            Of texts: near 0 the likeliest token always comes, above 1 rare ones come more often.
        seed : int, default 0

        Returns
        -------
        list of str, polars.DataFrame, or ndarray (n_samples, height, width[, channels])
            Texts without the prompt; rows with the columns of the table; images, as bytes where they came as bytes.

        Raises
        ------
        UsageError
            The network cannot draw, or was not trained on a text alone.
        """
        network: Any = self.network
        if isinstance(self.recipe, Recipe | ImageRecipe) and hasattr(network, "sample"):
            rows = network.sample(n_samples, random_state=seed)
            return self.recipe.decode(rows) if isinstance(self.recipe, Recipe) else rows
        if isinstance(self.recipe, SequenceRecipe) and self.recipe.symbols:
            return self._sample_steps(n_samples, length, temperature, seed)
        if not isinstance(self.recipe, TextRecipe) or self.recipe.output != "next":
            raise UsageError(
                "sample needs a network that draws rows or images, or a model that was trained on a text alone.",
                'Use a network such as variational-auto-encoder, or train on a .txt file or on "genesis".',
            )
        codes = self.recipe.codes_of(prompt) if prompt else None
        drawn = network.sample(n_samples, n_steps=length, prompt=codes, temperature=temperature, random_state=seed)
        return [self.recipe.decode(each) for each in drawn]

    def _sample_steps(self, n_samples: int, length: int, temperature: float, seed: int) -> pl.DataFrame:
        """Return new sequences of symbols as a table, a row a step."""
        network, recipe = self.network, self.recipe
        drawn = network.sample(n_samples, n_steps=length, temperature=temperature, random_state=seed)  # pyright: ignore[reportAttributeAccessIssue]
        names = np.array(recipe.symbols, dtype=object)[drawn]  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        numbers = np.arange(1, max(n_samples, length) + 1)
        return pl.DataFrame(
            {
                "sequence": np.repeat(numbers[:n_samples], length),
                "step": np.tile(numbers[:length], n_samples),
                recipe.columns[0].name: names.ravel().tolist(),  # pyright: ignore[reportOptionalMemberAccess]
            }
        )

    def __str__(self) -> str:
        return "\n".join(f"{name.replace('_', ' '):<16} {_words(value)}" for name, value in self.card().items())

    def __repr__(self) -> str:
        return f"Model({self.network!r})"

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name.replace('_', ' '))}</th>"
            f"<td style='text-align:left'>{html.escape(_words(value))}</td></tr>"
            for name, value in self.card().items()
        )
        return f"<table>{cells}</table>"


def load_model(path: Pathish, *, body: nn.Module | None = None, allow_nonfinite: bool = False) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : str or PathLike
    body : torch.nn.Module, optional
        Only for a model whose body was the user's own: the module again, for its code; its weights come from the file.
    allow_nonfinite : bool, default False
        Load weights that are NaN or infinite, too, to look at them.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        The file is missing, is no model file, is damaged, or was made by a newer version.
    UsageError
        ``body`` is needed and not given.
    """
    networks: list[Network] = []

    def expected(manifest: dict[str, Any]) -> Table:
        networks.append(_bare_network(manifest, body))
        return _expected_table(networks[0], manifest["sizes"])

    manifest, tensors = read_tensors(path, expected, allow_nonfinite=allow_nonfinite)
    blobs = {name: tensors.pop(name) for name in BLOB_TYPES}
    classes = _read_classes(manifest["classes"])
    network = networks[0].restore(FittedState(manifest["sizes"], classes, tensors))
    recipe_json = parse_json(blobs["recipe"].tobytes(), ModelFileError)
    recipe = None if recipe_json is None else read_recipe(recipe_json)
    settings = parse_json(blobs["settings"].tobytes(), ModelFileError)
    if type(settings) is not dict:
        raise stored.refuse("settings", "an object", type(settings).__name__)
    data = manifest["data"]
    provenance = Provenance(
        origin=data["origin"],
        fingerprint=manifest["data_fingerprint"],
        part=blobs["split"].view(np.int8),
        how_split=data["how_split"],
        salt=data["salt"],
        trained_rows=blobs["trained_rows"],
        settings=settings,
        metrics=manifest["metrics"],
    )
    model = Model(network, recipe, provenance, manifest["seed"])
    model.made_with = {"versions": manifest["versions"], "threads": manifest["threads"]}
    return model


def surroundings() -> dict[str, Any]:
    """Return what the bits of a result depend on beside data, parameters and seed."""
    versions = {
        "nnzoo": nnzoo.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }
    return {"versions": versions, "threads": torch.get_num_threads()}


def architecture(network: Network) -> str:
    """Return the name under which a model file knows the network."""
    named = {row.class_name: row.id for row in CATALOG} | {OwnBody.__name__: OWN_BODY}
    return named[type(network).__name__]


def plain_params(network: Network) -> dict[str, Any]:
    """Return the parameters as JSON values; None for a RandomState, a module, and what a network began with."""
    return {name: _plain(value) for name, value in network.get_params(deep=False).items()}


def n_weights(network: Network) -> int:
    """Return how many numbers training moves."""
    return sum(p.numel() for p in network.network_.parameters())


def _bare_network(manifest: dict[str, Any], body: nn.Module | None) -> Network:
    """Check a manifest against its schema and return the estimator it names, unfitted."""
    _check_version(manifest)
    checks = dict.fromkeys(("sizes", "params", "classes", "metrics", "versions", "data"), stored.anything)
    checks |= {
        "format": stored.is_text,
        "format_version": stored.whole(1),
        "architecture": stored.one_of([*(row.id for row in CATALOG), OWN_BODY]),
        "task": stored.one_of((*TASKS, None)),
        "seed": stored.whole(0, 2**32),
        "threads": stored.whole(1, 2**20),
        "arithmetic": stored.one_of(PRECISIONS[1:]),
        "data_fingerprint": stored.is_text,
    }
    stored.record(manifest, "manifest", checks)
    stored.record(manifest["data"], "data", dict.fromkeys(("origin", "how_split", "salt"), stored.is_text))
    for name, check in (("metrics", stored.is_finite), ("versions", stored.is_text)):
        part = manifest[name]
        if type(part) is not dict or not all(check(value) for value in part.values()):
            raise stored.refuse(name, "an object of one kind of value", "another")
    network = _network_of(manifest, body)
    _check_sizes(manifest, network.own_counts)
    return network


def _check_version(manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        raise stored.refuse("format", quote(FORMAT), quote(manifest.get("format")))
    version = manifest.get("format_version")
    if type(version) is int and version > FORMAT_VERSION:
        made_by = manifest.get("versions", {}).get("nnzoo") if type(manifest.get("versions")) is dict else None
        raise ModelFileError(
            f"The model file needs format version {FORMAT_VERSION}; it has {version}, made by nnzoo {quote(made_by)}, "
            f"and this is nnzoo {nnzoo.__version__}.",
            "Update nnzoo.",
        )


def _network_of(manifest: dict[str, Any], body: nn.Module | None) -> Network:
    name, params = manifest["architecture"], manifest["params"]
    if name == OWN_BODY and body is None:
        raise UsageError(
            "This model has a body of the user's own, whose code no file holds.", "Call load_model(path, body=module)."
        )
    cls = OwnBody if name == OWN_BODY else next(row for row in CATALOG if row.id == name).load_class()
    known = cls._get_param_names()
    if type(params) is not dict or set(params) != set(known):
        raise stored.refuse("params", f"the keys {listing(known)}", "others")
    given = {key: _from_plain(value) for key, value in params.items()}
    if name == OWN_BODY:
        given["body"] = body
    try:
        check_ranges(cls.__name__, given, cls.ranges)
    except NnzooError as error:
        raise ModelFileError(f"The model file, params: {error.message}", "Use another copy of the file.") from error
    network = cls(**given)
    if network.task != manifest["task"]:
        raise stored.refuse("task", "the task of the network", manifest["task"])
    return network


def _check_sizes(manifest: dict[str, Any], own_counts: Sequence[str]) -> None:
    """Check the sizes, and that labels and arithmetic agree with them."""
    counts = stored.whole(0, 10**9)
    sizes = stored.record(
        manifest["sizes"],
        "sizes",
        {
            "kind": stored.one_of(KINDS),
            "shape": stored.wholes(1, MAX_FEATURES),
            "pixels": stored.is_truth,
            "feature_names": stored.anything,
            "n_codes": stored.anything,
            "head": stored.one_of((*HEADS, NO_HEAD.kind)),
            "n_targets": stored.whole(0, 10**7),
            "flat": stored.is_truth,
            "arithmetic": stored.one_of(PRECISIONS[1:]),
            "n_iter": counts,
            "best_epoch": counts,
            "best_by": stored.one_of(("train_loss", "valid_loss", "last")),
            "stopped": stored.one_of(("epochs", "patience", "finished", "time", "interrupt", "terminate")),
            "history": stored.anything,
        }
        | dict.fromkeys(own_counts, counts),
    )
    n_features, names = math.prod(sizes["shape"]), sizes["feature_names"]
    n_dimensions = N_DIMENSIONS[sizes["kind"]]
    of_steps = sizes["kind"] == "sequence" and len(sizes["shape"]) == n_dimensions - 1
    if not (of_steps or len(sizes["shape"]) == n_dimensions) or n_features > MAX_FEATURES:
        raise stored.refuse("shape", f"the shape of a row of kind {sizes['kind']}", str(sizes["shape"])[:80])
    pairs = stored.items(sizes["n_codes"], "n_codes")
    is_pair = stored.wholes(0, 2**24 + 1)
    if not all(is_pair(pair) and len(pair) == 2 and pair[0] < n_features and pair[1] >= 1 for pair in pairs):
        raise stored.refuse("n_codes", "pairs of a column and a count", "others")
    if sorted(pair[0] for pair in pairs) != sorted(set(manifest["params"].get("categorical_features") or ())):
        raise stored.refuse("n_codes", "the columns of categorical_features", "others")
    if names is not None and not (stored.is_texts(names) and len(names) == n_features):
        raise stored.refuse("feature_names", f"{n_features} names", "others")
    history = stored.items(sizes["history"], "history")
    if len(history) != 2 or not stored.is_texts(history[0]) or not counts(history[1]) or len(history[0]) > 100:
        raise stored.refuse("history", "names and a count", "others")
    classes = _read_classes(manifest["classes"])
    wanted = {"regression": "regression", "none": None}.get(sizes["head"], "classification")
    # A network without a task may draw its rows from labels.
    if manifest["task"] not in (wanted, None) or (wanted == "classification") != (classes is not None):
        raise stored.refuse("classes", "labels where the task is classification, and only there", "others")
    if (sizes["n_targets"] == 0) != (sizes["head"] == "none"):
        raise stored.refuse("n_targets", "targets where there is a task, and only there", str(sizes["n_targets"]))
    if classes is not None and len(classes) != sizes["n_targets"]:
        raise stored.refuse("classes", f"{sizes['n_targets']} labels", str(len(classes)))
    if sizes["arithmetic"] != manifest["arithmetic"]:
        raise stored.refuse("arithmetic", "one value in the whole file", "two")


def _expected_table(network: Network, sizes: Mapping[str, Any]) -> Table:
    try:
        table = network.expected_tensors(sizes)
    except (NnzooError, RuntimeError, OverflowError, MemoryError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise stored.refuse("params", "those of a network that can be built", str(error)[:80]) from error
    blobs = {name: (dtype, (-1,)) for name, dtype in BLOB_TYPES.items()}
    return {name: (TYPE_NAMES[str(dtype)], shape) for name, (dtype, shape) in table.items()} | blobs


def _plain(value: Any) -> Any:
    if isinstance(value, np.random.RandomState | nn.Module | BaseEstimator):
        return None
    if isinstance(value, Mapping):
        return {"labelled": [[_plain(label), _plain(weight)] for label, weight in value.items()]}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = value.get("labelled")
        if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
            raise stored.refuse("params", "pairs of label and weight", "others")
        if not all(isinstance(label, str | int | float | bool) for label, _ in pairs):
            raise stored.refuse("params", "labels that are texts or numbers", "others")
        return {label: weight for label, weight in pairs}
    return tuple(value) if isinstance(value, list) else value


def _plain_classes(classes: np.ndarray | None) -> dict[str, Any] | None:
    if classes is None:
        return None
    kinds = {"i": "int64", "u": "int64", "f": "float64", "b": "bool"}
    kind = kinds.get(classes.dtype.kind, "str")
    if kind == "str" and not all(isinstance(label, str) for label in classes.tolist()):
        raise ModelFileError("A model file needs labels that are texts, numbers or truth values.", "Code the labels.")
    return {"dtype": kind, "values": classes.tolist()}


def _read_classes(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    part = stored.record(value, "classes", {"dtype": stored.one_of(LABEL_TYPES), "values": stored.anything})
    labels = stored.items(part["values"], "classes")
    if not all(type(label) is LABEL_CLASSES[part["dtype"]] for label in labels):
        raise stored.refuse("classes", f"labels of type {part['dtype']}", "others")
    try:
        return np.array(labels, dtype=LABEL_TYPES[part["dtype"]])
    except OverflowError as error:
        raise stored.refuse("classes", "labels within 64 bits", "larger ones") from error


def _bytes(value: Any) -> np.ndarray:
    return np.frombuffer(json_bytes(value), dtype=np.uint8)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value[:8])) + (f" and {len(value) - 8} more" if len(value) > 8 else "")
    return f"{value:,}" if type(value) is int and value > 9999 else str(value)
