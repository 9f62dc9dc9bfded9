"""Adam, AdamW and momentum: torch's fused kernels, called without the classes of ``torch.optim`` around them.

Those classes group, check and record at every step: measured with a network of 784-128-10, 75 of the 840 microseconds
of a step; and making the first of them imports torch's compiler, which takes a second. Tests hold the bits equal.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.9
BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-6
"""Larger than torch's 1e-8: where the loss is all but zero, Adam would blow up the rounding of tiny gradients, and a
row of weight 2 would no longer equal the row twice."""


class FusedOptimizer:
    """Moves parameters by their ``grad``; those without one stay.

    Parameters
    ----------
    name : "adam", "adamw" or "sgd"
        "sgd" has momentum 0.9 (Nesterov). Weight decay is an L2 penalty; of "adamw" it is decoupled.
    parameters : sequence of Tensor
    weight_decay : float
    betas : pair of float, default (0.9, 0.999)
        What Adam keeps of its means and mean squares at each step.

    Attributes
    ----------
    moments : list of list of Tensor
        Adam: means and mean squares of the gradients, and the steps taken; sgd: the velocity.
    """

    def __init__(
        self, name: str, parameters: Sequence[Tensor], weight_decay: float, betas: tuple[float, float] = BETAS
    ) -> None:
        self.name = name
        self.parameters = list(parameters)
        self.weight_decay = weight_decay
        self.betas = betas
        n_moments = 1 if name == "sgd" else 2
        self.moments = [[torch.zeros_like(p, requires_grad=False) for p in self.parameters] for _ in range(n_moments)]
        if name != "sgd":
            device = self.parameters[0].device if self.parameters else None
            self.n_steps = torch.zeros(len(self.parameters), dtype=torch.float32, device=device)
            self.moments.append(list(self.n_steps.unbind()))
        self.is_first = True

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move the parameters once."""
        parameters, moments = self.parameters, self.moments
        gradients: Any = [parameter.grad for parameter in parameters]
        if any(gradient is None for gradient in gradients):
            used = [n for n, gradient in enumerate(gradients) if gradient is not None]
            parameters, gradients, *moments = [[each[n] for n in used] for each in (parameters, gradients, *moments)]
        options: dict[str, Any] = {"lr": learning_rate, "weight_decay": self.weight_decay, "maximize": False}
        if self.name == "sgd":
            options |= {"momentum": MOMENTUM, "dampening": 0.0, "nesterov": True, "is_first_step": self.is_first}
            kernel: Any = torch._fused_sgd_  # pyright: ignore[reportPrivateImportUsage]
            kernel(parameters, gradients, *moments, **options)
        else:
            means, squares, steps = moments
            if parameters is self.parameters:
                self.n_steps += 1  # all counts at once, in a third of the time
            else:
                torch._foreach_add_(steps, 1)  # pyright: ignore[reportPrivateImportUsage]
            options |= {"beta1": self.betas[0], "beta2": self.betas[1], "eps": ADAM_EPSILON, "amsgrad": False}
            kernel = torch._fused_adamw_ if self.name == "adamw" else torch._fused_adam_  # pyright: ignore[reportPrivateImportUsage]
            kernel(parameters, gradients, means, squares, [], steps, **options)
        self.is_first = False

    def state_dict(self) -> dict[str, Any]:
        """Return what the next step depends on beside the parameters."""
        return {"moments": self.moments, "is_first": self.is_first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        for column, stored in zip(self.moments, state["moments"], strict=True):
            for tensor, value in zip(column, stored, strict=True):
                tensor.copy_(value)
        self.is_first = state["is_first"]
