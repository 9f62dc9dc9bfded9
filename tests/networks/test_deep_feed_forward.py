"""Deep Feed Forward: no hidden layer is regression, one is Feed Forward, thirty keep their variance."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_wine, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from torch import nn

import nnzoo
from nnzoo import Autoencoder, DeepBeliefNetwork, DeepFeedForward, DenoisingAutoencoder, FeedForward
from nnzoo.errors import DataError, ParameterError, UsageError
from nnzoo.networks.deep_feed_forward import DeepFeedForwardBody
from nnzoo.networks.parts import ACTIVATIONS, TableInput, choose_init, initialize


def body(sizes: tuple[int, ...], n_features: int = 4, **kwargs: object) -> DeepFeedForwardBody:
    return DeepFeedForwardBody(TableInput(n_features, {}), sizes, **kwargs).double()


def noisy_labels(n_classes: int, n_rows: int = 400, seed: int = 0):
    """Return rows whose classes overlap, so that the likelihood has a finite maximum."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n_rows, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, 0.0, -3.0]
    scores = (X - X.mean(axis=0)) / X.std(axis=0) @ random.normal(size=(4, n_classes)) + random.gumbel(
        size=(n_rows, n_classes)
    )
    return X, np.array(list("pqrs"))[scores.argmax(axis=1)]


def test_body_is_the_formula_layer_by_layer():
    """h₀ = x, hₗ = tanh(Wₗ hₗ₋₁ + bₗ)."""
    torch.manual_seed(0)
    deep = body((5, 3, 2), activation="tanh")
    x = torch.randn(6, 4, dtype=torch.float64)
    h = x.numpy()
    for layer in deep.hidden:
        W, b = (p.detach().numpy() for p in layer.parameters())
        h = np.tanh(h @ W.T + b)
    np.testing.assert_allclose(deep(x).detach().numpy(), h, rtol=1e-12)
    assert deep.n_out == 2


def test_no_hidden_layer_is_linear_regression():
    X, y = load_diabetes(return_X_y=True)
    net, reference = DeepFeedForward(hidden_layer_sizes=(), task="regression").fit(X, y), LinearRegression().fit(X, y)
    np.testing.assert_allclose(net.predict(X), reference.predict(X), rtol=1e-6)


def test_no_hidden_layer_is_linear_regression_with_several_outputs_and_weights():
    X, y = load_diabetes(return_X_y=True)
    Y, weight = np.stack([y, X[:, 2] - 3 * y**2], axis=1), np.random.default_rng(0).uniform(0.1, 3, len(y))
    net = DeepFeedForward(hidden_layer_sizes=(), task="regression").fit(X, Y, sample_weight=weight)
    reference = LinearRegression().fit(X, Y, sample_weight=weight)
    np.testing.assert_allclose(net.predict(X), reference.predict(X), rtol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_no_hidden_layer_is_logistic_or_softmax_regression_without_penalty(n_classes):
    X, y = noisy_labels(n_classes)
    net = DeepFeedForward(hidden_layer_sizes=()).fit(X, y)
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    wanted = reference.predict_proba((X - X.mean(axis=0)) / X.std(axis=0))
    np.testing.assert_allclose(net.predict_proba(X), wanted, atol=1e-6)
    assert net.classes_.tolist() == reference.classes_.tolist()
    assert net.stopped_ == "finished"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_hidden_layer_takes_whole_weights_as_repeats(n_classes):
    X, y = noisy_labels(n_classes)
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = DeepFeedForward(hidden_layer_sizes=()).fit(X, y, sample_weight=weight)
    repeated = DeepFeedForward(hidden_layer_sizes=()).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-7)


def test_no_hidden_layer_gives_the_input_as_features():
    X, y = load_wine(return_X_y=True)
    net = DeepFeedForward(hidden_layer_sizes=()).fit(X, y)
    np.testing.assert_allclose(net.transform(X), (X - X.mean(axis=0)) / X.std(axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_one_hidden_layer_is_feed_forward_with_the_same_weights(task):
    X, y = load_wine(return_X_y=True)
    one = FeedForward(task=task, n_hidden=11, n_epochs=3, random_state=0).fit(X, y)
    deep = DeepFeedForward(task=task, hidden_layer_sizes=(11,), n_epochs=1, random_state=7).fit(X, y)
    names = {"body.hidden.0": "body.hidden.0.0", "head": "head"}
    state = one.network_.state_dict()
    deep.network_.load_state_dict(
        {f"{new}.{part}": state[f"{old}.{part}"] for old, new in names.items() for part in ("weight", "bias")}
    )
    assert deep.predict(X).tobytes() == one.predict(X).tobytes()
    assert deep.transform(X).tobytes() == one.transform(X).tobytes()


def test_one_hidden_layer_trains_to_the_bits_of_feed_forward():
    X, y = load_wine(return_X_y=True)
    params = {"dropout": 0.1, "batch_size": 50, "n_epochs": 5, "random_state": 3}
    one = FeedForward(n_hidden=11, **params).fit(X, y)
    deep = DeepFeedForward(hidden_layer_sizes=(11,), **params).fit(X, y)
    assert deep.predict_proba(X).tobytes() == one.predict_proba(X).tobytes()


@pytest.mark.slow
def test_He_keeps_the_second_moment_through_30_layers_and_a_fixed_width_of_0_01_loses_it():
    """N(0, 0.01²) is the He draw times 0.01 / sqrt(2/1024); both nets have the same draws."""
    kept, lost = [], []
    x = torch.randn(64, 1024, generator=torch.Generator().manual_seed(0))
    for seed in range(10):
        torch.manual_seed(seed)
        deep = DeepFeedForwardBody(TableInput(1024, {}), (1024,) * 30)
        moments = {}
        for name, factor in (("he", 1.0), ("fixed", 0.01 / (2 / 1024) ** 0.5)):
            with torch.no_grad():
                h, seconds = x, []
                for layer in deep.hidden:
                    layer[0].weight.mul_(factor)
                    h = layer(h)
                    seconds.append(h.square().mean().item())
            moments[name] = seconds[-1] / seconds[0]
        kept.append(moments["he"])
        lost.append(moments["fixed"])
    assert 0.5 < np.median(kept) < 2
    assert np.median(lost) < 1e-6


def test_selu_keeps_mean_0_and_variance_1_of_a_standard_normal():
    selu = ACTIVATIONS["selu"]().double()

    def expectation(power: int) -> float:
        def integrand(z: float) -> float:
            return float(selu(torch.tensor(z, dtype=torch.float64))) ** power * norm.pdf(z)

        return quad(integrand, -12, 0)[0] + quad(integrand, 0, 12)[0]

    assert expectation(1) == pytest.approx(0, abs=1e-6)
    assert expectation(2) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("init", "variance"), [("he", 2 / 300), ("glorot", 2 / (300 + 500)), ("lecun", 1 / 300)]
)  # n_in 300, n_out 500
def test_initial_weights_have_the_variance_of_their_paper_and_biases_are_zero(init, variance):
    torch.manual_seed(0)
    layer = initialize(nn.Linear(300, 500), init)
    # the variance of 150,000 normal draws has a relative standard error of sqrt(2/150,000) = 0.0037
    assert layer.weight.var().item() == pytest.approx(variance, rel=5 * 0.0037)
    assert layer.bias.abs().max().item() == 0


@pytest.mark.parametrize("shape", [(3, 8), (8, 3)])
def test_orthogonal_weights_are_orthonormal(shape):
    W = initialize(nn.Linear(*shape), "orthogonal").weight.detach()
    product = W @ W.T if W.shape[0] < W.shape[1] else W.T @ W
    torch.testing.assert_close(product, torch.eye(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("activation", "init"),
    [("relu", "he"), ("leaky_relu", "he"), ("elu", "he"), ("gelu", "he"), ("selu", "lecun"), ("tanh", "glorot"),
     ("sigmoid", "glorot"), ("identity", "glorot")],
)  # fmt: skip
def test_initial_weights_follow_the_activation_actually_chosen(activation, init):
    assert choose_init(activation) == init
    torch.manual_seed(0)
    found = body((400,), n_features=200, activation=activation).hidden[0][0].weight
    torch.manual_seed(0)
    wanted = body((400,), n_features=200, activation=activation, init=init).hidden[0][0].weight
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_two_moons_that_no_line_parts(seed):
    X, y = make_moons(600, noise=0.15, random_state=seed)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    line = LogisticRegression().fit(X_train, y_train).score(X_test, y_test)
    net = DeepFeedForward(hidden_layer_sizes=(32, 16), learning_rate=0.01, random_state=seed).fit(X_train, y_train)
    assert net.score(X_test, y_test) > line + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_learns_digits_beyond_what_a_line_learns_from_the_same_columns(seed):
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=seed, stratify=y)
    net = DeepFeedForward(hidden_layer_sizes=(64, 32), batch_size=32, n_epochs=40, random_state=seed)
    score = net.fit(X_train, y_train).score(X_test, y_test)
    Z_train, Z_test = (net.inputs_.standard.apply(part, np.float64) for part in (X_train, X_test))
    assert score > LogisticRegression(C=np.inf, max_iter=1000).fit(Z_train, y_train).score(Z_test, y_test)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(activation):
    X, y = load_wine(return_X_y=True)
    net = DeepFeedForward(hidden_layer_sizes=(30, 20), activation=activation, n_epochs=60, learning_rate=0.01,
                          random_state=0).fit(X, y)  # fmt: skip
    assert net.score(X, y) > 0.9


@pytest.mark.parametrize(
    "params",
    [{"warmup": 0.2}, {"average": True}, {"schedule": "one_cycle"}, {"clip_norm": 0.5}, {"init": "orthogonal"},
     {"normalization": "batch", "dropout": 0.1}, {"normalization": "layer"}],
    ids=str,
)  # fmt: skip
def test_every_option_learns(params):
    X, y = load_wine(return_X_y=True)
    net = DeepFeedForward(hidden_layer_sizes=(30, 20), n_epochs=150, learning_rate=0.01, random_state=0, **params)
    assert net.fit(X, y).score(X, y) > 0.9


def test_averaged_weights_are_what_predicts():
    X, y = load_wine(return_X_y=True)
    params = {"hidden_layer_sizes": (8,), "n_epochs": 30, "learning_rate": 0.05, "random_state": 0}
    plain, mean = (DeepFeedForward(average=average, **params).fit(X, y) for average in (False, True))
    first = DeepFeedForward(**(params | {"n_epochs": 1, "learning_rate": 1e-9})).fit(X, y)

    def way(net: DeepFeedForward) -> float:
        pairs = zip(net.network_.parameters(), first.network_.parameters(), strict=True)
        return sum((p - q).square().sum().item() for p, q in pairs)

    assert 0 < way(mean) < way(plain)


@pytest.mark.parametrize(("sizes", "optimizer", "decay"), [((), "lbfgs", 0.0), ((4,), "adam", 1e-4)])
def test_auto_settings_follow_the_depth_and_explicit_ones_stand(sizes, optimizer, decay):
    settings = DeepFeedForward(hidden_layer_sizes=sizes).gradient_settings()
    assert (settings["optimizer"], settings["weight_decay"]) == (optimizer, decay)
    told = DeepFeedForward(hidden_layer_sizes=sizes, optimizer="sgd", weight_decay=0.5).gradient_settings()
    assert (told["optimizer"], told["weight_decay"]) == ("sgd", 0.5)


@pytest.mark.parametrize("sizes", [[30, 20], (30, 20), np.array([30, 20])], ids=["list", "tuple", "array"])
def test_sizes_come_as_list_tuple_or_array(sizes):
    X, y = load_wine(return_X_y=True)
    net = DeepFeedForward(hidden_layer_sizes=sizes, n_epochs=1, random_state=0).fit(X, y)
    assert net.transform(X).shape == (178, 20)
    assert net.get_feature_names_out()[0] == "deepfeedforward0"


@pytest.mark.parametrize("sizes", [(0,), (3, -1), 5, (2.5,), "ab"])
def test_C10_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ParameterError, match="hidden_layer_sizes needs a list of 0 to 1000 members, each a whole"):
        DeepFeedForward(hidden_layer_sizes=sizes).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("seed", [0, 1])
def test_same_seed_gives_the_same_bits(seed):
    X, y = load_wine(return_X_y=True)
    nets = [DeepFeedForward(n_epochs=2, batch_size=64, random_state=seed).fit(X, y) for _ in range(2)]
    assert nets[0].predict_proba(X).tobytes() == nets[1].predict_proba(X).tobytes()


STILL = {"learning_rate": 1e-12, "weight_decay": 0.0, "n_epochs": 1, "random_state": 0}
"""Training that leaves the first weights as they are, to nine digits."""


@pytest.fixture(scope="module")
def coder():
    X = load_wine(return_X_y=True)[0]
    return Autoencoder(hidden_layer_sizes=(6, 4), activation="tanh", n_epochs=3, random_state=0).fit(X)


@pytest.mark.parametrize("wrap", [lambda coder: coder, FrozenEstimator])
def test_it_starts_from_the_layers_and_the_scaling_of_an_autoencoder(coder, wrap):
    """With few rows of its own: means and deviations are those of all rows, which the autoencoder has seen."""
    X, y = load_wine(return_X_y=True)
    network = DeepFeedForward(hidden_layer_sizes=(6, 4), activation="tanh", start_from=wrap(coder), **STILL)
    network.fit(X[::20], y[::20])
    h = (X - coder.inputs_.standard.mean) / coder.inputs_.standard.scale
    for layer in coder.network_.body.encoder[:-1]:
        W, b = (each.detach().numpy() for each in layer.parameters())
        h = np.tanh(h @ W.T + b)
    np.testing.assert_allclose(network.transform(X), h, atol=1e-6)  # layers are made in float32


def test_further_layers_are_drawn_as_they_would_be_without(coder):
    X, y = load_wine(return_X_y=True)
    with_start, without = (
        DeepFeedForward(hidden_layer_sizes=(6, 4, 3), activation="tanh", start_from=start, **STILL).fit(X, y)
        for start in (coder, None)
    )
    first, second = (network.network_.body.layers() for network in (with_start, without))
    assert not torch.allclose(first[1][0].weight, second[1][0].weight)
    torch.testing.assert_close(first[2][0].weight, second[2][0].weight, rtol=0, atol=1e-9)


def test_it_starts_from_a_deep_belief_network_of_numbers_of_any_size():
    X, y = load_wine(return_X_y=True)
    below = DeepBeliefNetwork(hidden_layer_sizes=(5, 3), visible="gaussian", n_epochs=2, random_state=0).fit(X)
    network = DeepFeedForward(hidden_layer_sizes=(5, 3), activation="sigmoid", start_from=below, **STILL).fit(X, y)
    np.testing.assert_allclose(network.transform(X), below.transform(X), atol=1e-6)


def test_a_copy_starts_from_the_same_fitted_network(coder):
    network = DeepFeedForward(start_from=coder)
    assert clone(network).start_from is coder
    assert clone(clone(network)).get_params(deep=False) == network.get_params(deep=False)


def test_model_that_began_with_another_network_stands_alone_in_its_file(coder, tmp_path):
    X, y = load_wine(return_X_y=True)
    network = DeepFeedForward(hidden_layer_sizes=(6,), activation="tanh", start_from=coder, n_epochs=2, random_state=0)
    model = nnzoo.Model(network.fit(X, y))
    model.save(tmp_path / "m.nnzoo")
    loaded = nnzoo.load_model(tmp_path / "m.nnzoo").network
    assert loaded.start_from is None
    assert loaded.predict_proba(X).tobytes() == network.predict_proba(X).tobytes()


def test_resumed_run_is_the_whole_one_and_must_start_from_the_same(tmp_path):
    data = nnzoo.load("penguins", target="species")
    coders = [
        nnzoo.train(
            nnzoo.build("denoising-autoencoder", data, {"n_epochs": n, "hidden_layer_sizes": [8]}), data, verbose=0
        )
        for n in (1, 2)
    ]

    def built(coder):
        return nnzoo.build(DeepFeedForward(hidden_layer_sizes=(8,), n_epochs=6, start_from=coder.network), data)

    whole = nnzoo.train(built(coders[0]), data, verbose=0)
    folder = tmp_path / "run"
    nnzoo.train(built(coders[0]), data, checkpoint=folder, time_limit=1e-9, verbose=0)
    with pytest.raises(nnzoo.CheckpointError, match="different now: parameters"):
        nnzoo.train(built(coders[1]), data, checkpoint=folder, resume=True, verbose=0)
    again = nnzoo.train(built(coders[0]), data, checkpoint=folder, resume=True, verbose=0)
    for name, tensor in whole.network.network_.state_dict().items():
        assert torch.equal(tensor, again.network.network_.state_dict()[name])


def test_start_that_does_not_fit_is_refused(coder):
    X, y = load_wine(return_X_y=True)
    same = {"hidden_layer_sizes": (6, 4), "activation": "tanh", "start_from": coder}
    with pytest.raises(
        UsageError, match=r"hidden_layer_sizes=\(5, 4\), but the layers of Autoencoder .* \(6, 4\) units"
    ):
        DeepFeedForward(**same | {"hidden_layer_sizes": (5, 4)}).fit(X, y)
    with pytest.raises(UsageError, match=r"hidden_layer_sizes=\(\), but"):
        DeepFeedForward(**same | {"hidden_layer_sizes": ()}).fit(X, y)
    with pytest.raises(UsageError, match="activation='relu' .* have 'tanh'"):
        DeepFeedForward(**same | {"activation": "relu"}).fit(X, y)
    with pytest.raises(UsageError, match="normalization='batch', but"):
        DeepFeedForward(normalization="batch", **same).fit(X, y)
    with pytest.raises(DataError, match=r"read tables with rows of shape \(13,\); these are tables .* \(12,\)"):
        DeepFeedForward(**same).fit(X[:, 1:], y)
    with pytest.raises(DataError, match=r"these are images with rows of shape \(13, 1, 1\) as bytes"):
        DeepFeedForward(kind="image", **same).fit(X.astype(np.uint8)[:, :, None, None], y)
    with pytest.raises(ParameterError, match=r"start_from needs one of None, or a network with hidden_layers\(\)"):
        DeepFeedForward(start_from=LinearRegression()).fit(X, y)
    with pytest.raises(NotFittedError, match="not fitted"):
        DeepFeedForward(start_from=Autoencoder()).fit(X, y)
    images = np.zeros((4, 8, 8), dtype=np.uint8)
    with pytest.raises(UsageError, match=r"from rows on; it was trained with n_filters=\(2,\)"):
        DenoisingAutoencoder(n_filters=(2,), kind="image", n_epochs=1).fit(images).hidden_layers()
