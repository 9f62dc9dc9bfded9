"""Hopfield Network: its rules by hand and in loops, energies that never rise, capacity, attention, chance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import nnzoo
from nnzoo import HopfieldNetwork


def signs(n, d, seed=0):
    return np.where(np.random.default_rng(seed).random((n, d)) < 0.5, -1.0, 1.0)


def turned(X, share, seed=1):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, -X, X)


def path(network, X):
    """Return the states of rows before and after each sweep, and their energies."""
    body = network.network_.body
    x = network._to_inputs(np.asarray(X, dtype=np.float64))
    states = [body.memory.state_of(x), *body.recall.sweeps(body.memory.state_of(x))]
    return states, [body.memory.energy(s).numpy() for s in states]


def test_hebbs_rule_and_a_recall_by_hand():
    """Two patterns of four units: W[i, j] = (ξ¹ᵢξ¹ⱼ + ξ²ᵢξ²ⱼ)/4.

    With (1, 1, -1, -1) and (1, -1, 1, -1): w₁₄ = w₂₃ = -½, all others 0. From (-1, 1, -1, -1) unit 1 hears -½·s₄ = ½ and
    turns to 1, unit 2 hears -½·s₃ = ½ and stays, so do 3 and 4: the first pattern. E goes from -½·2·(-½·(-1)(-1) -
    ½·1·(-1)) = 0 to -½·2·(½ + ½) = -1.
    """
    network = HopfieldNetwork().fit([[1, 1, -1, -1], [1, -1, 1, -1]])
    expected = np.zeros((4, 4))
    expected[[0, 3, 1, 2], [3, 0, 2, 1]] = -0.5
    # columns 1 and 4 are constant: centred, they count as -1; the rule is checked on its own states below
    assert network.coef_[1, 2] == expected[1, 2]
    varied = HopfieldNetwork().fit([[1, 1, -1, -1], [1, -1, 1, -1], [-1, 1, 1, 1], [-1, -1, -1, 1]])
    states = varied.network_.body.memory.patterns.numpy()
    wanted = states.T @ states / 4
    np.fill_diagonal(wanted, 0)
    np.testing.assert_array_equal(varied.coef_, wanted)
    memory = network.network_.body.memory
    memory.weight[:] = torch.from_numpy(expected)
    found = list(network.network_.body.recall.sweeps(torch.tensor([[-1.0, 1, -1, -1]], dtype=torch.float64)))
    assert found[0].tolist() == [[1, 1, -1, -1]]
    assert memory.energy(torch.tensor([[-1.0, 1, -1, -1], [1, 1, -1, -1]], dtype=torch.float64)).tolist() == [0, -1]


def test_storkeys_rule_is_that_of_plain_loops():
    X = signs(5, 6)
    w = np.zeros((6, 6))
    for pattern in X:
        h = np.zeros((6, 6))
        for i in range(6):
            for j in range(6):
                h[i, j] = sum(w[i, k] * pattern[k] for k in range(6) if k not in (i, j))
        new = w.copy()
        for i in range(6):
            for j in range(6):
                if i != j:
                    new[i, j] += (pattern[i] * pattern[j] - pattern[i] * h[j, i] - h[i, j] * pattern[j]) / 6
        w = new
    np.testing.assert_allclose(HopfieldNetwork(rule="storkey").fit(X).coef_, w, atol=1e-12)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), memory=st.sampled_from(["classic", "dense"]), threshold=st.sampled_from([0.0, 0.3]))
def test_asynchronous_recall_never_raises_the_energy(seed, memory, threshold):
    X = signs(8, 20, seed)
    network = HopfieldNetwork(memory=memory, threshold=threshold).fit(X)
    states, energies = path(network, signs(10, 20, seed + 1))
    assert np.all(np.diff(energies, axis=0) <= 1e-12)
    assert len(states) < 100


@pytest.mark.parametrize("seed", range(5))
def test_synchronous_recall_ends_in_a_cycle_of_two_at_most(seed):
    network = HopfieldNetwork(update="synchronous", max_sweeps=500).fit(signs(30, 25, seed))
    states, _ = path(network, signs(40, 25, seed + 9))
    assert len(states) < 500
    move = network.network_.body.recall._sweep
    assert torch.equal(move(move(states[-1], None), None), states[-1])


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_independent_patterns_stay_by_the_pseudo_inverse(precision):
    X = signs(40, 50)
    network = HopfieldNetwork(rule="pseudo_inverse", precision=precision).fit(X)
    assert np.linalg.matrix_rank(network.network_.body.memory.patterns.numpy()) == 40
    assert network.score(X) == 1
    np.testing.assert_array_equal(network.predict(X), X)
    assert HopfieldNetwork(precision=precision).fit(X).score(X) < 1


def test_the_order_of_patterns_matters_to_storkeys_rule_alone():
    X = signs(10, 12)
    for rule, same in (("hebb", True), ("pseudo_inverse", True), ("storkey", False)):
        first, second = (HopfieldNetwork(rule=rule).fit(rows).coef_ for rows in (X, X[::-1]))
        assert np.allclose(first, second, atol=1e-12) == same


@pytest.mark.parametrize("rule", ["hebb", "storkey", "pseudo_inverse"])
def test_patterns_can_come_one_part_after_the_other(rule):
    X = signs(9, 20)
    X[:, :2] = [[1, -1]] * 8 + [[-1, 1]]
    X[0, :2] = [-1, 1]
    whole, parts = HopfieldNetwork(rule=rule).fit(X), HopfieldNetwork(rule=rule)
    parts.fit(X)  # the standardisation of all rows
    parts.network_.body.memory.n_stored.zero_()
    parts.network_.body.memory.weight.zero_()
    parts.partial_fit(X[:4]).partial_fit(X[4:])
    np.testing.assert_allclose(parts.coef_, whole.coef_, atol=1e-12)
    assert parts.n_patterns_ == 9
    assert parts.transform(X).shape == (9, 9)


def test_a_dense_memory_of_degree_two_recalls_as_hebbs_rule():
    X = signs(12, 30)
    probes = turned(X, 0.2)
    np.testing.assert_array_equal(
        HopfieldNetwork(memory="dense", degree=2).fit(X).predict(probes), HopfieldNetwork().fit(X).predict(probes)
    )


def test_a_dense_memory_holds_what_hebbs_rule_forgets():
    X = signs(60, 40)
    probes = turned(X, 0.05)
    assert HopfieldNetwork(memory="dense", degree=5).fit(X).recall_rate(probes, X) > 0.9
    assert HopfieldNetwork().fit(X).recall_rate(probes, X) < 0.1


def test_a_modern_step_is_attention_and_never_raises_its_energy():
    X = np.random.default_rng(0).normal(size=(20, 8))
    network = HopfieldNetwork(memory="modern", inverse_temperature=0.7).fit(X)
    Z = torch.from_numpy(network._standardized(network._check_inputs(X)))
    q = torch.from_numpy(np.random.default_rng(1).normal(size=(5, 8)))
    wanted = torch.nn.functional.scaled_dot_product_attention(q, Z, Z, scale=0.7)
    np.testing.assert_allclose(network.network_.body.memory.attended(q), wanted, atol=1e-6)
    _, energies = path(network, np.random.default_rng(2).normal(size=(30, 8)))
    assert np.all(np.diff(energies, axis=0) <= 1e-12)


def test_a_cold_modern_memory_gives_back_the_stored_numbers():
    X = np.random.default_rng(0).normal(size=(30, 16)) * [1, 100, *[1] * 14] + 5
    network = HopfieldNetwork(memory="modern", inverse_temperature=20.0).fit(X)
    noisy = X + 0.1 * X.std(axis=0) * np.random.default_rng(1).normal(size=X.shape)
    np.testing.assert_allclose(network.predict(noisy), X, rtol=1e-6, atol=1e-6)
    assert network.answers(noisy)["prediction"].tolist() == list(range(30))


@pytest.mark.parametrize("seed", range(3))
def test_it_completes_few_patterns_and_breaks_down_beyond_its_capacity(seed):
    N = 200
    few, many = signs(10, N, seed), signs(60, N, seed)  # loads 0.05 and 0.3
    assert HopfieldNetwork().fit(few).recall_rate(turned(few, 0.15), few) == 1
    assert HopfieldNetwork().fit(many).score(many) < 0.1
    assert HopfieldNetwork(rule="storkey").fit(few).recall_rate(turned(few, 0.15), few) == 1


def test_a_row_is_recalled_in_the_same_way_beside_any_other():
    for params in ({}, {"temperature": 0.5, "max_sweeps": 5}, {"update": "synchronous"}, {"memory": "dense"}):
        network = HopfieldNetwork(**params).fit(signs(30, 40))
        probes = signs(20, 40, 5)
        alone = np.concatenate([network.predict(probes[k : k + 1]) for k in range(20)])
        np.testing.assert_array_equal(network.predict(probes), alone)


def test_rows_of_weight_two_are_rows_twice():
    X = signs(20, 30)
    weight = np.where(np.arange(20) % 3, 1.0, 2.0)
    twice = np.repeat(X, weight.astype(int), axis=0)
    for params in ({}, {"memory": "dense"}, {"memory": "modern", "inverse_temperature": 0.1}):
        weighted, repeated = (
            HopfieldNetwork(**params).fit(X, sample_weight=weight),
            HopfieldNetwork(**params).fit(twice),
        )
        np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-6)


def test_columns_with_two_values_come_back_with_these():
    X = np.where(signs(30, 6) > 0, [3, 10, -1, 1, 5, 7], [1, 0, -2, 0, 4, -7.0])
    network = HopfieldNetwork(rule="pseudo_inverse").fit(X)
    found = network.predict(X)
    for column, values in enumerate(np.unique(X, axis=0).T):
        assert np.min(np.abs(found[:, column, None] - np.unique(values)), axis=1).max() < 1e-9


def test_glauber_draws_follow_boltzmann():
    """Two units, one pattern twice with its opposite: w = (ξ₁ξ₂ + ξ₁ξ₂)/2 = 1, so P(s₁ = s₂) = 1 / (1 + e^(-2w/T))."""
    network = HopfieldNetwork(temperature=2.0, max_sweeps=20).fit([[1, 1], [-1, -1]])
    assert network.coef_[0, 1] == 1
    drawn = network.sample(5000, random_state=0)
    assert (drawn[:, 0] == drawn[:, 1]).mean() == pytest.approx(1 / (1 + np.exp(-1)), abs=0.02)
    assert set(np.unique(drawn)) == {-1, 1}
    np.testing.assert_array_equal(drawn, network.sample(5000, random_state=0))


def test_spurious_states_are_neither_stored_nor_turned_round():
    """The majority of three patterns is the best known one (Amit et al. 1985)."""
    X = signs(3, 300, seed=2)
    X = np.concatenate([X, -X])  # so that no column has one value alone; Hebb's W is twice as large
    network = HopfieldNetwork().fit(X)
    mixed = np.sign(X[:3].sum(axis=0, keepdims=True))
    found = network.spurious_states(np.concatenate([X, mixed]))
    assert found.shape == (1, 300)
    assert (found == mixed).mean() > 0.95


def test_labels_go_by_the_pattern_that_is_recalled():
    X = signs(6, 100)
    network = HopfieldNetwork().fit(X)
    labels = np.array(list("abcabc"))
    assert network.classify(turned(X, 0.1), labels).tolist() == labels.tolist()
    np.testing.assert_allclose(network.inverse_transform(np.eye(6)), X)
    with pytest.raises(nnzoo.DataError, match="needs a label for each stored row; got 2 for 6"):
        network.classify(X, ["a", "b"])


def test_images_are_completed_as_bytes():
    X = (load_digits().images[:5] > 7).astype(np.uint8) * 255
    network = HopfieldNetwork(rule="pseudo_inverse", kind="image").fit(X)
    assert network.predict(X).dtype == np.uint8
    assert network.predict(X).shape == (5, 8, 8, 1)
    np.testing.assert_array_equal(network.predict(X)[..., 0], X)


def test_bad_input_is_refused():
    network = HopfieldNetwork().fit(signs(5, 6))
    with pytest.raises(nnzoo.UsageError, match="draws by chance at a temperature above 0; this one has temperature=0"):
        network.sample(3)
    with pytest.raises(nnzoo.ParameterError, match="rule needs one of 'hebb', 'storkey', 'pseudo_inverse'; got"):
        HopfieldNetwork(rule="delta").fit(signs(5, 6))
    with pytest.raises(nnzoo.DataError, match="needs a wanted row for each row; got 2 for 3"):
        network.recall_rate(signs(3, 6), signs(2, 6))


def test_five_steps(tmp_path):
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.train(nnzoo.build("hopfield-network", data), data, verbose=0)
    report = nnzoo.evaluate(model, data)
    assert report.primary == "recalled"
    assert "load" in report.metrics
    assert [each.name for each in report.baselines] == ["constant", "nearest stored row"]
    report.to_html(tmp_path / "report.html")
    assert "Energy along a recall" in (tmp_path / "report.html").read_text()
    model.save(tmp_path / "h.nnzoo")
    frame = nnzoo.predict(nnzoo.load_model(tmp_path / "h.nnzoo"), "penguins")
    assert frame.columns == ["row", "prediction", "overlap", "energy", "note"]
    assert frame["overlap"].is_between(-1, 1).all()
