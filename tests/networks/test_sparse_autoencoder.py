"""Sparse autoencoder: few units a row, columns of norm 1, and dead units that come back without harm to the others."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits, load_iris

import nnzoo
from nnzoo import SparseAutoencoder
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.networks.sparse_autoencoder import SparseBody, SparseTrainer, divergence, largest_only
from nnzoo.networks.unlabelled import CodeNetwork
from nnzoo.training.gradient import GradientSettings

ROWS = torch.randn((30, 5), generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)[0]


def small(**params: object) -> CodeNetwork:
    torch.manual_seed(0)
    body = SparseBody((5,), **{"n_components": 8, "k": 2} | params)
    network = CodeNetwork(torch.nn.Identity(), body).double()
    body.normalize()
    return network


def trainer_of(network: CodeNetwork, **settings: object) -> SparseTrainer:
    return SparseTrainer(network, GradientSettings(learning_rate=0.05, **settings), Arithmetic.named("float64"))


def test_topk_has_k_numbers_that_are_not_zero_or_fewer_where_sums_are_below_zero(digits):
    codes = SparseAutoencoder(n_components=40, k=5, n_epochs=2, random_state=0).fit(digits[:200]).transform(digits)
    assert (codes != 0).sum(axis=1).max() == 5
    assert codes.min() == 0
    few = largest_only(torch.relu(torch.tensor([[-1.0, 3.0, -2.0, 1.0], [4.0, 3.0, 2.0, 1.0]])), 3)
    assert few.tolist() == [[0, 3, 0, 1], [4, 3, 2, 0]]


def test_more_units_may_answer_than_there_are():
    X = load_iris(return_X_y=True)[0]
    network = SparseAutoencoder(n_components=3, k=32, n_epochs=2, random_state=0).fit(X)
    assert network.transform(X).shape == (150, 3)
    assert network.l0_ <= 3


def test_one_step_by_hand():
    """D = W = I, b₀ = b = 0, k = 1; x = (1, 2): z = (1, 2), a = (0, 2), x̂ = (0, 2), and the loss is 1.

    ∂E/∂x̂ = 2 (x̂ - x) = (-2, 0). Of D it is the outer product with a: the second column gets (-4, 0), which stands at
    right angles to (0, 1). Of a₂ it is (-2, 0)·(0, 1) = 0, so W and b get nothing; b₀ gets (-2, 0).
    """
    body = SparseBody((2,), n_components=2, k=1).double()
    body.decoder.weight.data[:] = body.code.layer.weight.data[:] = torch.eye(2)
    loss = body.row_loss(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    assert loss.tolist() == [1.0]
    loss.sum().backward()
    assert body.decoder.weight.grad.tolist() == [[0, -4], [0, 0]]
    assert body.decoder.bias.grad.tolist() == [-2, 0]
    assert not body.code.layer.weight.grad.any()
    assert not body.code.layer.bias.grad.any()


@pytest.mark.parametrize("sparsity", ["topk", "l1"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_columns_have_norm_1_after_every_step_and_gradients_no_part_along_them(sparsity, optimizer):
    network = small(sparsity=sparsity, l1=0.1)
    trainer = trainer_of(network, optimizer=optimizer, weight_decay=0.1)
    columns = network.body.decoder.weight
    for _ in range(5):
        before = columns.detach().clone()
        trainer.step(Batch(ROWS, None, None), torch.Generator())
        assert float((columns.grad * before).sum(dim=0).abs().max()) < 1e-12
        torch.testing.assert_close(torch.linalg.vector_norm(columns, dim=0), torch.ones(8).double(), rtol=0, atol=1e-6)


def test_columns_of_kl_are_free():
    network = small(sparsity="kl", beta=1.0)
    trainer_of(network).step(Batch(ROWS, None, None), torch.Generator())
    assert not torch.allclose(torch.linalg.vector_norm(network.body.decoder.weight, dim=0), torch.ones(8).double())


def test_all_units_of_topk_are_l1_without_a_penalty():
    networks = [small(k=8), small(sparsity="l1", l1=0.0)]
    for network in networks:
        trainer_of(network).step(Batch(ROWS, None, None), torch.Generator())
    for one, other in zip(*(network.state_dict().values() for network in networks), strict=True):
        assert torch.equal(one, other)


def test_aux_reconstructs_what_is_left_over_and_moves_dead_units_alone():
    """x - x̂ is rebuilt by the dead units from x - b₀, and b₀ is not added again: compared with plain sums."""
    body = small(revive="aux").body
    body.decoder.bias.data.fill_(0.3)
    body.idle[[1, 4, 6]] = body.dead_after
    rebuilt = body.decoder(body.code(ROWS))
    loss = body.left_over_loss(ROWS, rebuilt, body.dead_units())
    W, D, x = (each.detach().numpy() for each in (body.code.layer.weight, body.decoder.weight, ROWS))
    dead = [1, 4, 6]
    sums = np.maximum((x - 0.3) @ W[dead].T, 0)
    kept = np.where(sums >= np.sort(sums, axis=1)[:, -2:-1], sums, 0)
    wanted = np.square(x - rebuilt.detach().numpy() - kept @ D[:, dead].T).sum(axis=1)
    np.testing.assert_allclose(loss.detach().numpy(), wanted, rtol=1e-12)
    loss.sum().backward()
    live = [0, 2, 3, 5, 7]
    assert not body.code.layer.weight.grad[live].any()
    assert not body.code.layer.bias.grad[live].any()
    assert not body.decoder.weight.grad[:, live].any()
    assert body.decoder.bias.grad is None
    assert body.decoder.weight.grad[:, dead].any()


def test_idle_counts_rows_since_a_unit_was_active():
    body = small(k=1, n_components=2).body
    body.code.layer.weight.data[:] = 0
    body.code.layer.bias.data[:] = torch.tensor([1.0, 0.5])
    for _ in range(3):
        body.row_loss(ROWS)
    assert body.idle.tolist() == [0, 90]
    body.eval().row_loss(ROWS)
    assert body.idle.tolist() == [0, 90]


def test_resampled_units_point_to_what_is_left_over_and_have_no_past():
    network = small(revive="resample")
    trainer, body = trainer_of(network), network.body
    trainer.step(Batch(ROWS, None, None), torch.Generator())
    body.idle[2] = body.dead_after
    trainer._resample(Batch(ROWS, None, None), torch.Generator().manual_seed(0))
    assert int(body.idle[2]) == 0
    column, weight = body.decoder.weight.detach()[:, 2], body.code.layer.weight.detach()[2]
    torch.testing.assert_close(weight / weight.norm(), column)
    assert float(column.norm()) == pytest.approx(1)
    place = next(n for n, each in enumerate(trainer.parameters) if each is body.code.layer.weight)
    for moments in trainer.optimizer.moments[:2]:
        assert not moments[place][2].any()
        assert moments[place][[0, 1, 3]].any()


def test_divergence_is_zero_where_means_are_rho_alone():
    assert float(divergence(0.05, torch.full((7,), 0.05).double())) == pytest.approx(0, abs=1e-15)
    wanted = 0.2 * np.log(0.2 / 0.5) + 0.8 * np.log(0.8 / 0.5)
    assert float(divergence(0.2, torch.tensor([0.2, 0.5]).double())) == pytest.approx(wanted)
    assert all(float(divergence(0.05, torch.tensor([mean]).double())) > 0 for mean in (0.0, 0.04, 0.06, 1.0))


def test_kl_brings_the_means_to_rho(digits):
    network = SparseAutoencoder(n_components=30, sparsity="kl", rho=0.1, beta=100.0, n_epochs=40, random_state=0).fit(
        digits[:500]
    )
    np.testing.assert_allclose(network.transform(digits[:500]).mean(axis=0), 0.1, atol=0.03)


def test_a_larger_penalty_leaves_fewer_active_units(digits):
    found = [
        SparseAutoencoder(n_components=60, sparsity="l1", l1=l1, n_epochs=10, random_state=0).fit(digits[:500]).l0_
        for l1 in (0.1, 10.0)
    ]
    assert found[1] < 0.5 * found[0]


def test_what_is_measured_is_that_of_plain_sums(digits):
    X = digits[:300]
    weight = np.arange(300) % 3
    network = SparseAutoencoder(n_components=50, k=4, n_epochs=3, random_state=0).fit(X, sample_weight=weight)
    share = weight / weight.sum()
    codes, standard = network.transform(X), network.inputs_.standard
    Z, back = ((each - standard.mean) / standard.scale for each in (X, network.reconstruct(X)))
    assert network.l0_ == pytest.approx(share @ (codes != 0).sum(axis=1), rel=1e-6)
    assert network.dead_fraction_ == pytest.approx((codes[weight > 0] == 0).all(axis=0).mean(), rel=1e-6)
    spread = share @ np.square(Z - share @ Z).sum(axis=1)
    assert network.explained_variance_ == pytest.approx(1 - share @ np.square(Z - back).sum(axis=1) / spread, rel=1e-5)
    assert network.components_.shape == (50, 64)


def test_sparse_output_holds_the_same_codes_and_comes_back_the_same(digits):
    X = digits[:300]
    network = SparseAutoencoder(n_components=50, k=4, n_epochs=1, random_state=0).fit(X)
    dense = network.transform(X)
    found = network.set_params(sparse_output=True).transform(X)
    assert sparse.issparse(found)
    assert found.format == "csr"
    assert found.nnz <= 4 * 300
    np.testing.assert_array_equal(found.toarray(), dense)
    np.testing.assert_array_equal(network.inverse_transform(found), network.inverse_transform(dense))


@pytest.mark.slow
@pytest.mark.parametrize("sparsity", ["topk", "l1", "kl"])
@pytest.mark.parametrize("seed", range(3))
def test_rows_come_back_better_than_the_mean_row_at_defaults_on_a_small_table(sparsity, seed):
    X = load_iris(return_X_y=True)[0]
    network = SparseAutoencoder(sparsity=sparsity, random_state=seed).fit(X[::2])
    assert network.measures(X[1::2], X[::2]).more["explained_variance"][0] > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_tells_fresh_digits_better_than_as_many_principal_components(digits, seed):
    X, fresh = digits[:1400], digits[1400:]
    network = SparseAutoencoder(n_components=128, k=8, random_state=seed).fit(X)
    found = network.measures(fresh, X)
    assert [each.name for each in found.competitors] == ["constant", "PCA"]
    assert found.values.mean() < found.competitors[1].values.mean()


@pytest.mark.slow
def test_dead_units_are_fewer_where_they_are_resampled(digits):
    left, revived = (
        SparseAutoencoder(k=8, n_epochs=50, revive=revive, random_state=0).fit(digits[:1400]).dead_fraction_
        for revive in (None, "resample")
    )
    assert revived < 0.5 * left


def test_dense_layers_for_another_network_are_the_encoder():
    X = load_iris(return_X_y=True)[0]
    network = SparseAutoencoder(n_components=6, sparsity="kl", n_epochs=2, random_state=0).fit(X)
    given = network.hidden_layers()
    ((weight, bias),) = given.layers
    Z = (X - given.inputs.standard.mean) / given.inputs.standard.scale
    codes = 1 / (1 + np.exp(-(Z @ weight.numpy().T + bias.numpy())))
    np.testing.assert_allclose(network.transform(X), codes, rtol=1e-9)
    assert given.activation == "sigmoid"
    with pytest.raises(nnzoo.UsageError, match="without topk"):
        SparseAutoencoder(n_epochs=1, random_state=0).fit(X).hidden_layers()


def test_bad_input_is_refused():
    with pytest.raises(nnzoo.ParameterError, match="sparsity"):
        SparseAutoencoder(sparsity="l0").fit([[1.0], [2.0]])
    with pytest.raises(nnzoo.ParameterError, match="rho"):
        SparseAutoencoder(rho=0.0).fit([[1.0], [2.0]])
    with pytest.raises(nnzoo.ParameterError, match="optimizer"):
        SparseAutoencoder(optimizer="lbfgs").fit([[1.0], [2.0]])
    network = SparseAutoencoder(n_components=4, n_epochs=1).fit([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(nnzoo.DataError, match=r"needs codes of shape \(rows, 4\); got \(1, 3\)"):
        network.inverse_transform(sparse.csr_array([[1.0, 2.0, 3.0]]))


def test_five_steps_without_a_target(tmp_path):
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.train(nnzoo.build("sparse-autoencoder", data, {"n_epochs": 20}), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "reconstruction_error"
    assert report.metrics["reconstruction_error"].value < report.baselines[0].metrics["reconstruction_error"].value
    assert {"explained_variance", "active_units", "silent_units"} <= set(report.metrics)
    model.save(tmp_path / "s.nnzoo")
    loaded = nnzoo.load_model(tmp_path / "s.nnzoo")
    assert loaded.network.l0_ == model.network.l0_
    model.network.set_params(sparse_output=True)
    assert nnzoo.encode(loaded, "penguins").equals(nnzoo.encode(model, "penguins"))


def test_report_of_images_shows_what_units_stand_for():
    data = nnzoo.load("fashion-sample")
    params = {"n_epochs": 1, "n_components": 30}
    report = nnzoo.evaluate(nnzoo.train(nnzoo.build("SAE", data, params), data, verbose=0), data)
    back, filters = report.shows
    assert list(back.content) == ["given", "given back"]
    assert [len(each) for each in filters.content.values()] == [12, 12, 6]
    assert all(each.dtype == np.uint8 and each.shape[1:3] == (28, 28) for each in filters.content.values())
