"""Optimiser, schedule and accuracy, as the peers that train torch modules use them."""

import math
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import nn

TEST_ROWS = 1000


def precision(spec: dict[str, Any]) -> AbstractContextManager:
    """Return the context of a forward pass: bfloat16 where the spec says so."""
    return torch.autocast("cpu", torch.bfloat16, enabled=spec["precision"] == "bf16")


def make_optimizer(parameters: Any, recipe: dict[str, Any], **flags: Any) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe."""
    rate, decay = recipe["learning_rate"], recipe.get("weight_decay", 0.0)
    kinds: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "adadelta": torch.optim.Adadelta,
    }
    own = {"momentum": recipe["momentum"]} if "momentum" in recipe else {}
    flags = flags if recipe["optimizer"] in ("adam", "adamw", "sgd") else {}
    return kinds[recipe["optimizer"]](parameters, lr=rate, weight_decay=decay, **own, **flags)


def make_schedule(optimizer: torch.optim.Optimizer, recipe: dict[str, Any], n_rows: int) -> Any:
    """Return the schedule of a recipe, to be moved after every step."""
    steps = math.ceil(n_rows / recipe["batch_size"])
    if recipe["schedule"] == "one_cycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, **one_cycle(recipe, n_rows))
    fall = recipe.get("gamma", 1.0)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: fall ** (step // steps))


def one_cycle(recipe: dict[str, Any], n_rows: int) -> dict[str, Any]:
    """Return the arguments of the one-cycle schedule; the figures are torch's own defaults, and nnzoo's."""
    n_steps = math.ceil(n_rows / recipe["batch_size"]) * recipe["n_epochs"]
    return {"max_lr": recipe["learning_rate"], "total_steps": n_steps + 1, "cycle_momentum": False}


def clip(parameters: Any, recipe: dict[str, Any]) -> None:
    """Shorten the gradient where the recipe says so."""
    if recipe.get("clip_norm") is not None:
        torch.nn.utils.clip_grad_norm_(parameters, recipe["clip_norm"])


@torch.inference_mode()
def accuracy(model: nn.Module, X: np.ndarray | torch.Tensor, y: np.ndarray | torch.Tensor) -> float:
    """Return the share of right answers."""
    was = model.training
    model.eval()
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    right = sum(
        int((model(a).argmax(1) == b).sum()) for a, b in zip(X.split(TEST_ROWS), y.split(TEST_ROWS), strict=True)
    )
    model.train(was)
    return right / len(y)
