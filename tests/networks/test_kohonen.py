"""Kohonen Network: both rules by hand and again in numpy, k-means at its end, the energy, maps of either kind."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris

import nnzoo
from nnzoo import KohonenNetwork
from nnzoo.networks.map_units import Grid, first_plane

IRIS = load_iris(return_X_y=True)[0]


def rows(n=60, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def standardized(network, X):
    return network._standardized(network._check_inputs(X))


def codebook(network):
    return network.network_.body.units.codebook.double().numpy()


def started(X, **params):
    """Return a network whose units lie where they begin, and the trainer of its rule."""
    network = KohonenNetwork(precision="float64", random_state=0, **params)
    checked = network._check_rows(X, None, None, reset=True)
    network._start(checked, network._learn_target(checked), 0)
    return network, network.learn(network.network_, len(X), 1), network._to_batch(checked)


def test_a_batch_step_by_hand():
    """Two units on a chain, σ = 1: h(0) = 1, h(1) = e^-½ = 0.60653.

    Rows -1, 1 and 0.8 are standardised (mean 0.26667, deviation 0.89938) to -1.40838, 0.81538 and 0.59300. The first
    goes to the left unit, the others to the right one. m₁ = (1·-1.40838 + h·1.40838) / (1 + 2h) = -0.55416/2.21306 =
    -0.25041; m₂ = (h·-1.40838 + 1.40838) / (h + 2) = 0.55416/2.60653 = 0.21261.
    """
    network = KohonenNetwork(n_rows=1, n_columns=2, sigma=1.0, decay=None, n_epochs=1).fit([[-1.0], [1.0], [0.8]])
    np.testing.assert_allclose(codebook(network).ravel(), [-0.25041, 0.21261], atol=1e-5)


def test_an_online_step_by_hand():
    """One row, standardised to 0; units at -1 and 2, σ = 1, α = ½: the left one answers.

    m₁ = -1 + ½·1·(0 + 1) = -0.5; m₂ = 2 + ½·0.60653·(0 - 2) = 1.39347.
    """
    network, _, batch = started(np.array([[7.0]]), n_rows=1, n_columns=2, method="online", sigma=1.0, decay=None)
    network.network_.body.units.codebook[:, 0] = torch.tensor([-1.0, 2.0])
    trainer = network.learn(network.network_, 1, 1)
    assert trainer.step(batch, torch.Generator()) == {"loss": 1.0}
    np.testing.assert_allclose(codebook(network).ravel(), [-0.5, 1.39347], atol=1e-5)


def plain_map(X, units, places, h_of, *, online):
    """One pass of either rule with loops; ``h_of`` gives the neighbourhood of a squared distance on the map."""
    units = units.copy()
    if online:
        for x in X:
            c = min(range(len(units)), key=lambda i: np.sum((x - units[i]) ** 2))
            for i in range(len(units)):
                units[i] += 0.5 * h_of(np.sum((places[c] - places[i]) ** 2)) * (x - units[i])
        return units
    above, below = np.zeros_like(units), np.zeros(len(units))
    for x in X:
        c = min(range(len(units)), key=lambda i: np.sum((x - units[i]) ** 2))
        for i in range(len(units)):
            h = h_of(np.sum((places[c] - places[i]) ** 2))
            above[i], below[i] = above[i] + h * x, below[i] + h
    return np.where(below[:, None] > 0, above / np.maximum(below, 1e-300)[:, None], units)


@pytest.mark.parametrize("grid", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble"])
@pytest.mark.parametrize("method", ["batch", "online"])
@pytest.mark.parametrize("d", [3, 20])
def test_a_pass_is_that_of_plain_loops(grid, neighborhood, method, d):
    X, sigma = rows(d=d), 1.1
    network, trainer, batch = started(
        X, n_rows=3, n_columns=4, grid=grid, neighborhood=neighborhood, method=method, sigma=sigma, decay=None
    )
    h_of = (lambda s: np.exp(-s / (2 * sigma**2))) if neighborhood == "gaussian" else (lambda s: float(s <= sigma**2))
    before, places = codebook(network).copy(), network.network_.body.grid.places
    wanted = plain_map(standardized(network, X), before, places, h_of, online=method == "online")
    trainer.step(batch, torch.Generator())
    np.testing.assert_allclose(codebook(network), wanted, atol=1e-9)


def test_with_no_neighbourhood_a_batch_step_is_one_of_k_means():
    X = load_digits(return_X_y=True)[0][:300]
    network, trainer, batch = started(X, n_rows=4, n_columns=4, init="random", sigma=0.05, decay=None)
    means = KMeans(16, init=codebook(network).copy(), n_init=1, max_iter=1, algorithm="lloyd")
    means.fit(standardized(network, X))
    trainer.step(batch, torch.Generator())
    np.testing.assert_allclose(codebook(network), means.cluster_centers_, atol=1e-6)


def test_energy_never_rises_where_neighbourhoods_answer():
    X = rows(200, 4)
    network, trainer, batch = started(X, n_rows=5, n_columns=5, winner="averaged", sigma=1.2, decay=None, init="random")
    h, Z, energies = network.network_.body.grid.neighborhood(1.2, "gaussian"), standardized(network, X), []
    for _ in range(15):
        squared = np.square(Z[:, None] - codebook(network)).sum(axis=2)
        energies.append((squared @ h).min(axis=1).sum())
        trainer.step(batch, torch.Generator())
    assert np.all(np.diff(energies) <= 1e-9)
    assert energies[-1] < 0.9 * energies[0]


def test_order_of_the_rows_does_not_matter():
    order = np.random.default_rng(1).permutation(len(IRIS))
    first, second = (KohonenNetwork(random_state=0).fit(X) for X in (IRIS, IRIS[order]))
    np.testing.assert_allclose(first.codebook_, second.codebook_, atol=1e-6)


def test_rows_of_weight_two_are_rows_twice():
    weight = np.where(np.arange(len(IRIS)) % 3, 1.0, 2.0)
    twice = np.repeat(IRIS, weight.astype(int), axis=0)
    weighted = KohonenNetwork(n_rows=4, n_columns=4).fit(IRIS, sample_weight=weight)
    np.testing.assert_allclose(
        weighted.codebook_, KohonenNetwork(n_rows=4, n_columns=4).fit(twice).codebook_, atol=1e-6
    )


def test_online_a_weight_of_two_moves_as_far_as_two_steps():
    """Twice by α h leaves (1 - α h)² of the way to go."""
    network, _, batch = started(np.array([[3.0], [3.0]]), n_rows=1, n_columns=1, method="online", decay=None)
    network.network_.body.units.codebook.fill_(1.0)
    trainer = network.learn(network.network_, 2, 1)
    trainer.step(type(batch)(batch.inputs[:1], None, torch.tensor([2.0])), torch.Generator())
    assert codebook(network).item() == pytest.approx(0.25)


def test_one_unit_is_the_mean():
    network = KohonenNetwork(n_rows=1, n_columns=1).fit(IRIS)
    np.testing.assert_allclose(network.codebook_[0], IRIS.mean(axis=0), atol=1e-12)
    assert network.topographic_error(IRIS) == 0
    assert network.u_matrix_.tolist() == [[0.0]]


def test_a_chain_orders_a_line():
    X = np.sort(np.random.default_rng(0).random((200, 1)), axis=0)
    network = KohonenNetwork(n_rows=1, n_columns=12).fit(X)
    assert network.topographic_error(X) == 0
    assert np.all(np.diff(network.codebook_.ravel()) > 0) or np.all(np.diff(network.codebook_.ravel()) < 0)


@pytest.mark.parametrize("border", ["planar", "toroid"])
def test_hexagons_have_six_neighbours_at_one_distance_on_odd_and_even_rows(border):
    grid = Grid(6, 7, "hexagonal", border)
    inside = [r * 7 + c for r in range(1, 5) for c in range(1, 6)] if border == "planar" else range(42)
    for unit in inside:
        np.testing.assert_allclose(np.sort(grid.squared[unit])[1:7], 1.0)
        assert grid.touching[unit].sum() == 6
        assert np.sort(grid.squared[unit])[7] > 2.9


def test_a_toroid_looks_alike_from_every_unit():
    grid = Grid(4, 5, "rectangular", "toroid")
    assert len({tuple(np.sort(line)) for line in grid.squared}) == 1
    assert grid.squared[0, 15] == 1
    assert grid.squared[0, 4] == 1
    assert set(grid.touching.sum(axis=1)) == {8}


def test_first_units_lie_on_the_plane_of_the_principal_components():
    X = rows(100, 6) @ np.diag([5, 3, 1, 1, 1, 1])
    x, weight = torch.from_numpy(X), torch.ones(100, dtype=torch.float64)
    mean, axes = first_plane(x, weight)
    _, values, right = np.linalg.svd(X - X.mean(axis=0))
    np.testing.assert_allclose(mean, X.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.abs(axes.numpy() @ right[:2].T), np.diag(values[:2]) / 10, atol=1e-9)
    wide = torch.from_numpy(rows(40, 1500))
    _, axes = first_plane(wide, torch.ones(40, dtype=torch.float64))
    values = np.linalg.svd((wide - wide.mean(dim=0)).numpy(), compute_uv=False)
    np.testing.assert_allclose(axes.norm(dim=1), values[:2] / np.sqrt(40))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["batch", "online"])
def test_it_maps_digits_better_than_the_mean_row_and_keeps_neighbours(seed, method):
    X, y = load_digits(return_X_y=True)
    X, y = X[seed::3], y[seed::3]
    network = KohonenNetwork(method=method, n_epochs=10, init="random", random_state=seed).fit(X)
    Z = standardized(network, X)
    assert -network.score(X) < 0.75 * np.linalg.norm(Z - Z.mean(axis=0), axis=1).mean()
    assert network.topographic_error(X) < 0.25
    labels = network.label_map(X, y).ravel()
    assert (labels[network.predict(X)] == y).mean() > 0.8


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_verbs_agree_with_each_other(metric):
    network = KohonenNetwork(n_rows=4, n_columns=5, metric=metric, codes="distances", precision="float64").fit(IRIS)
    Z, units = standardized(network, IRIS), codebook(network)
    wanted = {
        "euclidean": lambda: np.linalg.norm(Z[:, None] - units, axis=2),
        "manhattan": lambda: np.abs(Z[:, None] - units).sum(axis=2),
        "cosine": lambda: 1 - (Z @ units.T) / np.outer(np.linalg.norm(Z, axis=1), np.linalg.norm(units, axis=1)),
    }[metric]()
    np.testing.assert_allclose(network.transform(IRIS), wanted, atol=1e-9)
    np.testing.assert_array_equal(network.predict(IRIS), wanted.argmin(axis=1))
    np.testing.assert_allclose(network.score_samples(IRIS), -wanted.min(axis=1), atol=1e-9)
    places = network.set_params(codes="places").fit(IRIS)
    down, right = np.divmod(places.predict(IRIS), 5)
    np.testing.assert_array_equal(places.transform(IRIS), np.stack([down, right], axis=1))
    np.testing.assert_allclose(places.reconstruct(IRIS), places.codebook_[places.predict(IRIS)])
    np.testing.assert_array_equal(places.fit_predict(IRIS), places.predict(IRIS))


def test_errors_are_those_of_their_definitions():
    network = KohonenNetwork(n_rows=5, n_columns=4, grid="hexagonal").fit(IRIS)
    Z, units, places = standardized(network, IRIS), codebook(network), network.network_.body.grid.places
    apart = np.linalg.norm(Z[:, None] - units, axis=2)
    assert network.score(IRIS) == pytest.approx(-apart.min(axis=1).mean())
    two = np.argsort(apart, axis=1)[:, :2]
    far = np.linalg.norm(places[two[:, 0]] - places[two[:, 1]], axis=1) > 1.01
    assert network.topographic_error(IRIS) == pytest.approx(far.mean())
    for i, found in enumerate(network.u_matrix_.ravel()):
        near = [j for j in range(20) if 0 < np.linalg.norm(places[i] - places[j]) < 1.01]
        assert found == pytest.approx(np.mean([np.linalg.norm(units[i] - units[j]) for j in near]))


def test_a_schedule_shrinks_to_its_end_and_training_goes_on_from_there():
    network = KohonenNetwork(n_rows=4, n_columns=4, n_epochs=5).fit(IRIS)
    trainer = network.learn(network.network_, len(IRIS), 1)
    assert trainer.n_passes == 5
    assert trainer.schedule.at(0) == (2.0, 0.5)
    assert trainer.schedule.at(4) == trainer.schedule.at(5) == (0.5, 0.005)
    before = codebook(network).copy()
    assert np.abs(codebook(network.partial_fit(IRIS)) - before).max() < 0.5
    linear = KohonenNetwork(n_rows=4, n_columns=4, n_epochs=5, decay="linear").fit(IRIS)
    assert linear.learn(linear.network_, 1, 1).schedule.at(2)[0] == pytest.approx(1.25)


def test_a_map_that_stands_still_ends_training():
    network = KohonenNetwork(n_rows=2, n_columns=2, sigma=0.3, decay=None, n_epochs=500).fit(IRIS)
    assert network.stopped_ == "finished"
    assert network.n_iter_ < 100


def test_units_come_back_as_images():
    X = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3)).astype(np.uint8)
    network = KohonenNetwork(n_rows=2, n_columns=3, kind="image").fit(X)
    assert network.codebook_.shape == (6, 6, 5, 3)
    assert network.reconstruct(X).dtype == np.uint8


def test_bad_input_is_refused():
    with pytest.raises(nnzoo.UsageError, match="a toroid of hexagons needs an even n_rows; got 3"):
        KohonenNetwork(n_rows=3, grid="hexagonal", border="toroid").fit(IRIS)
    with pytest.raises(nnzoo.ParameterError, match="n_rows needs a whole number from 1"):
        KohonenNetwork(n_rows=0).fit(IRIS)
    network = KohonenNetwork(n_epochs=1).fit(IRIS)
    with pytest.raises(nnzoo.DataError, match=r"needs one label a row; got \(3,\) for 150 rows"):
        network.label_map(IRIS, [1, 2, 3])
    with pytest.raises(nnzoo.DataError, match=r"needs codes of shape \(rows, 2\); got \(1, 3\)"):
        network.inverse_transform([[1.0, 2.0, 3.0]])


def test_five_steps(tmp_path):
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.train(nnzoo.build("som", data, {"grid": "hexagonal"}), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "quantization_error"
    assert "topographic_error" in report.metrics
    assert [each.name for each in report.baselines] == ["constant", "k-means"]
    report.to_html(tmp_path / "report.html")
    assert "body_mass_g" in (tmp_path / "report.html").read_text()
    model.save(tmp_path / "k.nnzoo")
    frame = nnzoo.predict(nnzoo.load_model(tmp_path / "k.nnzoo"), "penguins")
    assert frame.columns == ["row", "prediction", "map_row", "map_column", "distance", "note"]
    assert frame["prediction"].is_between(0, 99).all()
