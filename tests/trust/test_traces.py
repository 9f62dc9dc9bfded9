"""Every network that is listed: the trace of a trained model is its forward pass, and every step can be checked.

The steps are computed again from their own operands by a table of plain numpy; what comes out of the last layer is
compared with the numpy forward passes of test_gradients.py.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np
import polars as pl
import pytest
import torch
from scipy.signal import convolve2d

import nnzoo
from nnzoo.catalog import CATALOG

ROW = 17


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_prefix(operands, *prefixes):
    """Return the operands whose names start so, in order; None where one is shown by a single row only."""
    found = []
    for prefix in prefixes:
        names = [name for name in operands if name.startswith(prefix)]
        found.append(operands[names[0]] if names and "[" not in names[0].split("_")[-1][1:] else None)
    return found


def dense(step):
    x, W, *b = step.operands.values()
    bias = b[0] if b else np.zeros(len(step.result))
    (k,) = step.cell
    if W.ndim == 1:
        return step.result[k], W @ x + bias[k]
    return step.result, W @ x + bias


def convolution(step):
    x, w, *b = step.operands.values()
    k, *place = step.cell
    kernel = w if "[" in list(step.operands)[1] else w[k]
    window = x
    if "window" not in step.operands:
        pad = re.search(r"zeros around: (\d+) before and (\d+) after", step.words)
        stride = re.search(r"(\d+) places at a time", step.words)
        top, left = (n * int(stride[1] if stride else 1) for n in place)
        wide = np.pad(x, [(0, 0), *[(int(pad[1]), int(pad[2])) if pad else (0, 0)] * 2])
        window = wide[:, top : top + kernel.shape[1], left : left + kernel.shape[2]]
    return step.result[step.cell], (window * kernel).sum() + (b[0][k] if b else 0)


def pooling(step):
    (x,) = step.operands.values()
    if "window" in step.operands:
        return step.result[step.cell], x.max()
    k, height, width = len(x), x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return step.result, x[:, :height, :width].reshape(k, height // 2, 2, width // 2, 2).max(axis=(2, 4))


def batch_norm(step):
    x, mean, variance, gain, shift = (np.asarray(v) for v in step.operands.values())
    at = (slice(None), *[None] * (x.ndim - 1))
    return step.result, (x - mean[at]) / np.sqrt(variance[at] + 1e-5) * gain[at] + shift[at]


def transposed_convolution(step):
    values, weights, *bias = step.operands.values()
    return step.result[step.cell], values @ weights + (bias[0][step.cell[0]] if bias else 0)


def soft(v, s):
    return np.sign(v) * np.maximum(np.abs(v) - s, 0)


def sparse_code(step):
    """The objective that the step tells, of the maps that it shows; the steps to them are in test_gradients.py."""
    (u, f), z = step.operands.values(), step.result
    l1 = float(re.search(r"([\d.e-]+) Σ \|", step.formula)[1])
    laid = np.stack([sum(convolve2d(z[k], f[k, c], "valid") for k in range(len(f))) for c in range(len(u))])
    loss = 0.5 * np.square(u - laid).sum() + l1 * np.abs(z).sum()
    told = re.search(r"E = (\S+) without any, (\S+) now", step.numbers).groups()
    return np.array(told, dtype=float), np.array([f"{each:.5g}" for each in (0.5 * np.square(u).sum(), loss)], float)


def padded_shortcut(step):
    (x,) = step.operands.values()
    stride = 2 if len(step.result[0]) < len(x[0]) else 1
    carried = x[:, ::stride, ::stride]
    return step.result, np.concatenate([carried, np.zeros((len(step.result) - len(x), *carried.shape[1:]))])


def squashed(s):
    square = (s * s).sum(axis=-1, keepdims=True)
    return square / (1 + square) * s / np.maximum(np.sqrt(square), 1e-30)


def couplings(step):
    _, *predictions = step.operands.values()
    if not predictions:
        return step.result.sum(axis=1), np.ones(len(step.result))
    agreement = np.zeros(step.result.shape)
    for _ in range(int(re.search(r"over (\d+) rounds", step.formula)[1])):
        shares = np.exp(agreement) / np.exp(agreement).sum(axis=1, keepdims=True)
        v = squashed(np.einsum("ik,ikd->kd", shares, predictions[0]))
        agreement = agreement + np.einsum("ikd,kd->ik", predictions[0], v)
    return step.result, np.exp(agreement) / np.exp(agreement).sum(axis=1, keepdims=True)


def mean_over_places(step):
    (x,) = step.operands.values()
    return (step.result[step.cell], x.mean()) if x.ndim == 2 else (step.result, x.mean(axis=(1, 2)))


def scaled(step):
    x, mean, deviation = step.operands.values()
    unit = 255 if "/ 255" in step.formula else 1
    if x.ndim == 3:
        mean, deviation = mean[:, None, None], deviation[:, None, None]
    return step.result, (x / unit - mean) / deviation


def gate(squash):
    def computed(step):
        terms = [row for row in step.working.rows if row[0] != "sum"]
        total = sum(value if weight == "" else value * weight for _, value, weight, _ in terms)
        return step.result[step.cell], squash(total)

    return computed


def memory(step):
    i, f, g, before = step.operands.values()
    return step.result, f * before + i * g


def hidden_state(step):
    o, c = step.operands.values()
    return step.result, o * np.tanh(c)


def gated_state(step):
    z, n, h = step.operands.values()
    return step.result, (1 - z) * n + z * h


def of_operands(again):
    """Return a check that computes the whole result from the operands in their order."""
    return lambda step: (step.result, again(*step.operands.values()))


def cosines(step):
    key, slots = step.operands.values()
    alike = slots @ key / np.sqrt((key @ key + 1e-6) * (np.square(slots).sum(axis=-1) + 1e-6))
    return (step.result, alike) if slots.ndim == 2 else (step.result[step.cell], alike)


def settings(step):
    h, W, b = step.operands.values()
    strength, gate, *shift, power = W @ h + b
    shares = np.exp(shift) / np.exp(shift).sum()
    return step.result, np.array([np.log1p(np.exp(strength)), sigmoid(gate), *shares, 1 + np.log1p(np.exp(power))])


def shift(weights, shares):
    reach = len(shares) // 2
    return sum(share * np.roll(weights, step - reach) for step, share in enumerate(shares))


def writing(step):
    memory, *rest = (step.operands[name] for name in sorted(step.operands, key=lambda name: name[0] != "M"))
    w, erase, add = rest
    if memory.ndim == 1:
        return step.result[step.cell[0]], memory * (1 - w[step.cell[0]] * erase) + w[step.cell[0]] * add
    return step.result, memory * (1 - np.outer(w, erase)) + np.outer(w, add)


def reading(step):
    w, slots = step.operands.values()
    return (step.result, w @ slots) if slots.ndim == 2 else (step.result[step.cell], w @ slots)


def leaky_state(step):
    n, h, a = step.operands.values()
    return step.result, (1 - a) * h + a * n


def filtered_spikes(step):
    spikes, before, keep = step.operands.values()
    fading = keep ** np.arange(len(spikes))[::-1]
    return step.result, keep ** len(spikes) * before + fading @ spikes


def usage(step):
    before, w, free, *reads = step.operands.values()
    kept = np.prod([1 - f * read for f, read in zip(free, reads, strict=True)], axis=0)
    return step.result, (before + w - before * w) * kept


def allocation(step):
    (u,) = step.operands.values()
    order = np.argsort(u, kind="stable")
    again = np.zeros_like(u)
    again[order] = (1 - u[order]) * np.concatenate([[1], np.cumprod(u[order])[:-1]])
    return step.result, again


def links(step):
    before, last, w = step.operands.values()
    again = (1 - w[:, None] - w) * before + np.outer(w, last)
    return step.result, again * (1 - np.eye(len(w)))


def last_of_steps(step):
    (h,) = step.operands.values()
    half = h.shape[1] // 2
    return step.result, np.concatenate([h[-1, :half], h[0, half:]]) if "←" in step.formula else h[-1]


def additive_scores(step):
    asked, told, v = step.operands.values()
    return step.result, np.tanh(asked + told) @ v


def scaled_scores(step):
    asked, told = step.operands.values()
    return step.result, told @ asked / np.sqrt(len(asked))


def context(step):
    shares, values = step.operands.values()
    return (step.result[step.cell], shares @ values) if values.ndim == 1 else (step.result, shares @ values)


def last_sum(step):
    first, second = step.operands.values()
    return step.result[-1], first + second


def widened(step):
    x, w, b = step.operands.values()
    return step.result[step.cell], w @ x + b[step.cell[-1]]


def second_layer(step):
    h, w, b = step.operands.values()
    return step.result[step.cell], w @ h + b[step.cell]


def softmax(step):
    (s,) = step.operands.values()
    return step.result, np.exp(s - s.max()) / np.exp(s - s.max()).sum()


def one(f):
    return lambda step: (step.result, f(next(iter(step.operands.values()))))


def squared_error(step):
    x, rebuilt = step.operands.values()
    return step.result[0], ((x.ravel() - rebuilt.ravel()) ** 2).sum()


def squared_distances(step):
    x, c = step.operands.values()
    return (
        (step.result[step.cell], np.square(x - c).sum()) if c.ndim == 1 else (step.result, np.square(x - c).sum(axis=1))
    )


def of_distances(f):
    def computed(step):
        squared, rates = step.operands.values()
        return step.result, f(rates * squared)

    return computed


def metric_distances(measure):
    def computed(step):
        x, w = step.operands.values()
        return step.result[step.cell], measure(x, w if w.ndim == 1 else w[step.cell])

    return computed


def recalled(step):
    """Each unit takes the sign of what the others tell it, in turn, until none changes."""
    s, *rest = step.operands.values()
    if not rest:
        return step.result.shape, s.shape
    s, changed = s.copy(), True
    while changed:
        changed = False
        for i, row in enumerate(rest[0]):
            told = row @ s
            if abs(told) > 1e-9 and np.sign(told) != s[i]:
                s[i], changed = np.sign(told), True
    return step.result, s


def overlaps(step):
    s, patterns = step.operands.values()
    return (
        (step.result[step.cell], patterns @ s / len(s)) if patterns.ndim == 1 else (step.result, patterns @ s / len(s))
    )


def means_over_states(step):
    told, among = step.operands.values()
    h = np.array(list(product([0, 1], repeat=len(told))))
    shares = np.exp(h @ told + ((h @ among) * h).sum(axis=1) / 2)
    return step.result, shares @ h / shares.sum()


def mean_field(step):
    told, among = step.operands.values()
    q = 1 / (1 + np.exp(-told))
    for _ in range(int(re.search(r"(\d+) times", step.formula)[1])):
        q = (q + 1 / (1 + np.exp(-told - among @ q))) / 2
    return step.result, q


def agreement(step):
    q, prior, beta, patterns = step.operands.values()
    return step.result, beta * patterns @ q + prior


def unit(step):
    (w,) = step.operands.values()
    return step.result, w if w.ndim == 1 else w[int(re.search(r"line (\d+)", step.numbers)[1]) - 1]


def votes(step):
    decisions, signs = step.operands.values()
    won = ((np.where(decisions >= 0, 1, -1)[:, None] * signs) > 0).sum(axis=0)
    total = decisions @ signs
    return step.result, won + total / (3 * (np.abs(total) + 1))


def waves(step):
    (sums,) = step.operands.values()
    return step.result, np.sqrt(2 / len(sums)) * np.cos(sums)


def bent(f):
    def computed(step):
        z, gamma, shift = step.operands.values()
        return step.result, f(gamma * z + shift)

    return computed


def largest_only(step):
    (h,) = step.operands.values()
    k = int(re.search(r"the (\d+) largest", step.formula)[1])
    return step.result, np.where(h >= np.sort(h)[-min(k, len(h))], h, 0)


AGAIN = {
    "shifted": of_operands(lambda x, origin: x - origin),
    "largest only": largest_only,
    "squared error": squared_error,
    "code distribution": one(lambda sums: np.split(sums, 2)[0]),
    "squared distances": squared_distances,
    "cosine distances": metric_distances(lambda x, w: 1 - x @ w / np.linalg.norm(x) / np.linalg.norm(w)),
    "manhattan distances": metric_distances(lambda x, w: np.abs(x - w).sum()),
    "from the mean image": of_operands(lambda x, m: x - m),
    "to the mean image": of_operands(lambda x, m: x + m),
    "soft threshold": of_operands(lambda c, pace, l1: soft(c * pace, l1 * pace)),
    "sparse code": sparse_code,
    "best unit": lambda step: (step.result[0], next(iter(step.operands.values())).argmin()),
    "unit": unit,
    "signs": one(lambda x: np.where(x > 0, 1, -1)),
    "on or off": one(lambda x: np.where(x > 0, 1, 0)),
    "means over states": means_over_states,
    "mean field": mean_field,
    "recall": recalled,
    "overlaps": overlaps,
    "agreement": agreement,
    "best pattern": lambda step: (step.result[0], next(iter(step.operands.values())).argmax()),
    "gaussian": of_distances(lambda s: np.exp(-s)),
    "multiquadric": of_distances(lambda s: np.sqrt(1 + s)),
    "inverse_multiquadric": of_distances(lambda s: 1 / np.sqrt(1 + s)),
    "thin_plate_spline": of_distances(lambda s: 0.5 * s * np.log(s)),
    "linear": of_distances(np.sqrt),
    "shares": one(lambda h: h / h.sum()),
    "direct links": lambda step: (step.result, np.concatenate(list(step.operands.values()), axis=-1)),
    "mean of steps": one(lambda h: h.mean(axis=0)),
    "leaky state": leaky_state,
    "current": dense,
    "filtered spikes": filtered_spikes,
    "votes": votes,
    "waves": waves,
    "kernel poly": bent(lambda z: z**3),
    "kernel sigmoid": bent(np.tanh),
    "sin": one(np.sin),
    "dense": dense,
    "relu": one(lambda z: np.maximum(z, 0)),
    "leaky_relu": one(lambda z: np.where(z > 0, z, 0.01 * z)),
    "softmax": softmax,
    "sigmoid": one(sigmoid),
    "guess": one(sigmoid),
    "scaled": scaled,
    "convolution": convolution,
    "max pooling": pooling,
    "batch normalization": batch_norm,
    "mean over places": mean_over_places,
    "transposed convolution": transposed_convolution,
    "flatten": one(np.ravel),
    "padded shortcut": padded_shortcut,
    "primary capsules": one(squashed),
    "couplings": couplings,
    "class capsules": lambda step: (step.result, squashed(step.operands["s"])),
    "length scores": one(lambda v: np.log(np.linalg.norm(v, axis=1))),
    "shortcut sum": lambda step: (step.result, sum(step.operands.values())),
    "gate sigmoid": gate(sigmoid),
    "gate tanh": gate(np.tanh),
    "memory": memory,
    "hidden state": hidden_state,
    "gated state": gated_state,
    "last of steps": last_of_steps,
    "additive scores": additive_scores,
    "scaled scores": scaled_scores,
    "attention shares": softmax,
    "context": context,
    "steps widened": widened,
    "positions": last_sum,
    "added attention": last_sum,
    "dense in between": second_layer,
    "added dense": last_sum,
    "cosines": cosines,
    "content weights": of_operands(lambda strength, z: np.exp(strength * z) / np.exp(strength * z).sum()),
    "settings": settings,
    "interpolation": of_operands(lambda g, c, before: g * c + (1 - g) * before),
    "shift": of_operands(shift),
    "sharpening": of_operands(lambda w, power: w**power / (w**power).sum()),
    "reading": reading,
    "writing": writing,
    "usage": usage,
    "allocation": allocation,
    "links": links,
    "precedence": of_operands(lambda last, w: (1 - w.sum()) * last + w),
    "writing weights": of_operands(lambda g_w, g_a, free, found: g_w * (g_a * free + (1 - g_a) * found)),
    "reading weights": of_operands(lambda ways, L, was, found: ways[0] * was @ L + ways[1] * found + ways[2] * L @ was),
}
AGAIN |= {
    "last symbols": lambda step: (step.result, next(iter(step.operands.values()))[-len(step.result) :]),
    "smoothed shares": of_operands(lambda n, alpha: (n + alpha) / (n + alpha).sum()),
    "all alike": lambda step: (step.result.sum(), 1.0),
    "witten bell": of_operands(lambda n, p: (n + (n > 0).sum() * p) / (n.sum() + (n > 0).sum())),
    "kneser ney": of_operands(
        lambda n, p, D: np.maximum(n - D, 0) / n.sum() + (1 - np.maximum(n - D, 0).sum() / n.sum()) * p
    ),
}
SHOWN_ONLY = {
    *(
        "recipe",
        "tokens",
        "image",
        "unrolled",
        "spikes",
        "memories",
        "focus",
        "slots",
        "orders",
        "influence",
        "prediction",
    ),
}
"""Steps that are checked by tests of their own below."""


@dataclass
class Explained:
    """A trained network, the file of its rows, what it says of them, and the trace of one: each computed once."""

    model: nnzoo.Model
    source: str

    @cached_property
    def predicted(self):
        return nnzoo.predict(self.model, self.source)

    @cached_property
    def trace(self):
        return nnzoo.explain(self.model, self.source, row=ROW)


@pytest.fixture(scope="module")
def done():
    return {}


@pytest.fixture
def explained(row, samples, trained_large, done):
    if row.id not in done:
        done[row.id] = Explained(nnzoo.load_model(trained_large(row)), samples.source(row)[0])
    return done[row.id]


def test_the_last_step_is_what_predict_says(explained):
    predicted = explained.predicted.to_series(1)
    for row in (1, ROW, 60):
        trace = nnzoo.explain(explained.model, explained.source, row=row)
        assert trace.steps[-1].op == "prediction"
        if isinstance(predicted[row - 1], float):  # computed with other rows beside it
            np.testing.assert_allclose(trace.result, predicted[row - 1], rtol=1e-6)
        else:
            assert trace.result.tolist() == [predicted[row - 1]]


def test_every_step_computed_again_from_its_operands(explained):
    steps = explained.trace.steps
    assert {step.op for step in steps} <= set(AGAIN) | SHOWN_ONLY
    for step in steps:
        if step.op in AGAIN:
            shown, again = AGAIN[step.op](step)
            np.testing.assert_allclose(shown, again, rtol=2e-5, atol=2e-6, err_msg=step.title)


def other_dense(step):
    x, _, *bias = step.operands.values()
    (row,) = step.of_other.values()
    return row @ x + (bias[0][step.other] if bias else 0)


def other_filter(step):
    _, kernel, bias = step.operands.values()
    (window,) = step.of_other.values()
    return (kernel * window).sum() + bias[step.other[0]]


def other_window(step):
    (one_map,) = step.of_other.values()
    _, down, right = step.other
    return one_map[2 * down : 2 * down + 2, 2 * right : 2 * right + 2].max()


def other_gate(squash):
    def computed(step):
        (x, h), (unit,) = list(step.operands.values())[:2], step.other
        matrices = by_prefix(step.operands | step.of_other, "W_", "U_", "b_")
        rows = [step.of_other.get(name) for name in step.of_other]
        if len(rows) == 1:
            rows.insert(0, matrices[0][unit])
        return squash(rows[0] @ x + rows[1] @ h + matrices[2][unit])

    return computed


BY_HAND = {
    "dense": other_dense,
    "convolution": other_filter,
    "max pooling": other_window,
    "mean over places": lambda step: next(iter(step.of_other.values())).mean(),
    "gate sigmoid": other_gate(sigmoid),
    "gate tanh": other_gate(np.tanh),
}
LARGE = {
    "DFF": ("penguins", {"target": "species"}, {"n_epochs": 1}, {"dense"}),
    "DCN": (
        "fashion-sample",
        {},
        {"n_epochs": 1, "n_filters": [32, 256], "kernel_size": 5},
        {"convolution", "max pooling", "mean over places"},
    ),
    "LSTM": ("sunspots", {}, {"n_epochs": 1, "n_hidden": 128}, {"gate sigmoid", "gate tanh"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("network", LARGE)
def test_another_cell_by_hand_comes_out_from_what_the_page_gives(network):
    source, how, settings, expected = LARGE[network]
    data = nnzoo.load(source, **how)
    model = nnzoo.build(network, data, settings)
    nnzoo.train(model, data, verbose=0, time_limit=5)
    steps = [step for step in nnzoo.explain(model, source, row=1).steps if step.other]
    assert {step.op for step in steps} >= expected
    for step in steps:
        assert step.other != step.cell
        np.testing.assert_allclose(step.result[step.other], BY_HAND[step.op](step), rtol=2e-5, atol=2e-6)


def test_no_number_of_the_formula_comes_from_nowhere(explained):
    """What enters a step is what a step before it gave, or a weight."""
    steps = explained.trace.steps
    made = {step.name: step.result for step in steps}
    chained = 0
    for before, step in pairwise(steps):
        if before.name in step.operands:
            np.testing.assert_array_equal(np.squeeze(step.operands[before.name]), np.squeeze(before.result))
            chained += 1
    assert chained >= 1
    assert len(made) == len(steps)


def test_probabilities_are_those_of_predict(row, explained):
    # Without a target, sigmoids are shares of white or the chances of units.
    ops = ("softmax", "sigmoid") if row.tasks else ("softmax",)
    shares = [step for step in explained.trace.steps if step.op in ops]
    if not row.tasks or not row.load_class().gives_probabilities:
        assert not shares
        return
    columns = explained.predicted.select(pl.selectors.starts_with("probability_"))
    wanted = columns.row(ROW - 1) if shares[-1].op == "softmax" else columns.row(ROW - 1)[-1:]
    np.testing.assert_allclose(shares[-1].result, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_explaining_leaves_the_model_and_its_predictions_as_they_were(row, samples, trained):
    model, source = nnzoo.load_model(trained(row)), samples.source(row)[0]
    before = nnzoo.predict(model, source)
    state = {name: value.clone() for name, value in model.network.network_.state_dict().items()}
    nnzoo.explain(model, source, row=2)
    assert nnzoo.predict(model, source).equals(before)
    assert all(value.equal(model.network.network_.state_dict()[name]) for name, value in state.items())


def test_the_page_and_the_data_are_small_and_plain(explained, tmp_path):
    trace = explained.trace
    trace.to_html(tmp_path / "t.html")
    assert (tmp_path / "t.html").stat().st_size < 10**6
    plain = json.loads(json.dumps(trace.to_json(), allow_nan=False))
    assert len(plain["steps"]) == len(trace.steps)
    assert str(trace).count("\n") > 3 * len(trace.steps)


def test_a_row_by_its_name(samples):
    row = next(row for row in CATALOG if row.abbreviation == "GRU")
    data = samples.data(row)
    model = nnzoo.build(row.id, data, {"n_epochs": 1, "n_hidden": 4})
    nnzoo.train(model, data, verbose=0)
    source = samples.source(row)[0]
    by_name, by_number = nnzoo.explain(model, source, id="m07"), nnzoo.explain(model, source, row=8)
    assert by_name.steps[-2].result.tolist() == by_number.steps[-2].result.tolist()
    with pytest.raises(nnzoo.DataError, match='needs a row with the name "m99"; the source has 60 rows'):
        nnzoo.explain(model, source, id="m99")
    with pytest.raises(nnzoo.UsageError, match="a row or an id; got both"):
        nnzoo.explain(model, source, row=1, id="m07")
    with pytest.raises(nnzoo.DataError, match="needs a row 61; the source has 60 rows"):
        nnzoo.explain(model, source, row=61)


# Estimators with every setting that changes the arithmetic; the last scores are those of decision_function or predict.


def signals(n=24):
    draw = np.random.default_rng(1)
    X = draw.normal(size=(n, 6, 2))
    return X, (X[:, :, 0].sum(axis=1) > 0).astype(int)


def pictures(n=24):
    draw = np.random.default_rng(1)
    return (draw.random((n, 9, 7, 3)) * 255).astype(np.uint8), np.arange(n) % 3


def columns(n=40):
    draw = np.random.default_rng(1)
    X = draw.normal(size=(n, 4))
    X[:, 2] = draw.integers(0, 5, n)
    return X, np.arange(n) % 3


VARIANTS = {
    "lstm-peepholes": (lambda: nnzoo.LSTM(n_hidden=4, peepholes=True), signals),
    "lstm-normal": (lambda: nnzoo.LSTM(n_hidden=4, normalization="layer"), signals),
    "lstm-1997": (lambda: nnzoo.LSTM(n_hidden=4, forget_gate=False), signals),
    "lstm-both-ways": (lambda: nnzoo.LSTM(n_hidden=3, n_layers=2, bidirectional=True), signals),
    "gru-paper": (lambda: nnzoo.GRU(n_hidden=4, reset_after=False), signals),
    "gru-mean": (lambda: nnzoo.GRU(n_hidden=4, pooling="mean"), signals),
    "an": (lambda: nnzoo.AttentionNetwork(n_hidden=4), signals),
    "an-scaled": (lambda: nnzoo.AttentionNetwork(n_hidden=4, attention="scaled"), signals),
    "an-transformer": (lambda: nnzoo.AttentionNetwork(body="transformer", n_hidden=8), signals),
    "an-rotary": (lambda: nnzoo.AttentionNetwork(body="transformer", positions="rotary", n_hidden=8, n_heads=2), signals),
    "an-learned": (lambda: nnzoo.AttentionNetwork(body="transformer", positions="learned", n_hidden=8), signals),
    "ntm-feed-forward": (
        lambda: nnzoo.NeuralTuringMachine(n_hidden=4, n_slots=6, slot_size=3, controller="feedforward", n_memory_heads=2, shift_range=2), signals
    ),
    "dnc-two-heads": (
        lambda: nnzoo.DifferentiableNeuralComputer(n_hidden=4, n_slots=6, slot_size=3, n_memory_heads=2), signals
    ),
    "ntm-large": (lambda: nnzoo.NeuralTuringMachine(n_hidden=4, n_slots=300, memory_init="learned"), signals),
    "rnn-relu": (lambda: nnzoo.RNN(n_hidden=4, activation="relu", pooling="max"), signals),
    "esn-leaky": (lambda: nnzoo.EchoStateNetwork(n_hidden=6, leak_rate=0.3), signals),
    "esn-last": (lambda: nnzoo.EchoStateNetwork(n_hidden=6, pooling="last", topology="cycle"), signals),
    "lsm": (lambda: nnzoo.LiquidStateMachine(n_hidden=30, pooling="last"), signals),
    "dcn-valid": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3, 4), padding="valid", kernel_size=2, pool="average"), pictures),
    "dcn-full-stride": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3,), padding="full", stride=2, pool_size=1), pictures),
    "dcn-circular": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3,), padding="circular", hidden_layer_sizes=(5,)), pictures),
    "dcn-same-even": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3,), kernel_size=4, activation="tanh"), pictures),
    "drn": (lambda: nnzoo.DeepResidualNetwork(n_blocks=2, n_hidden=5), columns),
    "drn-pictures": (lambda: nnzoo.DeepResidualNetwork(n_filters=(3, 4), depth=6), pictures),
    "drn-2015": (lambda: nnzoo.DeepResidualNetwork(n_filters=(3, 4), depth=6, shortcut="project", pre_activation=False), pictures),
    "drn-plain": (lambda: nnzoo.DeepResidualNetwork(n_blocks=2, n_hidden=5, shortcuts=False, normalization=None), columns),
    "cn": (lambda: nnzoo.CapsuleNetwork(n_filters=4, n_primary=2, n_routing=2), pictures),
    "dff-pictures": (lambda: nnzoo.DeepFeedForward(hidden_layer_sizes=(5,), kind="image", activation="elu"), pictures),
    "dff-layer-norm": (lambda: nnzoo.DeepFeedForward(hidden_layer_sizes=(6, 5), normalization="layer", activation="gelu"), columns),
    "ff-batch-norm": (lambda: nnzoo.FeedForward(n_hidden=6, normalization="batch", activation="leaky_relu"), columns),
    "ff-codes": (lambda: nnzoo.FeedForward(n_hidden=6, categorical_features=[2], activation="sigmoid"), columns),
    "elm-links": (lambda: nnzoo.ExtremeLearningMachine(n_hidden=6, activation="sin", direct_links=True), columns),
    "elm-points": (lambda: nnzoo.ExtremeLearningMachine(n_hidden=6, activation="rbf"), columns),
    "elm-kernel": (lambda: nnzoo.ExtremeLearningMachine(n_hidden=6, kernel="rbf"), columns),
    "rbf-shares": (lambda: nnzoo.RadialBasisNetwork(n_centers=6, normalize=True, kernel="multiquadric"), columns),
    "rbf-inverse": (lambda: nnzoo.RadialBasisNetwork(n_centers=6, kernel="inverse_multiquadric"), columns),
    "rbf-plate": (lambda: nnzoo.RadialBasisNetwork(n_centers=6, kernel="thin_plate_spline"), columns),
    "rbf-linear": (lambda: nnzoo.RadialBasisNetwork(n_centers=6, kernel="linear"), columns),
    "rbf-pictures": (lambda: nnzoo.RadialBasisNetwork(n_centers=6, kind="image"), pictures),
    "svm-poly": (lambda: nnzoo.SupportVectorMachine(kernel="poly", coef0=1.0), columns),
    "svm-sigmoid": (lambda: nnzoo.SupportVectorMachine(kernel="sigmoid", multi_class="ovr"), columns),
    "svm-linear": (lambda: nnzoo.SupportVectorMachine(kernel="linear"), columns),
    "svm-nystroem": (lambda: nnzoo.SupportVectorMachine(approximation="nystroem", n_components=6), columns),
    "svm-fourier": (lambda: nnzoo.SupportVectorMachine(approximation="fourier", n_components=6), columns),
    "softmax-regression": (lambda: nnzoo.DeepFeedForward(hidden_layer_sizes=()), columns),
    "perceptron-own-body": (
        lambda: nnzoo.OwnBody(torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Softplus(), torch.nn.Linear(5, 2))), columns
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_every_setting_is_traced_to_the_scores_of_the_network(name):
    make, data = VARIANTS[name]
    X, y = data()
    network = make()
    short = {"n_epochs": 2} if "n_epochs" in network.get_params() else {}
    network.set_params(random_state=0, **short).fit(X, y)
    steps = list(network.trace(X[3:4]))
    scores = next(step for step in reversed(steps) if step.op == "dense")
    np.testing.assert_allclose(scores.result, np.atleast_1d(network.decision_function(X[3:4])[0]), rtol=1e-5, atol=1e-6)
    assert not [step.title for step in steps if step.op == "own code"]
    for step in steps:
        if step.op in AGAIN:
            if step.op == "gate sigmoid" or step.op == "gate tanh":
                shown, again = AGAIN[step.op](step)
            elif name == "lstm-1997" and step.op == "memory":
                i, g, before = step.operands.values()
                shown, again = step.result, before + i * g
            elif name == "lstm-normal" and step.op == "hidden state":
                continue
            else:
                shown, again = AGAIN[step.op](step)
            np.testing.assert_allclose(shown, again, rtol=2e-5, atol=2e-6, err_msg=step.title)


@pytest.mark.slow
def test_a_regression_a_forecast_and_a_text_are_traced_to_their_units(tmp_path):
    for name, target, network in (
        ("sunspots", None, "gru"),
        ("genesis", None, "rnn"),
        ("sunspots", None, "an"),
        ("penguins", "body_mass_g", "ff"),
    ):
        data = nnzoo.load(name, target=target, on_bad_row="skip")
        model = nnzoo.build(network, data, {"n_epochs": 1, "n_hidden": 4})
        nnzoo.train(model, data, verbose=0)
        rows = data if target is None else data.test.frame
        trace = nnzoo.explain(model, rows, row=1)
        assert trace.result.tolist() == [nnzoo.predict(model, rows)["prediction"][0]]
        before = trace.steps[-2]
        if before.op in ("unscaled", "unit"):
            np.testing.assert_allclose(before.result.ravel()[0], trace.result[0], rtol=1e-5)
        trace.to_html(tmp_path / "t.html")
        assert (tmp_path / "t.html").stat().st_size < 10**6


def test_changes_of_a_series_are_traced_back_to_its_level():
    series = np.cumsum(np.random.default_rng(0).normal(1, 0.1, size=(3, 60, 1)), axis=1) + 1000
    network = nnzoo.GRU(task="regression", output="next", differences=True, n_hidden=4, n_epochs=2, random_state=0).fit(
        series
    )
    steps = list(network.trace(series[:1]))
    assert steps[0].op == "differences"
    assert steps[-1].op == "level"
    np.testing.assert_allclose(steps[-1].result, network.predict(series[:1]).ravel(), rtol=1e-6)


def test_images_that_come_back_are_traced_to_what_was_lost():
    X, _ = pictures()
    network = nnzoo.Autoencoder(kind="image", n_filters=(3, 4), hidden_layer_sizes=(), n_epochs=2, random_state=0).fit(
        X
    )
    steps = list(network.trace(X[3:4]))
    assert [step.op for step in steps].count("transposed convolution") == 2
    for step in steps:
        if step.op in ("transposed convolution", "dense", "squared error"):
            np.testing.assert_allclose(*AGAIN[step.op](step), rtol=2e-5, atol=2e-6, err_msg=step.title)
    np.testing.assert_allclose(steps[-1].result, -network.score_samples(X[3:4]), rtol=1e-5)


@pytest.mark.parametrize("metric", ["cosine", "manhattan"])
def test_a_map_is_traced_to_the_unit_that_answers(metric):
    X, _ = pictures()
    network = nnzoo.KohonenNetwork(n_rows=3, n_columns=3, metric=metric, kind="image", n_epochs=2).fit(X)
    steps = list(network.trace(X[3:4]))
    assert [step.op for step in steps] == ["scaled", f"{metric} distances", "best unit", "unit", "squared error"]
    assert steps[2].result == network.predict(X[3:4])
    for step in steps:
        np.testing.assert_allclose(*AGAIN[step.op](step), rtol=2e-5, atol=2e-6, err_msg=step.title)


@pytest.mark.parametrize(
    ("n_components", "expected"),
    [
        (3, ["scaled", "on or off", "dense", "means over states"]),
        (18, ["scaled", "on or off", "dense", "mean field"]),
        (0, ["scaled", "on or off", "dense", "sigmoid"]),
    ],
)
def test_a_boltzmann_machine_is_traced_to_the_means_of_its_hidden_units(n_components, expected):
    X, _ = columns()
    network = nnzoo.BoltzmannMachine(n_components=n_components, n_epochs=2, random_state=0).fit(X)
    steps = list(network.trace(X[3:4]))
    assert [step.op for step in steps] == expected
    np.testing.assert_allclose(steps[-1].result, network.transform(X[3:4])[0], rtol=2e-5)
    for step in steps:
        np.testing.assert_allclose(*AGAIN[step.op](step), rtol=2e-5, atol=2e-6, err_msg=step.title)


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ("classic", ["scaled", "signs", "dense", "recall", "overlaps", "best pattern"]),
        ("dense", ["scaled", "signs", "recall", "overlaps", "best pattern"]),
        ("modern", ["scaled", "agreement", "attention shares", "context", "overlaps", "best pattern"]),
    ],
)
def test_a_recall_is_traced_to_the_pattern_that_it_ends_in(memory, expected):
    X, _ = columns()
    network = nnzoo.HopfieldNetwork(memory=memory, threshold=0.05 * (memory == "classic")).fit(X)
    steps = list(network.trace(X[3:4]))
    assert [step.op for step in steps] == expected
    assert steps[-1].result == network.answers(X[3:4])["prediction"]
    for step in steps:
        if step.op != "recall":
            np.testing.assert_allclose(*AGAIN[step.op](step), rtol=2e-5, atol=2e-6, err_msg=step.title)


def test_code_between_the_layers_is_said_to_be_unknown():
    class Squared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.second(self.first(x) ** 2)

    X, y = columns()
    steps = list(nnzoo.OwnBody(Squared(), n_epochs=1).fit(X, y).trace(X[:1]))
    assert [step.op for step in steps] == ["scaled", "dense", "own code", "dense", "dense", "softmax"]
    np.testing.assert_allclose(steps[2].result, steps[1].result ** 2, rtol=1e-6)


def test_several_labels_a_row_are_traced():
    X, y = columns()
    Y = np.stack([y == 0, y > 0, X[:, 0] > 0], axis=1).astype(int)
    network = nnzoo.FeedForward(n_hidden=4, n_epochs=1, random_state=0).fit(X, Y)
    last = list(network.trace(X[:1], (), ("a", "b", "c")))[-1]
    assert last.op == "sigmoid"
    np.testing.assert_allclose(last.result, network.predict_proba(X[:1])[0], rtol=1e-6)
