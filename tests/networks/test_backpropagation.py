"""The written-out rule against torch's differentiation, for every activation, head and depth."""

import pytest
import torch

from nnzoo import DeepFeedForward, FeedForward
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.estimator import ScoreNetwork
from nnzoo.heads import FEW_CLASSES, HEADS
from nnzoo.networks.backpropagation import SLOPES, Backpropagation, dense_trainer
from nnzoo.networks.deep_feed_forward import DeepFeedForwardBody
from nnzoo.networks.parts import ACTIVATIONS, TableInput
from nnzoo.training.gradient import GradientSettings, GradientTrainer

F64 = Arithmetic(torch.float64)
WRITTEN_OUT = [name for name, module in ACTIVATIONS.items() if module in SLOPES]


def network(sizes=(7, 5), activation="tanh", n_out=3, codes=None, n_in=4, **options):
    torch.manual_seed(1)
    body = DeepFeedForwardBody(TableInput(n_in, codes or {}), sizes, activation=activation, **options)
    found = ScoreNetwork(torch.nn.Identity(), body, body.n_out, n_out).double()
    torch.nn.init.normal_(found.head.weight)
    return found


def rows(kind, weighted):
    random = torch.Generator().manual_seed(2)
    X = torch.randn(11, 4, dtype=torch.float64, generator=random)
    target = torch.randn(11, 1 if kind == "binary" else 3, dtype=torch.float64, generator=random)
    if kind == "multiclass":
        target = target.argmax(dim=1)
    elif kind != "regression":
        target = (target > 0).double()
    return Batch(X, target, torch.rand(11, dtype=torch.float64, generator=random) if weighted else None)


def gradients_of(trainer, batch, seed=3):
    """Return loss and gradients of a batch that is half of what is learned from, with the draws of a seed."""
    torch.manual_seed(seed)
    return trainer._gradients(batch, 2 * len(batch), trainer.network.train())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("sizes", [(), (6,), (7, 5, 4)])
@pytest.mark.parametrize("activation", WRITTEN_OUT)
def test_gradients_equal_those_of_automatic_differentiation(activation, sizes, kind, weighted, dropout):
    head, n_out = HEADS[kind], 1 if kind == "binary" else 3
    net, batch = network(sizes, activation, n_out, dropout=dropout), rows(kind, weighted)
    loss, gradients = gradients_of(Backpropagation(net, head, GradientSettings(), F64), batch)
    expected_loss, expected = gradients_of(GradientTrainer(net, head.row_loss, GradientSettings(), F64), batch)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients, list(expected), rtol=1e-10, atol=1e-14)


def test_gradients_of_whole_batches_lie_in_the_same_memory_and_those_of_parts_add_up_to_them():
    trainer, batch = Backpropagation(network(), HEADS["multiclass"], GradientSettings(), F64), rows("multiclass", True)
    _, whole = trainer._gradients(batch, len(batch), trainer.network)
    parts = [trainer._gradients(batch.take(part), len(batch), trainer.network)[1] for part in (slice(4), slice(4, 11))]
    torch.testing.assert_close([a + b for a, b in zip(*parts, strict=True)], list(whole), rtol=1e-12, atol=1e-15)
    _, again = trainer._gradients(batch.take(slice(3)), 3, trainer.network)
    assert [each.data_ptr() for each in again] == [each.data_ptr() for each in whole]


def test_gradients_in_bfloat16_are_as_near_as_those_of_automatic_differentiation():
    net, head = network((48, 5, 40), n_in=33, dropout=0.3).float(), HEADS["multiclass"]
    batch = Batch(torch.randn(11, 33), rows("multiclass", weighted=False).target)
    half, single = Arithmetic(torch.float32, autocast=True), Arithmetic(torch.float32)
    ours = Backpropagation(net, head, GradientSettings(), half)
    theirs = [GradientTrainer(net, head.row_loss, GradientSettings(), each) for each in (half, single)]
    for _ in range(2):
        gradients = gradients_of(ours, batch)[1]
        expected, exact = (torch.cat([g.flatten() for g in gradients_of(each, batch)[1]]) for each in theirs)
        error, usual = (torch.cat([g.flatten() for g in gradients]) - exact).norm(), (expected - exact).norm()
        assert 0 < error < 1.5 * usual < 0.05 * exact.norm()
        assert {gradient.dtype for gradient in gradients} == {torch.float32}
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(1.5)  # as a step does: the weights in bfloat16 must follow


@pytest.mark.parametrize(("kind", "n_classes"), [*((kind, 3) for kind in HEADS), ("multiclass", FEW_CLASSES)])
def test_loss_and_slope_of_a_head_are_those_of_its_loss(kind, n_classes):
    batch = rows(kind, weighted=False)
    scores = torch.randn(11, 1 if kind == "binary" else n_classes, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(HEADS[kind].row_loss(scores, batch.target).sum(), scores)
    losses, slope = HEADS[kind].row_loss_and_slope(scores.detach(), batch.target)
    torch.testing.assert_close(losses, HEADS[kind].row_loss(scores.detach(), batch.target), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(slope, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "net",
    [
        network(normalization="batch"),
        network(normalization="layer"),
        network(activation="gelu"),
        network(codes={1: 3}),
    ],
    ids=["batch normalisation", "layer normalisation", "gelu", "codes"],
)
def test_other_layers_are_left_to_torch(net):
    assert type(dense_trainer(net, HEADS["multiclass"], GradientSettings(), F64)) is GradientTrainer


@pytest.mark.parametrize("estimator", [FeedForward(n_epochs=1), DeepFeedForward(n_epochs=1)])
def test_both_feed_forward_networks_learn_by_it(estimator):
    estimator.fit(torch.randn(30, 4).numpy(), [0, 1, 2] * 10)
    assert isinstance(estimator.learn(estimator.network_, 30, 1), Backpropagation)
