"""Autoencoder: principal components where it is linear, slopes of its code, rows that come back, outliers."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

import nnzoo
from nnzoo import Autoencoder
from nnzoo.networks.autoencoder import AutoencoderBody, squared_jacobian

LINEAR = {"hidden_layer_sizes": (), "activation": "identity", "optimizer": "lbfgs", "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)[0]


def standardized(network, X):
    return network._standardized(network._check_inputs(X))


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_linear_autoencoder_has_the_error_and_the_subspace_of_principal_components(digits, tied):
    """Baldi & Hornik 1989: at the optimum what is lost is the sum of the variances behind the first k."""
    network = Autoencoder(n_components=5, tied=tied, precision="float64", **LINEAR).fit(digits)
    Z = standardized(network, digits)
    pca = PCA().fit(Z)
    left_over = pca.explained_variance_[5:].sum() * (len(Z) - 1) / len(Z)
    assert -network.score(digits) == pytest.approx(left_over, rel=1e-4)
    decoder = network.network_.body.decode(torch.eye(5, dtype=torch.float64)) - network.network_.body.decode(
        torch.zeros(5, 5, dtype=torch.float64)
    )
    angles = subspace_angles(decoder.flatten(1).detach().numpy().T, pca.components_[:5].T)
    assert angles.max() < 1e-2


def test_tied_linear_autoencoder_is_the_projector_on_the_components():
    X = load_iris(return_X_y=True)[0]
    network = Autoencoder(n_components=2, tied=True, precision="float64", **LINEAR).fit(X)
    Z = standardized(network, X)
    V = PCA(2).fit(Z).components_
    weight = network.network_.body.encoder[-1].weight.detach().numpy()
    np.testing.assert_allclose(weight.T @ weight, V.T @ V, atol=1e-3)


def test_one_step_by_hand():
    """x = (1, 2), z = w·x = 0.5·1 + 0.25·2 = 1, x̂ = (2, 1)·z = (2, 1); the loss is (1-2)² + (2-1)² = 2.

    Slopes: ∂E/∂x̂ = 2(x̂ - x) = (2, -2); of the decoder ∂E/∂v = (2, -2)·z; of the code 2·2 - 2·1 = 2, so of the encoder
    2·x = (2, 4).
    """
    body = AutoencoderBody((2,), hidden_layer_sizes=(), n_filters=(), n_components=1, activation="identity").double()
    encode, decode = body.encoder[-1], body.decoder[0]
    encode.weight.data[:], decode.weight.data[:] = torch.tensor([[0.5, 0.25]]), torch.tensor([[2.0], [1.0]])
    loss = body.row_loss(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    assert loss.tolist() == [2.0]
    loss.sum().backward()
    assert decode.weight.grad.tolist() == [[2.0], [-2.0]]
    assert encode.weight.grad.tolist() == [[2.0, 4.0]]


def test_contractive_term_is_the_squared_norm_of_the_jacobian():
    torch.manual_seed(0)
    body = AutoencoderBody((4,), hidden_layer_sizes=(6,), n_filters=(), n_components=3, activation="tanh").double()
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(lambda rows: body(rows).sum(dim=0), x)
    np.testing.assert_allclose(
        squared_jacobian(body(x), x).detach(), jacobian.square().sum(dim=(0, 2)).detach(), rtol=1e-6
    )
    plain = body.row_loss(x).detach()
    body.contractive = 0.5
    added = body.row_loss(x).detach() - plain
    np.testing.assert_allclose(added, 0.5 * jacobian.square().sum(dim=(0, 2)).detach(), rtol=1e-6)


def test_contraction_flattens_the_code_and_leaves_the_data_as_they_were():
    X = load_iris(return_X_y=True)[0]
    before = X.copy()
    slopes = []
    for weight in (0.0, 10.0):
        network = Autoencoder(contractive=weight, hidden_layer_sizes=(8,), activation="tanh", random_state=0).fit(X)
        x = torch.tensor(standardized(network, X), requires_grad=True)
        slopes.append(float(squared_jacobian(network.network_.body(x), x).mean().detach()))
    assert slopes[1] < 0.3 * slopes[0]
    assert X.tobytes() == before.tobytes()


@pytest.mark.parametrize("shape", [(7, 10), (9, 8, 3)])
def test_images_of_any_size_come_back_in_their_shape_and_as_bytes(shape):
    X = np.random.default_rng(0).integers(0, 256, (30, *shape)).astype(np.uint8)
    network = Autoencoder(kind="image", n_filters=(4, 6), hidden_layer_sizes=(), n_epochs=2, random_state=0).fit(X)
    rebuilt = network.reconstruct(X)
    assert rebuilt.dtype == np.uint8
    assert rebuilt.shape == (30, *shape, *([1] * (len(shape) == 2)))
    assert network.inverse_transform(network.transform(X)).tolist() == rebuilt.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_loses_less_than_principal_components_on_digits(digits, seed):
    X, fresh = digits[:1400], digits[1400:]
    network = Autoencoder(n_components=4, kind="image", input_shape=(8, 8), n_epochs=60, random_state=seed).fit(X)
    known, rows = standardized(network, X), standardized(network, fresh)
    pca = PCA(4).fit(known)
    lost = np.square(rows - pca.inverse_transform(pca.transform(rows))).sum(axis=1).mean()
    assert -network.score(fresh) < 0.9 * lost


def test_rows_come_back_in_their_own_unit():
    X = load_iris(return_X_y=True)[0] * [1, 100, 1, 0.01] + [0, 5, 1000, 0]
    network = Autoencoder(n_components=4, precision="float64", **LINEAR).fit(X)
    np.testing.assert_allclose(network.reconstruct(X), X, rtol=1e-4, atol=1e-5)


def test_outliers_are_the_rows_that_come_back_worst():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 1)) @ draw.normal(size=(1, 5)) + 0.05 * draw.normal(size=(300, 5))
    network = Autoencoder(n_components=1, hidden_layer_sizes=(8,), contamination=0.05, random_state=0).fit(X)
    assert (network.predict(X) == -1).sum() == 15
    np.testing.assert_array_equal(network.decision_function(X) < 0, network.predict(X) == -1)
    assert (network.predict(X + draw.normal(scale=3, size=X.shape)) == -1).mean() > 0.8
    assert network.offset_ == pytest.approx(np.sort(network.score_samples(X))[15])


def test_bernoulli_loss_is_the_cross_entropy_of_numbers_from_0_to_1():
    X = np.random.default_rng(0).random((40, 6)).round()
    network = Autoencoder(loss="bernoulli", hidden_layer_sizes=(4,), n_epochs=5, random_state=0).fit(X)
    p = network.reconstruct(X)
    assert ((p > 0) & (p < 1)).all()
    np.testing.assert_allclose(network.score_samples(X), np.log(np.where(X == 1, p, 1 - p)).sum(axis=1), rtol=1e-4)
    with pytest.raises(nnzoo.DataError, match="needs numbers from 0 to 1 here; X goes from 0 to 2"):
        network.score_samples(2 * X)


def test_bad_input_is_refused():
    with pytest.raises(nnzoo.DataError, match="needs numbers from 0 to 1 here; X goes from -1 to 3"):
        Autoencoder(loss="bernoulli").fit([[-1.0, 0.0], [3.0, 1.0]])
    with pytest.raises(nnzoo.UsageError, match="tied=True is for dense layers"):
        Autoencoder(tied=True, kind="image").fit(np.zeros((4, 8, 8)))
    network = Autoencoder(n_epochs=1).fit(load_iris(return_X_y=True)[0])
    with pytest.raises(nnzoo.DataError, match=r"needs codes of shape \(rows, 2\); got \(1, 3\)"):
        network.inverse_transform([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="at least one non-zero number"):
        Autoencoder().fit([[1.0], [2.0]], sample_weight=[0, 0])


def test_five_steps_without_a_target(tmp_path):
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.train(nnzoo.build("autoencoder", data, {"n_epochs": 30}), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "reconstruction_error"
    assert [each.name for each in report.baselines] == ["constant", "PCA"]
    assert "reconstruction error" in str(report)
    report.to_html(tmp_path / "report.html")
    model.save(tmp_path / "a.nnzoo")
    loaded = nnzoo.load_model(tmp_path / "a.nnzoo")
    frame = nnzoo.predict(loaded, "penguins")
    assert frame.columns == ["row", "prediction", "score", "note"]
    assert set(frame["prediction"]) == {-1, 1}
    assert nnzoo.encode(loaded, "penguins").columns == ["row", "code_1", "code_2"]
