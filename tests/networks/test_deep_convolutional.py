"""Deep Convolutional Network: a convolution is a matrix product, sizes and weights count up, and it learns images."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from nnzoo import DeepConvolutionalNetwork
from nnzoo.engine.scaling import Standardizer
from nnzoo.errors import DataError, ParameterError
from nnzoo.estimator import ScoreNetwork
from nnzoo.inputs import Inputs
from nnzoo.networks.deep_convolutional import (
    PADDINGS,
    DeepConvolutionalBody,
    Padding,
    RandomShift,
    convolution_block,
)
from nnzoo.networks.parts import ACTIVATIONS, Dropout

FLOAT = torch.float64


def body_of(shape: tuple[int, ...], n_filters: tuple[int, ...], **kwargs: Any) -> DeepConvolutionalBody:
    """Return a body with random weights and biases, none of them zero."""
    torch.manual_seed(0)
    kwargs = {"padding": ("same",) * len(n_filters)} | kwargs
    made = DeepConvolutionalBody(shape, n_filters, **kwargs).double()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made.eval()


def plain_block(n_axes: int, n_in: int = 2, n_maps: int = 3, **kwargs: Any) -> nn.Sequential:
    """Return a convolution alone: no normalisation, the identity for f, nothing pooled."""
    torch.manual_seed(1)
    kwargs = {"kernel_size": 3, "stride": 1, "padding": "same", "pool": "max", "activation": "identity"} | kwargs
    block = convolution_block(n_in, n_maps, [1] * n_axes, normalization=None, **kwargs).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    return block


def weights_of(block: nn.Sequential) -> tuple[Tensor, Tensor]:
    convolution = block.get_submodule("convolution")
    return convolution.get_parameter("weight").detach(), convolution.get_parameter("bias").detach()


def by_hand(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, before: int, after: int, wrap: bool) -> np.ndarray:
    """Return y[k, i, j] = b_k + Σ_c Σ_u Σ_v w[k, c, u, v] x[c, i + u - before, j + v - before], one value at a time."""
    n_maps, n_in, size, _ = weight.shape
    height, width = x.shape[1] + before + after - size + 1, x.shape[2] + before + after - size + 1
    y = np.zeros((n_maps, height, width))
    for k, i, j in np.ndindex(*y.shape):
        total = bias[k]
        for c, u, v in np.ndindex(n_in, size, size):
            row, column = i + u - before, j + v - before
            if wrap:
                row, column = row % x.shape[1], column % x.shape[2]
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                total += weight[k, c, u, v] * x[c, row, column]
        y[k, i, j] = total
    return y


# The convolution


def test_worked_example_4_x_4():
    """First cell: 1*0 + 0*10 + 0*20 + 2*30 = 60."""
    x = torch.tensor([[0, 10, 10, 0], [20, 30, 30, 20], [10, 20, 20, 10], [0, 5, 5, 0]], dtype=FLOAT)
    block = plain_block(2, 1, 1, kernel_size=2, padding="valid")
    with torch.no_grad():
        block.get_parameter("convolution.weight").copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        block.get_parameter("convolution.bias").zero_()
        y = block(x[None, None])
    assert y[0, 0].tolist() == [[60, 70, 50], [60, 70, 50], [20, 30, 20]]


def test_worked_example_padded_to_the_same_size_pads_below_and_to_the_right():
    """Valid cells stay where they are; the new last row is 1*0, 1*5, 1*5, 1*0 and the new last column 1*0, 1*20, 1*10."""
    x = torch.tensor([[0, 10, 10, 0], [20, 30, 30, 20], [10, 20, 20, 10], [0, 5, 5, 0]], dtype=FLOAT)
    block = plain_block(2, 1, 1, kernel_size=2, padding="same")
    with torch.no_grad():
        block.get_parameter("convolution.weight").copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        block.get_parameter("convolution.bias").zero_()
        y = block(x[None, None])
    assert y[0, 0].tolist() == [[60, 70, 50, 0], [60, 70, 50, 20], [20, 30, 20, 10], [0, 5, 5, 0]]


WIDTHS = {"valid": lambda k: (0, 0), "same": lambda k: ((k - 1) // 2, k // 2), "full": lambda k: (k - 1, k - 1)}
WIDTHS["circular"] = WIDTHS["same"]


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("padding", PADDINGS)
def test_convolution_is_the_sum_over_channels_and_places_without_a_flip(padding, kernel_size):
    block = plain_block(2, kernel_size=kernel_size, padding=padding)
    weight, bias = weights_of(block)
    x = torch.randn(1, 2, 6, 5, dtype=FLOAT)
    before, after = WIDTHS[padding](kernel_size)
    wanted = by_hand(x[0].numpy(), weight.numpy(), bias.numpy(), before, after, padding == "circular")
    np.testing.assert_allclose(block(x)[0].detach().numpy(), wanted, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", PADDINGS)
def test_convolution_is_unfold_and_a_matrix_product(padding, stride):
    """Every window becomes a column of C * K * K values; the filters are the rows of one matrix."""
    block = plain_block(2, kernel_size=3, padding=padding, stride=stride)
    weight, bias = weights_of(block)
    x = torch.randn(4, 2, 9, 7, dtype=FLOAT)
    columns = functional.unfold(Padding(padding, 3, 2)(x), 3, stride=stride)
    wanted = weight.flatten(1) @ columns + bias[:, None]
    torch.testing.assert_close(block(x).flatten(2), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_circular_convolution_of_a_signal_is_a_circulant_matrix(kernel_size):
    """C[i, (i + u - before) mod N] = w[u]: every row is the row above moved by one place."""
    n = 7
    block = plain_block(1, 1, 1, kernel_size=kernel_size, padding="circular")
    weight, bias = weights_of(block)
    circulant = torch.zeros(n, n, dtype=FLOAT)
    for u in range(kernel_size):
        circulant[torch.arange(n), (torch.arange(n) + u - (kernel_size - 1) // 2) % n] = weight[0, 0, u]
    x = torch.randn(5, 1, n, dtype=FLOAT)
    torch.testing.assert_close(block(x)[:, 0], x[:, 0] @ circulant.T + bias, atol=1e-5, rtol=0)


@given(down=st.integers(-9, 9), right=st.integers(-9, 9), kernel_size=st.integers(1, 5))
@settings(max_examples=25)
def test_circular_convolution_of_a_moved_image_is_the_moved_convolution(down, right, kernel_size):
    block = plain_block(2, kernel_size=kernel_size, padding="circular", activation="tanh")
    x = torch.randn(2, 2, 8, 6, dtype=FLOAT, generator=torch.Generator().manual_seed(0))
    moved = block(x.roll((down, right), dims=(2, 3)))
    torch.testing.assert_close(moved, block(x).roll((down, right), dims=(2, 3)), atol=1e-5, rtol=0)


@given(steps=st.integers(-9, 9))
@settings(max_examples=15)
def test_circular_convolutions_and_the_mean_over_places_do_not_see_a_move(steps):
    net = body_of((10, 2), (4, 5), padding=("circular",) * 2, pool_size=1)
    x = torch.randn(3, 10, 2, dtype=FLOAT, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net(x.roll(steps, dims=1)), net(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("padding", ["valid", "same", "full"])
@pytest.mark.parametrize("n_axes", [1, 2])
def test_gradient_to_the_input_is_the_transposed_convolution(padding, n_axes):
    block = plain_block(n_axes, kernel_size=3, padding=padding)
    weight, _ = weights_of(block)
    x = torch.randn(2, 2, *(8, 6)[:n_axes], dtype=FLOAT, requires_grad=True)
    y = block(x)
    upstream = torch.randn_like(y)
    (found,) = torch.autograd.grad(y, x, upstream)
    transposed = functional.conv_transpose1d if n_axes == 1 else functional.conv_transpose2d
    wanted = transposed(upstream, weight, padding=WIDTHS[padding](3)[0])
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_a_1_x_1_convolution_is_a_dense_layer_at_every_pixel():
    block = plain_block(2, kernel_size=1, activation="relu")
    dense = nn.Linear(2, 3).double()
    with torch.no_grad():
        dense.weight.copy_(block.get_parameter("convolution.weight").flatten(1))
        dense.bias.copy_(block.get_parameter("convolution.bias"))
    x = torch.randn(4, 5, 6, 2, dtype=FLOAT)
    torch.testing.assert_close(block(x.movedim(-1, 1)).movedim(1, -1), dense(x).relu(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 7])
def test_sizes_are_N_minus_K_plus_1_N_and_N_plus_K_minus_1(kernel_size):
    sizes = {}
    for padding in PADDINGS:
        y = plain_block(2, kernel_size=kernel_size, padding=padding)(torch.zeros(1, 2, 11, 8, dtype=FLOAT))
        sizes[padding] = tuple(y.shape[2:])
    k = kernel_size
    wanted = {"valid": (12 - k, 9 - k), "same": (11, 8), "full": (10 + k, 7 + k), "circular": (11, 8)}
    assert sizes == wanted


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("shape", "kernel_size", "stride"), [((9, 14, 2), 3, 1), ((9, 14, 2), 4, 2), ((23, 1), 5, 3)])
def test_the_body_knows_the_sizes_of_its_maps(shape, kernel_size, stride, padding):
    net = body_of(shape, (3, 4), kernel_size=kernel_size, stride=stride, padding=(padding, "same"))
    x, sizes = torch.zeros(2, *shape, dtype=FLOAT).movedim(-1, 1), []
    for block in net.features.get_submodule("blocks"):
        x = block(x)
        sizes.append(tuple(x.shape[2:]))
    assert net.sizes == [shape[:-1], *sizes]


def test_a_signal_is_an_image_of_width_1():
    """A filter (K, K) on one column sees padding left and right of its middle column, and nothing of the others."""
    signal = body_of((12, 2), (3, 4), activation="tanh")
    image = body_of((12, 1, 2), (3, 4), activation="tanh")
    state = image.state_dict()
    with torch.no_grad():
        for name, value in signal.state_dict().items():
            if name.endswith("convolution.weight"):
                state[name][..., 1] = value
            else:
                state[name].copy_(value)
    x = torch.randn(5, 12, 2, dtype=FLOAT)
    torch.testing.assert_close(image(x[:, :, None]), signal(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("pool", "activation"), [("max", "tanh"), ("average", "elu"), ("max", "gelu")])
@pytest.mark.parametrize("padding", PADDINGS)
def test_gradients_of_a_block_agree_with_finite_differences(padding, pool, activation, stride):
    torch.manual_seed(0)
    block = convolution_block(
        2, 2, [2, 2], kernel_size=2, stride=stride, padding=padding, pool=pool, activation=activation,
        normalization="batch",
    ).double()  # fmt: skip
    x = torch.randn(3, 2, 5, 6, dtype=FLOAT, requires_grad=True)
    names, parameters = zip(*block.named_parameters(), strict=True)

    def output(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(block, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(output, (x, *parameters), eps=1e-6, atol=1e-6)


# Pooling, normalisation, dropout


def test_pooling_takes_the_largest_or_the_mean_of_each_window():
    x = torch.arange(16, dtype=FLOAT).reshape(1, 1, 4, 4)
    for pool, wanted in (("max", [[5, 7], [13, 15]]), ("average", [[2.5, 4.5], [10.5, 12.5]])):
        block = convolution_block(
            1, 1, [2, 2], kernel_size=1, stride=1, padding="same", pool=pool, activation="identity", normalization=None
        ).double()
        nn.init.ones_(block.get_parameter("convolution.weight"))
        assert block(x)[0, 0].tolist() == wanted


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_max_pooling_before_the_activation_changes_nothing_where_it_stands_there(activation):
    settings = {"kernel_size": 3, "stride": 1, "padding": "same", "pool": "max", "activation": activation}
    block = convolution_block(2, 3, [2, 2], normalization=None, **settings).double()
    x = torch.randn(4, 2, 8, 8, dtype=FLOAT)
    convolution, activate = block.get_submodule("convolution"), block.get_submodule("activation")
    wanted = functional.max_pool2d(activate(convolution(x)), 2)
    assert torch.equal(block(x), wanted)
    names = [name for name, _ in block.named_children()]
    assert (names.index("pooling") < names.index("activation")) == (activation != "gelu")


@pytest.mark.parametrize("shape", [(8, 8, 1), (20, 1), (2, 3), (1, 1, 1), (3, 40, 2)], ids=str)
def test_an_axis_that_is_too_short_is_not_pooled(shape):
    net = body_of(shape, (3, 4, 5, 6))
    assert net(torch.randn(2, *shape, dtype=FLOAT)).shape == (2, 6)
    wanted = [shape[:-1]]
    for _ in range(4):
        wanted.append(tuple(n // 2 if n >= 2 else n for n in wanted[-1]))
    assert net.sizes == wanted


def test_pool_size_1_pools_nothing():
    assert body_of((9, 7, 1), (2, 2), pool_size=1).sizes == [(9, 7)] * 3


def test_max_pooling_makes_the_features_move_less_than_the_image_does():
    """Measured, not perfect: the same filters with a pooling step see less of a move by one pixel than without."""
    digits = torch.from_numpy(load_digits().images[:200]) / 16
    image = functional.pad(digits, (4, 4, 4, 4))[..., None]
    moved = image.roll(1, dims=2)
    changes = {}
    for pool_size in (1, 2):
        torch.manual_seed(0)
        net = DeepConvolutionalBody(
            (16, 16, 1), (16, 16), padding=("same",) * 2, pool_size=pool_size, hidden_layer_sizes=(1,)
        ).double()
        with torch.no_grad():
            before, after = net.eval().features(image), net.features(moved)
        changes[pool_size] = float((after - before).norm() / before.norm())
    assert changes[2] < 0.9 * changes[1]


def test_without_dense_layers_the_features_are_means_of_the_maps_and_with_them_all_places():
    x = torch.randn(3, 8, 8, 2, dtype=FLOAT)
    mean, dense = body_of((8, 8, 2), (4, 5)), body_of((8, 8, 2), (4, 5), hidden_layer_sizes=(7, 6))
    maps = mean.features.get_submodule("blocks")(x.movedim(-1, 1))
    torch.testing.assert_close(mean(x), maps.mean(dim=(2, 3)))
    assert (mean.n_features, mean.n_out) == (5, 5)
    assert dense.features(x).shape == (3, 5 * 2 * 2) == (3, dense.n_features)
    assert dense(x).shape == (3, 6) == (3, dense.n_out)


@pytest.mark.parametrize(("sizes", "n_layers"), [((), 1), ((6, 5), 2)])
def test_dropout_stands_before_the_last_layer_and_in_the_dense_layers(sizes, n_layers):
    net = body_of((8, 8, 1), (4,), hidden_layer_sizes=sizes, dropout=0.5, activation="sigmoid")
    assert sum(isinstance(layer, Dropout) for layer in net.dense.modules()) == n_layers
    assert not any(isinstance(layer, Dropout) for layer in net.features.modules())
    x = torch.randn(50, 8, 8, 1, dtype=FLOAT)
    assert (net(x) != 0).all()
    assert 0.3 < (net.train()(x) == 0).double().mean() < 0.7


def test_first_weights_have_the_variance_2_over_inputs_of_a_place():
    torch.manual_seed(0)
    net = DeepConvolutionalBody((8, 8, 3), (64, 128), kernel_size=5, padding=("same",) * 2)
    for number, n_in in ((0, 3 * 25), (1, 64 * 25)):
        weight = net.features.get_parameter(f"blocks.{number}.convolution.weight")
        # the variance of m normal draws has a relative standard error of sqrt(2/m)
        assert weight.var().item() == pytest.approx(2 / n_in, rel=5 * math.sqrt(2 / weight.numel()))
        assert not net.features.get_parameter(f"blocks.{number}.convolution.bias").any()


# Sizes of whole networks


def n_weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def bare(net: DeepConvolutionalNetwork, shape: tuple[int, ...]) -> Any:
    kind = "image" if len(shape) == 3 else "sequence"
    return net.make_body(Inputs(kind, shape, False, {}, Standardizer.identity(shape[-1])))


def test_the_default_network_has_94410_weights_on_28_x_28_and_10_classes():
    """Filters and biases, and two numbers a map for the normalisation:
    (9*1 + 1)*32 + 64 + (9*32 + 1)*64 + 128 + (9*64 + 1)*128 + 256 + (128 + 1)*10
    = 320 + 64 + 18,496 + 128 + 73,856 + 256 + 1,290 = 94,410.
    """
    body = bare(DeepConvolutionalNetwork(), (28, 28, 1))
    assert n_weights(ScoreNetwork(nn.Identity(), body, body.n_out, 10)) == 94_410
    assert body.sizes == [(28, 28), (14, 14), (7, 7), (3, 3)]


@pytest.mark.parametrize(
    ("changed", "are_one"),
    [({}, True), ({"stride": 2}, True), ({"pool": "average"}, True), ({"pool": "max"}, False),
     ({"normalization": "batch"}, False), ({"activation": "tanh"}, False), ({"padding": "circular"}, False)],
)  # fmt: skip
def test_a_relu_right_behind_its_convolution_is_one_with_it_in_training(changed, are_one):
    """The same maps and gradients as layer by layer, which hooks on the layers show."""
    usual = {
        "kernel_size": 3,
        "stride": 1,
        "padding": "same",
        "pool": "max",
        "activation": "relu",
        "normalization": None,
    }
    torch.manual_seed(0)
    block = convolution_block(3, 4, [2, 2] if "pool" in changed else [1, 1], **(usual | changed)).double()
    seen: list[str] = []
    for name, layer in block.named_children():
        layer.register_forward_hook(lambda *_, name=name: seen.append(name))
    x = torch.randn(5, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    found = block(x)
    assert ("convolution" not in seen) == ("activation" not in seen) == are_one
    plain = nn.Sequential(*block)
    of_both = [torch.autograd.grad(y.square().sum(), [x, *block.parameters()]) for y in (found, plain(x))]
    for a, b in zip(*of_both, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_lenet5_has_the_layers_of_the_paper():
    """C1 (25 + 1)*6 = 156; C5 (16*25 + 1)*120 = 48,120; F6 (120 + 1)*84 = 10,164, as in LeCun et al. 1998, section II.B.

    Their C3 has 1,516 weights because not every map sees all six; here it has (6*25 + 1)*16 = 2,416. S2 and S4 have no
    weights here.
    """
    body = bare(DeepConvolutionalNetwork.lenet5(), (28, 28, 1))
    first, second = body.features.blocks
    assert [n_weights(part) for part in (first, second, *body.dense)] == [156, 2_416, 48_120, 10_164]
    assert body.sizes == [(28, 28), (14, 14), (5, 5)]
    assert [type(part).__name__ for part in second] == ["Conv2d", "Tanh", "AvgPool2d"]
    x = torch.zeros(1, 28, 28, 1)
    assert first.convolution(x.movedim(-1, 1)).shape == (1, 6, 28, 28)  # C1, of 32 x 32
    assert second.convolution(first(x.movedim(-1, 1))).shape == (1, 16, 10, 10)  # C3
    assert body.features(x).shape == (1, 400)


def test_lenet5_takes_further_parameters_and_those_of_the_preset_can_be_changed():
    net = DeepConvolutionalNetwork.lenet5(activation="relu", n_epochs=3)
    assert (net.activation, net.n_epochs, net.pool, net.n_filters) == ("relu", 3, "average", (6, 16))


def test_an_image_of_colours_goes_through_in_its_own_memory():
    x = torch.randn(2, 8, 8, 3)
    features = bare(DeepConvolutionalNetwork(), (8, 8, 3)).features
    first = features.channels_first(features.augmentation(x))
    assert first.data_ptr() == x.data_ptr()
    assert first.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("params", "words"),
    [({"augment": "shift_flip"}, "RandomShift"), ({"dropout": 0.37}, "Dropout(p=0.37"), ({"stride": 4}, "stride=(4, 4)"),
     ({"pool": "average"}, "AvgPool2d"), ({"pool_size": 3}, "kernel_size=(3, 3), stride=(3, 3)"),
     ({"activation": "elu"}, "ELU"), ({"padding": "circular"}, "Padding()")],
    ids=str,
)  # fmt: skip
def test_parameters_reach_the_body(params, words):
    without, with_ = (str(bare(DeepConvolutionalNetwork(**given), (28, 28, 1))) for given in ({}, params))
    assert words in with_
    assert words not in without


# Augmentation


def moves_of(image: Tensor, largest: int) -> dict[bytes, tuple[int, int, bool]]:
    """Return every image that a move by up to ``largest`` pixels, or also a mirror, can give."""
    padded = functional.pad(image[None, None], (largest,) * 4, mode="replicate")[0, 0]
    height, width = image.shape
    found = {}
    for mirrored in (False, True):
        for down in range(-largest, largest + 1):
            for right in range(-largest, largest + 1):
                part = padded[largest + down :, largest + right :][:height, :width]
                part = part.flip(1) if mirrored else part
                found[part.contiguous().numpy().tobytes()] = (down, right, mirrored)
    return found


@pytest.mark.parametrize("augment", ["shift", "shift_flip"])
@pytest.mark.parametrize(("shape", "largest"), [((24, 20), 2), ((19, 30), 1), ((8, 8), 1), ((2, 5), 1)])
def test_augmentation_moves_by_at_most_2_pixels_or_1_of_small_images(shape, largest, augment):
    image = torch.rand(shape)
    move = body_of((*shape, 1), (2,), augment=augment).features.get_submodule("augmentation").train()
    known = moves_of(image, largest)
    torch.manual_seed(0)
    seen = {known[one.contiguous().numpy().tobytes()] for one in move(image[None, ..., None].expand(3000, -1, -1, -1))}
    n_moves = (2 * largest + 1) ** 2
    # 3,000 draws of 50 equally likely moves leave one out with a probability below 50 * (49/50)**3000 = 2e-25
    assert len(seen) == (2 * n_moves if augment == "shift_flip" else n_moves)


def test_augmentation_moves_all_channels_of_an_image_together_and_every_image_by_itself():
    torch.manual_seed(0)
    x = torch.rand(40, 12, 12, 1)
    y = RandomShift(2, flips=True).train()(x.expand(-1, -1, -1, 3))
    assert torch.equal(y, y[..., :1].expand_as(y))
    assert len({tuple(np.argwhere((one == one.max()).numpy())[0]) for one in y[..., 0]}) > 5


def test_augmentation_mirrors_every_other_image():
    torch.manual_seed(0)
    x = torch.arange(5.0).expand(4000, 5, 5)[..., None]
    y = RandomShift(1, flips=True).train()(x)
    mirrored = (y[:, 0, 0] > y[:, 0, -1]).double().mean().item()
    assert mirrored == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(4000))  # five standard errors


@pytest.mark.parametrize("augment", ["shift", "shift_flip"])
def test_augmentation_leaves_evaluation_and_the_weights_alone(augment):
    plain, moving = body_of((12, 12, 1), (3,)), body_of((12, 12, 1), (3,), augment=augment)
    x = torch.randn(4, 12, 12, 1, dtype=FLOAT)
    assert moving.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(moving(x), plain(x))
    before = x.clone()
    assert not torch.equal(moving.train()(x), plain.train()(x))
    assert torch.equal(x, before)


@pytest.mark.parametrize("shape", [(20, 2), (1, 9, 1)], ids=["signal", "one row of pixels"])
def test_augmentation_leaves_signals_and_images_of_one_row_alone(shape):
    x = torch.randn(4, *shape, dtype=FLOAT)
    assert torch.equal(body_of(shape, (3,), augment="shift").features.get_submodule("augmentation").train()(x), x)


# What is refused


@pytest.mark.parametrize(
    ("shape", "params", "match"),
    [
        ((8, 8), {"padding": "valid", "kernel_size": 5, "n_filters": (2, 2)},
         "a valid convolution with kernel_size=5 needs at least 5 places an axis; convolution 2 gets 2 x 2"),
        ((12, 4), {"padding": "valid", "kernel_size": 5, "n_filters": (2,)},
         "a valid convolution with kernel_size=5 needs at least 5 places an axis; convolution 1 gets 12 x 4"),
        ((6, 6), {"padding": "circular", "kernel_size": 9, "n_filters": (2, 2)},
         "a circular convolution with kernel_size=9 needs at least 4 places an axis; convolution 2 gets 3 x 3"),
        ((6, 6), {"padding": ("same", "valid"), "n_filters": (2, 2, 2)},
         "padding needs one name, or 3, one for each of n_filters; got 2"),
    ],
)  # fmt: skip
def test_C10_sizes_that_leave_nothing_are_refused(shape, params, match):
    with pytest.raises(ParameterError, match=match):
        DeepConvolutionalNetwork(**params).fit(np.zeros((4, *shape)), [0, 1, 0, 1])


def test_C10_the_refusal_of_a_size_says_what_to_do():
    with pytest.raises(
        ParameterError, match='Take fewer n_filters, a smaller kernel_size or pool_size, or padding="same"'
    ):
        bare(DeepConvolutionalNetwork(padding="valid"), (8, 8, 1))


@pytest.mark.parametrize(
    "params",
    [{"n_filters": ()}, {"n_filters": (0,)}, {"kernel_size": 0}, {"kernel_size": 3.0}, {"pool": "min"},
     {"pool_size": 0}, {"stride": 0}, {"padding": "reflect"}, {"padding": ("same", "reflect", "same")},
     {"activation": "softmax"}, {"hidden_layer_sizes": (0,)}, {"normalization": "layer"}, {"dropout": 1.0},
     {"augment": "flip"}, {"augment": True}, {"kind": "table"}, {"input_shape": (0, 3)}, {"optimizer": "auto"}],
    ids=str,
)  # fmt: skip
def test_C10_values_out_of_their_range_are_refused(params):
    (name,) = params
    with pytest.raises(ParameterError, match=f"DeepConvolutionalNetwork: {name} needs "):
        DeepConvolutionalNetwork(**params).fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])


# The estimator

SMALL = {"n_filters": (8, 16), "batch_size": 32, "learning_rate": 0.01, "random_state": 0}


def stripes(shape: tuple[int, ...], n: int = 120, *, bytes_: bool = False, seed: int = 0) -> tuple[np.ndarray, Any]:
    """Return images or signals with an upright or a lying stripe (or a fast or a slow wave) at a random place."""
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(n, *shape)), np.array(["lying", "upright"])[np.arange(n) % 2]
    for i, row in enumerate(X):
        if i % 2:
            row[:, random.integers(shape[1])] += 5
        else:
            row[random.integers(shape[0])] += 5
    return (np.clip(X * 20 + 60, 0, 255).astype(np.uint8) if bytes_ else X), y


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_learns_digits_beyond_what_a_line_learns_from_the_same_pixels(seed):
    digits = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(
        digits.images, digits.target, test_size=0.5, random_state=seed, stratify=digits.target
    )
    net = DeepConvolutionalNetwork(n_filters=(16, 32), batch_size=32, n_epochs=15, schedule="one_cycle",
                                   learning_rate=0.01, random_state=seed)  # fmt: skip
    line = LogisticRegression(max_iter=2000).fit(X_train.reshape(-1, 64) / 16, y_train)
    error_of_line = 1 - line.score(X_test.reshape(-1, 64) / 16, y_test)
    assert 1 - net.fit(X_train, y_train).score(X_test, y_test) < 0.7 * error_of_line


@pytest.mark.slow
def test_lenet5_learns_digits():
    digits = load_digits()
    X = np.pad(digits.images, ((0, 0), (10, 10), (10, 10)))[::2]
    net = DeepConvolutionalNetwork.lenet5(n_epochs=6, batch_size=32, random_state=0).fit(X, digits.target[::2])
    assert net.score(X, digits.target[::2]) > 0.9


@pytest.mark.parametrize("bytes_", [True, False], ids=["bytes", "floats"])
@pytest.mark.parametrize("shape", [(12, 20), (12, 20, 3), (20, 12, 2)], ids=str)
def test_it_reads_bytes_and_floats_grey_and_coloured_not_square(shape, bytes_):
    X, y = stripes(shape, bytes_=bytes_)
    net = DeepConvolutionalNetwork(n_epochs=20, **SMALL).fit(X, y)
    assert net.score(*stripes(shape, bytes_=bytes_, seed=1)) > 0.9
    assert net.predict_proba(X).shape == (120, 2)
    assert net.transform(X).shape == (120, 16)
    assert net.n_features_in_ == math.prod(shape)


def test_bytes_and_their_shares_of_255_give_the_same_network():
    X, y = stripes((12, 20), bytes_=True)
    nets = [DeepConvolutionalNetwork(n_epochs=2, **SMALL).fit(each, y) for each in (X, X / 255)]
    np.testing.assert_allclose(nets[0].predict_proba(X), nets[1].predict_proba(X / 255), atol=1e-4)


def test_it_reads_signals_as_flat_rows_with_one_channel_and_as_sequences():
    random = np.random.default_rng(0)
    time = np.arange(40)
    y = np.arange(200) % 2
    X = np.sin(time * np.where(y, 0.6, 0.4)[:, None] + random.uniform(0, 6, (200, 1))) + random.normal(
        0, 0.3, (200, 40)
    )
    flat = DeepConvolutionalNetwork(n_epochs=10, **SMALL).fit(X[:100], y[:100])
    sequence = DeepConvolutionalNetwork(n_epochs=10, kind="sequence", **SMALL).fit(X[:100, :, None], y[:100])
    assert flat.score(X[100:], y[100:]) > 0.9
    assert sequence.predict_proba(X[:, :, None]).tobytes() == flat.predict_proba(X).tobytes()


def test_flat_rows_are_unfolded_by_input_shape():
    X, y = stripes((12, 20))
    params = {"n_epochs": 2, **SMALL}
    image = DeepConvolutionalNetwork(**params).fit(X, y)
    flat = DeepConvolutionalNetwork(input_shape=(12, 20), **params).fit(X.reshape(120, 240), y)
    assert flat.predict_proba(X.reshape(120, 240)).tobytes() == image.predict_proba(X).tobytes()


def test_it_predicts_numbers_in_the_unit_of_the_target():
    X, _ = stripes((10, 10), 200)
    y = 1000 + 50 * X[:, 2:5].mean(axis=(1, 2))
    net = DeepConvolutionalNetwork(task="regression", n_epochs=30, hidden_layer_sizes=(16,), dropout=0.0, **SMALL)
    assert net.fit(X, y).score(X, y) > 0.7
    assert abs(net.predict(X).mean() - y.mean()) < y.std()


def test_several_labels_an_image():
    X, y = stripes((10, 10))
    Y = np.stack([y == "lying", y == "upright"], axis=1).astype(int)
    assert DeepConvolutionalNetwork(n_epochs=20, **SMALL).fit(X, Y).score(X, Y) > 0.9


def test_weight_0_is_as_good_as_not_there():
    X, y = stripes((10, 12))
    weight = np.arange(120) % 3 > 0
    params = {"n_epochs": 2, **SMALL}
    weighted = DeepConvolutionalNetwork(**params).fit(X, y, sample_weight=weight.astype(float))
    left = DeepConvolutionalNetwork(**params).fit(X[weight], y[weight], sample_weight=np.ones(weight.sum()))
    assert weighted.predict_proba(X).tobytes() == left.predict_proba(X).tobytes()


def test_class_weights_move_the_share_of_predictions():
    X, y = stripes((8, 8))
    X = X + np.random.default_rng(3).normal(0, 4, X.shape)
    shares = []
    for factor in (0.1, 10.0):
        net = DeepConvolutionalNetwork(n_epochs=3, class_weight={"lying": factor, "upright": 1.0}, **SMALL)
        shares.append((net.fit(X, y).predict(X) == "lying").mean())
    assert shares[0] < shares[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "params",
    [{"pool": "average"}, {"padding": "circular"}, {"padding": "full"}, {"padding": ["valid", "same"]},
     {"normalization": None}, {"hidden_layer_sizes": np.array([16])}, {"n_filters": np.array([8, 16])},
     {"kernel_size": 4}, {"stride": 2}, {"augment": "shift"}, {"augment": "shift_flip"}, {"optimizer": "sgd"},
     {"precision": "bfloat16"}, {"precision": "float64"}, {"activation": "gelu"}],
    ids=str,
)  # fmt: skip
def test_every_option_learns(params):
    X, y = stripes((12, 16))
    assert DeepConvolutionalNetwork(**(SMALL | {"n_epochs": 25} | params)).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("augment", [None, "shift_flip"])
@pytest.mark.parametrize("seed", [0, 1])
def test_same_seed_gives_the_same_bits_and_another_seed_others(seed, augment):
    X, y = stripes((12, 20))
    params = SMALL | {"n_epochs": 2, "augment": augment}
    nets = [DeepConvolutionalNetwork(**(params | {"random_state": s})).fit(X, y) for s in (seed, seed, seed + 5)]
    bits = [net.predict_proba(X).tobytes() for net in nets]
    assert bits[0] == bits[1] != bits[2]


def test_augmentation_draws_from_the_run_and_leaves_the_global_random_state_alone():
    X, y = stripes((12, 20))
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    DeepConvolutionalNetwork(**(SMALL | {"n_epochs": 1, "augment": "shift_flip"})).fit(X, y)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("params", [{}, {"hidden_layer_sizes": (12, 5)}], ids=str)
def test_transform_gives_the_features_before_the_dense_layers(params):
    X, y = stripes((12, 20))
    net = DeepConvolutionalNetwork(n_epochs=1, **(SMALL | params)).fit(X, y)
    Z = net.transform(X)
    assert Z.shape == (120, 16 * (1 if not params else 3 * 5)) == (120, len(net.get_feature_names_out()))
    with torch.no_grad():
        network = net.network_.eval()
        scores = network.head(network.body.dense(torch.from_numpy(Z).to(network.head.weight.dtype)))
    np.testing.assert_allclose(scores.sigmoid()[:, 0], net.predict_proba(X)[:, 1], atol=1e-6)


def test_pictures_are_the_filters_of_the_first_layer():
    X, y = stripes((12, 20, 3))
    net = DeepConvolutionalNetwork(n_epochs=1, kernel_size=5, **SMALL).fit(X, y)
    (filters,) = net.pictures().values()
    assert filters.shape == (8, 5, 5, 3)
    convolution = net.network_.body.features.blocks[0].convolution
    assert np.array_equal(filters[2, 1, 4], convolution.weight[2, :, 1, 4].detach().float().numpy())
    assert DeepConvolutionalNetwork(n_epochs=1, **SMALL).fit(X[..., 0].reshape(120, -1), y).pictures() == {}
    with pytest.raises(NotFittedError, match="not fitted"):
        DeepConvolutionalNetwork().pictures()


def test_other_rows_than_those_of_training_are_refused():
    X, y = stripes((12, 20))
    net = DeepConvolutionalNetwork(n_epochs=1, **SMALL).fit(X, y)
    with pytest.raises(
        DataError, match=r"was trained on rows of shape \(12, 20, 1\); X has rows of shape \(20, 12, 1\)"
    ):
        net.predict(X.swapaxes(1, 2))


@pytest.mark.parametrize("bytes_", [True, False], ids=["bytes", "floats"])
def test_a_stored_network_predicts_the_same_bits(bytes_):
    X, y = stripes((12, 20, 3), bytes_=bytes_)
    net = DeepConvolutionalNetwork(n_epochs=2, **(SMALL | {"hidden_layer_sizes": (7,)})).fit(X, y)
    again = DeepConvolutionalNetwork(**net.get_params()).restore(net.fitted_state())
    for verb in ("predict", "predict_proba", "transform"):
        assert getattr(again, verb)(X).tobytes() == getattr(net, verb)(X).tobytes()
