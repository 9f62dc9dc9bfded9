"""Variational autoencoder: its two bounds and what lies above them, its divergence, probabilistic components."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import nnzoo
from nnzoo import VariationalAutoencoder
from nnzoo.evaluation.rowvalues import LEAST_VARIANCE, density_by_components
from nnzoo.networks.variational import (
    VariationalBody,
    balanced_noise,
    divergence,
    weighted_bound,
)

SMALL = {"n_components": 2, "hidden_layer_sizes": (16,), "n_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)[0]


def linear_body(d: int = 4, k: int = 2, seed: int = 0) -> VariationalBody:
    torch.manual_seed(seed)
    sizes = {"hidden_layer_sizes": (), "n_filters": (), "n_components": k, "activation": "identity"}
    body = VariationalBody((d,), **sizes).double().eval()
    body.variance.fill_(0.5)
    return body


def marginal(body: VariationalBody) -> MultivariateNormal:
    """Return p(x) of a linear decoder: N(b, W Wᵀ + s² I)."""
    layer = body.decoder[0]
    W = layer.weight.detach()
    return MultivariateNormal(layer.bias.detach(), W @ W.T + body.variance * torch.eye(len(W)).double())


def test_one_step_by_hand():
    """x = 1; μ = 0.5·x = 0.5, log σ² = 0, so σ = 1; ε = 0.5 gives z = 1 and the decoder 2·z = 2; s² = 1.

    log p(x|z) = -½ (1 - 2)² - ½ log 2π; KL = ½ (0.25 + 1 - 1 - 0) = 0.125; the loss is ½ + ½ log 2π + 0.125.

    Slopes: of the decoder's output 2 - 1 = 1, of its weight 1·z = 1, of z 2. Of μ 2 + μ = 2.5, of log σ² through z
    2·ε σ / 2 = 0.5 and through KL ½ (σ² - 1) = 0. Each times x = 1.
    """
    body = linear_body(1, 1)
    body.variance.fill_(1.0)
    body.code.layer.weight.data[:], body.decoder[0].weight.data[:] = torch.tensor([[0.5], [0.0]]), 2.0
    loss = -body.bound(torch.ones(1, 1).double(), torch.full((1, 1, 1), 0.5).double())
    assert loss.item() == pytest.approx(0.625 + 0.5 * math.log(2 * math.pi))
    loss.backward()
    np.testing.assert_allclose(body.code.layer.weight.grad, [[2.5], [0.5]], rtol=1e-12)
    np.testing.assert_allclose(body.decoder[0].weight.grad, [[1.0]], rtol=1e-12)


def test_bounds_rise_with_the_number_of_codes_and_stay_below_the_likelihood():
    """Burda et al. 2015, theorem 1, on a linear decoder, whose likelihood is known: within three standard errors."""
    body = linear_body()
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(1)).double()
    exact = marginal(body).log_prob(x).item()
    noise = torch.randn(20_000, 1, 2, generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        mean, log_variance = body.moments(x)
        fit = body.log_likelihood(x, mean + (log_variance / 2).exp() * noise)[:, 0]
        elbo = fit - divergence(mean, log_variance)
        logs = body.log_weights(x, noise)[:, 0]
    found = [elbo] + [weighted_bound(logs.view(-1, k).T) for k in (1, 2, 5, 50)]
    means = [each.mean().item() for each in found] + [exact]
    errors = [each.std().item() / math.sqrt(len(each)) for each in found] + [0.0]
    assert abs(means[0] - means[1]) < 3 * (errors[0] + errors[1])
    for n in range(1, 5):
        assert means[n] < means[n + 1] + 3 * (errors[n] + errors[n + 1])
    assert means[1] < exact - 0.1


def test_many_codes_give_the_exact_likelihood_of_a_linear_decoder():
    """Here q(z|x) = p(z): far from the posterior, but wider, so that no weight is without bound."""
    body = linear_body()
    body.code.layer.weight.data[:] = 0.0
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).double()
    noise = torch.randn(200_000, 1, 2, generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        found = weighted_bound(body.log_weights(x, noise))
    np.testing.assert_allclose(found, marginal(body).log_prob(x), atol=1e-2)


def test_components_with_noise_have_the_density_that_scikit_learn_says(digits):
    known, rows = digits[:900], digits[900:]
    found = density_by_components(known, rows, 6)
    np.testing.assert_allclose(found[1].values, PCA(6).fit(known).score_samples(rows), rtol=1e-9)
    variance = np.square(known - known.mean(axis=0)).mean()
    wanted = MultivariateNormal(torch.from_numpy(known.mean(axis=0)), variance * torch.eye(64).double())
    np.testing.assert_allclose(found[0].values, wanted.log_prob(torch.from_numpy(rows)), rtol=1e-9)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=6))
def test_divergence_is_never_negative_and_is_that_of_torch(moments):
    mean, log_variance = torch.tensor(moments, dtype=torch.float64).T
    found = divergence(mean[None], log_variance[None]).item()
    wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum().item()
    assert found >= -1e-12  # rounding
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_divergence_is_the_mean_of_what_codes_drawn_give():
    mean, log_variance = torch.tensor([[0.7, -1.2]]).double(), torch.tensor([[-0.5, 0.3]]).double()
    noise = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0)).double()
    codes = mean + (log_variance / 2).exp() * noise
    drawn = Normal(mean, (log_variance / 2).exp()).log_prob(codes).sum(1) - Normal(0.0, 1.0).log_prob(codes).sum(1)
    assert abs(drawn.mean() - divergence(mean, log_variance)) < 3 * drawn.std() / math.sqrt(len(drawn))


@pytest.mark.slow
def test_linear_one_has_the_likelihood_of_probabilistic_components():
    """Lucas et al. 2019: at its best the bound of a linear one is log p(x) of probabilistic principal components."""
    X = load_iris(return_X_y=True)[0]
    network = VariationalAutoencoder(
        n_components=2, hidden_layer_sizes=(), learning_rate=0.03, schedule="cosine", n_epochs=400, random_state=0
    ).fit(X)
    Z = network._standardized(network._check_inputs(X))
    wanted = PCA(2).fit(Z).score(Z)
    body, x = network.network_.body, torch.from_numpy(Z)
    with torch.no_grad():
        bound = body.bound(x, torch.randn(200, len(x), 2, generator=torch.Generator().manual_seed(0)).double()).mean()
    assert wanted - 0.1 < bound < wanted + 0.01
    assert network.score(X) == pytest.approx(wanted, abs=0.1)


def test_missing_values_become_the_conditional_means_of_a_linear_one():
    """E[x_m | x_o] = b_m + S_mo S_oo⁻¹ (x_o - b_o), with S = W Wᵀ + s² I, where the encoder is the exact posterior."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(50, 4)) @ draw.normal(size=(4, 4)) + 3
    network = VariationalAutoencoder(n_components=2, hidden_layer_sizes=(), n_epochs=1, random_state=0).fit(X)
    body = network.network_.body
    W, b, variance = body.decoder[0].weight.data, body.decoder[0].bias.data, body.variance.fill_(0.3)
    inverse = torch.linalg.inv(W.T @ W + variance * torch.eye(2).double()) @ W.T
    body.code.layer.weight.data[:2], body.code.layer.bias.data[:2] = inverse, -inverse @ b
    rows = X.copy()
    rows[::2, 1], rows[::3, 3] = np.nan, np.nan
    filled = network.impute(rows)
    S = (W @ W.T + variance * torch.eye(4)).numpy()
    Z, done = (network._standardized(network._check_inputs(each)) for each in (X, filled))
    for z, row, full in zip(Z, rows, done, strict=True):
        m, o = np.isnan(row), ~np.isnan(row)
        wanted = b.numpy()[m] + S[np.ix_(m, o)] @ np.linalg.solve(S[np.ix_(o, o)], z[o] - b.numpy()[o])
        np.testing.assert_allclose(full[m], wanted, atol=1e-4)
    np.testing.assert_array_equal(filled[~np.isnan(rows)], X[~np.isnan(rows)])


def test_missing_pixels_are_filled_in_and_the_others_stay(digits):
    X = np.rint(digits[:300].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    network = VariationalAutoencoder(kind="image", n_filters=(8,), n_epochs=60, random_state=0).fit(X)
    rows = X[:40].astype(float)
    rows[:, 2:5, 2:6] = np.nan
    filled = network.impute(rows)
    assert filled.shape == rows.shape
    np.testing.assert_array_equal(filled[~np.isnan(rows)], X[:40][~np.isnan(rows)])
    lost, mean = (np.abs(each - X[:40])[np.isnan(rows)].mean() for each in (filled, X.mean(axis=0)[None]))
    assert lost < 0.9 * mean


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_gives_fresh_digits_a_higher_likelihood_than_probabilistic_components(digits, seed):
    X, fresh = digits[:1400], digits[1400:]
    network = VariationalAutoencoder(n_components=8, n_epochs=20, random_state=seed).fit(X)
    known, rows = (network._standardized(network._check_inputs(each)) for each in (X, fresh))
    assert network.score(fresh) > PCA(8).fit(known).score(rows) + 2


def test_bernoulli_bound_is_that_of_pixels_that_are_on_or_off():
    X = np.random.default_rng(0).random((40, 6)).round()
    network = VariationalAutoencoder(**SMALL).fit(X)
    assert network.likelihood_ == "bernoulli"
    body, x = network.network_.body, torch.from_numpy(X)
    noise = balanced_noise(x, 2)
    with torch.no_grad():
        mean, log_variance = body.moments(x)
        p = torch.stack([body.decode(z) for z in mean + (log_variance / 2).exp() * noise])
        fit = torch.where(x == 1, p, 1 - p).log().sum(dim=2).mean(dim=0)
        np.testing.assert_allclose(body.row_loss(x), divergence(mean, log_variance) - fit, rtol=1e-6)


@pytest.mark.parametrize(
    ("X", "likelihood"),
    [
        (np.linspace(0, 1, 40).reshape(20, 2), "bernoulli"),
        (np.linspace(0, 2, 40).reshape(20, 2), "gaussian"),
        (np.zeros((20, 4, 4), dtype=np.uint8) + np.arange(4, dtype=np.uint8), "bernoulli"),
    ],
)
def test_likelihood_follows_the_numbers(X, likelihood):
    assert VariationalAutoencoder(kind=None if X.ndim == 2 else "image", **SMALL).fit(X).likelihood_ == likelihood


def test_divergence_counts_beta_times_and_more_of_it_makes_the_code_say_less(digits):
    body = linear_body()
    x, noise = torch.randn(5, 4).double(), balanced_noise(torch.ones(()).double(), 2)
    plain, moments = body.bound(x, noise), body.moments(x)
    body.beta = 3.0
    np.testing.assert_allclose((plain - body.bound(x, noise)).detach(), 2 * divergence(*moments).detach(), rtol=1e-9)
    said = []
    for beta in (1.0, 10.0):
        network = VariationalAutoencoder(beta=beta, n_epochs=10, random_state=0).fit(digits)
        with torch.no_grad():
            said.append(divergence(*network.network_.body.moments(network._check_inputs(digits))).mean().item())
        assert network.n_active_ == (network.transform(digits).var(axis=0) > 0.01).sum()
    assert said[1] < 0.5 * said[0]


def test_more_codes_in_training_train_on_the_weighted_bound():
    X = load_iris(return_X_y=True)[0]
    network = VariationalAutoencoder(n_importance=5, **SMALL).fit(X)
    loss = network.network_.body.row_loss(torch.from_numpy(network._standardized(network._check_inputs(X))))
    np.testing.assert_allclose(-loss.detach(), network.score_samples(X, n_importance=5), rtol=1e-9)


def test_variance_of_rows_that_come_back_exactly_has_a_floor():
    body = linear_body()
    for _ in range(200):
        body._follow(torch.zeros(5, 4).double())
    assert body.variance.item() == LEAST_VARIANCE
    network = VariationalAutoencoder(likelihood="gaussian", **SMALL).fit(np.zeros((30, 3)))
    assert np.isfinite(network.score_samples(np.zeros((2, 3)))).all()


def test_score_of_a_row_does_not_depend_on_the_rows_beside_it():
    X = load_iris(return_X_y=True)[0]
    network = VariationalAutoencoder(**SMALL).fit(X)
    np.testing.assert_allclose(network.score_samples(X)[::-1], network.score_samples(X[::-1]), rtol=1e-9)


def test_samples_come_in_the_unit_of_the_rows_and_from_the_seed():
    X = load_iris(return_X_y=True)[0] * 100 + 7
    network = VariationalAutoencoder(n_components=2, n_epochs=200, random_state=0).fit(X)
    drawn = network.sample(500, random_state=3)
    assert drawn.tolist() == network.sample(500, random_state=3).tolist() != network.sample(500).tolist()
    np.testing.assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=0.5 * X.std(axis=0).min())
    images = np.random.default_rng(0).integers(0, 256, (30, 7, 9, 3)).astype(np.uint8)
    drawn = VariationalAutoencoder(n_filters=(4,), kind="image", **SMALL).fit(images).sample(2, random_state=0)
    assert (drawn.shape, drawn.dtype) == ((2, 7, 9, 3), np.uint8)


def test_bad_input_is_refused():
    with pytest.raises(nnzoo.DataError, match="needs numbers from 0 to 1 here; X goes from -1 to 3"):
        VariationalAutoencoder(likelihood="bernoulli").fit([[-1.0, 0.0], [3.0, 1.0]])
    network = VariationalAutoencoder(**SMALL).fit(np.random.default_rng(0).random((20, 4)))
    with pytest.raises(nnzoo.DataError, match="needs numbers from 0 to 1 here; X goes from 0 to 2"):
        network.score_samples([[0.0, 1.0, 2.0, 0.0]])
    with pytest.raises(ValueError, match="X has 3 features, but VariationalAutoencoder is expecting 4"):
        network.impute([[0.0, np.nan, 1.0]])
    images = np.zeros((8, 4, 4), dtype=np.uint8)
    network = VariationalAutoencoder(kind="image", n_filters=(), **SMALL).fit(images)
    with pytest.raises(nnzoo.DataError, match=r"was trained on rows of shape \(4, 4, 1\); X has rows of shape \(3, 4"):
        network.impute(np.zeros((1, 3, 4)))


@pytest.mark.slow
def test_five_steps_without_a_target(tmp_path):
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.train(nnzoo.build("variational-autoencoder", data), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "log_likelihood"
    assert [each.name for each in report.baselines] == ["constant", "probabilistic PCA"]
    assert report.metrics["log_likelihood"].value > report.baselines[0].metrics["log_likelihood"].value
    model.save(tmp_path / "v.nnzoo")
    loaded = nnzoo.load_model(tmp_path / "v.nnzoo")
    assert nnzoo.predict(loaded, "penguins").columns == ["row", "score", "note"]
    assert nnzoo.encode(loaded, "penguins").columns == ["row", *(f"code_{n}" for n in range(1, 17))]
    assert set(loaded.sample(20, seed=0)["island"]) <= {"Biscoe", "Dream", "Torgersen"}


@pytest.mark.slow
def test_report_of_images_shows_what_comes_back_and_what_is_drawn(tmp_path):
    data = nnzoo.load("fashion-sample")
    params = {"n_epochs": 1, "hidden_layer_sizes": [8]}
    report = nnzoo.evaluate(nnzoo.train(nnzoo.build("VAE", data, params), data, verbose=0), data)
    assert [shown.title for shown in report.shows] == ["What comes back", "What it draws"]
    assert [each.name for each in report.baselines] == ["constant"]
    report.to_html(tmp_path / "report.html")
