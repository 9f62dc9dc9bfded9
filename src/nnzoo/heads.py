"""Heads: what the task asks of a network. The one table of final activation, loss and target coding.

The body turns a row into features; one linear layer turns features into scores ``s``; the head says what the scores
mean:

=================================  ================  =====================  =================================
task                               final activation  loss of a row          predicts
=================================  ================  =====================  =================================
regression                         identity          squared error          values, in the target's own unit
classification, 2 classes          sigmoid           binary cross-entropy   labels, probabilities
classification, K classes          softmax           cross-entropy          labels, probabilities
classification, several labels     sigmoid           binary cross-entropy   label sets, probabilities
no task                            -                 the network's own      what the network is for
=================================  ================  =====================  =================================

``task=`` picks the row and touches nothing else; feed-forward, convolutional and recurrent bodies share the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

TASKS = ("classification", "regression")
FEW_CLASSES = 16
"""With fewer, softmax goes down the columns: half the time of 128 rows of 10 classes, but twice that of 26 classes."""


@dataclass(frozen=True)
class Head:
    """One row of the table.

    Attributes
    ----------
    kind : str
        "regression", "binary", "multiclass", "labels", or "none" where there is no target.
    activation : callable
        Scores (n, n_scores) to values or probabilities of the same shape.
    row_loss : callable
        Scores (n, n_scores) and coded targets to the loss of each row (n,).
    row_loss_and_slope : callable
        The same to the losses and their slopes in the scores (n, n_scores): output minus target, up to a constant.
    """

    kind: str
    activation: Callable[[Tensor], Tensor]
    row_loss: Callable[[Tensor, Tensor], Tensor]
    row_loss_and_slope: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

    def n_scores(self, n_targets: int) -> int:
        """Return how many scores serve ``n_targets`` classes, labels or values: one for two classes, else one each."""
        return 1 if self.kind == "binary" else n_targets


def _identity(scores: Tensor) -> Tensor:
    return scores


def _softmax(scores: Tensor) -> Tensor:
    return torch.softmax(scores, dim=1)


def _squared_error(scores: Tensor, target: Tensor) -> Tensor:
    return (scores - target).square().mean(dim=1)


def _cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(scores, target, reduction="none")


def _binary_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(scores, target, reduction="none").mean(dim=1)


def _squared_error_and_slope(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    error = scores - target
    return error.square().mean(dim=1), error * (2 / scores.shape[1])


def _cross_entropy_and_slope(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    place = target[:, None]
    if scores.shape[1] < FEW_CLASSES:
        logarithms = torch.log_softmax(scores.t().contiguous(), dim=0).t()
    else:
        logarithms = torch.log_softmax(scores, dim=1)
    loss = -logarithms.gather(1, place)
    return loss[:, 0], logarithms.exp_().scatter_add_(1, place, torch.full_like(loss, -1.0))


def _binary_cross_entropy_and_slope(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return _binary_cross_entropy(scores, target), (torch.sigmoid(scores) - target) / scores.shape[1]


def _no_loss(scores: Tensor, target: Tensor) -> Any:
    raise NotImplementedError("a network without a target brings a loss of its own")


HEADS = {
    head.kind: head
    for head in (
        Head("regression", _identity, _squared_error, _squared_error_and_slope),
        Head("binary", torch.sigmoid, _binary_cross_entropy, _binary_cross_entropy_and_slope),
        Head("multiclass", _softmax, _cross_entropy, _cross_entropy_and_slope),
        Head("labels", torch.sigmoid, _binary_cross_entropy, _binary_cross_entropy_and_slope),
    )
}


NO_HEAD = Head("none", _identity, _no_loss, _no_loss)
"""Of networks that learn without a target."""


def choose_head(task: str, n_classes: int = 0, *, several_labels: bool = False) -> Head:
    """Return the head of a task.

    Parameters
    ----------
    task : "classification" or "regression"
    n_classes : int
        Number of classes or labels; not used for regression.
    several_labels : bool
        Whether a row may have several labels at once.

    Examples
    --------
    >>> choose_head("classification", 3).kind
    'multiclass'
    """
    if task == "regression":
        return HEADS["regression"]
    if several_labels:
        return HEADS["labels"]
    return HEADS["binary" if n_classes == 2 else "multiclass"]
