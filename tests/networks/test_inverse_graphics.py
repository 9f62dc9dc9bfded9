"""Inverse graphics: clamped numbers and their gradient, whole batches, factors that come back out of the code."""

import numpy as np
import pytest
import torch

import nnzoo
from nnzoo import InverseGraphicsNetwork, VariationalAutoencoder
from nnzoo.data.shapes import draw_shapes, random_shapes, shape_batches
from nnzoo.evaluation.disentanglement import explained_shares
from nnzoo.networks.inverse_graphics import Factors, InverseGraphicsBody, batch_losses, whole_batches
from nnzoo.networks.variational import divergence

SMALL = {"n_components": 3, "n_filters": (4,), "hidden_layer_sizes": (8,), "n_epochs": 2, "random_state": 0}


def small_body(**how) -> InverseGraphicsBody:
    torch.manual_seed(0)
    sizes = {"hidden_layer_sizes": (5,), "n_filters": (2,), "n_components": 3, "activation": "tanh"}
    return InverseGraphicsBody((4, 4, 1), likelihood="bernoulli", **sizes, **how).double().train()


def three_images(n_batches: int = 1, n: int = 3) -> torch.Tensor:
    return torch.rand(n_batches, n, 4, 4, 1, generator=torch.Generator().manual_seed(1)).double()


class Recorded(InverseGraphicsBody):
    """Keeps the means, and what the decoder sees."""

    def moments(self, x):
        self.mean, self.log_variance = super().moments(x)
        self.mean.retain_grad()
        return self.mean, self.log_variance

    def log_likelihood(self, x, codes):
        self.seen = codes.detach()
        self.fit = super().log_likelihood(x, codes)
        return self.fit


def recorded(**how) -> Recorded:
    body = small_body(**how)
    body.__class__ = Recorded
    return body


ACTIVE = torch.tensor([[False, True, False]])


def test_clamped_numbers_are_equal_within_a_batch_and_the_active_ones_are_not():
    body = recorded()
    body.clamped_loss(three_images(2), torch.cat([ACTIVE, ~ACTIVE]))
    first, second = body.seen[0].unflatten(0, (2, 3))
    means = body.mean.detach().unflatten(0, (2, 3)).mean(dim=1)
    for seen, active, mean in zip((first, second), (ACTIVE[0], ~ACTIVE[0]), means, strict=True):
        assert (seen[:, ~active] == seen[0, ~active]).all()
        np.testing.assert_allclose(seen[0, ~active], mean[~active], rtol=1e-12)
        assert seen[:, active].std(dim=0).min() > 0.01


def test_gradient_of_a_clamped_number_is_the_replacement_and_of_the_active_one_the_true_gradient():
    """Clamped: c (μ - m). Active: that of the bound where only this number counts and the others are constants."""
    body, x = recorded(clamp_scale=0.3), three_images()
    torch.manual_seed(5)
    body.clamped_loss(x, ACTIVE).sum().backward()
    found, mean = body.mean.grad, body.mean.detach()
    np.testing.assert_allclose(found[:, [0, 2]], 0.3 * (mean - mean.mean(dim=0))[:, [0, 2]], rtol=1e-12, atol=1e-15)
    noise = ((body.seen[0] - mean) / (body.log_variance.detach() / 2).exp())[:, 1]
    free = mean[:, 1].clone().requires_grad_()
    spread = (body.log_variance.detach()[:, 1] / 2).exp()
    codes = body.seen[0].clone()
    codes = torch.stack([codes[:, 0], free + spread * noise, codes[:, 2]], dim=1)
    fit = InverseGraphicsBody.log_likelihood(body, x[0], codes[None])
    kept = divergence(free[:, None], body.log_variance.detach()[:, 1:2])
    (kept - fit).sum().backward()
    np.testing.assert_allclose(found[:, 1], free.grad, rtol=1e-9)


def test_one_batch_by_hand():
    """Means 1 and 3 of a clamped number, c = 0.5: both are seen as 2, and the pull is 0.25 ((1 - 2)² + (3 - 2)²)."""
    body = recorded(clamp_scale=0.5)
    body.encoder = torch.nn.Identity()
    body.code.layer = torch.nn.Linear(16, 6, bias=False).double()
    body.code.layer.weight.data[:] = torch.eye(6, 16)
    x = torch.zeros(1, 2, 16).double()
    x[0, :, 0] = torch.tensor([1.0, 3.0])
    loss = body.clamped_loss(x, ACTIVE)
    assert body.seen[0, :, 0].tolist() == [2.0, 2.0]
    np.testing.assert_allclose((loss[0] + body.fit[0]).detach(), [0.25, 0.25], rtol=1e-12)


def test_a_row_of_weight_two_moves_the_mean_as_two_rows_do():
    x = three_images()
    body = recorded()
    body.clamped_loss(x, ACTIVE, torch.tensor([[2.0, 1.0, 1.0]]).double())
    once = body.seen[0, 0]
    body.clamped_loss(torch.cat([x[:, :1], x], dim=1), ACTIVE)
    np.testing.assert_allclose(once[[0, 2]], body.seen[0, 0, [0, 2]], rtol=1e-12)


def test_without_factors_it_is_a_convolutional_variational_autoencoder():
    X = random_shapes(100, side=8)[0]
    how = SMALL | {"schedule": "constant", "learning_rate": 3e-3}
    one = InverseGraphicsNetwork(**how).fit(X)
    other = VariationalAutoencoder(kind="image", **how).fit(X)
    np.testing.assert_allclose(one.transform(X), other.transform(X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.history_["train_loss"], other.history_["train_loss"], rtol=1e-6)
    np.testing.assert_array_equal(one.sample(3, random_state=0), other.sample(3, random_state=0))
    assert one.n_factors_ == 0
    assert [each.tolist() for each in one.groups_] == [[0, 1, 2]]


def test_batches_stay_whole_and_short_ones_count_by_their_rows():
    X = random_shapes(5, side=8)[0]
    factors = np.array([[4, 0], [9, 1], [4, 0], [9, 1], [9, 1]])
    network = InverseGraphicsNetwork(**SMALL).fit(X, factors=factors)
    rows = network._check_rows(X, Factors.read(factors), None, reset=False)
    batch = network._to_batch(rows)
    assert batch.inputs.shape == (2, 3, 8, 8, 1)
    np.testing.assert_array_equal(batch.inputs[0, :, :, :, 0], X[[0, 2, 0]])
    np.testing.assert_array_equal(batch.inputs[1, :, :, :, 0], X[[1, 3, 4]])
    assert batch.target.tolist() == [[True, False, False], [False, True, False]]
    np.testing.assert_allclose(batch.weight, np.array([[1, 1, 0], [1, 1, 1]]) * 6 / 5, rtol=1e-6)
    losses = batch_losses(network.network_.train(), batch).detach()
    assert batch.mean(losses) == pytest.approx(losses[[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]].mean().item(), rel=1e-6)


def test_batches_are_found_in_rows_of_any_order():
    names = np.random.default_rng(0).integers(0, 6, 50)
    index, present = whole_batches(names)
    assert sorted(index[present].tolist()) == list(range(50))
    assert all(len(set(names[line])) == 1 for line in index)


def test_validation_holds_out_whole_batches():
    X, _, factors = shape_batches(20, n_rows=4, side=8)
    how = SMALL | {"n_components": 5, "early_stopping": True, "validation_fraction": 0.25}
    network = InverseGraphicsNetwork(**how).fit(X, factors=factors)
    assert "valid_loss" in network.history_
    rows = network._check_rows(X, Factors.read(factors), None, reset=False)
    train, valid = network._choose_validation(rows, None, network.target_, 0)
    assert (len(train.X), len(valid.X), valid.y) == (60, 20, None)
    assert len(np.unique(train.y[:, 0])) == 15


def test_a_step_takes_as_many_whole_batches_as_fit():
    X, _, factors = shape_batches(20, n_rows=4, side=8)
    network = InverseGraphicsNetwork(batch_size=10, **SMALL | {"n_components": 5})
    seen = []
    network.loop_settings = lambda *a, **k: seen.append(type(network).loop_settings(network, *a, **k)) or seen[-1]
    network.fit(X, factors=factors).fit(X)
    assert [each.batch_size for each in seen] == [2, 10]


def test_numbers_of_a_factor_and_of_what_is_left():
    X, _, factors = shape_batches(10, n_rows=3, side=8)
    factors[factors[:, 1] == 4, 1] = -1
    network = InverseGraphicsNetwork(**SMALL | {"n_components": 7, "factor_sizes": (1, 1, 2, 1)}).fit(
        X, factors=factors
    )
    assert [each.tolist() for each in network.groups_] == [[0], [1], [2, 3], [4], [5, 6]]
    rows = network._check_rows(X, Factors.read(factors), None, reset=False)
    active = network._to_batch(rows).target
    assert active[2].nonzero().ravel().tolist() == [2, 3]
    assert active[4].nonzero().ravel().tolist() == [5, 6]


def test_traversal_changes_one_number_only_and_starts_from_the_row():
    X = random_shapes(30, side=8)[0]
    network = InverseGraphicsNetwork(**SMALL).fit(X)
    codes = network.transform(X[:2])
    moved = network.traverse(X[:2], 1, [codes[0, 1], 1.5])
    assert moved.shape == (2, 2, 8, 8, 1)
    np.testing.assert_array_equal(moved[0, 0], network.reconstruct(X[:1])[0])
    codes[:, 1] = 1.5
    np.testing.assert_array_equal(moved[:, 1], network.inverse_transform(codes))
    assert network.traverse(X[:1], 0).shape[1] == 9


def test_factors_survive_the_model_file(tmp_path):
    X, _, factors = shape_batches(10, n_rows=3, side=8)
    network = InverseGraphicsNetwork(**SMALL | {"n_components": 6}).fit(X, factors=factors)
    nnzoo.Model(network).save(tmp_path / "shapes.nnzoo")
    loaded = nnzoo.load_model(tmp_path / "shapes.nnzoo").network
    assert loaded.n_factors_ == 5
    assert [each.tolist() for each in loaded.groups_] == [[0], [1], [2], [3], [4], [5]]
    np.testing.assert_array_equal(loaded.transform(X), network.transform(X))


@pytest.mark.parametrize(
    ("factors", "match"),
    [
        (np.zeros(6, dtype=int), r"needs two whole numbers a row.*got shape \(6,\) of int64"),
        (np.zeros((6, 2)), r"needs two whole numbers a row.*of float64"),
        (np.array([[0, 0]] * 3 + [[1, -2]] * 3), "or -1 for all else"),
        (np.array([[0, 0]] * 3 + [[0, 1]] * 3), "needs one factor a batch"),
        (np.array([[0, 0]] * 5 + [[1, 1]]), "needs batches of at least 2 rows"),
        (np.array([[0, 0]] * 3 + [[1, 3]] * 3), "need at least 4 numbers of the code; n_components is 3"),
        (np.array([[0, 2]] * 3 + [[1, -1]] * 3), "need at least 4 numbers of the code"),
    ],
)
def test_factors_that_are_no_batches_are_refused(factors, match):
    X = random_shapes(6, side=8)[0]
    with pytest.raises(nnzoo.DataError, match=match):
        InverseGraphicsNetwork(**SMALL).fit(X, factors=factors)


def test_bad_input_is_refused():
    X, _, factors = shape_batches(10, n_rows=2, side=8)
    with pytest.raises(nnzoo.DataError, match="needs numbers below 1, one of factor_sizes; got 4"):
        InverseGraphicsNetwork(factor_sizes=(2,), **SMALL).fit(X, factors=factors)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        InverseGraphicsNetwork(**SMALL).fit(X, factors=factors[:-2])
    network = InverseGraphicsNetwork(**SMALL).fit(X)
    with pytest.raises(nnzoo.DataError, match="needs a component from 0 to 2; got 3"):
        network.traverse(X[:1], 3)


def test_rows_of_weight_zero_leave_their_batch():
    X, _, factors = shape_batches(10, n_rows=4, side=8)
    weight = np.tile([1.0, 1, 1, 0], 10)
    how = SMALL | {"n_components": 5, "precision": "float64"}
    one = InverseGraphicsNetwork(**how).fit(X, factors=factors, sample_weight=weight)
    other = InverseGraphicsNetwork(**how).fit(X[weight > 0], factors=factors[weight > 0])
    np.testing.assert_allclose(one.history_["train_loss"], other.history_["train_loss"], rtol=1e-9)
    rows = one._check_rows(X, Factors.read(factors), weight, reset=False)
    assert one._to_batch(rows).inputs.shape[:2] == (10, 3)


def test_report_shows_what_the_numbers_of_the_code_mean():
    X = random_shapes(20, side=8)[0]
    network = InverseGraphicsNetwork(**SMALL | {"n_components": 10}).fit(X)
    shows = network.measures(X, None).shows
    assert [shown.title for shown in shows] == [
        "What comes back",
        "What it draws",
        "What the numbers of the code mean",
    ]
    assert [images.shape for images in shows[2].content.values()] == [(9, 8, 8, 1)] * 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_each_axis_of_the_place_comes_out_of_its_own_number(seed):
    _, values, factors = shape_batches(200, side=12, random_state=seed)
    chosen = factors[:, 1] < 2
    values[:, 2:] = 0.0, 0.4, 1.0
    network = InverseGraphicsNetwork(
        n_components=2,
        n_filters=(8, 16),
        hidden_layer_sizes=(32,),
        likelihood="gaussian",
        n_epochs=30,
        random_state=seed,
    ).fit(draw_shapes(values[chosen], 12), factors=factors[chosen])
    _, fresh = random_shapes(500, random_state=100 + seed)
    fresh[:, 2:] = 0.0, 0.4, 1.0
    shares = explained_shares(network.transform(draw_shapes(fresh, 12)), fresh[:, :2])
    assert np.diag(shares).min() > 0.7
    assert (shares - np.diag(np.diag(shares))).max() < 0.1
