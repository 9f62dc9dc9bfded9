"""The manifest of a model file: how a network is written into it, and how everything in it is checked.

The manifest names an architecture, which is looked up in a table of our own classes; its parameters are checked against
that class, and names, types and shapes of all tensors follow from them. Nothing in a file is ever imported, called or
unpickled.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.checks import check_ranges
from nnzoo.data import stored
from nnzoo.engine.device import PRECISIONS
from nnzoo.errors import ModelFileError, NnzooError, UsageError, listing, quote
from nnzoo.estimator import Network
from nnzoo.heads import HEADS, NO_HEAD, TASKS
from nnzoo.inputs import KINDS, N_DIMENSIONS
from nnzoo.networks.own_body import OwnBody
from nnzoo.tensorlayout import Table

FORMAT, FORMAT_VERSION = "nnzoo-model", 1
OWN_BODY = "own-body"
MAX_FEATURES = 10**7
LABEL_TYPES = {"int64": np.int64, "float64": np.float64, "bool": np.bool_, "str": np.object_}
LABEL_CLASSES = {"int64": int, "float64": float, "bool": bool, "str": str}
BLOB_TYPES = {"recipe": "U8", "settings": "U8", "split": "U8", "trained_rows": "I64"}
TYPE_NAMES = {"float64": "F64", "float32": "F32", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}


def architecture(network: Network) -> str:
    """Return the name under which a model file knows the network."""
    named = {row.class_name: row.id for row in CATALOG} | {OwnBody.__name__: OWN_BODY}
    return named[type(network).__name__]


def plain_params(network: Network) -> dict[str, Any]:
    """Return the parameters as JSON values; None for a RandomState, a module, and what a network began with."""
    return {name: plain(value) for name, value in network.get_params(deep=False).items()}


def bare_network(manifest: dict[str, Any], body: nn.Module | None) -> Network:
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
    classes = read_classes(manifest["classes"])
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


def expected_table(network: Network, sizes: Mapping[str, Any]) -> Table:
    """Return name, type and shape of every tensor that a file of such a network has."""
    try:
        table = network.expected_tensors(sizes)
    except (NnzooError, RuntimeError, OverflowError, MemoryError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise stored.refuse("params", "those of a network that can be built", str(error)[:80]) from error
    blobs = {name: (dtype, (-1,)) for name, dtype in BLOB_TYPES.items()}
    return {name: (TYPE_NAMES[str(dtype)], shape) for name, (dtype, shape) in table.items()} | blobs


def plain(value: Any) -> Any:
    """Return a parameter or a label as a JSON value."""
    if isinstance(value, np.random.RandomState | nn.Module | BaseEstimator):
        return None
    if isinstance(value, Mapping):
        return {"labelled": [[plain(label), plain(weight)] for label, weight in value.items()]}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
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


def plain_classes(classes: np.ndarray | None) -> dict[str, Any] | None:
    """Return labels as JSON, with their type."""
    if classes is None:
        return None
    kinds = {"i": "int64", "u": "int64", "f": "float64", "b": "bool"}
    kind = kinds.get(classes.dtype.kind, "str")
    if kind == "str" and not all(isinstance(label, str) for label in classes.tolist()):
        raise ModelFileError("A model file needs labels that are texts, numbers or truth values.", "Code the labels.")
    return {"dtype": kind, "values": classes.tolist()}


def read_classes(value: Any) -> np.ndarray | None:
    """Return the labels of a manifest; the counterpart of :func:`plain_classes`."""
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
