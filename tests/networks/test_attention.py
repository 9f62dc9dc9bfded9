"""Attention: written out and fused alike, who sees what, order and its absence, both bodies, all outputs, answers."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nnzoo import AttentionNetwork, DataError, Model, Ragged, UsageError, load_model
from nnzoo.engine.steps import Steps
from nnzoo.networks import attending
from nnzoo.networks.answering import beam_search, in_one, split_at
from nnzoo.networks.attending import AdditiveAttention, ScaledAttention, Sight, attend, look_back, scaled_weights
from nnzoo.networks.transformer import Positions, Transformer, turned

QUICK = {"n_hidden": 8, "n_heads": 2, "n_epochs": 3, "random_state": 0, "batch_size": 16}
BODIES = ["recurrent", "transformer"]
BOTH = pytest.mark.parametrize("body", BODIES)


def ragged_rows(n=40, width=2, longest=9, seed=0):
    draw = np.random.default_rng(seed)
    rows = [draw.normal(size=(draw.integers(1, longest + 1), width)) for _ in range(n)]
    return rows, np.array([row[:, 0].sum() > 0 for row in rows])


def sights(n=3, n_asking=5, n_steps=5):
    """Give every kind of sight on 5 steps: all, back, some rows shorter."""
    lengths = torch.tensor([5, 2, 4])
    return [
        Sight(),
        look_back(n_asking, n_steps, torch.device("cpu")),
        Sight((torch.arange(5) < lengths[:, None])[:, None]),
    ]


@pytest.mark.parametrize("number", range(3))
def test_attention_written_out_equals_the_fused_kernel_in_value_and_gradient(number):
    torch.manual_seed(0)
    sight = sights()[number]
    q, k, v = (torch.randn(3, 2, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    fused, written = attend(q, k, v, sight), scaled_weights(q, k, sight) @ v
    assert torch.allclose(fused, written, atol=1e-12)
    slope = torch.randn_like(fused)
    for a, b in zip(
        torch.autograd.grad(fused, (q, k, v), slope), torch.autograd.grad(written, (q, k, v), slope), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("cls", [AdditiveAttention, ScaledAttention])
@pytest.mark.parametrize("number", range(3))
def test_shares_add_up_to_1_and_are_0_where_nothing_may_be_seen(cls, number):
    torch.manual_seed(0)
    attention, sight = cls(4, 4, 6), sights()[number]
    h = torch.randn(3, 5, 4) * 10
    weights = attention.weights(h, h, sight)
    assert torch.allclose(weights.sum(dim=2), torch.ones(3, 5), atol=1e-6)
    assert (weights >= 0).all()
    mask = sight.matrix(weights)
    if mask is not None:
        assert (weights[~mask.expand_as(weights)] == 0).all()


@pytest.mark.parametrize("cls", [AdditiveAttention, ScaledAttention])
def test_what_is_answered_is_the_mean_of_the_steps_by_the_shares(cls):
    torch.manual_seed(0)
    attention, h, q = cls(3, 4, 6), torch.randn(2, 7, 4), torch.randn(2, 3, 3)
    prepared = attention.prepare(h)
    assert torch.allclose(
        attention.ask(q, prepared, Sight()), attention.weights(q, h, Sight()) @ prepared[1], atol=1e-6
    )


def test_additive_attention_of_two_steps_by_hand():
    """With W = 1, U = 1, b = 0, v = 2, q = 0 and h = (0, artanh 1/2): e = (0, 2 · 1/2) = (0, 1).

    α = (1, e) / (1 + e) = (0.26894, 0.73106), c = 0.73106 · artanh 1/2 = 0.73106 · 0.54931 = 0.40158.
    """
    attention = AdditiveAttention(1, 1, 1).double()
    with torch.no_grad():
        for weight, value in ((attention.asks.weight, 1), (attention.told.weight, 1), (attention.weighs.weight, 2)):
            weight.fill_(value)
        attention.told.bias.zero_()
    h = torch.tensor([[[0.0], [math.atanh(0.5)]]], dtype=torch.float64)
    q = torch.zeros(1, 1, 1, dtype=torch.float64)
    expected = [1 / (1 + math.e), math.e / (1 + math.e)]
    assert attention.weights(q, h, Sight()).tolist() == [[pytest.approx(expected, abs=1e-12)]]
    answer = attention.ask(q, attention.prepare(h), Sight()).item()
    assert answer == pytest.approx(expected[1] * math.atanh(0.5), abs=1e-12)


def test_one_step_on_stored_patterns_is_a_modern_hopfield_recall():
    """ξ' = X softmax(β Xᵀ ξ) with β = 1/√d, from Ramsauer et al. 2020, equation 3; X has a pattern a column."""
    torch.manual_seed(0)
    patterns, query = torch.randn(6, 16, dtype=torch.float64), torch.randn(16, dtype=torch.float64)
    recall = patterns.T @ torch.softmax(patterns @ query / math.sqrt(16), dim=0)
    found = attend(query[None, None, None], patterns[None, None], patterns[None, None], Sight())
    assert torch.allclose(found.flatten(), recall, atol=1e-12)
    sharp = torch.sign(patterns) * 30
    noisy = sharp[2] * (torch.rand(16) > 0.2)
    assert torch.allclose(
        attend(noisy[None, None, None], sharp[None, None], sharp[None, None], Sight()).flatten(), sharp[2]
    )


def transformer(positions="sinusoidal", **options):
    torch.manual_seed(0)
    known = {"n_layers": 2, "n_heads": 2, "positions": positions}
    return Transformer(3, 8, **(known | options)).double().eval()


def test_a_transformer_equals_torchs_encoder_in_value_and_gradient():
    net = transformer("none")
    layer = nn.TransformerEncoderLayer(8, 2, 32, dropout=0.0, batch_first=True, norm_first=True, dtype=torch.float64)
    peer = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8, dtype=torch.float64), enable_nested_tensor=False)
    pairs = []
    for mine, theirs in zip(net.blocks, peer.layers, strict=True):
        pairs += [(mine.attention.qkv.weight, theirs.self_attn.in_proj_weight)]
        pairs += [(mine.attention.qkv.bias, theirs.self_attn.in_proj_bias)]
        for ours, other in (
            (mine.attention.out, theirs.self_attn.out_proj), (mine.wide, theirs.linear1), (mine.narrow, theirs.linear2)
        ):  # fmt: skip
            nn.init.normal_(ours.bias, std=0.1)
            pairs += [(ours.weight, other.weight), (ours.bias, other.bias)]
    with torch.no_grad():
        for ours, other in pairs:
            other.copy_(ours)
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    found, expected = net(x, Sight())[0], peer(net.enter(x))
    assert torch.allclose(found, expected, atol=1e-12)
    slope = torch.randn_like(found)
    mine = torch.autograd.grad(found, [ours for ours, _ in pairs], slope)
    theirs = torch.autograd.grad(expected, [other for _, other in pairs], slope)
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(mine, theirs, strict=True))


def test_without_positions_a_permutation_of_the_steps_permutes_what_comes_out():
    x, order = torch.randn(2, 7, 3, dtype=torch.float64), torch.randperm(7)
    net = transformer("none")
    assert torch.allclose(net(x[:, order], Sight())[0], net(x, Sight())[0][:, order], atol=1e-12)
    for kind in ("sinusoidal", "learned", "rotary"):
        net = transformer(kind)
        assert not torch.allclose(net(x[:, order], Sight())[0], net(x, Sight())[0][:, order], atol=1e-3), kind


def test_sines_of_the_first_places_by_hand():
    """Width 4: the waves are t and t / 100, so p(0) = (0, 1, 0, 1) and p(1) = (sin 1, cos 1, sin 0.01, cos 0.01)."""
    found = Positions("sinusoidal", 4).at(0, torch.zeros(1, 2, 4, dtype=torch.float64))
    hand = [[0, 1, 0, 1], [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]]
    assert torch.allclose(found, torch.tensor(hand, dtype=torch.float64), atol=1e-15)


def test_turned_queries_and_keys_know_only_how_far_apart_they_are():
    torch.manual_seed(0)
    q, k = torch.randn(8, dtype=torch.float64), torch.randn(8, dtype=torch.float64)
    here, there = (turned(each.expand(1, 1, 9, 8), first) for each, first in ((q, 0), (k, 0)))
    products = (here @ there.transpose(2, 3))[0, 0]
    assert torch.allclose(products[1:, 1:], products[:-1, :-1], atol=1e-12)
    assert torch.allclose(here.norm(dim=3), q.norm().expand(1, 1, 9))
    assert torch.allclose(turned(q.expand(1, 1, 4, 8), 5), here[:, :, 5:], atol=1e-12)


@BOTH
@pytest.mark.parametrize("attention", ["additive", "scaled"])
def test_what_comes_after_a_step_changes_nothing_at_it_where_what_is_next_is_learned(body, attention):
    series = np.random.default_rng(0).normal(size=(4, 12, 1))
    net = AttentionNetwork(task="regression", output="next", body=body, attention=attention, **QUICK).fit(series)
    other = series.copy()
    other[:, 8:] = 99.0
    before, after = (net.predict_next(each)[1].reshape(4, 11)[:, :8] for each in (series, other))
    assert np.array_equal(before, after)


@BOTH
@pytest.mark.parametrize("output", ["sequence", "step"])
def test_content_and_amount_of_padding_change_no_bit(body, output):
    rows, y = ragged_rows()
    y = y if output == "sequence" else [row[:, 0] > 0 for row in rows]
    lengths = np.array([len(row) for row in rows])
    net = AttentionNetwork(body=body, output=output, **QUICK).fit(rows, y)
    expected = net.predict_rows(rows)[1] if output == "step" else net.decision_function(rows)
    for extra, fill in ((0, 0.0), (5, 1e6), (3, np.nan)):
        padded = np.full((len(rows), lengths.max() + extra, 2), fill)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row
        again = (
            net.predict_proba(padded, lengths=lengths)
            if output == "step"
            else net.decision_function(padded, lengths=lengths)
        )
        assert np.array_equal(np.concatenate(again) if output == "step" else again, expected)
    if output == "sequence":
        again = AttentionNetwork(body=body, **QUICK).fit(padded, y, lengths=lengths)
        assert np.array_equal(again.decision_function(rows), expected)


@BOTH
def test_longer_rows_beside_a_row_change_it_by_less_than_a_millionth(body):
    rows, y = ragged_rows()
    net = AttentionNetwork(body=body, **QUICK).fit(rows, y)
    alone = np.concatenate([net.decision_function([row]) for row in rows])
    assert np.abs(alone - net.decision_function(rows)).max() < 1e-6


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
def test_windows_of_time_give_what_the_whole_gives(body, positions, monkeypatch):
    rows, _ = ragged_rows(longest=30)
    rows = [row for row in rows if len(row) > 1]
    net = AttentionNetwork(task="regression", output="next", body=body, positions=positions, **QUICK).fit(rows)
    steps, module = net._to_inputs(Ragged.of(rows)), net.network_.body.eval()
    for reach in (1024, 6):
        for place in (attending, *(__import__(f"nnzoo.networks.{name}", fromlist=["x"]) for name in ("attention",))):
            monkeypatch.setattr(place, "REACH", reach)
        with torch.inference_mode():
            whole = module.summary(module.advance(steps)[1])
            carried = None
            for window in steps.windows(7):
                _, carried = module.advance(window, carried)
        assert torch.allclose(whole, module.summary(carried), atol=1e-6), reach


def test_no_step_sees_farther_back_than_the_reach(monkeypatch):
    monkeypatch.setattr(attending, "REACH", 3)
    seen = look_back(5, 5, torch.device("cpu")).matrix(torch.zeros(1, 5, 5))[0].int().tolist()
    assert seen == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
    later = look_back(2, 4, torch.device("cpu")).matrix(torch.zeros(1, 2, 4))[0].int().tolist()
    assert later == [[1, 1, 1, 0], [0, 1, 1, 1]]


# Learning


def pointed(n, seed, n_steps=8):
    """Return sequences whose class is the second value at the step where the first one is largest."""
    X = np.random.default_rng(seed).normal(size=(n, n_steps, 2))
    return X, X[np.arange(n), X[:, :, 0].argmax(axis=1), 1] > 0


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_the_step_that_matters_is_found(body, seed):
    X, y = pointed(400, seed)
    net = AttentionNetwork(body=body, n_hidden=16, n_epochs=20, learning_rate=0.01, random_state=seed).fit(X, y)
    X, y = pointed(300, seed + 100)
    assert net.score(X, y) > max(y.mean(), 1 - y.mean()) + 0.2


@pytest.mark.slow
@BOTH
def test_a_target_for_each_step_is_learned_from_what_stands_behind_it(body):
    draw = np.random.default_rng(0)
    rows = [draw.normal(size=(draw.integers(3, 9), 1)) for _ in range(200)]
    y = [np.append(row[1:, 0], 0.0) for row in rows]
    net = AttentionNetwork(
        task="regression", output="step", body=body, n_hidden=16, n_epochs=40, learning_rate=0.01, random_state=0
    ).fit(rows, y)
    assert net.score(rows, y) > 0.8
    assert [len(each) for each in net.predict(rows)] == [len(row) for row in rows]


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("bptt_steps", [None, 10])
def test_codes_are_sampled_as_they_were_learned(body, bptt_steps):
    cycles = np.array([np.roll(np.tile([1, 2, 3, 4], 5), shift) for shift in range(4)] * 4)
    net = AttentionNetwork(
        output="next", body=body, categorical_features=[0], n_hidden=16, n_epochs=60, bptt_steps=bptt_steps,
        learning_rate=0.01, batch_size=8, random_state=0,
    )  # fmt: skip
    net.fit(cycles)
    drawn = net.sample(2, n_steps=8, prompt=[1, 2], temperature=0.1, random_state=0)
    assert drawn.tolist() == [[3, 4, 1, 2, 3, 4, 1, 2]] * 2
    assert net.score(cycles) > 0.98


@BOTH
@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_a_forecast_goes_on_from_the_steps_that_are_kept_as_from_all_of_them(body, positions):
    series = np.sin(np.arange(120) / 4)[None, :, None] * 50 + 7
    net = AttentionNetwork(
        task="regression", output="next", body=body, positions=positions, n_hidden=16, n_epochs=40, bptt_steps=40,
        learning_rate=0.01, random_state=0,
    ).fit(series)  # fmt: skip
    assert net.score(series) > 0.8
    assert net.transform(series).shape == (1, {"recurrent": 32, "transformer": 16}[body])
    found = net.forecast(series, 3)
    for n in range(3):
        longer = np.concatenate([series, found[:, :n]], axis=1)
        np.testing.assert_allclose(net.predict(longer).ravel(), found[0, n], rtol=1e-6)


# Answers that are generated


def strings(n, seed, longest=3, n_symbols=5):
    draw = np.random.default_rng(seed)
    return [draw.integers(1, n_symbols + 1, draw.integers(1, longest + 1)) for _ in range(n)]


def generating(body, n_layers, n_epochs, rate):
    return AttentionNetwork(
        output="generated", body=body, n_layers=n_layers, categorical_features=[0], n_hidden=32, n_epochs=n_epochs,
        learning_rate=rate, schedule="one_cycle", batch_size=32, random_state=0,
    )  # fmt: skip


@pytest.fixture(scope="module", params=BODIES)
def reverser(request):
    questions = strings(800, 0)
    settings = {"recurrent": (1, 10, 0.01), "transformer": (2, 20, 0.003)}[request.param]
    return generating(request.param, *settings).fit(questions, [q[::-1] for q in questions])


@pytest.mark.slow
def test_strings_are_answered_by_their_reverse(reverser):
    fresh = strings(100, 1)
    assert reverser.score(fresh, [q[::-1] for q in fresh]) > 0.9


@pytest.mark.slow
def test_greedy_search_is_beam_search_of_width_1_and_says_the_likeliest_code_every_time(reverser):
    questions, border = strings(12, 2), len(reverser.classes_) - 1
    for question, found in zip(questions, reverser.set_params(n_beams=1).predict(questions), strict=True):
        said = []
        while len(said) < 2 * reverser.longest_answer_ + 1:
            row = Ragged.of([np.concatenate([question, [border], said])])
            code = int(reverser._log_shares(row)[0].argmax())
            if code == border:
                break
            said.append(code)
        assert found.tolist() == said


@pytest.mark.slow
def test_more_beams_find_answers_at_least_as_likely(reverser):
    questions, border = strings(30, 3), len(reverser.classes_) - 1

    def likelihood(answers):
        rows, said = in_one(Ragged.of(questions), answers, border)
        with torch.inference_mode():
            shares = torch.log_softmax(reverser.network_.eval()(reverser._to_inputs(rows)).double(), dim=1).numpy()
        each = shares[np.arange(len(shares)), said.values[:, 0]]
        return np.add.reduceat(each, said.starts)

    one, three = (likelihood(reverser.set_params(n_beams=n).predict(questions)) for n in (1, 3))
    reverser.set_params(n_beams=1)
    assert three.sum() >= one.sum() - 1e-6


def test_beam_search_finds_what_a_greedy_one_misses():
    """First code: 1 with share 0.6, 2 with 0.4. After 1 the end has 0.5, 1 and 2 0.25 each; after 2 the end is sure.

    Greedy says [1] with 0.6 · 0.5 = 0.3; two beams find [2] with 0.4.
    """

    def follow(rows):
        shares = {(): [0, 0.6, 0.4, 0], (1,): [0, 0.25, 0.25, 0.5], (2,): [0, 0, 0, 1]}
        with np.errstate(divide="ignore"):
            return np.log([shares.get(tuple(row.ravel()[2:].astype(int)), [0, 0, 0, 1]) for row in rows])

    question = Ragged.of([[1.0]])
    assert [beam_search(follow, question, 3, n, 5)[0].tolist() for n in (1, 2)] == [[1], [2]]
    assert (
        beam_search(lambda rows: np.log(np.tile([0.1, 0.7, 0.1, 0.1], (len(rows), 1))), question, 3, 1, 4)[0].tolist()
        == [1] * 4
    )


@pytest.mark.slow
def test_an_answer_does_not_depend_on_what_is_said_later(reverser):
    border = len(reverser.classes_) - 1
    rows = [np.array([1, 2, 3, border, 3, 2, 1.0]), np.array([1, 2, 3, border, 3, 5, 5.0])]
    with torch.inference_mode():
        first, second = (reverser.network_.eval()(reverser._to_inputs(Ragged.of([row]))) for row in rows)
    assert torch.equal(first[:2], second[:2])
    assert not torch.equal(first[2:], second[2:])


@pytest.mark.slow
def test_generating_network_is_saved_with_the_length_of_its_answers(reverser, tmp_path):
    questions = strings(9, 4)
    Model(reverser).save(tmp_path / "m.nnzoo")
    again = load_model(tmp_path / "m.nnzoo").network
    assert again.longest_answer_ == reverser.longest_answer_ == 3
    assert [a.tolist() for a in again.predict(questions)] == [a.tolist() for a in reverser.predict(questions)]
    np.testing.assert_array_equal(again.transform(questions), reverser.transform(questions))


@pytest.mark.slow
def test_what_a_generating_network_looks_at_is_traced(reverser):
    steps = list(reverser.trace([np.array([1, 2, 3])]))
    looks = [step for step in steps if step.op == "attention"]
    assert looks
    assert all(np.allclose(step.result.sum(axis=-1), 1) for step in looks)
    scores = next(step for step in reversed(steps) if step.op == "dense").result
    border = len(reverser.classes_) - 1
    shares = reverser._log_shares(Ragged.of([np.array([1, 2, 3, border])]))[0]
    np.testing.assert_allclose(scores - scores.max(), shares - shares.max(), atol=1e-5)


def test_a_row_is_split_at_its_first_border():
    rows = Ragged.of([[1, 2, 9, 3, 4], [9, 5], [7, 7, 7]])
    before, behind = split_at(Steps.of(rows, torch.from_numpy(rows.values)), 9)
    assert before.lengths.tolist() == [2, 0, 3]
    assert behind.lengths.tolist() == [3, 2, 0]
    assert behind.flat()[:, 0].tolist() == [9, 3, 4, 9, 5]


@pytest.mark.parametrize(
    ("options", "X", "y", "message"),
    [
        ({"body": "transformer", "n_hidden": 6}, np.ones((2, 3, 1)), [0, 1], "n_heads=2 share a width"),
        ({"output": "step", "bptt_steps": 3}, np.ones((2, 3, 1)), np.ones((2, 3)), "backward direction needs all"),
        ({"differences": True}, np.ones((2, 3, 1)), [0, 1], "differences=True learns how a series"),
        ({"output": "generated"}, [[1, 2]], [[2, 1]], r"generates codes\..*categorical_features=\[0\]"),
        ({"output": "generated", "categorical_features": [0]}, [[1, 2.5]], [[2]], "needs X as sequences of one code"),
        ({"output": "generated", "categorical_features": [0]}, [[1, 2]], [[-1]], "needs y as sequences of one code"),
        ({"output": "generated", "categorical_features": [0]}, [[1, 2]], [[1], [2]], "answer to each of 1 sequences; got 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(options, X, y, message):
    with pytest.raises((UsageError, DataError), match=message):
        AttentionNetwork(**(QUICK | options)).fit(X, y)


@pytest.mark.slow
def test_scores_of_a_generating_network_are_refused(reverser):
    with pytest.raises(UsageError, match="gives answers, no scores of classes"):
        reverser.predict_proba([np.array([1, 2])])


@pytest.mark.slow
def test_codes_that_were_never_seen_are_read_as_unknown(reverser):
    assert [a.tolist() for a in reverser.predict([[1, 99, 2]])] == [a.tolist() for a in reverser.predict([[1, 0, 2]])]


def test_the_fused_kernel_is_what_a_transformer_computes_with(monkeypatch):
    calls = []
    kernel = functional.scaled_dot_product_attention
    monkeypatch.setattr(functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or kernel(*a, **k))
    net = transformer()
    net(torch.randn(1, 4, 3, dtype=torch.float64), Sight())
    assert len(calls) == 2
