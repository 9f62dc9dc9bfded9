"""Capsule Network: squash, routing and margin loss are those of the paper, and lengths say what is there."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from nnzoo import CapsuleNetwork, DataError, ParameterError
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.estimator import ScoreNetwork
from nnzoo.networks.capsule import (
    RECONSTRUCTION,
    CapsuleBody,
    CapsuleTrainer,
    ClassCapsules,
    LengthScores,
    filter_sides,
    margin_loss,
    squash,
)
from nnzoo.training.gradient import GradientSettings

FLOAT = torch.float64
TINY = {"n_filters": 4, "kernel_size": 3, "n_primary": 2, "primary_dim": 2, "class_dim": 3, "n_routing": 3}
SMALL = {"n_filters": 16, "batch_size": 32, "n_epochs": 6, "reconstruction": False}
DIGITS = load_digits()


def body(*shape: int, n_classes: int = 3, **params: Any) -> CapsuleBody:
    torch.manual_seed(0)
    own = {**TINY, "several_labels": False, "reconstruction": True} | params
    return CapsuleBody(shape, n_classes, **own).double()


def routing(n_routing: int = 3) -> tuple[ClassCapsules, torch.Tensor]:
    """Return a layer of class capsules and predictions û of 2 rows, 5 capsules, 3 classes, 4 numbers."""
    generator = torch.Generator().manual_seed(0)
    return ClassCapsules(5, 2, 3, 4, n_routing), torch.randn(2, 5, 3, 4, dtype=FLOAT, generator=generator)


# Squash and margin loss


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6))
@settings(max_examples=50)
def test_squash_keeps_the_direction_and_gives_a_length_below_1(values):
    s = torch.tensor(values, dtype=FLOAT)
    v, length = squash(s), torch.linalg.vector_norm(s)
    assert torch.linalg.vector_norm(v) < 1
    torch.testing.assert_close(v * length, s * torch.linalg.vector_norm(v), atol=1e-12, rtol=1e-9)


def test_squash_by_hand():
    """(3, 4) has length 5: 25 / 26 · (0.6, 0.8)."""
    torch.testing.assert_close(squash(torch.tensor([3.0, 4.0])), torch.tensor([15 / 26, 20 / 26]))


def test_the_gradient_of_squash_at_zero_is_zero():
    s = torch.zeros(2, 3, dtype=FLOAT, requires_grad=True)
    (gradient,) = torch.autograd.grad(squash(s).sum(), s)
    assert gradient.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_margin_loss_is_zero_from_the_margins_on():
    lengths = torch.tensor([[0.9, 0.1], [0.97, 0.0], [0.5, 0.3]], dtype=FLOAT)
    present = torch.tensor([[1.0, 0.0]] * 3, dtype=FLOAT)
    losses = margin_loss(lengths, present)
    assert losses[:2].tolist() == [0, 0]
    # (0.9 - 0.5)² + 0.5 (0.3 - 0.1)² = 0.16 + 0.02
    assert losses[2].item() == pytest.approx(0.18)


# Routing


def routed_by_hand(predictions: np.ndarray, n_routing: int) -> tuple[np.ndarray, np.ndarray]:
    """Return v and c of one row: procedure 1 of the paper, one capsule at a time."""
    n_in, n_classes, _ = predictions.shape
    b = np.zeros((n_in, n_classes))
    for _ in range(n_routing):
        c = np.array([np.exp(row) / np.exp(row).sum() for row in b])
        v = []
        for j in range(n_classes):
            s = sum(c[i, j] * predictions[i, j] for i in range(n_in))
            v.append(s @ s / (1 + s @ s) * s / math.sqrt(s @ s))
        for i in range(n_in):
            for j in range(n_classes):
                b[i, j] += predictions[i, j] @ v[j]
    return np.array(v), c


@pytest.mark.parametrize("n_routing", [1, 2, 3, 5])
def test_routing_is_procedure_1_of_the_paper(n_routing):
    layer, predictions = routing(n_routing)
    v, c = layer.route(predictions)
    for row in range(2):
        wanted = routed_by_hand(predictions[row].numpy(), n_routing)
        np.testing.assert_allclose(v[row].numpy(), wanted[0], atol=1e-12)
        np.testing.assert_allclose(c[row].numpy(), wanted[1], atol=1e-12)


@pytest.mark.parametrize("n_routing", [1, 3])
def test_couplings_of_a_capsule_add_up_to_1(n_routing):
    layer, predictions = routing(n_routing)
    torch.testing.assert_close(layer.route(predictions)[1].sum(dim=2), torch.ones(2, 5, dtype=FLOAT), atol=1e-6, rtol=0)


def test_one_round_takes_the_mean_of_the_predictions():
    layer, predictions = routing(1)
    torch.testing.assert_close(layer.route(predictions)[0], squash(predictions.sum(dim=1) / 3))


def test_rotated_predictions_give_rotated_capsules():
    layer, predictions = routing()
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=FLOAT, generator=torch.Generator().manual_seed(1)))[0]
    rotated = layer.route(predictions @ rotation)
    torch.testing.assert_close(rotated[0], layer.route(predictions)[0] @ rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(rotated[1], layer.route(predictions)[1], atol=1e-5, rtol=0)


def test_capsules_in_another_order_give_the_same_classes():
    layer, predictions = routing()
    torch.testing.assert_close(layer.route(predictions.flip(1))[0], layer.route(predictions)[0])


def test_the_gradient_takes_the_couplings_as_they_are():
    layer, predictions = routing()
    predictions.requires_grad_()
    v, c = layer.route(predictions)
    fixed = squash(torch.einsum("nik,nikd->nkd", c.detach(), predictions))
    towards = torch.ones_like(v)
    ours, wanted = (torch.autograd.grad(each, predictions, towards)[0] for each in (v, fixed))
    torch.testing.assert_close(ours, wanted)


def test_every_capsule_predicts_with_a_matrix_of_its_own_for_each_class():
    torch.manual_seed(0)
    layer = ClassCapsules(5, 2, 3, 4, 3).double()
    u = torch.randn(2, 5, 2, dtype=FLOAT)
    found = layer.predictions(u)
    for n, i, k in np.ndindex(2, 5, 3):
        torch.testing.assert_close(found[n, i, k], layer.weight[i, k] @ u[n, i])


# The body


def test_weights_are_as_many_as_counted_by_hand():
    """81·32 filters, 81·32·32 filters, and 36 places · 8 maps · 4 · 10 · 8, beside 32 + 32 biases."""
    whole = CapsuleNetwork()
    params = {name: getattr(whole, name) for name in TINY}
    made = body(28, 28, 1, n_classes=10, **params)
    n_weights = sum(p.numel() for p in made.capsules.parameters())
    assert n_weights == 2_592 + 82_944 + 92_160 + 64 < 200_000


@given(height=st.integers(1, 40), width=st.integers(1, 40), kernel_size=st.integers(1, 12))
@settings(max_examples=30)
def test_every_size_of_image_has_capsules(height, width, kernel_size):
    sides = filter_sides((height, width), kernel_size)
    assert max(sides) <= kernel_size
    made = body(height, width, 2, kernel_size=kernel_size, reconstruction=False)
    assert made.capsules(torch.zeros(2, height, width, 2, dtype=FLOAT)).shape == (2, 3, 3)


def test_scores_are_logarithms_of_lengths():
    v = torch.tensor([[[0.3, 0.4], [0.0, 0.2]]], dtype=FLOAT)
    assert LengthScores(each_alone=False)(v).exp()[0].tolist() == pytest.approx([0.5, 0.2])
    assert LengthScores(each_alone=True)(v).sigmoid()[0].tolist() == pytest.approx([0.5, 0.2])
    assert torch.isfinite(LengthScores(each_alone=True)(torch.zeros(1, 2, 2))).all()


def test_the_loss_is_that_of_the_lengths_and_of_the_decoder():
    made = body(8, 8, 1)
    network = ScoreNetwork(nn.Identity(), made, 3, 3).double()
    trainer = CapsuleTrainer(network, lambda s, t: s, GradientSettings(), Arithmetic(FLOAT))
    x, y = torch.randn(4, 8, 8, 1, dtype=FLOAT), torch.tensor([0, 2, 1, 1])
    v, present = made.capsules(x), torch.eye(3, dtype=FLOAT)[y]
    shown = torch.stack([torch.where(torch.arange(3)[:, None] == k, row, 0) for row, k in zip(v, y, strict=True)])
    error = (made.decoder(shown.flatten(1)) - x.flatten(1)).square().sum(dim=1)
    wanted = (margin_loss(torch.linalg.vector_norm(v, dim=2), present) + RECONSTRUCTION * error).mean()
    torch.testing.assert_close(trainer._loss(Batch(x, y, None), network), wanted)


# Learning


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_learns_digits(seed):
    X, X_test, y, y_test = train_test_split(DIGITS.images, DIGITS.target, test_size=0.5, random_state=seed)
    net = CapsuleNetwork(random_state=seed, **SMALL).fit(X.astype(np.uint8), y)
    assert net.score(X_test, y_test) > 0.85
    assert net.predict_proba(X_test).sum(axis=1) == pytest.approx(1)


def test_probabilities_are_lengths_over_their_sum():
    net = CapsuleNetwork(random_state=0, **(SMALL | {"n_epochs": 1})).fit(DIGITS.images[:200], DIGITS.target[:200])
    capsules = net.transform(DIGITS.images[200:230]).reshape(30, 10, 8)
    lengths = np.linalg.norm(capsules, axis=2)
    np.testing.assert_allclose(
        net.predict_proba(DIGITS.images[200:230]), lengths / lengths.sum(axis=1, keepdims=True), rtol=1e-4
    )
    assert len(net.get_feature_names_out()) == 80


def test_two_classes_have_a_capsule_each():
    y = np.where(DIGITS.target[:300] < 5, "low", "high")
    net = CapsuleNetwork(random_state=0, **SMALL).fit(DIGITS.images[:300], y)
    lengths = np.linalg.norm(net.transform(DIGITS.images[:300]).reshape(300, 2, 8), axis=2)
    assert net.score(DIGITS.images[:300], y) > 0.8
    np.testing.assert_allclose(
        net.predict_proba(DIGITS.images[:300])[:, 1], lengths[:, 1] / lengths.sum(axis=1), rtol=1e-4
    )
    np.testing.assert_allclose(
        net.decision_function(DIGITS.images[:300]), np.log(lengths[:, 1] / lengths[:, 0]), atol=1e-4
    )


@pytest.mark.slow
def test_digits_that_overlap_are_told_apart():
    """Two digits a picture, one moved by two pixels each way over the other; a label for each of the ten."""
    draw = np.random.default_rng(0)
    pairs = draw.integers(0, 1797, (1200, 2))
    wide = np.pad(DIGITS.images, ((0, 0), (0, 2), (0, 2)))
    X = np.maximum(wide[pairs[:, 0]], np.roll(wide[pairs[:, 1]], (2, 2), axis=(1, 2)))
    Y = np.zeros((1200, 10), dtype=int)
    for column in (0, 1):
        Y[np.arange(1200), DIGITS.target[pairs[:, column]]] = 1
    net = CapsuleNetwork(random_state=0, **(SMALL | {"n_epochs": 8})).fit(X[:1000], Y[:1000])
    lengths = np.linalg.norm(net.transform(X[1000:]).reshape(200, 10, 8), axis=2)
    np.testing.assert_allclose(net.predict_proba(X[1000:]), lengths, atol=1e-5)
    found = (net.predict(X[1000:]) * Y[1000:]).sum() / Y[1000:].sum()
    assert found > 0.5
    assert (net.predict(X[1000:]) == Y[1000:]).mean() > max(0.9, (Y[1000:] == 0).mean())


@pytest.mark.slow
def test_the_decoder_rebuilds_images_better_than_their_mean():
    X = (DIGITS.images[:600] * 15).astype(np.uint8)
    net = CapsuleNetwork(n_filters=16, batch_size=32, n_epochs=8, random_state=0).fit(X, DIGITS.target[:600])
    rebuilt = net.reconstruct(X)
    assert rebuilt.shape == X.shape
    assert rebuilt.min() >= 0
    assert rebuilt.max() <= 255
    assert np.square(rebuilt - X).mean() < 0.8 * np.square(X - X.mean(axis=0)).mean()


def test_without_a_decoder_nothing_is_rebuilt():
    net = CapsuleNetwork(random_state=0, **(SMALL | {"n_epochs": 1})).fit(DIGITS.images[:50], DIGITS.target[:50])
    assert not hasattr(net, "reconstruct")
    assert net.pictures()["first layer"].shape == (16, 3, 3, 1)


def test_flat_rows_need_their_shape():
    how = SMALL | {"n_epochs": 1, "random_state": 0}
    with pytest.raises(DataError, match=r"CapsuleNetwork needs X of shape \(images, height, width\)"):
        CapsuleNetwork(**how).fit(DIGITS.data[:50], DIGITS.target[:50])
    flat = CapsuleNetwork(input_shape=(8, 8), **how).fit(DIGITS.data[:50], DIGITS.target[:50])
    image = CapsuleNetwork(**how).fit(DIGITS.images[:50], DIGITS.target[:50])
    assert np.array_equal(flat.predict_proba(DIGITS.data), image.predict_proba(DIGITS.images))


@pytest.mark.parametrize("params", [{"n_routing": 0}, {"n_filters": 0}, {"class_dim": 0}, {"kind": "table"}])
def test_settings_that_cannot_be_are_refused(params):
    (name,) = params
    with pytest.raises(ParameterError, match=f"CapsuleNetwork: {name} needs "):
        CapsuleNetwork(**params).fit(DIGITS.images[:50], DIGITS.target[:50])
