"""The Markov chain: what theory says of it, counts by hand, and the chain as a matrix."""

from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import nnzoo
from nnzoo import DataError, MarkovChain, Model, ModelFileError, Ragged, SchemaError, UsageError, load_model
from nnzoo.networks.contexts import distinct, shifted
from nnzoo.networks.transitions import Transitions

TEXTS = st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=5)
CHAINS = {
    "plain": {},
    "smoothed": {"smoothing": 0.5},
    "witten_bell": {"backoff": "witten_bell"},
    "kneser_ney": {"backoff": "kneser_ney"},
}
RHYME = "the cat sat on the mat. the dog sat on the log. a cat and a dog sat and sat. " * 60


def markovs_letters():
    """Return 20,000 vowels and consonants with Markov's counts.

    8,638 vowels of which 1,104 stand behind another one make 7,534 runs; 115 of them are three long and 874 two long,
    which gives VV = 2·115 + 874 = 1,104 and VVV = 115. Consonants stand before, between and behind: 7,535 runs of
    11,362 letters, 505 of them three long and 2,817 two long: CC = 2·505 + 2,817 = 3,827 and CCC = 505.
    """
    vowels = ["VVV"] * 115 + ["VV"] * 874 + ["V"] * (7_534 - 115 - 874)
    consonants = ["CCC"] * 505 + ["CC"] * 2_817 + ["C"] * (7_535 - 505 - 2_817)
    runs = [each for pair in zip(consonants, vowels, strict=False) for each in pair] + consonants[-1:]
    return "".join(runs)


def test_markovs_table_of_1913():
    letters = markovs_letters()
    chain = MarkovChain().fit(letters)
    P = chain.transition_matrix_.toarray()
    assert len(letters) == 20_000
    assert chain.states_ == ["C", "V"]
    assert Counter(pairwise(letters))["V", "V"] == 1_104
    assert letters.count("V") == 8_638
    assert [round(p, 3) for p in (P[1, 1], P[0, 1])] == [0.128, 0.663]
    assert round(P[1, 1] - P[0, 1], 3) == -0.535
    assert [round(share, 3) for share in (chain.stationary_[1], letters.count("V") / 20_000)] == [0.432, 0.432]
    second = MarkovChain(order=2).fit(letters)
    assert second.predict_proba(["VV", "CC"]).diagonal(offset=0).round(3).tolist() == [0.896, 0.868]
    assert second.predict_proba(["VV"])[0, 1] == 115 / 1_104
    assert second.predict_proba(["CC"])[0, 0] == 505 / 3_827


def test_one_count_by_hand():
    # abab|ac: behind a came b twice and c once, behind b a once; both begin with a.
    chain = MarkovChain().fit(["abab", "ac"])
    assert chain.predict_proba(["a", "b"]).tolist() == [[0, 2 / 3, 1 / 3], [1, 0, 0]]
    np.testing.assert_allclose(chain.score_samples(["ab"]), np.log(1 * 2 / 3), rtol=1e-15)
    smoothed = MarkovChain(smoothing=1).fit(["abab", "ac"])
    np.testing.assert_allclose(smoothed.predict_proba(["a"])[0], [1 / 6, 3 / 6, 2 / 6], rtol=1e-15)
    # Root of 6 symbols (a 3, b 2, c 1) and T = 3: (2 + 3/3) / 9 = 1/3; behind a 3 symbols, T = 2: (2 + 2/3) / 5.
    mixed = MarkovChain(backoff="witten_bell").fit(["abab", "ac"])
    np.testing.assert_allclose(mixed.predict_proba(["a"])[0, 1], (2 + 2 / 3) / 5, rtol=1e-15)


def grams_of(texts, order):
    """Return context to Counter of what came behind it, for contexts of all lengths, the border as one ``^``."""
    found = {}
    for text in texts:
        for place, symbol in enumerate(text):
            for length in range(order + 1):
                context = ("^" + text)[max(place + 1 - length, 0) : place + 1]
                if len(context) == length:
                    found.setdefault(context, Counter())[symbol] += 1
    return found


def plain_probability(texts, order, backoff, context, alphabet):
    """Return P of each symbol by dictionaries and recursion, as the formulas are printed."""
    came = grams_of(texts, order)
    stood_before = {}
    for longer, counter in came.items():
        for symbol in counter if longer else ():
            stood_before.setdefault(longer[1:], Counter())[symbol] += 1

    def values(c):
        ends = len(c) == order or c.startswith("^")
        return came[c] if backoff == "witten_bell" or ends else stood_before[c]

    def shares(c):
        below = np.full(len(alphabet), 1 / len(alphabet)) if not c else shares(c[1:])
        if c not in came:
            return below
        n = np.array([values(c)[symbol] for symbol in alphabet], dtype=float)
        if backoff == "witten_bell":
            return (n + (n > 0).sum() * below) / (n.sum() + (n > 0).sum())
        every = [k for other in came if len(other) == len(c) for k in values(other).values()]
        once, twice, thrice, four = (every.count(k) for k in (1, 2, 3, 4))
        Y = once / (once + 2 * twice) if once and twice else 0.5
        D = {k: Y for k in (1, 2, 3)}
        if once and twice and thrice and four:
            D = {1: 1 - 2 * Y * twice / once, 2: 2 - 3 * Y * thrice / twice, 3: 3 - 4 * Y * four / thrice}
        own = np.array([max(v - min(max(D[min(v, 3)], 0), v), 0) if v else 0 for v in n]) / n.sum()
        return own + (1 - own.sum()) * below

    return shares(("^" + context)[-order:] if order else "")


@settings(max_examples=40)
@given(TEXTS, st.integers(0, 4), st.sampled_from(["witten_bell", "kneser_ney"]), st.text("abc", min_size=1, max_size=6))
def test_mixed_probabilities_are_those_of_plain_dictionaries(texts, order, backoff, context):
    chain = MarkovChain(order=order, backoff=backoff).fit(texts)
    wanted = plain_probability(texts, order, backoff, context, chain.classes_.tolist())
    np.testing.assert_allclose(chain.predict_proba([context])[0], wanted, rtol=1e-12)


@settings(max_examples=30)
@given(TEXTS, st.integers(0, 3), st.sampled_from(list(CHAINS)))
def test_probabilities_add_up_to_1_and_each_is_that_of_the_likelihood(texts, order, name):
    chain = MarkovChain(order=order, **CHAINS[name]).fit(texts)
    before = ["a", "bc", "cabba", "zz", texts[0]]
    shares = chain.predict_proba(before)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, symbol in enumerate(chain.classes_):
            gains = np.exp(chain.score_samples([each + symbol for each in before]) - chain.score_samples(before))
            there = np.isfinite(gains)
            np.testing.assert_allclose(gains[there], shares[there, k], rtol=1e-9, atol=1e-15)


@settings(max_examples=30)
@given(TEXTS, TEXTS, st.integers(0, 4))
def test_counting_in_pieces_is_counting_at_once(first, second, order):
    second = [text.replace("a", "z") for text in second]
    whole = MarkovChain(order=order).fit(first + second)
    pieces = MarkovChain(order=order).partial_fit(first).partial_fit(second)
    assert pieces.classes_.tolist() == whole.classes_.tolist()
    for name, tensor in whole.network_.state_dict().items():
        assert pieces.network_.state_dict()[name].tolist() == tensor.tolist()


def test_symbols_that_need_not_come_are_known_by_their_classes():
    chain = MarkovChain(order=1, backoff="kneser_ney").partial_fit([["to", "be"]], classes=["or", "not"])
    assert chain.classes_.tolist() == ["be", "not", "or", "to"]
    assert np.isfinite(chain.score_samples([["not", "or"]])).all()
    np.testing.assert_allclose(chain.predict_proba([["to"]]).sum(), 1, rtol=1e-12)


@settings(max_examples=20)
@given(TEXTS)
def test_the_likelihood_of_training_does_not_fall_with_the_order(texts):
    scores = [MarkovChain(order=order).fit(texts).score(texts) for order in range(5)]
    assert (np.diff(scores) >= -1e-12).all()
    fits = MarkovChain(order=4).fit(texts).fits_of_orders()
    assert (np.diff([fit.log_likelihood for fit in fits]) >= -1e-9).all()


@settings(max_examples=30)
@given(TEXTS, st.integers(0, 3), st.sampled_from(["plain", "smoothed"]))
def test_the_long_run_stays_and_tells_at_most_the_logarithm_of_the_alphabet(texts, order, name):
    assume(max(map(len, texts)) >= order)
    chain = MarkovChain(order=order, **CHAINS[name]).fit(texts)
    P, pi = chain.transition_matrix_, chain.stationary_
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(pi @ P, pi, atol=1e-10)
    np.testing.assert_allclose(pi.sum(), 1, rtol=1e-10)
    assert 0 <= chain.entropy_rate_ <= np.log2(len(chain.classes_)) + 1e-12


def test_nothing_crosses_from_one_sequence_into_the_next():
    assert MarkovChain().fit(["ab", "cd"]).predict_proba(["b"])[0].tolist() == [0.25] * 4
    assert MarkovChain(order=2).fit(["ab", "ab", "b"]).predict_proba(["b", "a"]).round(2).tolist() == [
        [0.5, 0.5],
        [0, 1],
    ]
    assert shifted(np.arange(5), np.array([0, 2]), 2, 9).tolist() == [9, 9, 9, 9, 2]


@pytest.mark.parametrize("order", [3, 6])
def test_grams_of_a_large_alphabet_do_not_overflow(order):
    # 100,000 symbols to the seventh power are 10^35, far beyond 63 bits.
    draw = np.random.default_rng(0)
    symbols = np.append(draw.integers(0, 20, 3_000) * 5_000, np.arange(100_000))
    chain = MarkovChain(order=order).fit(symbols)
    wanted = Counter(tuple(symbols[k - order : k + 1][::-1].tolist()) for k in range(order, len(symbols)))
    grams, counts = chain.network_.body.table
    whole = (grams < 100_000).all(axis=1)
    assert dict(zip(map(tuple, grams[whole].tolist()), counts[whole], strict=True)) == wanted


def test_packed_rows_are_told_apart_with_and_without_weights():
    draw = np.random.default_rng(0)
    columns = list(draw.integers(0, 4, (3, 200)))
    plain, weighted = distinct(columns, 4), distinct(columns, 4, np.full(200, 0.5))
    assert plain[0].tolist() == weighted[0].tolist() == sorted(map(list, {*map(tuple, np.transpose(columns).tolist())}))
    assert (plain[1] / 2).tolist() == weighted[1].tolist()


def test_a_weight_of_two_is_the_sequence_twice():
    twice = MarkovChain(order=2).fit(["abca", "abba", "abba"])
    weighted = MarkovChain(order=2).fit(["abca", "abba", "ccc"], sample_weight=[1, 2, 0])
    assert weighted.network_.body.counts.tolist() == twice.network_.body.counts.tolist()


@pytest.mark.parametrize(
    "same",
    [
        [list("abca"), list("bb")],
        [tuple("abca"), tuple("bb")],
        [np.array(list("abca")), np.array(list("bb"))],
    ],
    ids=["lists", "tuples", "arrays"],
)
def test_sequences_come_in_any_usual_form(same):
    wanted = MarkovChain().fit(["abca", "bb"]).predict_proba(["a"]).tolist()
    assert MarkovChain().fit(same).predict_proba([["a"]]).tolist() == wanted
    padded = np.array([list("abca"), list("bb--")])
    assert MarkovChain().fit(padded, lengths=[4, 2]).predict_proba([["a"]]).tolist() == wanted
    flat = pl.Series(list("abcabb"))
    assert MarkovChain().fit(flat, lengths=[4, 2]).predict_proba([["a"]]).tolist() == wanted
    codes = MarkovChain().fit(Ragged.of([np.array([0.0, 1, 2, 0]), np.array([1.0, 1])]))
    assert codes.predict_proba(Ragged.of([np.array([0.0])])).tolist() == wanted


def test_symbols_are_anything_that_can_be_hashed():
    chain = MarkovChain().fit([[("a", 1), None, 2.5, ("a", 1), None, "x"]])
    assert chain.predict([[("a", 1)], [None]]).tolist()[0] is None
    assert len(chain.classes_) == 4
    assert MarkovChain().fit([True, False, True]).classes_.tolist() == [False, True]
    assert MarkovChain().fit("a\0b\ud800").classes_.tolist() == ["\0", "a", "b", "\ud800"]


def test_unknown_symbols_are_impossible_and_cut_the_context_short():
    chain = MarkovChain(order=3, backoff="witten_bell").fit("abracadabra")
    assert chain.score_samples(["az"])[0] == -np.inf
    assert chain.predict_proba(["zzbra"]).tolist() == chain.predict_proba(["zbra"]).tolist()
    assert (
        chain.predict_proba(["z"]).tolist()
        == MarkovChain(backoff="witten_bell", order=0).fit("abracadabra").predict_proba(["z"]).tolist()
    )


def test_samples_follow_the_chain_and_the_seed():
    chain = MarkovChain().fit("aabab" * 40)
    drawn = chain.sample(2_000, n_steps=10, random_state=0)
    assert (drawn[:, 0] == "a").all()
    behind_a = drawn[:, 1:][drawn[:, :-1] == "a"]
    p = chain.predict_proba(["a"])[0, 1]
    assert abs((behind_a == "b").mean() - p) < 5 * np.sqrt(p * (1 - p) / len(behind_a))
    assert (drawn == chain.sample(2_000, n_steps=10, random_state=0)).all()
    # Behind a comes a two times in three.
    likeliest = MarkovChain().fit("aaab" * 40).sample(1, n_steps=50, prompt="ba", temperature=0.01, random_state=0)
    assert set(likeliest[0]) == {"a"}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_order_of_a_chain_is_found_from_what_it_draws(seed):
    # A step depends on the last two: mostly it is the sum of both, by the remainder of 3.
    draw = np.random.default_rng(seed)
    symbols = [0, 1]
    for chance in draw.random(3_000):
        symbols.append((symbols[-1] + symbols[-2]) % 3 if chance < 0.8 else int(chance * 1e6) % 3)
    chain = MarkovChain(order=4).fit([symbols])
    assert chain.best_order() == chain.best_order("aic") == 2
    second, third = chain.fits_of_orders()[2:4]
    assert second.p_value < 1e-12 < 1e-6 < third.p_value
    assert [fit.n_parameters for fit in chain.fits_of_orders()[:3]] == [2, 6, 18]


def test_the_test_of_the_order_is_the_table_of_contingency():
    # Order 1 against 0 on a sequence: G = 2 Σ n log(n N / (n_i n_j)) of the table of pairs.
    chain = MarkovChain(order=1).fit([[0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0]])
    table = np.array([[1, 3], [3, 3]])
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = 2 * (table * np.log(table / expected)).sum()
    np.testing.assert_allclose(chain.fits_of_orders()[1].statistic, statistic, rtol=1e-10)


# The chain as a matrix


def random_chain(n, seed=0):
    return Transitions(csr_array(np.random.default_rng(seed).dirichlet(np.full(n, 0.3), n)), np.full(n, 1 / n))


def test_hitting_times_solve_their_equations():
    chain = random_chain(8)
    h, inner = chain.hitting_times([2, 5]), np.setdiff1d(np.arange(8), [2, 5])
    np.testing.assert_allclose(h[inner], 1 + (chain.matrix @ h)[inner], rtol=1e-10)
    assert h[[2, 5]].tolist() == [0, 0]


def test_a_gambler_is_ruined_as_the_closed_form_says():
    # Fair steps on 0 ... 6 with both ends absorbing: i/6 end at the top, after i (6 - i) steps.
    P = np.zeros((7, 7))
    P[0, 0] = P[6, 6] = 1
    for i in range(1, 6):
        P[i, i - 1] = P[i, i + 1] = 0.5
    chain, i = Transitions(csr_array(P), np.eye(7)[2]), np.arange(7)
    assert [(each.states.tolist(), each.closed) for each in chain.classes] == [
        ([0], True), ([1, 2, 3, 4, 5], False), ([6], True)
    ]  # fmt: skip
    np.testing.assert_allclose(chain.absorption()[:, 1], i / 6, atol=1e-12)
    np.testing.assert_allclose(chain.absorption_times(), i * (6 - i), atol=1e-10)
    np.testing.assert_allclose(chain.stationary, [2 / 3, 0, 0, 0, 0, 0, 1 / 3], atol=1e-12)
    assert chain.hitting_times([6]).tolist() == [np.inf] * 6 + [0]
    with pytest.raises(
        DataError, match=r"needs one closed class without a period; this chain has 2, of the periods 1, 1"
    ):
        chain.mixing_time()


def test_a_ring_has_a_period_and_looks_different_backwards():
    ring = Transitions(csr_array(np.roll(np.eye(4), 1, axis=1)), np.eye(4)[0])
    assert ring.classes[0].period == 4
    assert not ring.is_reversible()
    np.testing.assert_allclose(ring.stationary, 0.25, rtol=1e-12)
    with pytest.raises(DataError, match="needs one closed class without a period"):
        ring.mixing_time()
    # A walk on a graph with symmetric weights is reversible.
    weights = np.random.default_rng(0).random((5, 5))
    weights += weights.T
    walk = Transitions(csr_array(weights / weights.sum(axis=1, keepdims=True)), np.full(5, 0.2))
    assert walk.is_reversible()
    np.testing.assert_allclose(walk.stationary, weights.sum(axis=1) / weights.sum(), rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_the_mixing_time_is_that_of_going_on_step_by_step(seed):
    P = 0.9 * np.eye(6) + 0.1 * random_chain(6, seed).matrix.toarray()
    chain, power, steps = Transitions(csr_array(P), np.eye(6)[0]), np.eye(6), 0
    while 0.5 * np.abs(power - chain.stationary).sum(axis=1).max() > 0.1:
        power, steps = power @ P, steps + 1
    assert chain.mixing_time(0.1) == steps > 3
    assert chain.mixing_time(1.0) == 0


def test_the_long_run_of_many_states_is_that_of_few(monkeypatch):
    solved = random_chain(30).stationary
    monkeypatch.setattr("nnzoo.networks.transitions.MOST_SOLVED", 10)
    np.testing.assert_allclose(random_chain(30).stationary, solved, atol=1e-12)


def test_states_of_a_higher_order_are_tuples_and_the_end_of_a_sequence_stays():
    chain = MarkovChain(order=2).fit(["abab", "abc"])
    assert chain.states_ == [("a", "b"), ("b", "a"), ("b", "c")]
    assert chain.transition_matrix_.toarray().tolist() == [[0, 0.5, 0.5], [1, 0, 0], [0, 0, 1]]
    assert chain.communicating_classes() == [[("a", "b"), ("b", "a")], [("b", "c")]]
    assert chain.stationary_.tolist() == [0, 0, 1]
    assert chain.hitting_times([("b", "c")]).tolist() == [3, 4, 0]
    assert chain.transitions_.start.tolist() == [1, 0, 0]
    smoothed = MarkovChain(order=2, smoothing=1).fit(["abab", "abc"])
    assert len(smoothed.states_) == 9
    assert smoothed.is_reversible() is False
    assert smoothed.mixing_time() >= 2


# What is refused


def refused():
    chain = MarkovChain().fit("abab")
    long = MarkovChain(order=3, smoothing=1).fit([list(range(60))])
    return {
        "one symbol a step": (DataError, lambda: MarkovChain().fit(Ragged(np.zeros((3, 2)), np.array([3])))),
        "sequences of at least one symbol": (DataError, lambda: MarkovChain().fit(["ab", ""])),
        "lengths that add up to its 4 symbols; got 5": (
            DataError,
            lambda: MarkovChain().fit(np.array(list("abcd")), lengths=[3, 2]),
        ),
        "a list of sequences has lengths of its own": (UsageError, lambda: MarkovChain().fit(["ab"], lengths=[2])),
        "needs sequences of symbols; got int": (DataError, lambda: MarkovChain().fit(3)),
        "X holds NaN": (DataError, lambda: MarkovChain().fit(np.array([1.0, np.nan]))),
        "equal to itself; got NaN": (DataError, lambda: MarkovChain().fit([[1.0, float("nan")]])),
        "needs to be hashable": (DataError, lambda: MarkovChain().fit([[[1], [2]]])),
        "one symbol a step; got shape": (DataError, lambda: MarkovChain().fit(np.zeros((2, 3, 2)))),
        "leaves nothing for smoothing": (
            UsageError,
            lambda: MarkovChain(smoothing=1, backoff="witten_bell").fit("ab"),
        ),
        "a temperature above 0": (UsageError, lambda: chain.sample(temperature=0)),
        "'aic' or 'bic'": (UsageError, lambda: chain.best_order("mdl")),
        "needs states as targets": (DataError, lambda: chain.hitting_times(["z"])),
        "a sequence of at least 2 symbols": (DataError, lambda: MarkovChain(order=2).fit("a").stationary_),
        "every context is a state": (UsageError, lambda: long.transition_matrix_),
        "gives no chance": (DataError, lambda: chain.measures(["aa"], None)),
        "texts, numbers or truth values; got tuple": (
            ModelFileError,
            lambda: MarkovChain().fit([[("a",), ("b",)]]).fitted_state(),
        ),
        "powers of the whole matrix": (
            UsageError,
            lambda: Transitions(csr_array(np.full((1_001, 1_001), 1 / 1_001)), np.full(1_001, 1 / 1_001)).mixing_time(),
        ),
    }


@pytest.mark.parametrize("message", refused())
def test_what_does_not_fit_is_refused_with_a_reason(message):
    error, do = refused()[message]
    with pytest.raises(error, match=message):
        do()


# In the five steps


@pytest.fixture
def rhyme(tmp_path):
    (tmp_path / "rhyme.txt").write_text(RHYME)
    return tmp_path / "rhyme.txt"


def test_a_text_is_learned_evaluated_and_sampled(rhyme, tmp_path):
    data = nnzoo.load(rhyme)
    model = nnzoo.train(nnzoo.build("markov-chain", data), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "bits_per_symbol"
    assert [each.name for each in report.baselines] == ["constant", "order 4"]
    assert report.metrics["bits_per_symbol"].value < 0.5 < 3 < report.baselines[0].metrics["bits_per_symbol"].value
    assert report.metrics["perplexity"].value == 2 ** report.metrics["bits_per_symbol"].value
    assert [each.title for each in report.shows] == ["Transitions"]
    model.save(tmp_path / "m.nnzoo")
    again = load_model(tmp_path / "m.nnzoo")
    assert again.sample(2, length=40, prompt="the ", seed=1) == model.sample(2, length=40, prompt="the ", seed=1)
    said = nnzoo.predict(again, pl.Series(["the cat sa"]).to_list())
    assert said["prediction"].to_list() == ["t"]
    assert said["probability"][0] > 0.5


def test_evaluation_is_the_bits_of_all_symbols(rhyme):
    chain = MarkovChain(order=2, backoff="witten_bell").fit(["abcab", "cab"])
    X = ["ab", "cabcabcab", "b"]
    np.testing.assert_allclose(chain.measures(X, None).values.mean(), -chain.score(X), rtol=1e-12)


def log_of(n=60):
    draw, behind = (
        np.random.default_rng(0),
        {"home": ["list", "find"], "list": ["item", "home"], "find": ["item"], "item": ["home"]},
    )
    rows = []
    for user in range(n):
        page = "home"
        for time in range(int(draw.integers(3, 12))):
            rows.append((f"u{user}", time, page, float(draw.random())))
            page = str(draw.choice(behind[page]))
    return pl.DataFrame(rows, schema=["user", "time", "page", "seconds"], orient="row")


def test_a_log_of_events_is_read_by_its_only_column_of_categories(tmp_path):
    log = log_of(300)
    data = nnzoo.load(log, entity="user", time="time")
    model = nnzoo.train(nnzoo.build("MC", data), data, verbose=0)
    assert model.recipe.symbols[0] == "<unk>"
    assert set(model.recipe.symbols[1:]) == {"home", "list", "find", "item"}
    report = nnzoo.evaluate(model, data)
    assert report.difference.outcome == "beats"
    model.save(tmp_path / "m.nnzoo")
    said = nnzoo.predict(load_model(tmp_path / "m.nnzoo"), log)
    last = log.group_by("user", maintain_order=True).last()
    both = said.join(last.select("user", "page"), on="user")
    assert set(both.filter(pl.col("page") == "item")["prediction"]) == {"home"}
    drawn = model.sample(3, length=5, seed=0)
    assert drawn.columns == ["sequence", "step", "page"]
    assert drawn.height == 15
    assert "<unk>" not in drawn["page"].to_list()


def test_a_log_without_categories_or_with_several_is_refused():
    log = log_of(20)
    data = nnzoo.load(log.drop("page"), entity="user", time="time")
    with pytest.raises(SchemaError, match=r"exactly one column of categories; got none\. Say so: columns=\{'seconds'"):
        nnzoo.build("markov-chain", data)
    several = log.with_columns(pl.Series("kind", ["a", "b"] * log.height)[: log.height])
    data = nnzoo.load(several, entity="user", time="time")
    with pytest.raises(SchemaError, match=r'got "page", "kind"\. Say so: columns=\{\'kind\': \'ignore\'\}'):
        nnzoo.build("markov-chain", data)
    data = nnzoo.load(several, entity="user", time="time", columns={"kind": "ignore"})
    assert nnzoo.build("markov-chain", data).recipe.columns[0].name == "page"


@pytest.mark.parametrize(("order", "backoff"), [(0, None), (3, None), (2, "witten_bell"), (2, "kneser_ney")])
def test_a_trace_ends_at_the_probabilities(order, backoff):
    chain = MarkovChain(order=order, backoff=backoff, smoothing=0.0 if backoff else 0.5).fit(["abracadabra", "banana"])
    for context in ("abra", "xyz", "a"):
        steps = list(chain.trace([context], (), tuple("abcdnr")))
        assert steps[0].op == "last symbols"
        np.testing.assert_allclose(steps[-1].result, chain.predict_proba([context])[0], rtol=1e-12)
        assert steps[-1].labels == tuple("abcdnr")


def test_a_damaged_alphabet_or_table_is_refused(tmp_path):
    model = Model(MarkovChain().fit("abab"))
    state = model.network.fitted_state()
    for name, other in (("symbols", b'["a", "a"]'), ("symbols", b"0"), ("symbols", b"[[1], 2]")):
        state.tensors[name] = np.frombuffer(other, np.uint8)
        with pytest.raises(ModelFileError, match="symbols"):
            MarkovChain().restore(state)
    state = model.network.fitted_state()
    state.tensors["network.body.grams"] = state.tensors["network.body.grams"] + 5
    with pytest.raises(ModelFileError, match="grams"):
        MarkovChain().restore(state)
