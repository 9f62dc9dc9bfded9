"""Backpropagation through time, truncated: a step walks along its sequences in windows and carries the state on.

Memory follows the window, not the length of the sequences. Each window moves the weights; the state that the next
window starts from is a number to it, not a function of the weights (Williams & Peng 1990).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nnzoo.engine.batches import Batch
from nnzoo.engine.steps import Steps
from nnzoo.training.gradient import MEASURE_ROWS, MEASURE_STEPS, GradientTrainer

RowLoss = Callable[[Tensor, Any], Tensor]


class TruncatedTrainer(GradientTrainer):
    """Gradient descent through windows of ``n_steps`` steps.

    Where every step has a target, the loss of a window is the mean over its steps; where a sequence has one, it counts
    in the window in which the sequence ends.

    Parameters
    ----------
    network, row_loss, settings, arithmetic
        As for :class:`GradientTrainer`; the network has ``body.advance``, and the loss is that of a single target: of
        a step, or of a sequence.
    n_steps : int
        Length of a window.
    """

    def __init__(self, network: nn.Module, row_loss: RowLoss, settings: Any, arithmetic: Any, *, n_steps: int) -> None:
        super().__init__(network, row_loss, settings, arithmetic)
        self.n_steps = n_steps

    def _move(self, batch: Batch, generator: torch.Generator, n_parts: int) -> float:
        """Walk along the batch; returns the mean loss over what had a target."""
        del generator, n_parts
        total, n_seen = 0.0, 0
        for loss, n_targets in self._walk(batch, self.network):
            for parameter in self.parameters:
                parameter.grad = None
            loss.backward()
            self._check_and_clip(loss.item())
            self.optimizer.step(self.learning_rate)
            total, n_seen = total + loss.item() * n_targets, n_seen + n_targets
        return total / n_seen

    def measure(self, batch: Batch) -> float:
        """Return the mean loss over what has a target, without learning."""
        network = self.network if self.average is None else self.average
        network.eval()
        total, n_seen = 0.0, 0
        with torch.inference_mode():
            for part in batch.pieces(MEASURE_ROWS, MEASURE_STEPS):
                for loss, n_targets in self._walk(part, network):
                    total, n_seen = total + loss.item() * n_targets, n_seen + n_targets
        return total / n_seen

    def _walk(self, batch: Batch, network: Any) -> Iterator[tuple[Tensor, int]]:
        """Yield the loss of each window that has targets, and how many it has."""
        inputs: Any = batch.inputs
        targets = batch.target.windows(self.n_steps) if isinstance(batch.target, Steps) else None
        carried = None
        for number, window in enumerate(inputs.windows(self.n_steps)):
            target: Any = batch.target if targets is None else next(targets)
            with torch.autocast(window.device.type, torch.bfloat16, enabled=self.arithmetic.autocast):
                outputs, carried = network.body.advance(network.scaling(window), carried)
                per_step = network.body.per_step
                scores = network.head(network.body.flat(outputs, window) if per_step else network.body.summary(carried))
            coded = target.flat() if per_step else target
            losses = self.row_loss(scores.float() if self.arithmetic.autocast else scores, coded)
            if per_step:
                rows = window.rows()
            else:
                rows = torch.nonzero((window.lengths > 0) & (inputs.lengths <= (number + 1) * self.n_steps))[:, 0]
                losses = losses[rows]
            carried = carried.detached()
            if len(losses):
                yield (losses if batch.weight is None else losses * batch.weight[rows]).mean(), len(losses)
