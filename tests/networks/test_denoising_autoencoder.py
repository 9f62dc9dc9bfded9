"""Denoising autoencoder: its noises, what it learns where theory knows it, the autoencoder where there is no noise."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris

import nnzoo
from nnzoo import Autoencoder, DenoisingAutoencoder
from nnzoo.engine.device import isolated_random_state
from nnzoo.evaluation.rowvalues import denoise_linearly
from nnzoo.networks.denoising_autoencoder import DenoisingBody, Noise

LINEAR = {"hidden_layer_sizes": (), "activation": "identity", "schedule": "cosine", "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)[0]


def with_noise(kind: str, level: float, x: torch.Tensor) -> torch.Tensor:
    with isolated_random_state(0, x.device):
        return Noise(kind, level)(x)


ROWS = torch.arange(1.0, 20_001.0).reshape(2_000, 10)


@pytest.mark.parametrize("kind", ["masking", "salt_and_pepper", "swap"])
def test_noise_replaces_the_stated_share(kind):
    """The share of n numbers has the standard error √(p (1 - p) / n); three of them are allowed."""
    replaced = with_noise(kind, 0.3, ROWS) != ROWS
    assert abs(replaced.double().mean() - 0.3) < 3 * np.sqrt(0.3 * 0.7 / ROWS.numel()) + 2e-3


def test_masking_puts_the_mean_of_the_column_which_is_zero():
    found = with_noise("masking", 0.3, ROWS)
    assert bool(((found == 0) | (found == ROWS)).all())


def test_salt_and_pepper_puts_the_ends_of_the_column():
    found = with_noise("salt_and_pepper", 0.4, ROWS)
    assert bool(((found == ROWS[0]) | (found == ROWS[-1]) | (found == ROWS)).all())
    assert abs(float((found == ROWS[0]).sum() / (found == ROWS[-1]).sum()) - 1) < 0.1


def test_swap_keeps_the_values_of_every_column_and_never_takes_the_row_itself():
    found = with_noise("swap", 1.0, ROWS)
    for column, before in zip(found.T, ROWS.T, strict=True):
        assert set(column.tolist()) <= set(before.tolist())
    assert bool((found != ROWS).all())


def test_gaussian_noise_has_the_stated_deviation():
    added = with_noise("gaussian", 0.5, ROWS.double()) - ROWS
    assert added.std() == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(2 * added.numel()))
    assert abs(added.mean()) < 3 * 0.5 / np.sqrt(added.numel())


@pytest.mark.parametrize("kind", ["masking", "salt_and_pepper", "gaussian", "swap"])
def test_noise_is_fresh_in_training_and_always_the_same_elsewhere(kind):
    noise = Noise(kind, 0.5)
    images = torch.randn(6, 5, 4, 2)
    assert not torch.equal(noise(images), noise(images))
    noise.eval()
    assert torch.equal(noise(images), noise(images))
    assert torch.equal(Noise(kind, 0.0)(images), images)
    assert noise(images).shape == images.shape


def test_one_step_by_hand():
    """x = (1, 2), masked x̃ = (0, 0), so z = b = 1 and x̂ = (2, 1)·z = (2, 1); the loss is (1-2)² + (2-1)² = 2.

    The error is taken to the clean row: ∂E/∂x̂ = 2 (x̂ - x) = (2, -2), of the decoder (2, -2)·z. Of z it is 2·2 - 2·1 = 2:
    so of the bias b 2, and of the encoder's weights 2·x̃ = (0, 0).
    """
    body = DenoisingBody(
        (2,), hidden_layer_sizes=(), n_filters=(), n_components=1, activation="identity", corruption_level=1.0
    ).double()
    encode, decode = body.encoder[-1], body.decoder[0]
    encode.weight.data[:], encode.bias.data[:] = torch.tensor([[0.5, 0.25]]), 1.0
    decode.weight.data[:] = torch.tensor([[2.0], [1.0]])
    loss = body.row_loss(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    assert loss.tolist() == [2.0]
    loss.sum().backward()
    assert decode.weight.grad.tolist() == [[2.0], [-2.0]]
    assert encode.bias.grad.tolist() == [2.0]
    assert encode.weight.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("kind", ["table", "image"])
def test_without_noise_it_is_the_autoencoder_of_the_same_seed(digits, kind):
    X = digits[:200] if kind == "table" else digits[:200].reshape(-1, 8, 8)
    same = {"n_components": 5, "hidden_layer_sizes": (12,), "n_filters": (4,), "batch_size": 50, "learning_rate": 0.01}
    same |= {"n_epochs": 3, "random_state": 7}
    plain = Autoencoder(kind=kind, **same).fit(X)
    network = DenoisingAutoencoder(corruption_level=0.0, kind=kind, **same).fit(X)
    np.testing.assert_array_equal(network.transform(X), plain.transform(X))
    np.testing.assert_array_equal(network.reconstruct(X), plain.reconstruct(X))


def test_linear_one_learns_the_best_linear_filter():
    """Of rows with covariance S and noise of deviation s the least error is that of x̂ = S (S + s² I)⁻¹ x̃."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(2_000, 3)) @ draw.normal(size=(3, 3))
    network = DenoisingAutoencoder(
        n_components=3,
        noise="gaussian",
        corruption_level=0.5,
        learning_rate=0.02,
        batch_size=500,
        n_epochs=300,
        **LINEAR,
    ).fit(X)
    Z = network._standardized(network._check_inputs(X))
    S = Z.T @ Z / len(Z)
    body = network.network_.body
    learned = (body.decoder[0].weight @ body.encoder[-1].weight).detach().double().numpy()
    wanted = S @ np.linalg.inv(S + 0.25 * np.eye(3))
    assert np.linalg.norm(learned - wanted) < 1e-2 * np.linalg.norm(wanted)


@pytest.mark.slow
def test_what_comes_back_points_along_the_slope_of_the_density():
    """(x̂ - x) / s² is the slope of log p, p smoothed by the noise: here two normal distributions, each a little wider.

    Noise of deviation s makes of the deviation d of each part √(d² + s²) (Alain & Bengio 2014, with Tweedie's formula).
    """
    draw = np.random.default_rng(0)
    X = (draw.choice([-1.0, 1.0], 20_000) + 0.3 * draw.normal(size=20_000))[:, None]
    s = 0.5
    network = DenoisingAutoencoder(
        n_components=8, hidden_layer_sizes=(32,), activation="tanh", noise="gaussian", corruption_level=s,
        learning_rate=5e-3, schedule="cosine", batch_size=500, n_epochs=60, early_stopping=False, random_state=0,
    ).fit(X)  # fmt: skip
    mean, scale = network.inputs_.standard.mean[0], network.inputs_.standard.scale[0]
    z = np.linspace(-1.3, 1.3, 53)
    back = network._standardized(network._check_inputs(network.predict(z[:, None] * scale + mean)))[:, 0]
    centers, variance = (np.array([-1.0, 1.0]) - mean) / scale, (0.3 / scale) ** 2 + s**2
    parts = np.exp(-np.square(z[:, None] - centers) / (2 * variance))
    slope = (parts * (centers - z[:, None])).sum(axis=1) / parts.sum(axis=1) / variance
    np.testing.assert_allclose((back - z) / s**2, slope, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_cleans_fresh_digits_better_than_least_squares(digits, seed):
    X, fresh = digits[:1400], digits[1400:]
    network = DenoisingAutoencoder(noise="gaussian", corruption_level=0.8, n_epochs=40, random_state=seed).fit(X)
    found = network.measures(fresh, X)
    lost = {each.name: each.values.mean() for each in found.competitors}
    assert list(lost) == ["constant", "as given", "linear"]
    assert found.values.mean() < min(lost.values())


def test_linear_cleaning_is_least_squares_on_noisy_rows():
    draw = np.random.default_rng(0)
    clean = draw.normal(size=(5_000, 2)) @ [[1.0, 0.9], [0.0, 0.3]]
    noisy = clean + draw.normal(size=clean.shape)
    errors = [
        each.values.mean() for each in denoise_linearly(clean[:4_000], noisy[:4_000], clean[4_000:], noisy[4_000:])
    ]
    S = np.cov(clean.T)
    least = np.trace(S - S @ np.linalg.inv(S + np.eye(2)) @ S)
    np.testing.assert_allclose(errors, [np.trace(S), 2.0, least], rtol=0.1)


def test_rows_keep_their_unit_their_shape_and_stay_as_they_were():
    X = np.random.default_rng(0).integers(0, 256, (20, 7, 9, 3)).astype(np.uint8)
    before = X.copy()
    network = DenoisingAutoencoder(kind="image", n_filters=(4,), hidden_layer_sizes=(), n_epochs=1, random_state=0)
    cleaned = network.fit(X).predict(X)
    assert (cleaned.shape, cleaned.dtype) == (X.shape, np.uint8)
    assert X.tobytes() == before.tobytes()


@pytest.mark.parametrize(("level", "kept"), [(0.3, "last"), (0.0, "train_loss")])
def test_last_weights_are_kept_where_the_lowest_loss_is_that_of_the_mildest_noise(level, kept):
    X = load_iris(return_X_y=True)[0]
    assert DenoisingAutoencoder(corruption_level=level, n_epochs=2, random_state=0).fit(X).best_by_ == kept


def test_score_is_that_of_rows_without_noise():
    X = load_iris(return_X_y=True)[0]
    network = DenoisingAutoencoder(n_epochs=5, random_state=0).fit(X)
    Z, back = (network._standardized(network._check_inputs(each)) for each in (X, network.predict(X)))
    np.testing.assert_allclose(network.score_samples(X), -np.square(Z - back).sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(network.score_samples(X)[::-1], network.score_samples(X[::-1]), rtol=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(nnzoo.ParameterError, match="noise"):
        DenoisingAutoencoder(noise="salt").fit([[1.0], [2.0]])
    with pytest.raises(nnzoo.ParameterError, match="corruption_level"):
        DenoisingAutoencoder(corruption_level=1.5).fit([[1.0], [2.0]])
    network = DenoisingAutoencoder(n_epochs=1, noise="swap").fit([[1.0, 2.0]])
    with pytest.raises(nnzoo.DataError, match=r"needs codes of shape \(rows, 64\); got \(1, 3\)"):
        network.inverse_transform([[1.0, 2.0, 3.0]])


@pytest.mark.slow
def test_five_steps_without_a_target(tmp_path):
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.train(nnzoo.build("denoising-autoencoder", data), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "denoising_error"
    assert report.metrics["denoising_error"].value < report.baselines[0].metrics["denoising_error"].value
    model.save(tmp_path / "d.nnzoo")
    loaded = nnzoo.load_model(tmp_path / "d.nnzoo")
    assert nnzoo.predict(loaded, "penguins").columns == ["row", "score", "note"]
    assert nnzoo.encode(loaded, "penguins").columns == ["row", *(f"code_{n}" for n in range(1, 65))]


@pytest.mark.slow
def test_report_of_images_shows_them_with_noise_and_without():
    data = nnzoo.load("fashion-sample")
    params = {"n_epochs": 1, "hidden_layer_sizes": [8]}
    report = nnzoo.evaluate(nnzoo.train(nnzoo.build("DAE", data, params), data, verbose=0), data)
    (shown,) = report.shows
    assert list(shown.content) == ["given", "with noise", "given back"]
