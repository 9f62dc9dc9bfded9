"""Every network that is listed: the trace of a trained model is its forward pass, and every step can be checked.

The steps are computed again from their own operands by a table of plain numpy; what comes out of the last layer is
compared with the numpy forward passes of test_gradients.py.
"""

import json
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch

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
    bias = b[0] if b else 0
    (k,) = step.cell
    if W.ndim == 1:
        return step.result[k], W @ x + bias[k]
    return step.result, W @ x + bias


def convolution(step):
    x, w, b = step.operands.values()
    k, *place = step.cell
    kernel = w if "[" in list(step.operands)[1] else w[k]
    window = x
    if "window" not in step.operands:
        added = [
            out + size - 1 - n
            for out, size, n in zip(step.result.shape[1:], kernel.shape[1:], x.shape[1:], strict=True)
        ]
        wide = np.pad(x, [(0, 0), *((n // 2, n - n // 2) for n in added)])
        window = wide[:, place[0] : place[0] + kernel.shape[1], place[1] : place[1] + kernel.shape[2]]
    return step.result[step.cell], (window * kernel).sum() + b[k]


def pooling(step):
    (x,) = step.operands.values()
    if "window" in step.operands:
        return step.result[step.cell], x.max()
    k, height, width = len(x), x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return step.result, x[:, :height, :width].reshape(k, height // 2, 2, width // 2, 2).max(axis=(2, 4))


def batch_norm(step):
    x, mean, variance, gain, shift = (np.asarray(v) for v in step.operands.values())
    at = (slice(None), None, None)
    return step.result, (x - mean[at]) / np.sqrt(variance[at] + 1e-5) * gain[at] + shift[at]


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


def softmax(step):
    (s,) = step.operands.values()
    return step.result, np.exp(s - s.max()) / np.exp(s - s.max()).sum()


def one(f):
    return lambda step: (step.result, f(next(iter(step.operands.values()))))


AGAIN = {
    "dense": dense,
    "relu": one(lambda z: np.maximum(z, 0)),
    "softmax": softmax,
    "sigmoid": one(sigmoid),
    "scaled": scaled,
    "convolution": convolution,
    "max pooling": pooling,
    "batch normalization": batch_norm,
    "mean over places": mean_over_places,
    "gate sigmoid": gate(sigmoid),
    "gate tanh": gate(np.tanh),
    "memory": memory,
    "hidden state": hidden_state,
    "gated state": gated_state,
    "last of steps": last_of_steps,
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
SHOWN_ONLY = {"recipe", "image", "unrolled", "memories", "focus", "slots", "orders", "influence", "prediction"}
"""Steps that are checked by tests of their own below."""


@pytest.fixture
def model(row, trained):
    return nnzoo.load_model(trained(row))


@pytest.fixture
def source(row, samples):
    return samples.source(row)[0]


def test_the_last_step_is_what_predict_says(model, source):
    predicted = nnzoo.predict(model, source)["prediction"]
    for row in (1, ROW, 60):
        trace = nnzoo.explain(model, source, row=row)
        assert trace.steps[-1].op == "prediction"
        assert trace.result.tolist() == [predicted[row - 1]]


def test_every_step_computed_again_from_its_operands(model, source):
    steps = nnzoo.explain(model, source, row=ROW).steps
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


def test_no_number_of_the_formula_comes_from_nowhere(model, source):
    """What enters a step is what a step before it gave, or a weight."""
    steps = nnzoo.explain(model, source, row=ROW).steps
    made = {step.name: step.result for step in steps}
    chained = 0
    for before, step in pairwise(steps):
        if before.name in step.operands:
            np.testing.assert_array_equal(np.squeeze(step.operands[before.name]), np.squeeze(before.result))
            chained += 1
    assert chained >= 1
    assert len(made) == len(steps)


def test_probabilities_are_those_of_predict(row, model, source):
    shares = [step for step in nnzoo.explain(model, source, row=ROW).steps if step.op in ("softmax", "sigmoid")]
    if row.abbreviation == "P":
        assert shares == []
        return
    columns = nnzoo.predict(model, source).select(pl.selectors.starts_with("probability_"))
    wanted = columns.row(ROW - 1) if shares[-1].op == "softmax" else columns.row(ROW - 1)[-1:]
    np.testing.assert_allclose(shares[-1].result, wanted, rtol=1e-5, atol=1e-6)


def test_explaining_leaves_the_model_and_its_predictions_as_they_were(model, source):
    before = nnzoo.predict(model, source)
    state = {name: value.clone() for name, value in model.network.network_.state_dict().items()}
    nnzoo.explain(model, source, row=2)
    assert nnzoo.predict(model, source).equals(before)
    assert all(value.equal(model.network.network_.state_dict()[name]) for name, value in state.items())


def test_the_page_and_the_data_are_small_and_plain(model, source, tmp_path):
    trace = nnzoo.explain(model, source, row=ROW)
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
    "ntm-feed-forward": (
        lambda: nnzoo.NeuralTuringMachine(n_hidden=4, n_slots=6, slot_size=3, controller="feedforward", n_memory_heads=2, shift_range=2), signals
    ),
    "dnc-two-heads": (
        lambda: nnzoo.DifferentiableNeuralComputer(n_hidden=4, n_slots=6, slot_size=3, n_memory_heads=2), signals
    ),
    "ntm-large": (lambda: nnzoo.NeuralTuringMachine(n_hidden=4, n_slots=300, memory_init="learned"), signals),
    "rnn-relu": (lambda: nnzoo.RNN(n_hidden=4, activation="relu", pooling="max"), signals),
    "dcn-valid": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3, 4), padding="valid", kernel_size=2, pool="average"), pictures),
    "dcn-full-stride": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3,), padding="full", stride=2, pool_size=1), pictures),
    "dcn-circular": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3,), padding="circular", hidden_layer_sizes=(5,)), pictures),
    "dcn-same-even": (lambda: nnzoo.DeepConvolutionalNetwork(n_filters=(3,), kernel_size=4, activation="tanh"), pictures),
    "dff-pictures": (lambda: nnzoo.DeepFeedForward(hidden_layer_sizes=(5,), kind="image", activation="elu"), pictures),
    "dff-layer-norm": (lambda: nnzoo.DeepFeedForward(hidden_layer_sizes=(6, 5), normalization="layer", activation="gelu"), columns),
    "ff-batch-norm": (lambda: nnzoo.FeedForward(n_hidden=6, normalization="batch", activation="leaky_relu"), columns),
    "ff-codes": (lambda: nnzoo.FeedForward(n_hidden=6, categorical_features=[2], activation="sigmoid"), columns),
    "softmax-regression": (lambda: nnzoo.DeepFeedForward(hidden_layer_sizes=()), columns),
    "perceptron-own-body": (
        lambda: nnzoo.OwnBody(torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Softplus(), torch.nn.Linear(5, 2))), columns
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_every_setting_is_traced_to_the_scores_of_the_network(name):
    make, data = VARIANTS[name]
    X, y = data()
    network = make().set_params(n_epochs=2, random_state=0).fit(X, y)
    steps = list(network.trace(X[3:4]))
    scores = next(step for step in reversed(steps) if step.op == "dense")
    np.testing.assert_allclose(scores.result, np.atleast_1d(network.decision_function(X[3:4])[0]), rtol=1e-5, atol=1e-6)
    assert not [step.title for step in steps if step.op == "own code"]
    for step in steps:
        if step.op in AGAIN and not (step.op == "convolution" and name == "dcn-full-stride"):
            if step.op.endswith("normalization") and step.result.ndim != 3:
                continue
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


def test_a_regression_a_forecast_and_a_text_are_traced_to_their_units(tmp_path):
    for name, target, network in (
        ("sunspots", None, "gru"),
        ("genesis", None, "rnn"),
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
