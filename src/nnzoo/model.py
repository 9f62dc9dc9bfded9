"""Model: recipe + network + provenance, and the one file that holds them from raw row to label.

What its manifest says, and how that is checked, is in ``manifest.py``.
"""

import html
import platform
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import sklearn
import torch
from torch import nn

import nnzoo
from nnzoo.data import stored
from nnzoo.errors import ModelFileError, UsageError
from nnzoo.estimator import Network
from nnzoo.files import Pathish
from nnzoo.fitted import FittedState
from nnzoo.manifest import (
    BLOB_TYPES,
    FORMAT,
    FORMAT_VERSION,
    architecture,
    bare_network,
    expected_table,
    plain,
    plain_classes,
    plain_params,
    read_classes,
)
from nnzoo.plainjson import json_bytes, parse_json
from nnzoo.predictor import Predictor
from nnzoo.recipes import AnyRecipe, ImageRecipe, Recipe, SequenceRecipe, TextRecipe, read_recipe
from nnzoo.tensorfile import read_tensors, write_tensors
from nnzoo.tensorlayout import Table


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
            "classes": plain_classes(state.classes),
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
            "classes": [plain(label) for label in self.class_names()] if fitted else None,
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
        networks.append(bare_network(manifest, body))
        return expected_table(networks[0], manifest["sizes"])

    manifest, tensors = read_tensors(path, expected, allow_nonfinite=allow_nonfinite)
    blobs = {name: tensors.pop(name) for name in BLOB_TYPES}
    classes = read_classes(manifest["classes"])
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


def n_weights(network: Network) -> int:
    """Return how many numbers training moves."""
    return sum(p.numel() for p in network.network_.parameters())


def _bytes(value: Any) -> np.ndarray:
    return np.frombuffer(json_bytes(value), dtype=np.uint8)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value[:8])) + (f" and {len(value) - 8} more" if len(value) > 8 else "")
    return f"{value:,}" if type(value) is int and value > 9999 else str(value)
