"""The table of heads: activation, loss and width of every task, each against an independent formula."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax

from nnzoo.heads import HEADS, TASKS, choose_head

SCORES = torch.tensor([[2.0, 1.0, 0.0], [-1.0, 0.5, 3.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("task", "n_classes", "several", "kind"),
    [
        ("regression", 0, False, "regression"),
        ("classification", 2, False, "binary"),
        ("classification", 3, False, "multiclass"),
        ("classification", 1, False, "multiclass"),
        ("classification", 2, True, "labels"),
        ("classification", 5, True, "labels"),
    ],
)
def test_task_and_labels_choose_the_head(task, n_classes, several, kind):
    assert choose_head(task, n_classes, several_labels=several) is HEADS[kind]


def test_tasks_are_the_two_of_the_table():
    assert TASKS == ("classification", "regression")


@pytest.mark.parametrize(("kind", "n_scores"), [("regression", 4), ("binary", 1), ("multiclass", 4), ("labels", 4)])
def test_two_classes_share_one_score_and_all_else_has_one_each(kind, n_scores):
    assert HEADS[kind].n_scores(2 if kind == "binary" else 4) == n_scores


def test_softmax_of_2_1_0_is_the_worked_example():
    """e² = 7.389, e = 2.718, e⁰ = 1; their sum is 11.107."""
    probability = HEADS["multiclass"].activation(SCORES[:1])[0].numpy()
    np.testing.assert_allclose(probability, np.array([7.389056, 2.718282, 1.0]) / 11.107338, atol=1e-7)
    assert np.round(probability, 3).tolist() == [0.665, 0.245, 0.090]


def test_activations_are_identity_sigmoid_and_softmax():
    s = SCORES.numpy()
    for kind, wanted in {"regression": s, "binary": expit(s), "labels": expit(s), "multiclass": softmax(s, 1)}.items():
        np.testing.assert_allclose(HEADS[kind].activation(SCORES).numpy(), wanted, rtol=1e-14)


def test_loss_of_a_row_is_the_mean_square_over_its_values():
    target = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.5, 0.0]], dtype=torch.float64)
    assert HEADS["regression"].row_loss(SCORES, target).tolist() == [1 / 3, 10 / 3]


def test_loss_of_a_row_is_minus_the_log_of_the_right_class():
    loss = HEADS["multiclass"].row_loss(SCORES, torch.tensor([0, 1])).numpy()
    np.testing.assert_allclose(loss, -log_softmax(SCORES.numpy(), axis=1)[[0, 1], [0, 1]], rtol=1e-14)


@pytest.mark.parametrize("kind", ["binary", "labels"])
def test_loss_of_a_row_is_the_mean_binary_cross_entropy_over_its_labels(kind):
    target = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    p = expit(SCORES.numpy())
    wanted = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(HEADS[kind].row_loss(SCORES, torch.tensor(target)).numpy(), wanted, rtol=1e-12)


def test_losses_stay_finite_at_scores_of_a_thousand():
    far = torch.tensor([[1000.0, -1000.0]], dtype=torch.float64)
    assert float(HEADS["labels"].row_loss(far, torch.tensor([[0.0, 1.0]], dtype=torch.float64))) == 1000.0
    assert float(HEADS["multiclass"].row_loss(far, torch.tensor([1]))) == 2000.0


@pytest.mark.parametrize("kind", HEADS)
def test_gradient_of_the_loss_is_output_minus_target_up_to_a_constant(kind):
    """δ₂ = o - y, times 2/k for the squared error and 1/k for k labels, because a row's loss is a mean."""
    scores = SCORES.clone().requires_grad_()
    coded = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    target = torch.tensor([0, 1]) if kind == "multiclass" else coded
    HEADS[kind].row_loss(scores, target).sum().backward()
    factor = {"regression": 2 / 3, "binary": 1 / 3, "labels": 1 / 3, "multiclass": 1.0}[kind]
    wanted = factor * (HEADS[kind].activation(SCORES) - coded)
    torch.testing.assert_close(scores.grad, wanted, rtol=1e-12, atol=1e-14)
