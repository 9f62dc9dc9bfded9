"""Every network that is listed: its gradient against differences in float64; its forward pass again in plain numpy.

The numpy paths are written from the equations, with loops where those have sums; they share nothing with the package
but the names of the stored tensors.
"""

import numpy as np
import pytest
import torch
from torch.func import functional_call

import nnzoo
from nnzoo.engine.batches import Batch
from nnzoo.networks.unlabelled import RowLosses
from nnzoo.recipes import encode_rows

SMALL = {
    "perceptron": {},
    "feed-forward": {"n_hidden": 4, "activation": "tanh", "precision": "float64"},
    "deep-feed-forward": {"hidden_layer_sizes": [4, 3], "activation": "tanh", "dropout": 0.0, "precision": "float64"},
    "deep-residual-network": {"n_blocks": 2, "n_hidden": 4, "precision": "float64"},
    "deep-convolutional-network": {"n_filters": [2, 3], "activation": "tanh", "dropout": 0.0, "precision": "float64"},
    "attention-network": {"n_hidden": 3, "n_layers": 2, "dropout": 0.0, "precision": "float64"},
}
SMALL["kohonen-network"] = SMALL["hopfield-network"] = {"precision": "float64"}
SMALL["auto-encoder"] = {"hidden_layer_sizes": [4], "activation": "tanh", "precision": "float64"}
RECURRENT = {"n_hidden": 3, "n_layers": 2, "bidirectional": True, "dropout": 0.0, "precision": "float64"}
N_ROWS = 6


@pytest.fixture(scope="module")
def small(samples):
    """Give a function that trains a small network in float64 for one epoch: the network, and a few rows with target."""

    def small(row):
        data = samples.data(row)
        epochs = {"n_epochs": 1} if "n_epochs" in row.load_class()._get_param_names() else {}
        model = nnzoo.build(row.id, data, {**epochs, **SMALL.get(row.id, RECURRENT)})
        nnzoo.train(model, data, verbose=0)
        X, y = encode_rows(model.recipe, data.train, "rows")
        X = X[np.arange(N_ROWS)]
        X = X[..., None] if row.kinds[0] == "image" else X
        return model.network, X, None if y is None else y[:N_ROWS]

    return small


def test_the_gradient_is_that_of_differences(row, small):
    if row.id in ("perceptron", "hopfield-network", "kohonen-network"):
        pytest.skip("its rule is no gradient; the rule is worked by hand in its own tests")
    network, X, y = small(row)
    body = network.network_.double().eval()
    wrapped = [f"network.{name}" for name, _ in body.named_parameters()]
    target = torch.as_tensor(network.target_.code(y)) if row.tasks else None
    batch = Batch(network._to_inputs(X), target, None)
    names, values = zip(*[(n, p.detach().clone().requires_grad_()) for n, p in body.named_parameters()], strict=True)

    def loss(*parameters):
        if not row.tasks:
            return functional_call(
                RowLosses(network.network_), dict(zip(wrapped, parameters, strict=True)), (batch.inputs,)
            )
        scores = functional_call(body, dict(zip(names, parameters, strict=True)), (batch.inputs,))
        return network.target_.head.row_loss(scores, batch.target)

    assert torch.autograd.gradcheck(loss, values, eps=1e-6, atol=1e-5, rtol=1e-3, nondet_tol=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def perceptron(x, w):
    return w["head.weight"] @ x + w["head.bias"]


def feed_forward(x, w):
    h = np.tanh(w["body.hidden.0.weight"] @ x + w["body.hidden.0.bias"])
    return w["head.weight"] @ h + w["head.bias"]


def deep_feed_forward(x, w):
    for layer in (0, 1):
        x = np.tanh(w[f"body.hidden.{layer}.0.weight"] @ x + w[f"body.hidden.{layer}.0.bias"])
    return w["head.weight"] @ x + w["head.bias"]


def convolutional(x, w):
    """Convolve (zeros around), take the largest of 2 x 2, normalise, squash, twice; then the mean of each map."""
    maps = np.moveaxis(x, -1, 0)
    for block in (0, 1):
        name = f"body.features.blocks.{block}."
        kernels, bias = w[name + "convolution.weight"], w[name + "convolution.bias"]
        height, width = maps.shape[1:]
        wide = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        sums = np.empty((len(kernels), height, width))
        for k, row, column in np.ndindex(sums.shape):
            sums[k, row, column] = (kernels[k] * wide[:, row : row + 3, column : column + 3]).sum() + bias[k]
        pooled = np.empty((len(kernels), height // 2, width // 2))
        for k, row, column in np.ndindex(pooled.shape):
            pooled[k, row, column] = sums[k, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].max()
        mean, variance, gain, shift = (
            w[f"{name}normalization.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        maps = np.tanh((pooled - mean) / np.sqrt(variance + 1e-5) * gain + shift)
    return w["head.weight"] @ maps.mean(axis=(1, 2)) + w["head.bias"]


def residual(x, w):
    """Two blocks: what the layers make of x is added to x."""

    def activated(h, name):
        mean, variance, gain, shift = (w[name + part] for part in ("running_mean", "running_var", "weight", "bias"))
        return np.maximum((h - mean) / np.sqrt(variance + 1e-5) * gain + shift, 0)

    h = w["body.first.0.weight"] @ x
    for block in (0, 1):
        change = h
        for layer in (0, 1):
            name = f"body.blocks.{block}.residual.{layer}."
            change = w[name + "weights.weight"] @ activated(change, name + "normalization.")
        h = h + change
    return w["head.weight"] @ activated(h, "body.last.0.") + w["head.bias"]


def simple_step(x, state, w):
    (h,) = state
    return (np.tanh(w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"]),)


def lstm_step(x, state, w):
    h, c = state
    i, f, g, o = np.split(w["ih"] @ x + w["bih"] + w["hh"] @ h + w["bhh"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, state, w):
    (h,) = state
    of_x, of_h = np.split(w["ih"] @ x + w["bih"], 3), np.split(w["hh"] @ h + w["bhh"], 3)
    r, z = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
    return ((1 - z) * np.tanh(of_x[2] + r * of_h[2]) + z * h,)


def read_both_ways(x, w, step, n_states, body="body."):
    """Read forwards and backwards in two layers; return all outputs, and the last one of each direction."""
    for layer in (0, 1):
        outputs = []
        for direction, steps in (("forward", x), ("backward", x[::-1])):
            name = f"{body}{direction}_layers.{layer}.kernel."
            own = {"ih": "weight_ih", "hh": "weight_hh", "bih": "bias_ih", "bhh": "bias_hh"}
            own = {short: w[f"{name}{long}_l0"] for short, long in own.items()}
            state, made = (np.zeros(own["hh"].shape[1]),) * n_states, []
            for values in steps:
                state = step(values, state, own)
                made.append(state[0])
            outputs.append(np.array(made))
        ends = np.concatenate([outputs[0][-1], outputs[1][-1]])
        x = np.hstack([outputs[0], outputs[1][::-1]])
    return x, ends


def recurrent(step, n_states):
    def forward(x, w):
        return w["head.weight"] @ read_both_ways(x, w, step, n_states)[1] + w["head.bias"]

    return forward


def autoencoder(x, w):
    for layer in ("encoder.0.0", "encoder.1"):
        x = w[f"body.{layer}.weight"] @ x + w[f"body.{layer}.bias"]
        x = np.tanh(x) if layer == "encoder.0.0" else x
    return x


def hopfield(x, w):
    return w["body.memory.patterns"] @ np.where(x > 0, 1, -1) / len(x)


def kohonen(x, w):
    return np.divmod(np.square(x - w["body.units.codebook"]).sum(axis=1).argmin(), 10)


def attention(x, w):
    """Read both ways, ask with the last outputs, add up the steps by their shares, squash answer and question."""
    h, q = read_both_ways(x, w, gru_step, 1, "body.encoder.")
    asked, b = w["body.attention.asks.weight"] @ q, w["body.attention.told.bias"]
    e = [w["body.attention.weighs.weight"][0] @ np.tanh(asked + w["body.attention.told.weight"] @ h_j + b) for h_j in h]
    c = sum(share * h_j for share, h_j in zip(np.exp(e) / np.exp(e).sum(), h, strict=True))
    features = np.tanh(w["body.combine.weight"] @ np.concatenate([c, q]) + w["body.combine.bias"])
    return w["head.weight"] @ features + w["head.bias"]


FORWARD = {
    "auto-encoder": autoencoder,
    "perceptron": perceptron,
    "feed-forward": feed_forward,
    "deep-feed-forward": deep_feed_forward,
    "deep-convolutional-network": convolutional,
    "deep-residual-network": residual,
    "recurrent-neural-network": recurrent(simple_step, 1),
    "long-short-term-memory": recurrent(lstm_step, 2),
    "gated-recurrent-unit": recurrent(gru_step, 1),
    "attention-network": attention,
    "hopfield-network": hopfield,
    "kohonen-network": kohonen,
}


def test_the_scores_are_those_of_plain_numpy(row, small):
    network, X, _ = small(row)
    tensors = network.fitted_state().tensors
    weights = {name.removeprefix("network."): t.astype(np.float64) for name, t in tensors.items()}
    mean, scale = tensors["input.mean"], tensors["input.scale"]
    scores = network.decision_function(X) if row.tasks else network.transform(X)
    rows = X / 255 if row.kinds[0] == "image" else X
    wanted = [FORWARD[row.id]((values - mean) / scale, weights) for values in rows]
    np.testing.assert_allclose(scores, np.squeeze(wanted), rtol=1e-10, atol=1e-12)
