"""Deep Residual Network: blocks are x + F(x), depth counts up as in the paper, and deep ones learn."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional

from nnzoo import DeepFeedForward, DeepResidualNetwork, ParameterError
from nnzoo.engine.scaling import Standardizer
from nnzoo.inputs import Inputs
from nnzoo.networks.deep_residual import (
    BlockRules,
    PaddedShortcut,
    ResidualBlock,
    convolution,
    convolutional_body,
    dense,
    residual_block,
)

FLOAT = torch.float64
IMAGE = {"n_filters": (4, 8), "depth": 10}


def inputs(*shape: int) -> Inputs:
    """Return rows of a table (d,), or images (H, W, C)."""
    kind = "table" if len(shape) == 1 else "image"
    return Inputs(kind, shape, False, {}, Standardizer.identity(shape[-1]))


def body(*shape: int, **params: Any) -> Any:
    """Return the body just drawn."""
    torch.manual_seed(0)
    return DeepResidualNetwork(**params).make_body(inputs(*shape)).double()


def block(weights: Any, n_in: int, n_out: int, stride: int, survival: float = 1.0, **rules: Any) -> ResidualBlock:
    """Return a block with random weights and moments, none of them zero."""
    torch.manual_seed(1)
    made = residual_block(weights, n_in, n_out, stride, survival, BlockRules(**rules)).double()
    for name, tensor in made.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5) if "running_var" in name else nn.init.normal_(tensor, std=0.5)
    return made.eval()


def n_weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# The block


@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("weights", [dense, convolution])
def test_a_block_starts_as_the_identity(weights, normalization):
    made = residual_block(weights, 4, 4, 1, 1.0, BlockRules(normalization=normalization))
    x = torch.randn(3, 4) if weights is dense else torch.randn(3, 4, 5, 5)
    assert torch.equal(made(x), x)


def test_a_block_in_the_order_of_2015_starts_as_f_of_its_input():
    x = torch.randn(3, 4)
    made = residual_block(dense, 4, 4, 1, 1.0, BlockRules(pre_activation=False))
    assert torch.equal(made(x), x.relu())


def test_a_hundred_blocks_start_as_the_identity():
    made = body(5, n_blocks=100, n_hidden=8)
    x = torch.randn(3, 8, dtype=FLOAT)
    assert torch.equal(made.blocks(x), x)


@pytest.mark.parametrize("weights", [dense, convolution])
def test_the_gradient_of_a_block_is_the_identity_and_that_of_its_layers(weights):
    """∂y/∂x = I + ∂F/∂x."""
    made = block(weights, 3, 3, 1)
    x = torch.randn(3, dtype=FLOAT) if weights is dense else torch.randn(3, 2, 2, dtype=FLOAT)
    whole, of_layers = (jacrev(lambda v, f=f: f(v[None])[0].flatten())(x) for f in (made, made.residual))
    n = x.numel()
    torch.testing.assert_close(
        whole.reshape(n, n) - torch.eye(n, dtype=FLOAT), of_layers.reshape(n, n), atol=1e-6, rtol=0
    )


def test_a_block_by_hand():
    """x = (1, -2), moments 0 and 1, so N only divides by √(1 + ε) and is left out here.

    F: f(x) = (1, 0); W₁ = ((1, 5), (-1, 5)) gives (1, -1); f gives (1, 0); W₂ = ((2, 7), (3, 7)) gives (2, 3).
    y = (1, -2) + (2, 3) = (3, 1).
    """
    made = block(dense, 2, 2, 1, normalization=None)
    with torch.no_grad():
        made.residual[0].weights.weight.copy_(torch.tensor([[1.0, 5.0], [-1.0, 5.0]]))
        made.residual[1].weights.weight.copy_(torch.tensor([[2.0, 7.0], [3.0, 7.0]]))
        for layer in made.residual:
            layer.weights.bias.zero_()
    assert made(torch.tensor([[1.0, -2.0]], dtype=FLOAT)).tolist() == [[3.0, 1.0]]


def test_the_padded_shortcut_by_hand():
    """Rows 1 and 3, columns 1 and 3 stay; the second map is new."""
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert PaddedShortcut(1, 2)(x).tolist() == [[[[0, 2], [6, 8]], [[0, 0], [0, 0]]]]


def normalized(x: Tensor, norm: Any) -> Tensor:
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, variance, gain, shift = (
        getattr(norm, name).view(shape) for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * gain + shift


def written_out(made: ResidualBlock, x: Tensor, stride: int, *, pre_activation: bool) -> Tensor:
    """Return y by functional calls alone, from a block's tensors."""
    h = x
    for layer, step in zip(made.residual, (stride, 1), strict=True):
        weight, norm = layer.weights.weight, layer.normalization
        h = normalized(h, norm).clamp(min=0) if pre_activation else h
        h = h @ weight.T if x.ndim == 2 else functional.conv2d(h, weight, stride=step, padding=1)
        h = h if pre_activation else normalized(h, norm)
        h = h.clamp(min=0) if not pre_activation and layer is made.residual[0] else h
    past = (
        x if x.ndim == 2 or stride == 1 else functional.pad(x[..., ::2, ::2], (0, 0, 0, 0, 0, h.shape[1] - x.shape[1]))
    )
    return past + h if pre_activation else (past + h).clamp(min=0)


@pytest.mark.parametrize("pre_activation", [True, False])
@pytest.mark.parametrize(
    ("weights", "n_in", "n_out", "stride", "shape"),
    [(dense, 4, 4, 1, (5, 4)), (convolution, 3, 3, 1, (2, 3, 5, 4)), (convolution, 3, 5, 2, (2, 3, 5, 4))],
)
def test_value_and_gradient_are_those_of_the_equations(weights, n_in, n_out, stride, shape, pre_activation):
    made = block(weights, n_in, n_out, stride, pre_activation=pre_activation)
    x = torch.randn(shape, dtype=FLOAT, requires_grad=True)
    sides = [made(x), written_out(made, x, stride, pre_activation=pre_activation)]
    torch.testing.assert_close(sides[0], sides[1], atol=1e-12, rtol=1e-12)
    towards = torch.randn_like(sides[0])
    ours, theirs = (torch.autograd.grad(side, [x, *made.parameters()], towards) for side in sides)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    stride=st.integers(1, 2),
    shortcut=st.sampled_from(["pad", "project"]),
)
@settings(max_examples=25)
def test_shortcut_and_layers_give_one_shape_for_every_size_of_image(height, width, stride, shortcut):
    made = block(convolution, 2, 4, stride, shortcut=shortcut)
    x = torch.randn(2, 2, height, width, dtype=FLOAT)
    assert made(x).shape == (2, 4, -(-height // stride), -(-width // stride))


# Stochastic depth


def test_the_share_that_is_left_out_grows_from_block_to_block():
    """Of 4 blocks at 0.4: 1 - 0.4 l / 4."""
    made = body(3, n_blocks=4, n_hidden=4, stochastic_depth=0.4)
    assert [each.survival for each in made.blocks] == pytest.approx([0.9, 0.8, 0.7, 0.6])


def test_rows_go_past_a_block_or_through_it_and_the_mean_is_that_of_a_prediction():
    made = block(dense, 2, 2, 1, survival=0.25)
    x = torch.randn(1, 2, dtype=FLOAT).expand(40_000, 2)
    change = made(x)[0] - x[0]
    made.train()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    changes = made(x) - x
    through = changes.abs().sum(dim=1) > 0
    torch.testing.assert_close(changes[through], (change / 0.25).expand(int(through.sum()), 2))
    # 40,000 draws of chance 1/4: deviation of the share √(0.25 * 0.75 / 40,000) = 0.0022
    assert abs(through.double().mean().item() - 0.25) < 5 * 0.0022


# The body


@pytest.mark.parametrize("pre_activation", [True, False])
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_weights_of_each_depth_are_as_many_as_in_the_paper(depth, millions, pre_activation):
    """He et al. 2015, table 6: 3 channels, 10 classes."""
    with torch.device("meta"):
        made = convolutional_body(3, depth, (16, 32, 64), BlockRules(pre_activation=pre_activation))
        total = n_weights(made) + n_weights(nn.Linear(64, 10))
    assert round(total / 1e6, 1 if depth == 110 else 2) == millions


def test_weights_of_depth_20_by_hand():
    """Filters 9 (3·16 + 6·16² + 16·32 + 5·32² + 32·64 + 5·64²) = 268,336; two numbers of each of the 7·16 + 6·32 + 6·64
    normalised maps, 1,376 in all, less the last layer's; 64·10 + 10 behind them."""
    made = body(32, 32, 3)
    assert n_weights(made) == 9 * (48 + 6 * 256 + 512 + 5 * 1024 + 2048 + 5 * 4096) + 2 * (7 * 16 + 6 * 32 + 6 * 64)
    assert n_weights(made) + 650 == 269_722


@pytest.mark.parametrize("shape", [(5,), (8, 8, 3)])
def test_the_plain_twin_has_the_same_weights(shape):
    made, plain = (body(*shape, shortcuts=shortcuts, n_blocks=3, n_hidden=7, **IMAGE) for shortcuts in (True, False))
    assert [p.shape for p in made.parameters()] == [p.shape for p in plain.parameters()]
    assert all(each.shortcut is None for each in plain.blocks)


@pytest.mark.parametrize("pre_activation", [True, False])
def test_the_plain_twin_of_a_table_is_a_deep_feed_forward_network(pre_activation):
    """First layer and 2 layers a block, each with f behind it or before the next."""
    plain = body(6, n_blocks=2, n_hidden=4, shortcuts=False, normalization=None, pre_activation=pre_activation)
    deep: Any = DeepFeedForward(hidden_layer_sizes=(4,) * 5).make_body(inputs(6)).double()
    deep.load_state_dict(dict(zip(deep.state_dict(), plain.state_dict().values(), strict=True)))
    x = torch.randn(9, 6, dtype=FLOAT)
    torch.testing.assert_close(plain(x), deep(x), atol=1e-14, rtol=1e-14)


def test_stages_halve_the_places_and_the_features_are_means_of_the_last_maps():
    made = body(9, 6, 2, **IMAGE).eval()
    x = torch.randn(3, 9, 6, 2, dtype=FLOAT)
    maps = [x.movedim(-1, 1)]
    for part in (made.first, *made.blocks, made.last):
        maps.append(part(maps[-1]))
    assert [tuple(each.shape[1:]) for each in maps[1:]] == [(4, 9, 6)] * 3 + [(8, 5, 3)] * 3
    torch.testing.assert_close(made(x), maps[-1].mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"depth": 21}, r"depth needs to be 6 n \+ 2.*each of 3 stages; got 21\. Pass depth=20"),
        ({"depth": 4}, r"got 4\. Pass depth=8"),
        ({"depth": 20, "n_filters": (4, 8)}, r"depth needs to be 4 n \+ 2.*2 stages; got 20"),
        ({"n_filters": (8, 4, 4)}, r"shortcut='pad' needs n_filters that do not fall; got \(8, 4, 4\)"),
        ({"shortcuts": False, "stochastic_depth": 0.5}, r"stochastic_depth=0\.5 needs shortcuts"),
        ({"n_blocks": 0}, "n_blocks needs "),
        ({"shortcut": "none"}, "shortcut needs "),
        ({"stochastic_depth": 1.0}, "stochastic_depth needs "),
        ({"normalization": "layer"}, "normalization needs "),
    ],
)
def test_settings_that_cannot_be_are_refused(params, message):
    with pytest.raises(ParameterError, match=f"DeepResidualNetwork: .*{message}"):
        DeepResidualNetwork(**params).fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])


def test_stages_of_fewer_maps_are_projected():
    assert body(8, 8, 1, n_filters=(8, 4, 4), shortcut="project").n_out == 4


# Learning


SMALL = {
    "n_filters": (16, 32),
    "depth": 6,
    "batch_size": 32,
    "n_epochs": 8,
    "schedule": "one_cycle",
    "learning_rate": 1e-2,
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_learns_digits_as_images(seed):
    digits = load_digits()
    X, X_test, y, y_test = train_test_split(digits.images, digits.target, test_size=0.4, random_state=seed)
    net = DeepResidualNetwork(random_state=seed, **SMALL).fit(X.astype(np.uint8), y)
    assert net.score(X_test, y_test) > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_learns_a_table(seed):
    """The linear model of scikit-learn reaches 0.95 to 0.98 here; the larger class alone is 0.63."""
    X, y = load_breast_cancer(return_X_y=True)
    net = DeepResidualNetwork(n_hidden=32, n_epochs=30, random_state=seed).fit(X[:300], y[:300])
    assert net.score(X[300:], y[300:]) > 0.92


@pytest.mark.parametrize("seed", range(3))
def test_learns_values(seed):
    X, y = load_diabetes(return_X_y=True)
    net = DeepResidualNetwork(task="regression", n_hidden=16, n_epochs=20, random_state=seed).fit(X[:300], y[:300])
    assert net.score(X[300:], y[300:]) > 0.25 > DummyRegressor().fit(X[:300], y[:300]).score(X[300:], y[300:])


@pytest.mark.slow
@pytest.mark.parametrize(
    "params",
    [
        {"pre_activation": False}, {"shortcut": "project"}, {"pre_activation": False, "shortcut": "project"},
        {"stochastic_depth": 0.3}, {"shortcuts": False}, {"normalization": None},
    ],
)  # fmt: skip
def test_every_setting_learns(params):
    digits = load_digits()
    net = DeepResidualNetwork(random_state=0, **(SMALL | {"n_filters": (8, 16)} | params))
    assert net.fit(digits.images[:700], digits.target[:700]).score(digits.images[700:], digits.target[700:]) > 0.6


@pytest.mark.slow
def test_depth_that_a_plain_network_cannot_use_is_no_hindrance():
    """56 layers of 16 units without normalisation, 5 epochs: shortcuts alone make the difference."""
    X, y = load_digits(return_X_y=True)
    how = {"n_blocks": 27, "n_hidden": 16, "normalization": None, "n_epochs": 5, "batch_size": 64, "random_state": 0}
    with_shortcuts, plain = (DeepResidualNetwork(shortcuts=each, **how).fit(X, y) for each in (True, False))
    assert with_shortcuts.history_["train_loss"][-1] < 0.5 * plain.history_["train_loss"][-1]


def test_images_need_no_kind_and_may_come_flat():
    digits = load_digits()
    how = {"n_epochs": 1, "random_state": 0, **IMAGE}
    nets = [
        DeepResidualNetwork(**how).fit(digits.images[:100], digits.target[:100]),
        DeepResidualNetwork(input_shape=(8, 8), **how).fit(digits.data[:100], digits.target[:100]),
    ]
    assert nets[0].inputs_.kind == "image"
    assert np.array_equal(nets[0].predict_proba(digits.images), nets[1].predict_proba(digits.data))
    assert DeepResidualNetwork(n_epochs=1).fit(digits.data[:100], digits.target[:100]).inputs_.kind == "table"


def test_features_are_what_the_last_layer_sees():
    digits = load_digits()
    net = DeepResidualNetwork(n_epochs=1, random_state=0, **IMAGE).fit(digits.images[:100], digits.target[:100])
    features = net.transform(digits.images[:7])
    head = net.network_.head
    scores = features @ head.weight.detach().double().numpy().T + head.bias.detach().double().numpy()
    np.testing.assert_allclose(scores, net.decision_function(digits.images[:7]), rtol=1e-5, atol=1e-6)
    assert features.shape == (7, 8)
    assert len(net.get_feature_names_out()) == 8


def test_filters_of_the_first_convolution_are_its_pictures():
    digits = load_digits()
    net = DeepResidualNetwork(n_epochs=1, random_state=0, **IMAGE).fit(digits.images[:50], digits.target[:50])
    assert net.pictures()["first layer"].shape == (4, 3, 3, 1)
    assert DeepResidualNetwork(n_epochs=1).fit(digits.data[:50], digits.target[:50]).pictures() == {}
