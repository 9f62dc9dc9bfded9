"""Deconvolutional network: adjoints, steps that only go down and how fast, sparse maps, the mean image of each label."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from sklearn.datasets import load_digits

import nnzoo
from nnzoo import DeconvolutionalNetwork
from nnzoo.drawing import layers_of
from nnzoo.networks.deconvolutional import UPSAMPLES, GeneratorBody, upsampling
from nnzoo.networks.sparse_coding import (
    SparseCodingBody,
    correlate,
    infer_maps,
    largest_slope,
    objective,
    synthesize,
)


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    return found.images[:600], found.target[:600]


def draws(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def unit_filters(n_filters, n_channels, side, seed=0):
    filters = draws(n_filters, n_channels, side, side, seed=seed)
    return filters / filters.flatten(1).norm(dim=1)[:, None, None, None]


def problem(seed=0):
    """Return two images of 6 x 5 and four filters of 3 x 3."""
    return draws(2, 1, 6, 5, seed=seed), unit_filters(4, 1, 3, seed=seed + 1)


@pytest.mark.parametrize(("n_channels", "side"), [(1, 3), (3, 4), (2, 1)])
def test_correlation_is_the_adjoint_of_laying_filters_down(n_channels, side):
    filters = unit_filters(5, n_channels, side)
    images, maps = draws(2, n_channels, 7, 9, seed=1), draws(2, 5, 6 + side, 8 + side, seed=2)
    left, right = (synthesize(maps, filters) * images).sum(), (maps * correlate(images, filters)).sum()
    assert left.item() == pytest.approx(right.item(), rel=1e-10)


def test_laying_filters_down_is_a_convolution():
    filters, maps = unit_filters(3, 2, 4), draws(1, 3, 9, 8, seed=1)
    f, z = filters.numpy(), maps[0].numpy()
    wanted = [sum(convolve2d(z[k], f[k, c], mode="valid") for k in range(3)) for c in range(2)]
    np.testing.assert_allclose(synthesize(maps, filters)[0], np.stack(wanted), atol=1e-12)


@pytest.mark.parametrize("size", [(8, 6), (7, 8), (5, 5)])
def test_transposed_convolution_is_zero_insertion_and_convolution(size):
    (layer,) = upsampling(2, 3, size, "transposed")
    small = draws(1, 2, *((n + 1) // 2 for n in size))
    apart = np.zeros((2, *(2 * n - 1 for n in small.shape[2:])))
    apart[:, ::2, ::2] = small[0].numpy()
    weight = layer.double().weight.detach().numpy()
    torch.nn.init.zeros_(layer.bias)
    whole = np.stack([sum(convolve2d(apart[i], weight[i, o]) for i in range(2)) for o in range(3)])
    place = [slice(layer.padding[k], layer.padding[k] + n) for k, n in enumerate(size)]
    np.testing.assert_allclose(layer(small)[0].detach(), whole[:, place[0], place[1]], atol=1e-6)


@pytest.mark.parametrize("how", UPSAMPLES)
def test_every_place_of_a_larger_map_is_reached_by_as_many_weights(how):
    """Odena et al. 2016: a filter whose side the stride does not divide draws a checkerboard of even numbers."""
    layers = torch.nn.Sequential(*upsampling(1, 1, (12, 12), how))
    for parameter in layers.parameters():
        torch.nn.init.constant_(parameter, float(parameter.ndim > 1))
    inner = layers(torch.ones(1, 1, 6, 6))[0, 0, 2:-2, 2:-2]
    assert inner.unique().numel() == 1


def test_one_step_by_hand():
    """A filter of one place, f = 1: L = 1, and z = soft(u, λ) at once; u = (3, -1, 0.5, 0), λ = 1 give (2, 0, 0, 0).

    E = ½ ((3 - 2)² + 1² + 0.5²) + 1·2 = 3.125.
    """
    u, f = torch.tensor([[[[3.0, -1.0], [0.5, 0.0]]]]), torch.ones(1, 1, 1, 1)
    assert largest_slope(f, (2, 2)) == 1
    maps = infer_maps(u, f, 1.0, 1)
    assert maps.flatten().tolist() == [2, 0, 0, 0]
    assert objective(u, maps, f, 1.0).tolist() == [3.125]


def test_the_largest_slope_is_a_bound_that_large_images_meet():
    filters = unit_filters(4, 1, 3)
    for size, share in ((5, 0.0), (60, 0.98)):
        maps = draws(1, 4, size + 2, size + 2)
        for _ in range(200):
            maps = correlate(synthesize(maps / maps.norm(), filters), filters)
        bound = largest_slope(filters, (size, size))
        assert share * bound <= maps.norm() <= bound * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_no_step_without_momentum_raises_the_objective(seed):
    images, filters = problem(seed)
    losses = [objective(images, infer_maps(images, filters, 0.3, n, momentum=False), filters, 0.3) for n in range(40)]
    assert (np.diff(torch.stack(losses).numpy(), axis=0) <= 1e-12).all()


@pytest.mark.parametrize("seed", range(3))
def test_with_momentum_it_is_within_the_bound_of_beck_and_teboulle(seed):
    """Theorem 4.4: E(zₖ) - E(z*) ≤ 2 L ‖z₀ - z*‖² / (k + 1)²; at z* a further step moves nothing."""
    images, filters = problem(seed)
    best = infer_maps(images, filters, 0.3, 4000)
    least = objective(images, best, filters, 0.3)
    slope = correlate(synthesize(best, filters) - images, filters)
    assert (slope.abs() <= 0.3 + 1e-6).all()
    bound = 2 * largest_slope(filters, (6, 5)) * best.square().flatten(1).sum(dim=1)
    for k in range(1, 60):
        gap = objective(images, infer_maps(images, filters, 0.3, k), filters, 0.3) - least
        assert (gap <= bound / (k + 1) ** 2 + 1e-9).all()


def test_filters_have_the_norm_1_and_maps_are_the_sparser_the_larger_l1(digits):
    active = []
    for l1 in (0.2, 2.0):
        network = DeconvolutionalNetwork(
            n_filters=(4,), kernel_size=3, l1=l1, n_epochs=1, n_inference_steps=20, random_state=0
        ).fit(digits[0][:60])
        np.testing.assert_allclose(np.square(network.filters_).sum(axis=(1, 2, 3)), 1, rtol=1e-6)
        active.append(network.answers(digits[0][:60])["n_active"].mean())
    assert active[1] < 0.5 * active[0]
    assert network.transform(digits[0][:60]).shape == (60, 4 * 10 * 10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_filters_learn_what_lowers_the_objective_of_other_images(digits, seed):
    X, fresh = digits[0][:400], digits[0][400:]
    settings = {"n_filters": (8,), "kernel_size": 5, "random_state": seed}
    first = DeconvolutionalNetwork(**settings, learning_rate=1e-9, n_epochs=1).fit(X)
    learned = DeconvolutionalNetwork(**settings).fit(X)
    assert -learned.score(fresh) < 0.95 * -first.score(fresh)


@pytest.mark.slow
def test_images_of_labels_are_the_means_of_their_images(digits):
    """Σₙ ‖xₙ - x̂(cₙ)‖² is least where each x̂(c) is the mean of the images of c; in shares of the largest number, 16."""
    X, y = digits
    names = np.array(["zero", "one", "two"])[y[y < 3]]
    network = DeconvolutionalNetwork(mode="generate", n_filters=(16,), optimizer="lbfgs", n_epochs=30, random_state=0)
    network.fit(X[y < 3], names)
    assert network.classes_.tolist() == ["one", "two", "zero"]
    means = np.stack([X[y == label].mean(axis=0) for label in (1, 2, 0)])
    drawn = network.predict(network.classes_)[..., 0]
    assert np.square((drawn - means) / 16).mean() < 1e-2
    lost = -network.score(X[y < 3], names)
    standard = network.inputs_.standard
    wanted = sum(np.square(X[y == label] - X[y == label].mean(axis=0)).sum() for label in range(3)) / (y < 3).sum()
    assert lost == pytest.approx(wanted / standard.scale[0] ** 2, rel=0.01)
    found = network.answers(X[y < 3])
    assert (found["prediction"] == names).mean() > 0.9
    assert set(map(len, found.values())) == {(y < 3).sum()}


def test_equal_codes_go_through_the_layers_once_to_the_same_losses_and_gradients():
    torch.manual_seed(0)
    body = GeneratorBody(
        (6, 5, 1), 3, labelled=True, n_filters=(4,), upsample="resize", activation="tanh", n_inference_steps=1
    ).double()
    x, codes = draws(8, 6, 5, 1), torch.eye(3, dtype=torch.float64)[[0, 2, 2, 1, 0, 0, 1, 2]]
    loss = body.row_loss(x, codes)
    wanted = (x - body.generator(codes)).square().flatten(1).sum(dim=1)
    torch.testing.assert_close(loss, wanted)
    parameters = list(body.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(loss.sum(), parameters), torch.autograd.grad(wanted.sum(), parameters)
    )


@pytest.mark.slow
def test_the_code_of_an_image_is_found_again(digits):
    X, y = digits
    network = DeconvolutionalNetwork(mode="generate", n_filters=(8,), n_epochs=10, random_state=0).fit(X, y)
    drawn = network.predict(np.arange(10))
    found = network.transform(drawn)
    assert found.argmax(axis=1).tolist() == list(range(10))
    assert -network.score(drawn) < 0.1 * -network.score(X)
    sheet = network.sample(5, random_state=0)
    assert sheet.shape == (5, 8, 8, 1)
    assert all(np.isclose(each, drawn, atol=1e-4).all(axis=(1, 2, 3)).any() for each in sheet)


@pytest.mark.slow
def test_codes_of_numbers_are_standardised_and_drawn_from():
    """A bright row at the place that the code says; the code comes in another unit."""
    place = np.random.default_rng(0).integers(0, 6, 200)
    X = np.zeros((200, 6, 4))
    X[np.arange(200), place] = 1.0
    y = np.stack([1000.0 * place, 3.0 * (place > 2)], axis=1)
    network = DeconvolutionalNetwork(mode="generate", n_epochs=40, random_state=0).fit(X, y)
    drawn = network.predict([[0.0, 0.0], [5000.0, 3.0]])
    assert drawn.shape == (2, 6, 4, 1)
    assert drawn.mean(axis=(2, 3)).argmax(axis=1).tolist() == [0, 5]
    assert list(network.answers(X)) == ["score"]
    assert network.sample(3, random_state=0).shape == (3, 6, 4, 1)
    with pytest.raises(nnzoo.DataError, match="needs codes of 2 numbers; got 1"):
        network.predict([1.0])


@pytest.mark.parametrize("settings", [{}, *({"mode": "generate", "upsample": how} for how in UPSAMPLES)], ids=str)
@pytest.mark.parametrize("shape", [(7, 10), (9, 6, 3)])
def test_images_of_any_size_come_back_in_their_shape_and_as_bytes(settings, shape):
    X = np.random.default_rng(0).integers(0, 256, (30, *shape)).astype(np.uint8)
    network = DeconvolutionalNetwork(**settings, kernel_size=3, n_epochs=1, n_inference_steps=5, random_state=0)
    rebuilt = network.fit(X, np.arange(30) % 2).reconstruct(X)
    assert rebuilt.dtype == np.uint8
    assert rebuilt.shape == (30, *shape, *([1] * (len(shape) == 2)))
    assert network.inverse_transform(network.transform(X)).tolist() == rebuilt.tolist()


@pytest.mark.slow
def test_many_maps_give_an_image_back():
    X = np.random.default_rng(0).random((20, 6, 6))
    network = DeconvolutionalNetwork(l1=1e-4, kernel_size=3, n_inference_steps=1000, n_epochs=1, random_state=0).fit(X)
    np.testing.assert_allclose(network.reconstruct(X)[..., 0], X, atol=1e-2)


def test_the_body_of_code_starts_at_the_mean_image():
    X = np.random.default_rng(0).random((40, 6, 6)) + np.arange(36).reshape(6, 6)
    network = DeconvolutionalNetwork(l1=1e6, kernel_size=3, n_epochs=1, random_state=0)
    weight = np.arange(40) % 3
    network.fit(X, sample_weight=weight)
    assert isinstance(network.network_.body, SparseCodingBody)
    assert not network.transform(X).any()
    wanted = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(network.reconstruct(X)[..., 0], np.broadcast_to(wanted, X.shape))


def test_drawn_layers_go_from_image_to_maps_or_from_code_to_image(digits):
    settings = {"n_filters": (4,), "kernel_size": 3, "n_epochs": 1, "n_inference_steps": 2, "random_state": 0}
    wanted = {"code": [("I", 64), ("K", 4), ("O", 64)]}
    wanted["generate"] = [("I", 10), ("H", 4 * 4 * 4), ("K", 1), ("O", 64)]
    for mode, cells in wanted.items():
        network = DeconvolutionalNetwork(mode=mode, **settings).fit(digits[0][:60], digits[1][:60])
        layers = list(layers_of(network))
        assert [(layer.letter, layer.n_cells) for layer in layers] == cells
        assert sum(layer.n_weights for layer in layers) == sum(p.numel() for p in network.network_.parameters())


def test_the_trace_of_a_generator_goes_from_the_code_to_the_image(digits):
    network = DeconvolutionalNetwork(mode="generate", n_filters=(4,), n_epochs=1, random_state=0).fit(*digits)
    *steps, lost = network.trace(digits[0][:1])
    assert [step.op for step in steps] == ["scaled", "searched code", "dense", "leaky_relu", "resize", "convolution"]
    np.testing.assert_allclose(steps[1].result, network.transform(digits[0][:1])[0], rtol=1e-6)
    assert lost.result[0] == pytest.approx(-network.score_samples(digits[0][:1])[0])


def test_bad_input_is_refused():
    X = np.zeros((4, 6, 6))
    with pytest.raises(nnzoo.UsageError, match=r'mode="code" has one layer of filters; got n_filters=\(4, 8\)'):
        DeconvolutionalNetwork(n_filters=(4, 8)).fit(X)
    with pytest.raises(nnzoo.DataError, match="needs y here, a label or a code for each row; got none"):
        DeconvolutionalNetwork(mode="generate").fit(X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        DeconvolutionalNetwork(mode="generate").fit(X, [0, 1])
    network = DeconvolutionalNetwork(mode="generate", n_filters=(2,), n_epochs=1).fit(X, list("abab"))
    with pytest.raises(nnzoo.DataError, match='needs labels seen at the first fit; new: "c"'):
        network.predict(["c"])
    with pytest.raises(AttributeError, match='filters_ with mode="code" only'):
        _ = network.filters_
    assert not hasattr(DeconvolutionalNetwork(), "predict")
    assert not hasattr(DeconvolutionalNetwork(), "sample")


@pytest.fixture
def images(tmp_path):
    """Give a file of 120 images with labels: a bright row at the place that the label says."""
    draw, y = np.random.default_rng(0), np.arange(120) % 3
    X = (draw.random((120, 8, 8)) * 80).astype(np.uint8)
    X[np.arange(120), 2 * y + 1] += 150
    np.savez(tmp_path / "images.npz", X=X, y=np.array(["low", "mid", "top"])[y])
    return tmp_path / "images.npz"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["code", "generate"])
def test_five_steps(images, tmp_path, mode):
    data = nnzoo.load(images)
    assert nnzoo.build("dn", data).network.n_epochs == 20  # so few images are seen so often, and many once
    model = nnzoo.train(nnzoo.build("dn", data, {"mode": mode, "n_epochs": 5}), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "reconstruction_error"
    assert [each.name for each in report.baselines] == ["constant", "PCA" if mode == "code" else "linear"]
    own, constant = report.metrics["reconstruction_error"].value, report.baselines[0].metrics["reconstruction_error"]
    assert own < 0.8 * constant.value
    report.to_html(tmp_path / "report.html")
    model.save(tmp_path / "a.nnzoo")
    loaded = nnzoo.load_model(tmp_path / "a.nnzoo")
    frame = nnzoo.predict(loaded, images)
    if mode == "code":
        assert frame.columns == ["row", "score", "n_active", "note"]
        with pytest.raises(nnzoo.UsageError, match="sample needs a network that draws"):
            loaded.sample(2)
        return
    assert frame.columns == ["row", "prediction", "score", "note"]
    assert set(frame["prediction"]) == {"low", "mid", "top"}
    assert loaded.sample(4).shape == (4, 8, 8, 1)
    assert loaded.network.predict(["top"]).tolist() == model.network.predict(["top"]).tolist()
    with pytest.raises(nnzoo.UsageError, match="build needs data with a target"):
        nnzoo.build("dn", nnzoo.load(np.zeros((9, 8, 8), dtype=np.uint8)), {"mode": "generate"})
