"""What a network will be before it is trained: layers, shapes, weights, memory; and how long a pass takes, measured."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from sklearn.base import clone
from torch import nn

from nnzoo.data.dataset import Data
from nnzoo.engine.device import choose_arithmetic, choose_device
from nnzoo.estimator import COPIES_WHILE_TRAINING, ScoreNetwork
from nnzoo.model import Model
from nnzoo.steps import encode_part
from nnzoo.targets import read_target
from nnzoo.training.loop import Run

MEASURED_BATCHES = 8
MEASURED_EPOCHS = 3
MEASURED_SECONDS = 2.0
MAX_MEASURED_ROWS = 10_000


@dataclass(frozen=True)
class Layer:
    """One layer: its kind, what it gives for each row, and how many weights it has."""

    name: str
    kind: str
    n_out: int
    n_weights: int


@dataclass(frozen=True)
class Outline:
    """A network of the size that the data ask for.

    Attributes
    ----------
    network : str
    n_rows, n_features, n_scores : int
        Training rows, encoded columns, and numbers that the last layer gives.
    layers : tuple of Layer
    n_weights : int
    arithmetic : str
    memory_bytes : int
        For weights, gradients, the optimiser's state, the best weights and the training rows.
    seconds_per_epoch : float or None
        Measured on a few steps, evaluation left out; None where a few rows tell nothing.
    """

    network: str
    n_rows: int
    n_features: int
    n_scores: int
    layers: tuple[Layer, ...]
    n_weights: int
    arithmetic: str
    memory_bytes: int
    seconds_per_epoch: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the outline as plain JSON."""
        return asdict(self) | {"layers": [asdict(layer) for layer in self.layers]}

    def __str__(self) -> str:
        rows = [("layer", "kind", "shape out", "weights")]
        rows += [(each.name, each.kind, f"(rows, {each.n_out})", f"{each.n_weights:,}") for each in self.layers]
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = [
            f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
            for name, kind, shape, count in rows
        ]
        head = f"{self.network}: {self.n_features:,} encoded columns in, {self.n_scores:,} out"
        facts = [
            f"Weights  {self.n_weights:,} in {self.arithmetic}",
            f"Memory   about {self.memory_bytes / 2**20:,.1f} MiB while training on {self.n_rows:,} rows",
        ]
        if self.seconds_per_epoch is not None:
            facts.append(f"Time     about {self.seconds_per_epoch:.2g} s an epoch, measured on a few steps")
        return "\n".join([head, *lines, *facts])


def outline(model: Model, data: Data) -> Outline:
    """Return the outline of an untrained model."""
    X, y = encode_part(model, data.train, data.origin)
    network = model.network
    own = network.get_params(deep=False)
    name = type(network).__name__
    target = read_target(name, network.task, y, None)
    columns = own.get("categorical_features") or ()
    codes = {int(column): int(X[:, column].max()) + 1 for column in columns}
    arithmetic = choose_arithmetic(own.get("precision", "float64"), len(X), choose_device(own.get("device", "cpu")))
    with torch.device("meta"):
        body: Any = network.make_body(X.shape[1], codes)
        whole = ScoreNetwork(body, int(body.n_out), target.n_scores).to(arithmetic.dtype).eval()
        layers = _layers(whole, torch.zeros(1, X.shape[1], dtype=arithmetic.dtype))
    n_weights = sum(weight.numel() for weight in whole.parameters())
    return Outline(
        network=name,
        n_rows=len(X),
        n_features=X.shape[1],
        n_scores=target.n_scores,
        layers=layers,
        n_weights=n_weights,
        arithmetic=str(arithmetic),
        memory_bytes=(COPIES_WHILE_TRAINING * n_weights + X.size) * arithmetic.dtype.itemsize,
        seconds_per_epoch=_seconds_per_epoch(model, X, y, str(arithmetic)),
    )


def _layers(network: nn.Module, row: torch.Tensor) -> tuple[Layer, ...]:
    """Return the layers in the order in which a row passes them."""
    layers: list[Layer] = []
    names = {module: name for name, module in network.named_modules()}

    def note(module: nn.Module, _: Any, out: torch.Tensor) -> None:
        count = sum(weight.numel() for weight in module.parameters())
        layers.append(Layer(names[module], type(module).__name__, int(out.shape[-1]), count))

    for module in names:
        if not any(module.children()):
            module.register_forward_hook(note)
    network(row)
    return tuple(layers)


def _seconds_per_epoch(model: Model, X: Any, y: Any, arithmetic: str) -> float | None:
    """Train a copy for a few steps; the first epoch warms up and does not count."""
    network: Any = clone(model.network)
    batch_size = network.loop_settings(len(X), model.seed, with_validation=True).batch_size
    n_rows = min(len(X), MEASURED_BATCHES * batch_size)
    if n_rows > MAX_MEASURED_ROWS:
        return None
    known = network.get_params(deep=False)
    wanted = {"n_epochs": MEASURED_EPOCHS, "early_stopping": False, "precision": arithmetic}
    network.set_params(**{name: value for name, value in wanted.items() if name in known})
    network.fit_run(Run(time_limit=MEASURED_SECONDS), X[:n_rows], y[:n_rows])
    seconds = network.history_.get("seconds", [])
    if len(seconds) < 2:
        return None
    n_batches = -(-n_rows // batch_size)
    typical = median(after - before for before, after in pairwise(seconds))
    return typical * (-(-len(X) // batch_size)) / n_batches
