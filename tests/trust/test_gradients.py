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
from nnzoo.recipes import encode_rows

SMALL = {
    "perceptron": {},
    "feed-forward": {"n_hidden": 4, "activation": "tanh", "precision": "float64"},
    "deep-feed-forward": {"hidden_layer_sizes": [4, 3], "activation": "tanh", "dropout": 0.0, "precision": "float64"},
    "radial-basis-network": {"n_centers": 4},
    "extreme-learning-machine": {"n_hidden": 5, "activation": "tanh"},
    "support-vector-machine": {},
    "echo-state-network": {"n_hidden": 3, "leak_rate": 0.5},
    "liquid-state-machine": {"n_hidden": 20, "input_scaling": 2.0},
    "deep-convolutional-network": {"n_filters": [2, 3], "activation": "tanh", "dropout": 0.0, "precision": "float64"},
}
RECURRENT = {"n_hidden": 3, "n_layers": 2, "bidirectional": True, "dropout": 0.0, "precision": "float64"}
N_ROWS = 6
RESERVOIRS = ("echo-state-network", "liquid-state-machine")
"""Their pools are computed by arrays and never learn; their readout has a gradient."""


@pytest.fixture(scope="module")
def small(samples):
    """Give a function that trains a small network in float64 for one epoch: the network, and a few rows with target."""

    def small(row):
        data = samples.data(row)
        model = nnzoo.build(row.id, data, {**samples.short(row, 1), **SMALL.get(row.id, RECURRENT)})
        nnzoo.train(model, data, verbose=0)
        X, y = encode_rows(model.recipe, data.train, "rows")
        X = X[np.arange(N_ROWS)]
        return model.network, X[..., None] if row.kinds[0] == "image" else X, y[:N_ROWS]

    return small


def test_the_gradient_is_that_of_differences(row, small):
    if row.id == "perceptron":
        pytest.skip("its rule is no gradient; the rule is worked by hand in its own tests")
    network, X, y = small(row)
    body = network.network_.double().eval()
    batch = Batch(network._to_inputs(X), torch.as_tensor(network.target_.code(y)), None)
    learned = [(n, p) for n, p in body.named_parameters() if row.id not in RESERVOIRS or p.requires_grad]
    names, values = zip(*[(n, p.detach().clone().requires_grad_()) for n, p in learned], strict=True)

    def loss(*parameters):
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


def extreme_learning(x, w):
    h = np.tanh(w["body.hidden.0.weight"] @ x + w["body.hidden.0.bias"])
    return w["head.weight"] @ h + w["head.bias"]


def radial_basis(x, w):
    h = [np.exp(-beta * ((x - c) ** 2).sum()) for c, beta in zip(w["body.centers"], w["body.beta"], strict=True)]
    return w["head.weight"] @ h + w["head.bias"]


def support_vector(x, w):
    """Kernels, a decision for each pair of the three classes, a vote each, and a share of a vote by their sums."""
    k = [np.exp(-((x - v) ** 2).sum() / len(x)) for v in w["body.features.vectors"]]
    first, second, third = w["body.pairs.weight"] @ k + w["body.pairs.bias"]
    scores = []
    for decisions in ((first, second), (-first, third), (-second, -third)):
        total = sum(decisions)
        scores.append(sum(each >= 0 for each in decisions) + total / (3 * (abs(total) + 1)))
    return w["head.weight"] @ scores + w["head.bias"]


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


def recurrent(step, n_states):
    def forward(x, w):
        """Read forwards and backwards in two layers; the last output of each direction is the summary."""
        for layer in (0, 1):
            outputs = []
            for direction, steps in (("forward", x), ("backward", x[::-1])):
                name = f"body.{direction}_layers.{layer}.kernel."
                own = {"ih": "weight_ih", "hh": "weight_hh", "bih": "bias_ih", "bhh": "bias_hh"}
                own = {short: w[f"{name}{long}_l0"] for short, long in own.items()}
                state, made = (np.zeros(own["hh"].shape[1]),) * n_states, []
                for values in steps:
                    state = step(values, state, own)
                    made.append(state[0])
                outputs.append(np.array(made))
            ends = np.concatenate([outputs[0][-1], outputs[1][-1]])
            x = np.hstack([outputs[0], outputs[1][::-1]])
        return w["head.weight"] @ ends + w["head.bias"]

    return forward


def echo_state(x, w):
    name = "body.forward_layers.0."
    h, states = np.zeros(3), []
    for u in x:
        sums = w[name + "inputs.weight"] @ u + w[name + "inputs.bias"] + w[name + "links.weight"] @ h
        h = 0.5 * h + 0.5 * np.tanh(sums)
        states.append(np.concatenate([h, u]))
    return w["head.weight"] @ np.mean(states, axis=0) + w["head.bias"]


def liquid_state(x, w):
    """Hold each value for 10 ms; τ is 30 ms, rest 3 ms, and spikes fade in 30 ms."""
    name = "body.forward_layers.0."
    r, v, s, rest = np.zeros(20), np.zeros(20), np.zeros(20), np.zeros(20)
    keep = np.exp(-1 / 30)
    for u in x:
        current = w[name + "inputs.weight"] @ u + w[name + "inputs.bias"]
        for _ in range(10):
            v = np.where(rest > 0, 0.0, keep * v + (1 - keep) * current + w[name + "links.weight"] @ s)
            s = (v >= 1).astype(float)
            v, rest, r = v * (1 - s), np.where(s > 0, 3, rest - 1), np.exp(-1 / 30) * r + s
    return w["head.weight"] @ np.concatenate([r, x[-1]]) + w["head.bias"]


FORWARD = {
    "echo-state-network": echo_state,
    "liquid-state-machine": liquid_state,
    "perceptron": perceptron,
    "feed-forward": feed_forward,
    "radial-basis-network": radial_basis,
    "extreme-learning-machine": extreme_learning,
    "support-vector-machine": support_vector,
    "deep-feed-forward": deep_feed_forward,
    "deep-convolutional-network": convolutional,
    "recurrent-neural-network": recurrent(simple_step, 1),
    "long-short-term-memory": recurrent(lstm_step, 2),
    "gated-recurrent-unit": recurrent(gru_step, 1),
}


def test_the_scores_are_those_of_plain_numpy(row, small):
    network, X, _ = small(row)
    tensors = network.fitted_state().tensors
    weights = {name.removeprefix("network."): t.astype(np.float64) for name, t in tensors.items()}
    mean, scale = tensors["input.mean"], tensors["input.scale"]
    scores = network.decision_function(X)
    rows = X / 255 if row.kinds[0] == "image" else X
    wanted = [FORWARD[row.id]((values - mean) / scale, weights) for values in rows]
    np.testing.assert_allclose(scores, np.squeeze(wanted), rtol=1e-10, atol=1e-12)
