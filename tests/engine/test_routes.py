"""Products by other routes are the same products: against torch's own layers and gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnzoo.engine import routes
from nnzoo.engine.routes import Conv2d, Linear, filter_gradient, product, weight_gradient, weighted_sum

needs_onednn = pytest.mark.skipif(not routes.has_onednn(), reason="torch has no oneDNN for this processor")


def off(found, wanted):
    """How far a tensor is off, as a share of the wanted one's length."""
    found, wanted = found.detach().double(), wanted.detach().double()
    return float((found - wanted).norm() / wanted.norm())


def slopes_of(layer, x):
    """What the layer gives, and the gradients of a sum over it that weighs every number differently."""
    x = x.detach().requires_grad_()
    y = layer(x)
    total = (y.float() * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum()
    return y, torch.autograd.grad(total, [x, *layer.parameters()])


@pytest.fixture
def onednn(monkeypatch):
    """Sizes of the products that oneDNN is asked for."""
    found, whole = [], torch.ops.mkldnn._linear_pointwise

    class Counted:
        def __getattr__(self, name):
            return getattr(torch._ops.ops.mkldnn, name)

        @staticmethod
        def _linear_pointwise(a, b, *rest):
            found.append((*a.shape, len(b)))
            return whole(a, b, *rest)

    monkeypatch.setattr(routes, "mkldnn", Counted())
    return found


@needs_onednn
@pytest.mark.parametrize(("n", "n_in", "n_out"), [(96, 4096, 256), (96, 2048, 128), (64, 512, 512), (130, 300, 700)])
def test_large_products_of_float32_go_to_onednn_and_are_the_same(onednn, n, n_in, n_out):
    torch.manual_seed(n)
    x, slope, layer = torch.randn(n, n_in), torch.randn(n, n_out), nn.Linear(n_in, n_out)
    weight, bias = layer.weight.detach(), layer.bias.detach()
    assert off(weighted_sum(x, weight, bias), functional.linear(x.double(), weight.double(), bias.double())) < 1e-6
    assert off(product(slope, weight), slope.double() @ weight.double()) < 1e-6
    assert off(weight_gradient(slope, x), slope.double().t() @ x.double()) < 1e-6
    assert onednn[:2] == [(n, n_in, n_out), (n, n_out, n_in)]
    assert onednn[2:] == ([(n_out, n, n_in)] if n_in == 4096 else [])


@pytest.mark.parametrize(("n", "dtype"), [(2, torch.float32), (96, torch.float64), (96, torch.bfloat16)])
def test_small_products_and_other_types_stay_with_torch(onednn, n, dtype):
    x, weight = torch.randn(n, 2048).to(dtype), torch.randn(128, 2048).to(dtype)
    assert torch.equal(weighted_sum(x, weight, None), functional.linear(x, weight))
    assert torch.equal(product(x, weight.t()), x @ weight.t())
    out = torch.empty(128, 2048, dtype=dtype)
    assert weight_gradient(x[:, :128], x, out=out) is out
    assert torch.equal(out, x[:, :128].t() @ x)
    assert onednn == []


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
def test_a_large_dense_layer_in_training_has_torchs_gradients(onednn, bias):
    torch.manual_seed(0)
    layer, x = Linear(4096, 256, bias=bias), torch.randn(96, 4096)
    y, slopes = slopes_of(layer, x)
    assert len(onednn) == 3
    plain_y, plain = slopes_of(layer.eval(), x)
    assert len(onednn) == 3
    assert off(y, plain_y) < 1e-6
    assert all(off(a, b) < 1e-6 for a, b in zip(slopes, plain, strict=True))


@needs_onednn
def test_a_layer_whose_input_is_data_computes_no_gradient_for_it(onednn):
    layer = Linear(4096, 256)
    layer(torch.randn(96, 4096)).sum().backward()
    assert onednn == [(96, 4096, 256), (256, 96, 4096)]


def test_without_gradients_a_dense_layer_is_torchs_to_the_bit(onednn):
    torch.manual_seed(1)
    layer, x = Linear(2048, 128), torch.randn(96, 2048)
    with torch.no_grad():
        assert torch.equal(layer(x), functional.linear(x, layer.weight, layer.bias))
    assert torch.equal(layer.eval()(x), functional.linear(x, layer.weight, layer.bias))
    assert onednn == []


SHAPES = [  # images, channels, side, filters, kernel, stride, padding
    (5, 32, 14, 8, 3, 2, 1),
    (4, 40, 9, 16, 4, 3, 0),
    (3, 32, 15, 4, 2, 2, 0),
    (2, 32, 8, 3, 5, 2, 2),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_bytes", [routes.UNFOLDED_BYTES, 1, 100_000])
def test_filters_from_unfolded_windows_have_torchs_gradient_in_one_piece_or_several(monkeypatch, shape, n_bytes):
    n, n_in, side, n_out, kernel, stride, padding = shape
    monkeypatch.setattr(routes, "UNFOLDED_BYTES", n_bytes)
    torch.manual_seed(0)
    x = torch.randn(n, n_in, side, side, dtype=torch.float64)
    filters = torch.randn(n_out, n_in, kernel, kernel, dtype=torch.float64, requires_grad=True)
    y = functional.conv2d(x, filters, None, stride, padding)
    slope = torch.randn_like(y)
    (wanted,) = torch.autograd.grad(y, filters, slope)
    given = (kernel, kernel), (stride, stride), (padding, padding)
    for layout in (torch.contiguous_format, torch.channels_last):
        found = filter_gradient(slope.to(memory_format=layout), x.to(memory_format=layout), *given)
        assert found.shape == filters.shape
        assert off(found, wanted) < (1e-14 if n_bytes > 2**20 else 1e-6)  # parts are added up in float32


def test_unequal_sides_strides_and_paddings():
    torch.manual_seed(0)
    x = torch.randn(3, 32, 11, 14, dtype=torch.float64)
    filters = torch.randn(4, 32, 3, 2, dtype=torch.float64, requires_grad=True)
    y = functional.conv2d(x, filters, None, (2, 3), (1, 0))
    slope = torch.randn_like(y)
    (wanted,) = torch.autograd.grad(y, filters, slope)
    assert off(filter_gradient(slope, x, (3, 2), (2, 3), (1, 0)), wanted) < 1e-6


def in_bfloat16(layer):
    """The layer, its products in bfloat16."""

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16):
                return self.layer(x)

    return Half()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_strided_convolution_in_bfloat16_is_as_near_the_truth_as_torchs(shape, bias):
    n, n_in, side, n_out, kernel, stride, padding = shape
    torch.manual_seed(0)
    layer = Conv2d(n_in, n_out, kernel, stride, padding, bias=bias)
    x = torch.randn(n, n_in, side, side).to(memory_format=torch.channels_last)
    y, slopes = slopes_of(in_bfloat16(layer), x)
    assert "_Convolution" in y.grad_fn.name()
    exact = nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=bias).double()
    exact.load_state_dict(layer.state_dict())
    _, wanted = slopes_of(exact, x.double())
    _, plain = slopes_of(in_bfloat16(layer.eval()), x)
    assert [each.dtype for each in slopes] == [torch.float32] * len(slopes)
    assert slopes[1].stride() == layer.weight.stride()
    for found, theirs, truth in zip(slopes, plain, wanted, strict=True):
        assert off(found, truth) < max(1.2 * off(theirs, truth), 1e-3)


@pytest.mark.parametrize(
    ("changed", "side"),
    [
        ({"in_channels": 31}, 14), ({"stride": 1}, 14), ({"kernel_size": 1}, 14), ({"dilation": 2}, 14),
        ({"groups": 2}, 14), ({"padding_mode": "circular"}, 14), ({}, 40),
    ],
)  # fmt: skip
def test_other_convolutions_are_torchs(changed, side):
    given = {"in_channels": 32, "out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1} | changed
    layer, x = Conv2d(**given), torch.randn(2, given["in_channels"], side, side)
    with torch.autocast("cpu", torch.bfloat16):
        assert "_Convolution" not in layer(x).grad_fn.name()


class Rectified(nn.Module):
    """A convolution and the ReLU behind it, as one."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer.rectified(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("changed", [{}, {"bias": False}, {"stride": 1, "dilation": 2}, {"groups": 2}, {"padding": 0}])
def test_a_convolution_and_its_relu_as_one_are_torchs_two(dtype, changed):
    torch.manual_seed(0)
    given = {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1} | changed
    layer, x = Conv2d(**given).to(dtype), torch.randn(5, 6, 9, 9, dtype=dtype).to(memory_format=torch.channels_last)
    y, slopes = slopes_of(Rectified(layer), x)
    assert "_Convolution" in y.grad_fn.name()
    plain_y, plain = slopes_of(nn.Sequential(layer, nn.ReLU()), x)
    assert torch.equal(y, plain_y)
    assert all(off(a, b) < 1e-6 for a, b in zip(slopes, plain, strict=True))
    with torch.no_grad():
        assert torch.equal(layer.rectified(x), plain_y)
    assert "Relu" in layer.eval().rectified(x).grad_fn.name()


def test_a_convolution_and_its_relu_as_one_in_bfloat16():
    torch.manual_seed(0)
    layer, x = Conv2d(32, 16, 3, 2, 1), torch.randn(5, 32, 14, 14).to(memory_format=torch.channels_last)
    y, slopes = slopes_of(in_bfloat16(Rectified(layer)), x)
    assert y.dtype == torch.bfloat16
    plain_y, plain = slopes_of(in_bfloat16(nn.Sequential(layer.eval(), nn.ReLU())), x)
    assert torch.equal(y, plain_y)
    assert all(off(a, b) < 4e-3 for a, b in zip(slopes, plain, strict=True))


@pytest.mark.parametrize("changed", [{"padding_mode": "circular"}, {"padding": "same", "stride": 1}])
def test_paddings_of_other_kinds_are_torchs(changed):
    layer, x = Conv2d(**({"in_channels": 32, "out_channels": 4, "kernel_size": 3} | changed)), torch.randn(2, 32, 9, 9)
    assert "Relu" in layer.rectified(x).grad_fn.name()
    with torch.autocast("cpu", torch.bfloat16):
        assert "_Convolution" not in layer(x).grad_fn.name()


def test_in_float32_and_without_gradients_a_convolution_is_torchs_to_the_bit():
    torch.manual_seed(0)
    layer, x = Conv2d(32, 4, 3, 2, 1), torch.randn(2, 32, 14, 14).to(memory_format=torch.channels_last)
    wanted = functional.conv2d(x, layer.weight, layer.bias, 2, 1)
    assert torch.equal(layer(x), wanted)
    with torch.autocast("cpu", torch.bfloat16):
        assert "_Convolution" not in layer.eval()(x).grad_fn.name()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["dense", "convolution", "convolution and ReLU"])
def test_a_gradient_of_the_gradient_is_torchs(kind, bias):
    """A penalty on gradients: the written-out gradients have no gradient of their own, so that torch's take over."""
    torch.manual_seed(0)
    if kind == "dense":
        layer, x = Linear(2048, 128, bias=bias), torch.randn(96, 2048)
        layer.weight.data /= 45
    else:
        layer, x = Conv2d(32, 4, 3, 2, 1, bias=bias), torch.randn(5, 32, 14, 14)
        layer = in_bfloat16(layer if kind == "convolution" else Rectified(layer))

    def of_penalty():
        given = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(layer(given).float().square().sum(), given, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), list(layer.parameters()))

    found = of_penalty()
    layer.eval()
    for mine, theirs in zip(found, of_penalty(), strict=True):
        assert off(mine, theirs) < (1e-5 if kind == "dense" else 1e-2)
