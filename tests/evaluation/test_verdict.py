import numpy as np
import pytest

from nnzoo.evaluation.baselines import Baseline
from nnzoo.evaluation.metrics import score
from nnzoo.evaluation.verdict import best_baseline, compare, verdict_words


def baseline(task, truth, prediction, name="linear", several_labels=False, code="lines"):
    metrics = score(task, truth, prediction, several_labels=several_labels)
    return Baseline(name, metrics, np.asarray(prediction), 0.1, code)


def labels_right(n_rows, n_right):
    """Truth of ones and a prediction whose first ``n_right`` rows are right."""
    return np.ones(n_rows, dtype=int), (np.arange(n_rows) < n_right).astype(int)


def words_for(task, truth, prediction, others, n_rows=None):
    metrics = score(task, truth, prediction)
    own = metrics["rmse" if task == "regression" else "accuracy"]
    best = best_baseline(others, own.name)
    constant = compare(task, truth, prediction, others[0])
    return verdict_words(own, best, compare(task, truth, prediction, best), constant, len(truth))


@pytest.mark.parametrize(
    ("n_own", "outcome"), [(90, "beats"), (72, "cannot be told apart from"), (50, "is worse than")]
)
def test_outcome_for_labels_follows_the_paired_difference(n_own, outcome):
    truth, own = labels_right(100, n_own)
    found = compare("classification", truth, own, baseline("classification", *labels_right(100, 70)))
    assert found.outcome == outcome
    assert found.gain == pytest.approx((n_own - 70) / 100)
    assert found.low <= found.gain <= found.high


@pytest.mark.parametrize(
    ("own", "outcome"), [(0.5, "beats"), (1.0, "cannot be told apart from"), (2.0, "is worse than")]
)
def test_outcome_for_numbers_follows_the_paired_difference(own, outcome):
    generator = np.random.default_rng(0)
    truth, noise, other = generator.normal(size=(3, 300))
    found = compare("regression", truth, truth + own * noise, baseline("regression", truth, truth + other))
    assert found.outcome == outcome


def test_outcome_for_several_labels_uses_micro_f1():
    truth = np.random.default_rng(0).integers(0, 2, size=(200, 3))
    noisy = np.where(np.random.default_rng(1).random((200, 3)) < 0.3, 1 - truth, truth)
    found = compare(
        "classification",
        truth,
        truth,
        baseline("classification", truth, noisy, several_labels=True),
        several_labels=True,
    )
    assert (found.metric, found.outcome) == ("f1_micro", "beats")


def test_swapping_the_sides_swaps_the_sign():
    truth, own = labels_right(100, 90)
    _, other = labels_right(100, 60)
    forth = compare("classification", truth, own, baseline("classification", truth, other))
    back = compare("classification", truth, other, baseline("classification", truth, own))
    assert back.gain == -forth.gain
    assert (forth.outcome, back.outcome) == ("beats", "is worse than")


# An exact sign test needs 6 rows of 6 for 5 %; 5 of 5 happens by chance in 1 of 16 cases.
A_HANDFUL = pytest.mark.parametrize(("n_more", "outcome"), [(5, "cannot be told apart from"), (10, "beats")])


@A_HANDFUL
def test_a_handful_of_rows_on_one_side_is_no_proof(n_more, outcome):
    truth, own = labels_right(60, 50 + n_more)
    assert compare("classification", truth, own, baseline("classification", *labels_right(60, 50))).outcome == outcome


@A_HANDFUL
def test_a_handful_of_labels_on_one_side_is_no_proof(n_more, outcome):
    truth, own = (each[:, None] for each in labels_right(60, 50 + n_more))
    other = baseline("classification", truth, labels_right(60, 50)[1][:, None], several_labels=True)
    assert compare("classification", truth, own, other, several_labels=True).outcome == outcome


@pytest.mark.slow
def test_equal_networks_rarely_beat_each_other():
    generator = np.random.default_rng(0)
    n_told_apart = 0
    for seed in range(200):
        truth, own, other = np.ones(40, dtype=int), *generator.binomial(1, 0.8, size=(2, 40))
        found = compare("classification", truth, own, baseline("classification", truth, other), seed=seed)
        n_told_apart += found.outcome != "cannot be told apart from"
    # 5 % of 200 is 10, with a standard deviation of 3; four of these.
    assert n_told_apart <= 22


def test_very_few_rows_tell_nothing_apart():
    truth, own = labels_right(19, 19)
    others = [baseline("classification", *labels_right(19, 0), name="constant")]
    assert compare("classification", truth, own, others[0]).outcome == "cannot be told apart from"
    assert "Fewer than 20 rows tell nothing apart" in words_for("classification", truth, own, others)


def test_best_baseline_follows_the_metric_and_prefers_the_simpler_of_equals():
    truth = np.arange(10.0)
    near, far = (baseline("regression", truth, truth + d, name=f"off by {d}") for d in (1, 2))
    assert best_baseline([far, near], "rmse").name == "off by 1"
    twins = [baseline("classification", *labels_right(30, 20), name=name) for name in ("constant", "linear")]
    assert best_baseline(twins, "accuracy").name == "constant"


def test_words_where_the_network_wins():
    truth, own = labels_right(100, 95)
    others = [baseline("classification", *labels_right(100, 50), name="constant")]
    assert words_for("classification", truth, own, others) == (
        "The network beats the best baseline, constant, on 100 rows: accuracy 0.950 [0.888, 0.978] against "
        "0.500 [0.404, 0.596]; 0.450 better, 95 % interval "
        + words_for("classification", truth, own, others).rsplit("interval ", 1)[1]
    )


def test_words_where_a_baseline_wins_point_to_its_lines_and_to_the_constant():
    truth, own = labels_right(100, 50)
    others = [
        baseline("classification", *labels_right(100, 50), name="constant"),
        baseline("classification", *labels_right(100, 95), name="boosted trees"),
    ]
    words = words_for("classification", truth, own, others)
    assert "The network is worse than the best baseline, boosted trees, on 100 rows" in words
    assert "0.450 worse, 95 % interval 0." in words
    assert "Use the baseline: boosted trees; the scikit-learn lines that build it follow." in words
    assert "It is not shown to be better than always giving the same answer." in words


def test_words_where_nothing_is_told_apart_name_the_simpler_one():
    truth, own = labels_right(100, 95)
    others = [
        baseline("classification", *labels_right(100, 50), name="constant"),
        baseline("classification", *labels_right(100, 95), name="linear"),
    ]
    words = words_for("classification", truth, own, others)
    assert "cannot be told apart from the best baseline, linear" in words
    assert "no difference, 95 % interval" in words
    assert "The linear baseline is simpler and trains in under a second: consider it." in words
    assert "same answer" not in words


def test_words_without_a_baseline():
    own = score("regression", [1.0, 2.0], [1.0, 3.0])["rmse"]
    assert verdict_words(own, None, None, None, 1).endswith("on 1 row. There is no baseline beside it.")


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_numbers_of_any_size_are_compared(size):
    truth = np.random.default_rng(0).normal(size=50)
    other = baseline("regression", truth * size, (truth + 1) * size)
    found = compare("regression", truth * size, (truth + 0.5) * size, other)
    assert found.gain == pytest.approx(0.5 * size)
    assert found.outcome == "beats"
