from itertools import combinations

import pytest

from nnzoo.comparison.statistics import gaps
from nnzoo.comparison.verdict import Standing, words

BASELINES = ("constant", "linear", "boosted trees")
WOBBLE = (0.0, 0.01, -0.01, 0.005, -0.005)


def verdict(means, metric="accuracy", n_folds=5, dropped=(), failed=(), wobble=0.1):
    """Return the words and the winner for some mean scores; each candidate wobbles over the folds in its own way."""
    scores = {
        name: {f: mean + wobble * WOBBLE[(f * (place + 1)) % 5] for f in range(1, n_folds + 1)}
        for place, (name, mean) in enumerate(means.items())
    }
    table = [
        Standing(name, name not in BASELINES, mean, None, None, n_folds, 1.0, None) for name, mean in means.items()
    ]
    table += [Standing(name, True, mean, None, None, 1, 1.0, None) for name, mean in dropped]
    table += [Standing(name, True, None, None, None, 0, None, "no memory") for name in failed]
    family = [pair for pair in combinations(means, 2) if not set(pair) <= set(BASELINES)]
    better = "lower" if metric == "rmse" else "higher"
    return words(table, gaps(scores, 0.25, better=better, family=family), metric)


def test_networks_that_cannot_be_told_apart_both_beat_the_baseline():
    said, winner = verdict({"gru": 0.951, "lstm": 0.950, "boosted trees": 0.92, "constant": 0.3})
    assert winner == "gru"
    assert said.startswith("gru and lstm cannot be told apart here; both beat the best baseline, boosted trees, by 2.")
    assert said.endswith("points.")


def test_three_leaders_are_counted():
    said, _ = verdict({"gru": 0.9502, "lstm": 0.9501, "rnn": 0.95, "linear": 0.92})
    assert said.startswith("gru, lstm and rnn cannot be told apart here; all 3 beat the best baseline, linear, by")


def test_a_single_best_network_is_set_beside_baseline_and_next_network():
    said, winner = verdict({"gru": 0.95, "lstm": 0.90, "linear": 0.85})
    assert winner == "gru"
    assert said.startswith("gru beats the best baseline, linear, by ")
    assert "gru beats the other networks that came as far, the next, lstm, by " in said


def test_only_those_of_the_leaders_that_beat_the_baseline_are_said_to():
    # On every second fold the lstm is far off: its mean is near, its spread is not.
    scores = {"gru": [0.95, 0.951, 0.949, 0.95, 0.95], "lstm": [0.99, 0.88, 0.99, 0.88, 0.98], "linear": [0.93] * 5}
    table = [Standing(name, name != "linear", sum(s) / 5, None, None, 5, 1.0, None) for name, s in scores.items()]
    found = gaps({name: dict(enumerate(s)) for name, s in scores.items()}, 0.25, better="higher")
    said, winner = words(table, found, "accuracy")
    assert winner == "gru"
    assert said.startswith("gru and lstm cannot be told apart here; of them gru beats the best baseline, linear, by 1.")


def test_a_baseline_that_is_ahead_is_to_be_used():
    said, winner = verdict({"gru": 0.90, "boosted trees": 0.95, "constant": 0.3})
    assert winner == "boosted trees"
    assert said.startswith("No network beats boosted trees here, which is ahead of the best network, gru, by 4.")
    assert said.endswith("points: use boosted trees.")


def test_a_baseline_that_cannot_be_told_apart_from_the_best_network_is_to_be_used():
    said, winner = verdict({"gru": 0.9505, "linear": 0.95, "constant": 0.3})
    assert winner == "linear"
    assert "No network is shown to beat linear here, and linear is simpler: use linear." in said
    assert "gru, the best network, cannot be told apart from it (from 0." in said


def test_nothing_beats_the_constant():
    said, winner = verdict({"gru": 0.5001, "constant": 0.5})
    assert winner == "constant"
    assert "No network is shown to beat constant here, and constant is simpler: use constant." in said
    assert "not shown to be better than always" not in said


def test_a_baseline_that_is_not_shown_to_beat_the_constant_is_said_to_be_unproved():
    scores = {"gru": [0.5, 0.4, 0.5, 0.4, 0.5], "linear": [0.6, 0.4, 0.6, 0.5, 0.6], "constant": [0.5] * 5}
    table = [Standing(name, name == "gru", sum(s) / 5, None, None, 5, 1.0, None) for name, s in scores.items()]
    found = gaps({name: dict(enumerate(s)) for name, s in scores.items()}, 0.25, better="higher")
    said, winner = words(table, found, "accuracy")
    assert winner == "linear"
    assert said.endswith("linear is not shown to be better than always giving the same answer.")


def test_the_error_of_numbers_is_said_in_its_unit():
    said, winner = verdict({"gru": 40.0, "linear": 50.0}, metric="rmse")
    assert winner == "gru"
    assert said.startswith("gru beats the best baseline, linear, by 9.99")
    assert said.endswith(" in RMSE.")


def test_candidates_without_baselines_are_set_beside_one_another():
    said, winner = verdict({"activation=elu": 0.951, "activation=relu": 0.95, "activation=tanh": 0.8})
    assert winner == "activation=elu"
    assert said == "activation=elu and activation=relu cannot be told apart here."


@pytest.mark.parametrize(
    ("n_folds", "words_"),
    [(1, "One fold tells nothing apart: give more time, for at least five folds."), (3, "3 folds tell little apart: give more time, for at least five.")],
)  # fmt: skip
def test_too_few_folds_say_what_is_needed(n_folds, words_):
    said, winner = verdict({"gru": 0.951, "linear": 0.95}, n_folds=n_folds)
    assert words_ in said
    assert winner == "linear"


def test_networks_that_were_dropped_on_the_way_are_not_spoken_of():
    said, winner = verdict({"gru": 0.95, "linear": 0.90}, dropped=[("svm", 0.99)])
    assert winner == "gru"
    assert "svm" not in said


def test_networks_without_a_score_are_named():
    said, _ = verdict({"gru": 0.95, "linear": 0.90}, failed=["gan", "ntm"])
    assert said.endswith("Without a score: gan and ntm; the table says why.")


def test_no_network_with_a_score_leaves_the_baseline():
    said, winner = verdict({"linear": 0.90}, failed=["gan"])
    assert winner == "linear"
    assert said.startswith("No network has a score on all folds: use linear.")


def test_nothing_with_a_score_is_said():
    assert words([], [], "accuracy") == ("Nothing has a score yet, so there is nothing to say.", None)
