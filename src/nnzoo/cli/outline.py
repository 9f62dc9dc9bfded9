"""What a network will be before it is trained: layers, shapes, weights, memory; and how long a pass takes, measured."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from sklearn.base import clone
from torch import nn

from nnzoo.data.dataset import Data
from nnzoo.engine.steps import Steps
from nnzoo.errors import counted
from nnzoo.model import Model, n_weights
from nnzoo.steps import encode_part
from nnzoo.training.loop import Run

MEASURED_BATCHES = 8
MEASURED_EPOCHS = 3
MEASURED_SECONDS = 2.0
MAX_MEASURED_ROWS = 10_000


@dataclass(frozen=True)
class Layer:
    """One layer: its kind, the shape of what it gives for each row (channels first), and how many weights it has.

    Of sequences of any length the shape is that of a step.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    n_weights: int


@dataclass(frozen=True)
class Outline:
    """A network of the size that the data ask for.

    Attributes
    ----------
    network : str
    n_rows, n_scores : int
        Training rows, and numbers that the last layer gives.
    shape : tuple of int
        Of a row: (encoded columns,), (height, width, channels) or (steps, values); of sequences of any length that of a
        step: (values,).
    per_step : bool
        Whether the rows are sequences of any length.
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
    shape: tuple[int, ...]
    per_step: bool
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
        rows += [
            (each.name, each.kind, f"({', '.join(map(str, ('rows', *each.shape)))})", f"{each.n_weights:,}")
            for each in self.layers
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = [
            f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
            for name, kind, shape, count in rows
        ]
        shape = " x ".join(f"{n:,}" for n in self.shape)
        given = f"{shape} encoded columns" if len(self.shape) == 1 else f"rows of {shape}"
        given = f"sequences of {counted(self.shape[0], 'value')} a step" if self.per_step else given
        head = f"{self.network}: {given} in, {self.n_scores:,} out"
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
    sized: Any = model.network.sized_to(X, y)
    whole = sized.network_.eval()
    whole.scaling = nn.Identity()
    row = sized.inputs_.blank(sized._weight.dtype, "meta")
    return Outline(
        network=type(sized).__name__,
        n_rows=len(X),
        shape=sized.inputs_.shape,
        per_step=sized.inputs_.of_any_length,
        n_scores=sized.target_.n_scores or whole.body.n_out,
        layers=tuple(_layers(whole, row)),
        n_weights=n_weights(sized),
        arithmetic=sized.arithmetic_,
        memory_bytes=sized.training_bytes(len(X)),
        seconds_per_epoch=_seconds_per_epoch(model, X, y, sized.arithmetic_),
    )


def _layers(network: nn.Module, row: torch.Tensor | Steps) -> list[Layer]:
    """Return the layers in the order in which a row passes them."""
    layers: list[Layer] = []
    names = {module: name for name, module in network.named_modules()}

    per_step = isinstance(row, Steps)

    def note(module: nn.Module, _: Any, out: Any) -> None:
        count = sum(weight.numel() for weight in module.parameters())
        layers.append(Layer(names[module], type(module).__name__, _shape(out, per_step=per_step), count))

    for module in names:
        if not any(module.children()) and not isinstance(module, nn.Identity):
            module.register_forward_hook(note)
    network(row)
    return layers


def _shape(out: Any, *, per_step: bool) -> tuple[int, ...]:
    """Return the shape of a row, or of a step, in what a layer gives; a recurrent layer also gives its state."""
    values = out[0] if isinstance(out, tuple) else out
    return tuple(values.shape[-1:] if per_step else values.shape[1:])


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
    network.fit_run(Run(time_limit=MEASURED_SECONDS), X[:n_rows], None if y is None else y[:n_rows])
    seconds = network.history_.get("seconds", [])
    if len(seconds) < 2:
        return None
    n_batches = -(-n_rows // batch_size)
    typical = median(after - before for before, after in pairwise(seconds))
    return typical * (-(-len(X) // batch_size)) / n_batches
