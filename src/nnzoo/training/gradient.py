"""Gradient descent on the loss of the head: the trainer of every network that does not bring a rule of its own."""

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.draws import drawing_from
from nnzoo.engine.products import halve_products, multiply_adds
from nnzoo.engine.threads import LEAST_ROWS, at_once, count_parts, kernel_threads, split_evenly
from nnzoo.errors import ResourceError
from nnzoo.training.loop import NotFinite
from nnzoo.training.optimizers import FusedOptimizer
from nnzoo.training.state import flatten_state, restore_state

OPTIMIZERS = ("adam", "adamw", "sgd", "lbfgs")
SCHEDULES = ("constant", "cosine", "one_cycle")
AVERAGE_DECAY = 0.99
MEASURE_ROWS = 4096
MEASURE_STEPS = 2**18
Gradients = Sequence[Tensor | None]


@dataclass(frozen=True)
class GradientSettings:
    """How the weights move; the names are the estimators' own parameters.

    ``n_steps`` is how many steps the schedule is laid out for, ``warmup`` the share of them that the learning rate
    takes to rise from zero.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    clip_norm: float | None = None
    average: bool = False
    n_steps: int = 1


class GradientTrainer:
    """Minimise the mean of ``row_loss(network(inputs), target)`` by one of torch's optimisers.

    A step that would use a loss or gradient that is not finite raises :class:`NotFinite` before any weight moves. A
    batch may be worked through in parts: on several threads at once, or, when the device has no memory for it, in
    halves, quarters, ... one after the other. The gradients of the parts add up to that of the whole.

    Parameters
    ----------
    network : torch.nn.Module
        Inputs to scores.
    row_loss : callable
        (scores, target) to the loss of each row (n,).
    settings : GradientSettings
    arithmetic : Arithmetic
    in_parts : bool
        Whether threads may share out a batch. The network takes no means over its rows, and its random draws come from
        :mod:`nnzoo.engine.draws`.
    losses : callable, optional
        (network, batch) to the loss of each row (n,), where that is more than ``row_loss`` of the scores.
    """

    def __init__(
        self,
        network: nn.Module,
        row_loss: Callable[[Tensor, Any], Tensor],
        settings: GradientSettings,
        arithmetic: Arithmetic,
        *,
        in_parts: bool = False,
        losses: Callable[[nn.Module, Batch], Tensor] | None = None,
    ) -> None:
        self.network = network
        self.row_loss = row_loss
        self.losses = losses
        self.settings = settings
        self.arithmetic = arithmetic
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.average = deepcopy(network) if settings.average else None
        self.finished = False
        self.in_parts = in_parts
        self._n_threads = torch.get_num_threads() if in_parts else 1
        self._work: float | None = None
        self._copies: list[nn.Module] = []
        self._micro_batch: int | None = None
        self._rate_factor = 1.0
        self._n_moves = 0
        self._start()

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Move the weights once; returns the loss of the batch before the move."""
        if not self.network.training:
            self.network.train()
        n_parts = self._count_parts(batch)
        with nullcontext() if n_parts == 1 else kernel_threads(1):
            loss = self._move(batch, generator, n_parts)
        self._n_moves += 1
        if self.average is not None:
            move_mean(self.average, self.network, AVERAGE_DECAY)
        return {"loss": loss}

    def measure(self, batch: Batch) -> float:
        """Return the mean loss of the rows without learning from them."""
        network = self.network if self.average is None else self.average
        network.eval()
        total = 0.0
        with torch.inference_mode():
            for part in batch.pieces(MEASURE_ROWS, MEASURE_STEPS):
                total += float(self._loss(part, network)) * len(part)
        return total / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return the live tensors that a prediction needs: the averaged ones where ``average`` is on."""
        return (self.network if self.average is None else self.average).state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return everything that the next step depends on, as JSON values and named tensors."""
        return flatten_state(
            {
                "network": dict(self.network.state_dict()),
                "average": None if self.average is None else dict(self.average.state_dict()),
                "optimizer": self.optimizer.state_dict(),
                "n_moves": self._n_moves,
                "n_threads": self._n_threads,
                "work": self._work,
                "micro_batch": self._micro_batch,
                "rate_factor": self._rate_factor,
                "finished": self.finished,
            }
        )

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        state = restore_state(values, tensors)
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self._micro_batch, self._rate_factor = state["micro_batch"], state["rate_factor"]
        self._n_moves, self._n_threads, self._work = state["n_moves"], state["n_threads"], state["work"]
        self.finished = state["finished"]
        self._start()
        self.optimizer.load_state_dict(state["optimizer"])

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to good weights with a tenth of the learning rate and no memory of past gradients."""
        self.network.load_state_dict(weights)
        if self.average is not None:
            self.average.load_state_dict(weights)
        self._rate_factor /= 10
        self._n_moves = 0
        self._start()

    @property
    def learning_rate(self) -> float:
        """Return the learning rate of the next move."""
        return self.settings.learning_rate * self._rate_factor * rate_factor(self.settings, self._n_moves)

    def _start(self) -> None:
        self._copies = []
        if self.settings.optimizer == "lbfgs":
            self.optimizer = torch.optim.LBFGS(
                self.parameters, max_iter=20, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
            )
        else:
            self.optimizer = FusedOptimizer(self.settings.optimizer, self.parameters, self.settings.weight_decay)

    def _move(self, batch: Batch, generator: torch.Generator, n_parts: int) -> float:
        """Move the weights by the gradient of the batch; returns its loss."""
        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.optimizer.param_groups[0]["lr"] = rate_factor(self.settings, self._n_moves)
            return self._line_search(partial(self._backward, batch, generator, n_parts), self.optimizer)
        loss = self._backward(batch, generator, n_parts)
        self._check_and_clip(loss)
        self.optimizer.step(self.learning_rate)
        return loss

    def _backward(self, batch: Batch, generator: torch.Generator, n_parts: int = 1) -> float:
        """Leave the gradient of the batch in the parameters; returns its loss."""
        while True:
            size = self._micro_batch or len(batch)
            try:
                return self._accumulate(batch, size, generator, n_parts)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if size <= 1:
                    raise ResourceError(
                        "Training needs memory for one row at a time; not even that is left.",
                        "Use a smaller network or a machine with more memory.",
                    ) from error
                self._micro_batch = math.ceil(size / 2)
                warnings.warn(
                    f"memory ran out for {size} rows at once; a step now works through {self._micro_batch} rows at a "
                    "time, to the same gradient",
                    stacklevel=2,
                )

    def _accumulate(self, batch: Batch, size: int, generator: torch.Generator, n_parts: int) -> float:
        if size >= len(batch):
            found = self._in_parts(batch, generator, n_parts)
        else:
            slices = [slice(start, start + size) for start in range(0, len(batch), size)]
            found = (self._gradients(batch.take(rows), len(batch), self._copies_for(1)[0]) for rows in slices)
        total = 0.0
        for number, (loss, gradients) in enumerate(found):
            total += loss.item()
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                if number:
                    parameter.grad = _sum(parameter.grad, gradient)
                elif parameter.grad is not gradient:
                    parameter.grad = gradient
        return total

    def _in_parts(self, batch: Batch, generator: torch.Generator, n_parts: int) -> Sequence[tuple[Tensor, Gradients]]:
        """Return loss and gradients of the parts of a batch, computed at the same time."""
        copies = self._copies_for(n_parts)
        if n_parts == 1:
            return [self._gradients(batch, len(batch), copies[0])]
        seeds = torch.randint(2**62, (n_parts,), generator=generator).tolist()
        tasks = [
            partial(self._gradients, batch.take(rows), len(batch), copy, seed)
            for rows, copy, seed in zip(split_evenly(len(batch), n_parts), copies, seeds, strict=True)
        ]
        return at_once(tasks, self._n_threads)

    def _count_parts(self, batch: Batch) -> int:
        if self._n_threads == 1 or batch.inputs.device.type != "cpu" or len(batch) < 2 * LEAST_ROWS:
            return 1
        if self._work is None:
            self._work = multiply_adds(self.network, batch.inputs[:1])
        return count_parts(len(batch), self._work, self._n_threads)

    def _gradients(
        self, batch: Batch, n_rows: int, network: nn.Module, seed: int | None = None
    ) -> tuple[Tensor, Gradients]:
        """Return the share of a batch of ``n_rows`` in the loss, and in its gradient."""
        parameters = self.parameters
        if network is not self.network:
            parameters = [p for p in network.parameters() if p.requires_grad]
            _refresh(parameters, self.parameters)
        with nullcontext() if seed is None else drawing_from(torch.Generator().manual_seed(seed)):
            loss = self._loss(batch, network)
        loss = loss if len(batch) == n_rows else loss * (len(batch) / n_rows)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        return loss.detach(), [laid_out_as(p, g) for p, g in zip(self.parameters, gradients, strict=True)]

    def _copies_for(self, n_parts: int) -> list[nn.Module]:
        """Return a module for each part: the network, or copies with buffers of their own.

        Copies share the parameters, but for those that are multiplied in bfloat16: of these each copy has its own, so
        that a step converts them into memory that is there.
        """
        if not self.in_parts or (n_parts == 1 and not self.arithmetic.autocast):
            return [self.network]
        while len(self._copies) < n_parts:
            copy = deepcopy(self.network, {id(p): p for p in self.network.parameters()})
            if self.arithmetic.autocast:
                halve_products(copy)
            self._copies.append(copy)
        return self._copies[:n_parts]

    def _loss(self, batch: Batch, network: nn.Module) -> Tensor:
        with nullcontext() if not self.arithmetic.autocast else self._in_bfloat16(batch, network):
            found = network(batch.inputs) if self.losses is None else self.losses(network, batch)
        found = found.float() if self.arithmetic.autocast else found
        return batch.mean(found if self.losses is not None else self.row_loss(found, batch.target))

    def _in_bfloat16(self, batch: Batch, network: nn.Module) -> torch.autocast:
        # Threads would share the store of converted weights; copies have theirs converted already.
        return torch.autocast(batch.inputs.device.type, torch.bfloat16, cache_enabled=network is self.network)

    def _check_and_clip(self, loss: float) -> None:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm, longest = check_finite(loss, gradients), self.settings.clip_norm
        if longest is not None and norm > longest:
            torch._foreach_mul_(gradients, longest / norm)  # pyright: ignore[reportPrivateImportUsage]

    def _line_search(self, backward: Callable[[], float], optimizer: torch.optim.LBFGS) -> float:
        """Run one L-BFGS step; the penalty stands in the loss, because the line search must see what it descends."""
        before = [p.detach().clone() for p in self.parameters]
        decay = self.settings.weight_decay

        def closure() -> float:
            loss = backward()
            if decay:
                loss += 0.5 * decay * sum(float(p.detach().square().sum()) for p in self.parameters)
                for p in self.parameters:
                    if p.grad is not None:
                        p.grad.add_(p.detach(), alpha=decay)
            return loss

        loss = float(optimizer.step(closure))  # pyright: ignore[reportArgumentType]
        if not all(math.isfinite(float(p.detach().sum())) for p in self.parameters) or not math.isfinite(loss):
            raise NotFinite(loss=loss, gradient_norm=math.nan)
        self.finished = all(torch.equal(old, new) for old, new in zip(before, self.parameters, strict=True))
        return loss


def rate_factor(settings: GradientSettings, step: int) -> float:
    """Return the share of the learning rate at a step: a pure function of the step, so nothing else need be stored.

    constant is 1; cosine falls from 1 to 0 along half a cosine; one_cycle rises along half a cosine from 1/25 to 1 in
    the first 30 % of the steps and falls to 1e-4 of that start (Smith & Topin 2017, with torch's OneCycleLR figures).
    """
    done = min(step / max(settings.n_steps, 1), 1.0)
    warm = min((step + 1) / (settings.warmup * settings.n_steps), 1.0) if settings.warmup else 1.0
    if settings.schedule == "cosine":
        return warm * _half_cosine(1.0, 0.0, done)
    if settings.schedule == "one_cycle":
        low = 1 / 25
        return warm * (
            _half_cosine(low, 1.0, done / 0.3) if done < 0.3 else _half_cosine(1.0, low / 1e4, (done - 0.3) / 0.7)
        )
    return warm


def check_finite(loss: float, gradients: list[Tensor] | tuple[Tensor, ...]) -> float:
    """Return the norm of a gradient.

    Raises
    ------
    NotFinite
        It, or the loss, is not finite.
    """
    # torch.nn.utils.get_total_norm gives the same in four times as long.
    norms = torch._foreach_norm(gradients)  # pyright: ignore[reportPrivateImportUsage]
    on_cpu = norms[0].device.type == "cpu"  # elsewhere every look at a number waits for the device
    norm = (
        math.hypot(*[each.item() for each in norms]) if on_cpu else torch.linalg.vector_norm(torch.stack(norms)).item()
    )
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise NotFinite(loss=loss, gradient_norm=norm)
    return norm


def laid_out_as(parameter: Tensor, gradient: Tensor | None) -> Tensor | None:
    """Return a gradient in the type and memory layout of its parameter, which fused optimisers take for granted."""
    if gradient is None or (gradient.dtype == parameter.dtype and gradient.stride() == parameter.stride()):
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


@torch.no_grad()
def move_mean(mean: nn.Module, live: nn.Module, decay: float) -> None:
    """Move the weights of a module, means over the steps, towards those of its living double; counts are copied."""
    kept, new = (chain(module.parameters(), module.buffers()) for module in (mean, live))
    for own, other in zip(kept, new, strict=True):
        if own.is_floating_point():
            own.lerp_(other, 1 - decay)
        else:
            own.copy_(other)


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _sum(whole: Tensor | None, part: Tensor | None) -> Tensor | None:
    return part if whole is None else whole if part is None else whole.add_(part)


def _refresh(copies: Sequence[Tensor], parameters: Sequence[Tensor]) -> None:
    """Convert the present weights into the copies that are not the weights themselves."""
    pairs = [pair for pair in zip(copies, parameters, strict=True) if pair[0] is not pair[1]]
    if pairs:
        with torch.no_grad():
            torch._foreach_copy_([own for own, _ in pairs], [live for _, live in pairs])  # pyright: ignore[reportPrivateImportUsage]


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)
