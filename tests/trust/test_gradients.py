"""Every network that is listed: its gradient against differences in float64; its forward pass again in plain numpy.

The numpy paths are written from the equations, with loops where those have sums; they share nothing with the package
but the names of the stored tensors.
"""

from itertools import product

import numpy as np
import pytest
import torch
from torch.func import functional_call

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.engine.batches import Batch
from nnzoo.networks.unlabelled import RowLosses
from nnzoo.recipes import encode_rows

SMALL = {
    "perceptron": {},
    "feed-forward": {"n_hidden": 4, "activation": "tanh", "precision": "float64"},
    "deep-feed-forward": {"hidden_layer_sizes": [4, 3], "activation": "tanh", "dropout": 0.0, "precision": "float64"},
    "deep-residual-network": {"n_blocks": 2, "n_hidden": 4, "precision": "float64"},
    "radial-basis-network": {"n_centers": 4},
    "extreme-learning-machine": {"n_hidden": 5, "activation": "tanh"},
    "support-vector-machine": {},
    "capsule-network": {
        "n_filters": 3,
        "n_primary": 2,
        "n_routing": 1,
        "reconstruction": False,
        "precision": "float64",
    },
    "echo-state-network": {"n_hidden": 3, "leak_rate": 0.5},
    "liquid-state-machine": {"n_hidden": 20, "input_scaling": 2.0},
    "deep-convolutional-network": {"n_filters": [2, 3], "activation": "tanh", "dropout": 0.0, "precision": "float64"},
    "attention-network": {"n_hidden": 3, "n_layers": 2, "dropout": 0.0, "precision": "float64"},
    "neural-turing-machine": {"n_hidden": 3, "n_slots": 4, "slot_size": 2, "precision": "float64"},
    "differentiable-neural-computer": {"n_hidden": 3, "n_slots": 4, "slot_size": 2, "precision": "float64"},
}
SMALL["restricted-boltzmann-machine"] = {"n_components": 4, "precision": "float64"}
SMALL["deep-belief-network"] = {"hidden_layer_sizes": [4, 3], "precision": "float64"}
SMALL["boltzmann-machine"] = {"n_components": 3, "precision": "float64"}
SMALL["kohonen-network"] = SMALL["hopfield-network"] = {"precision": "float64"}
SMALL["deconvolutional-network"] = {
    "n_filters": [2],
    "kernel_size": 3,
    "l1": 3.0,
    "n_inference_steps": 400,
    "precision": "float64",
}
SMALL["markov-chain"] = {"order": 2, "backoff": None, "smoothing": 0.5}
SMALL["generative-adversarial-network"] = {"hidden_layer_sizes": [4, 3], "activation": "tanh", "precision": "float64"}
for name in ("auto-encoder", "variational-auto-encoder", "denoising-auto-encoder"):
    SMALL[name] = {"hidden_layer_sizes": [4], "activation": "tanh", "precision": "float64"}
SMALL["sparse-auto-encoder"] = {"n_components": 7, "k": 2, "precision": "float64"}
SMALL["deep-convolutional-inverse-graphics-network"] = SMALL["auto-encoder"] | {"n_filters": [2, 3], "n_components": 3}
RECURRENT = {"n_hidden": 3, "n_layers": 2, "bidirectional": True, "dropout": 0.0, "precision": "float64"}
N_ROWS = 6
WITHOUT_GRADIENT = (
    "perceptron",
    "hopfield-network",
    "kohonen-network",
    "markov-chain",
    "restricted-boltzmann-machine",
    "deep-belief-network",
)
RESERVOIRS = ("echo-state-network", "liquid-state-machine")
"""Their pools are computed by arrays and never learn; their readout has a gradient."""


@pytest.fixture(scope="module")
def small(samples):
    """Give a function that trains a small network in float64 for one epoch: the network, and a few rows with target."""
    done = {}

    def small(row):
        if row.id not in done:
            done[row.id] = train(row)
        return done[row.id]

    def train(row):
        data = samples.data(row)
        model = nnzoo.build(row.id, data, samples.short(row, 1, {row.id: SMALL.get(row.id, RECURRENT)}))
        nnzoo.train(model, data, verbose=0)
        X, y = encode_rows(model.recipe, data.train, "rows")
        X = X[np.arange(N_ROWS)]
        X = X[..., None] if row.kinds[0] == "image" else X
        return model.network, X, None if y is None else y[:N_ROWS]

    return small


QUICK = [row for row in CATALOG if row.abbreviation not in ("AN", "LSTM", "GRU", "NTM", "DNC", "DN", "CN")]


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=() if row in QUICK else pytest.mark.slow, id=row.abbreviation) for row in CATALOG],
)
def test_the_gradient_is_that_of_differences(row, small):
    if row.id in WITHOUT_GRADIENT:
        pytest.skip("its rule is no gradient; the rule is worked by hand in its own tests")
    network, X, y = small(row)
    body = network.network_.double().eval()
    target = torch.as_tensor(network.target_.code(y)) if row.tasks else None
    batch = Batch(network._to_inputs(X), target, None)
    learned = [(n, p) for n, p in body.named_parameters() if row.id not in RESERVOIRS or p.requires_grad]
    wrapped = [f"network.{name}" for name, _ in learned]
    names, values = zip(*[(n, p.detach().clone().requires_grad_()) for n, p in learned], strict=True)

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


def convolved(maps, kernels, bias, stride):
    """Slide filters over maps without padding."""
    side = kernels.shape[2]
    places = [range(0, n - side + 1, stride) for n in maps.shape[1:]]
    rows = [
        [(kernels * maps[:, i : i + side, j : j + side]).sum(axis=(1, 2, 3)) + bias for j in places[1]]
        for i in places[0]
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def capsules(x, w):
    """Filter twice, cut into vectors of four, and take the mean of what all of them predict for a class."""

    def squash(s):
        return s * np.linalg.norm(s) / (1 + s @ s)

    name = "body.capsules."
    maps = convolved(np.moveaxis(x, -1, 0), w[name + "convolution.weight"], w[name + "convolution.bias"], 1)
    maps = convolved(np.maximum(maps, 0), w[name + "primary.maps.weight"], w[name + "primary.maps.bias"], 2)
    u = [squash(s) for s in np.moveaxis(maps, 0, -1).reshape(-1, 4)]
    weight = w[name + "classes.weight"]
    n_classes = weight.shape[1]
    sums = [sum(weight[i, k] @ u[i] for i in range(len(u))) / n_classes for k in range(n_classes)]
    return np.log([np.linalg.norm(squash(s)) for s in sums])


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


def sparse(x, w):
    """Keep the two largest sums above 0."""
    z = w["body.code.layer.weight"] @ (x.ravel() - w["body.decoder.bias"]) + w["body.code.layer.bias"]
    return np.where(z >= np.sort(z)[-2], np.maximum(z, 0), 0)


def variational(x, w):
    """Return the first half of what the last layer says: the means."""
    h = np.tanh(w["body.encoder.0.0.weight"] @ x + w["body.encoder.0.0.bias"])
    return np.split(w["body.code.layer.weight"] @ h + w["body.code.layer.bias"], 2)[0]


def inverse_graphics(x, w):
    """Filter twice, every other place with zeros around, then as a variational one of the maps behind each other."""
    maps = np.moveaxis(x, -1, 0)
    for layer in ("encoder.1", "encoder.3"):
        maps = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        maps = np.tanh(convolved(maps, w[f"body.{layer}.weight"], w[f"body.{layer}.bias"], 2))
    h = np.tanh(w["body.encoder.6.0.weight"] @ maps.ravel() + w["body.encoder.6.0.bias"])
    return np.split(w["body.code.layer.weight"] @ h + w["body.code.layer.bias"], 2)[0]


def machines(x, w):
    """Each layer is on by the odds of its sums; the columns of a table are divided by their variances first."""
    x = x / np.exp(w["body.layers.0.log_variance"])
    for layer in range(sum(name.endswith("hidden_bias") for name in w)):
        name = f"body.layers.{layer}."
        x = sigmoid(x @ w[name + "weight"] + w[name + "hidden_bias"])
    return x


def critic_features(x, w):
    for layer in (0, 1):
        x = np.tanh(w[f"body.critic.features.{layer}.0.weight"] @ x + w[f"body.critic.features.{layer}.0.bias"])
    return x


def hopfield(x, w):
    return w["body.memory.patterns"] @ np.where(x > 0, 1, -1) / len(x)


def boltzmann(x, w):
    """Mean of all states of the hidden units, each with its share."""
    weight, bias, d = w["body.machine.weight"], w["body.machine.bias"], len(x)
    h = np.array(list(product([0, 1], repeat=len(bias) - d)))
    told = (x > 0) @ weight[:d, d:] + bias[d:]
    shares = np.exp(h @ told + ((h @ weight[d:, d:]) * h).sum(axis=1) / 2)
    return shares @ h / shares.sum()


def kohonen(x, w):
    return np.divmod(np.square(x - w["body.units.codebook"]).sum(axis=1).argmin(), 10)


def markov(x, w):
    """Count what came behind the last two symbols, a half for each symbol besides."""
    last, grams = x[:, 0][::-1][:2], w["body.grams"]
    n = np.zeros(int(grams[:, 0].max()) + 1)
    for gram, count in zip(grams, w["body.counts"], strict=True):
        n[int(gram[0])] += count * (gram[1:] == last).all()
    return (n + 0.5) / (n + 0.5).sum()


def attention(x, w):
    """Read both ways, ask with the last outputs, add up the steps by their shares; answer and question are features."""
    h, q = read_both_ways(x, w, gru_step, 1, "body.encoder.")
    asked, b = w["body.attention.asks.weight"] @ q, w["body.attention.told.bias"]
    e = [w["body.attention.weighs.weight"][0] @ np.tanh(asked + w["body.attention.told.weight"] @ h_j + b) for h_j in h]
    c = sum(share * h_j for share, h_j in zip(np.exp(e) / np.exp(e).sum(), h, strict=True))
    return w["head.weight"] @ np.concatenate([c, q]) + w["head.bias"]


def softplus(z):
    return np.log1p(np.exp(z))


def shares(z):
    return np.exp(z) / np.exp(z).sum()


def cosine(a, b):
    return a @ b / np.sqrt((a @ a + 1e-6) * (b @ b + 1e-6))


def controlled(x, h, r, c, w):
    """Return h and c of an LSTM that reads the input and what the heads have read."""
    i, f, g, o = np.split(w["weight_ih"] @ x + w["weight_hh"] @ np.concatenate([h, r]) + w["bias"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def turing_machine(x, w, n_slots=4, size=2):
    """Read with one head and write with another, in slots that stand in a ring."""
    name = "body.forward_layers.0.cell."
    own = {key.removeprefix(f"{name}controller."): value for key, value in w.items() if key.startswith(name)}
    h, r, c = np.zeros(3), np.zeros(size), np.zeros(3)
    memory, at = np.full((n_slots, size), 1e-6), np.eye(n_slots)[[0, 0]]
    for values in x:
        h, c = controlled(values, h, r, c, own)
        *heads, erase, add = np.split(
            w[name + "weight_heads"] @ h + w[name + "bias_heads"], [size + 6, 2 * (size + 6), 2 * (size + 6) + size]
        )
        for k, (key, beta, gate, shift, gamma) in enumerate(
            np.split(head, [size, size + 1, size + 2, size + 5]) for head in heads
        ):
            found = shares(softplus(beta) * [cosine(np.tanh(key), slot) for slot in memory])
            mixed = sigmoid(gate) * found + (1 - sigmoid(gate)) * at[k]
            moved = sum(share * np.roll(mixed, step) for share, step in zip(shares(shift), (-1, 0, 1), strict=True))
            at[k] = moved ** (1 + softplus(gamma)) / (moved ** (1 + softplus(gamma))).sum()
        r = at[0] @ memory
        memory = memory * (1 - np.outer(at[1], sigmoid(erase))) + np.outer(at[1], np.tanh(add))
    return w["head.weight"] @ np.concatenate([h, r]) + w["head.bias"]


def computer(x, w, n_slots=4, size=2):
    """Write to free slots or by content with one head; read backward, by content or forward with another."""
    name = "body.forward_layers.0.cell."
    own = {key.removeprefix(f"{name}controller."): value for key, value in w.items() if key.startswith(name)}
    h, r, c, memory, links = np.zeros(3), np.zeros(size), np.zeros(3), np.zeros((n_slots, size)), np.zeros((4, 4))
    usage, reads, writes, last = np.zeros((4, n_slots))
    for values in x:
        h, c = controlled(values, h, r, c, own)
        ends = np.cumsum([size, 1, size, 1, size, size, 1, 1, 1])
        orders = np.split(w[name + "weight_heads"] @ h + w[name + "bias_heads"], ends)
        key, strength, write_key, write_strength, erase, add, free, by_allocation, gate, modes = orders
        usage = (usage + writes - usage * writes) * (1 - sigmoid(free) * reads)
        alloc, product = np.zeros(n_slots), 1.0
        for slot in np.argsort(usage, kind="stable"):
            alloc[slot], product = (1 - usage[slot]) * product, product * usage[slot]
        found = shares((1 + softplus(write_strength)) * [cosine(write_key, slot) for slot in memory])
        writes = sigmoid(gate) * (sigmoid(by_allocation) * alloc + (1 - sigmoid(by_allocation)) * found)
        memory = memory * (1 - np.outer(writes, sigmoid(erase))) + np.outer(writes, add)
        for i, j in np.ndindex(links.shape):
            links[i, j] = 0 if i == j else (1 - writes[i] - writes[j]) * links[i, j] + writes[i] * last[j]
        last = (1 - writes.sum()) * last + writes
        found = shares((1 + softplus(strength)) * [cosine(key, slot) for slot in memory])
        backward, content, forward = shares(modes)
        reads = backward * (links.T @ reads) + content * found + forward * (links @ reads)
        r = reads @ memory
    return w["head.weight"] @ np.concatenate([h, r]) + w["head.bias"]


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


def deconvolutional(x, w, l1=3.0, n_steps=400):
    """Take thresholded steps from maps of zeros, each from a point beyond the last maps."""
    f = np.array([each / np.linalg.norm(each) for each in w["body.filters.weight"]])
    u, side = np.moveaxis(x, -1, 0) - w["body.mean"], f.shape[-1] - 1
    high, wide = u.shape[1:]
    slope = sum(np.abs(np.fft.fft2(c, (high + 2 * side, wide + 2 * side))) ** 2 for each in f for c in each).max()
    z = point = np.zeros((len(f), high + side, wide + side))
    t = 1.0
    for _ in range(n_steps):
        missing, v = u.copy(), point.copy()
        for i, j in np.ndindex(f.shape[2:]):
            missing -= np.tensordot(
                f[:, :, i, j].T, point[:, side - i : side - i + high, side - j : side - j + wide], 1
            )
        for i, j in np.ndindex(f.shape[2:]):
            told = np.tensordot(f[:, :, i, j], missing, 1) / slope
            v[:, side - i : side - i + high, side - j : side - j + wide] += told
        before, z = z, np.sign(v) * np.maximum(np.abs(v) - l1 / slope, 0)
        last, t = t, (1 + np.sqrt(1 + 4 * t**2)) / 2
        point = z + (last - 1) / t * (z - before)
    return z.ravel()


FORWARD = {
    "deconvolutional-network": deconvolutional,
    "auto-encoder": autoencoder,
    "echo-state-network": echo_state,
    "liquid-state-machine": liquid_state,
    "variational-auto-encoder": variational,
    "denoising-auto-encoder": autoencoder,
    "sparse-auto-encoder": sparse,
    "generative-adversarial-network": critic_features,
    "perceptron": perceptron,
    "feed-forward": feed_forward,
    "radial-basis-network": radial_basis,
    "extreme-learning-machine": extreme_learning,
    "support-vector-machine": support_vector,
    "deep-feed-forward": deep_feed_forward,
    "deep-convolutional-network": convolutional,
    "deep-residual-network": residual,
    "capsule-network": capsules,
    "deep-convolutional-inverse-graphics-network": inverse_graphics,
    "recurrent-neural-network": recurrent(simple_step, 1),
    "long-short-term-memory": recurrent(lstm_step, 2),
    "gated-recurrent-unit": recurrent(gru_step, 1),
    "attention-network": attention,
    "restricted-boltzmann-machine": machines,
    "deep-belief-network": machines,
    "hopfield-network": hopfield,
    "boltzmann-machine": boltzmann,
    "kohonen-network": kohonen,
    "markov-chain": markov,
    "neural-turing-machine": turing_machine,
    "differentiable-neural-computer": computer,
}


def test_the_scores_are_those_of_plain_numpy(row, small):
    network, X, _ = small(row)
    tensors = network.fitted_state().tensors
    weights = {name.removeprefix("network."): t.astype(np.float64) for name, t in tensors.items()}
    mean, scale = tensors["input.mean"], tensors["input.scale"]
    verb = "decision_function" if row.tasks else "transform" if hasattr(network, "transform") else "predict_proba"
    scores = getattr(network, verb)(X)
    rows = X / 255 if row.kinds[0] == "image" else X
    wanted = [FORWARD[row.id]((values - mean) / scale, weights) for values in rows]
    np.testing.assert_allclose(scores, np.squeeze(wanted), rtol=1e-10, atol=1e-12)
