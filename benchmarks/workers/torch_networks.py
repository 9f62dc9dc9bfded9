"""The networks of all peers that train torch modules, so that all of them train the same ones.

Rows come as (n, 28, 28); every network makes of them what it needs and gives (n, 10) scores.
"""

import itertools
from typing import Any

import torch
from common import NotRun
from torch import Tensor, nn


class Rows(nn.Module):
    """A recurrent network over the rows of an image, then layers on its last output."""

    def __init__(self, kernel: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.kernel = kernel
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        outputs, _ = self.kernel(x)
        return self.after(outputs[:, -1])


class Steps(nn.Module):
    """An LSTM and a linear layer on each of its outputs: (n, T, n_in) to (n, T, n_out)."""

    def __init__(self, n_in: int, n_hidden: int, n_out: int) -> None:
        super().__init__()
        self.kernel = nn.LSTM(n_in, n_hidden, batch_first=True)
        self.after = nn.Linear(n_hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.after(self.kernel(x)[0])


class Shift(nn.Module):
    """In training, moves every image by up to a few pixels, edge values moving in; may mirror it."""

    def __init__(self, largest: int, flips: bool) -> None:
        super().__init__()
        self.largest, self.flips = largest, flips

    def forward(self, x: Tensor) -> Tensor:
        """Return images (n, H, W)."""
        if not self.training:
            return x
        n, height, width = x.shape
        down, right = torch.randint(-self.largest, self.largest + 1, (2, n, 1))
        rows, columns = (torch.arange(height) + down).clamp(0, height - 1), torch.arange(width) + right
        columns = columns.clamp(0, width - 1)
        if self.flips:
            columns = torch.where(torch.rand(n, 1) < 0.5, columns, width - 1 - columns)
        return x[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


class Mean(nn.Module):
    """Mean over places: (n, C, H, W) to (n, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the means."""
        return x.mean(dim=(2, 3))


class ResidualBlock(nn.Module):
    """Two convolutions with normalisation, and a shortcut without weights past them (He et al. 2015)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.n_added, self.stride = n_out - n_in, stride
        self.layers = nn.Sequential(
            *(nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()),
            *(nn.Conv2d(n_out, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps."""
        past = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.n_added))
        return torch.relu(past + self.layers(x))


class MeanOfSteps(nn.Module):
    """Mean over steps: (n, T, k) to (n, k)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the means."""
        return x.mean(dim=1)


def dense(*widths: int, dropout: float = 0.0) -> list[nn.Module]:
    """Return linear layers with ReLU and dropout between them."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
    return layers


def mlp() -> nn.Module:
    """784-128-10."""
    return nn.Sequential(nn.Flatten(), *dense(784, 128), nn.Linear(128, 10))


def mlp_digits() -> nn.Module:
    """64-100-10, for scikit-learn's digits."""
    return nn.Sequential(nn.Flatten(), *dense(64, 100), nn.Linear(100, 10))


def cnn() -> nn.Module:
    """Convolutions 32, 64, 128 with stride 2, dense 512."""
    blocks: list[nn.Module] = []
    for a, b in ((1, 32), (32, 64), (64, 128)):
        blocks += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(nn.Unflatten(1, (1, 28)), *blocks, nn.Flatten(), *dense(2048, 512), nn.Linear(512, 10))


def lstm() -> nn.Module:
    """LSTM 128 over 28 rows of 28 pixels."""
    return Rows(nn.LSTM(28, 128, batch_first=True), nn.Linear(128, 10))


def skorch_mnist() -> nn.Module:
    """The first network of skorch's notebook MNIST.ipynb: 784-98-10, dropout 0.5."""
    return nn.Sequential(nn.Flatten(), *dense(784, 98, dropout=0.5), nn.Linear(98, 10))


def lightning_mnist() -> nn.Module:
    """LitMNIST of Lightning's tutorial mnist-hello-world: 784-64-64-10, dropout 0.1."""
    return nn.Sequential(nn.Flatten(), *dense(784, 64, 64, dropout=0.1), nn.Linear(64, 10))


def quickstart() -> nn.Module:
    """PyTorch's quickstart tutorial: 784-512-512-10."""
    return nn.Sequential(nn.Flatten(), *dense(784, 512, 512), nn.Linear(512, 10))


def hogwild() -> nn.Module:
    """pytorch/examples, mnist_hogwild: convolutions 10 and 20 of 5 x 5, dense 50; 21,840 weights."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28)),
        *(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(10, 20, 5), nn.Dropout2d(), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Dropout(), nn.Linear(50, 10)),
    )


def mnist_rnn() -> nn.Module:
    """pytorch/examples, mnist_rnn: LSTM 64, batch normalisation, dense 32, dropout."""
    after = nn.Sequential(
        *(nn.BatchNorm1d(64), nn.Dropout(0.25), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
    )
    return Rows(nn.LSTM(28, 64, batch_first=True), after)


def tutorial_lstm() -> nn.Module:
    """yunjey/pytorch-tutorial, recurrent_neural_network: two layers of LSTM 128."""
    return Rows(nn.LSTM(28, 128, 2, batch_first=True), nn.Linear(128, 10))


NAMED = {
    make.__name__: make
    for make in (
        *(mlp, mlp_digits, cnn, lstm, skorch_mnist, lightning_mnist, quickstart, hogwild, mnist_rnn, tutorial_lstm),
    )
}


def make(network: str | dict[str, Any]) -> nn.Module:
    """Return a network by its name, or the one that nnzoo's settings {"class": ..., parameters} describe."""
    if isinstance(network, str):
        return NAMED[network]()
    kinds = {"DeepFeedForward": like_dense, "DeepConvolutionalNetwork": like_convolutional, "LSTM": like_lstm}
    return kinds[network["class"]](network)


def draw_first_weights(model: nn.Module) -> None:
    """Draw weights by the law that nnzoo's start from: He's for ReLU (He et al. 2015), zero biases, a last layer of zeros."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=(2 / layer.weight[0].numel()) ** 0.5)
        nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
    nn.init.zeros_(layers[-1].weight)


def like_dense(own: dict[str, Any]) -> nn.Module:
    """Return nnzoo's DeepFeedForward."""
    refuse(own, activation="relu", normalization=None)
    widths = (784, *own["hidden_layer_sizes"])
    return nn.Sequential(nn.Flatten(), *dense(*widths, dropout=own["dropout"]), nn.Linear(widths[-1], 10))


def like_convolutional(own: dict[str, Any]) -> nn.Module:
    """Return nnzoo's DeepConvolutionalNetwork: convolution, pooling, normalisation, activation."""
    refuse(own, activation="relu", pool="max", padding="same", hidden_layer_sizes=[])
    size, n_in = 28, 1
    layers: list[nn.Module] = []
    if own["augment"] is not None:
        layers.append(Shift(2, own["augment"] == "shift_flip"))
    layers.append(nn.Unflatten(1, (1, 28)))
    for n_maps in own["n_filters"]:
        layers.append(nn.Conv2d(n_in, n_maps, own["kernel_size"], own["stride"], padding=own["kernel_size"] // 2))
        size, n_in = -(-size // own["stride"]), n_maps
        if own["pool_size"] > 1 and size >= own["pool_size"]:
            layers.append(nn.MaxPool2d(own["pool_size"]))
            size //= own["pool_size"]
        layers += [nn.BatchNorm2d(n_maps)] if own["normalization"] == "batch" else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, Mean(), nn.Dropout(own["dropout"]), nn.Linear(n_in, 10))


def like_lstm(own: dict[str, Any]) -> nn.Module:
    """Return nnzoo's LSTM."""
    refuse(own, bidirectional=False, peepholes=False, forget_gate=True, normalization=None, proj_size=0, pooling="last")
    kernel = nn.LSTM(28, own["n_hidden"], own["n_layers"], batch_first=True)
    return Rows(kernel, nn.Sequential(nn.Dropout(own["dropout"]), nn.Linear(own["n_hidden"], 10)))


def refuse(own: dict[str, Any], **wanted: Any) -> None:
    """Raise NotRun where a setting of nnzoo is one that the peers' network does not have."""
    for name, value in wanted.items():
        if own.get(name, value) != value:
            raise NotRun(f"nnzoo's {name}={own[name]!r} is not written for this peer")


def adversaries(n_features: int, n_noise: int, widths: tuple[int, ...]) -> tuple[type[nn.Module], type[nn.Module]]:
    """Return the classes of a dense generator and a dense discriminator, as torchgan takes them."""
    from torchgan.models import Discriminator, Generator

    class DenseGenerator(Generator):
        def __init__(self) -> None:
            super().__init__(n_noise)
            self.layers = nn.Sequential(*dense(n_noise, *widths), nn.Linear(widths[-1], n_features))

        def forward(self, z: Tensor) -> Tensor:
            return self.layers(z)

    class DenseDiscriminator(Discriminator):
        def __init__(self) -> None:
            super().__init__(n_features)
            self.layers = nn.Sequential(*dense(n_features, *widths), nn.Linear(widths[-1], 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x)

    return DenseGenerator, DenseDiscriminator
