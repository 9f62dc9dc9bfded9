"""scikit-learn's checks of the networks with memory, and their twins: the same rows as sequences of several values.

Flat rows are signals of one value a step and go through the checks as they are. The twin of a network folds each row
(d,) of a check into one step of d values and a second one of zeros, a list of arrays, before the network sees it. A
check that skips itself has not run.

The twin for texts reads every number as a letter, the nearest of fifteen, and each row as a word of d letters.
"""

from unittest import SkipTest

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from nnzoo import GRU, LSTM, RNN, AttentionNetwork, DifferentiableNeuralComputer, NeuralTuringMachine
from nnzoo.errors import UsageError

QUICK, SLOW = {("GRUTwin", "classification"): ()}, pytest.mark.slow
"""The twin that the quick run takes; the others share most of its code."""

N_CHECKS = {"classification": 66, "regression": 59}
"""How many checks run at the least, for each network."""
QUICK = {"n_hidden": 16, "n_epochs": 40, "learning_rate": 0.02}

ROUNDING = "a row of weight 2 and the row twice differ by rounding, 1e-16, which 40 steps of Adam make 1e-7 to 1e-4"
LENGTHS = "texts may differ in length: one letter more or less is no error"
CHECKS_OF_COLUMNS = (
    "check_transformer_general",
    "check_n_features_in_after_fitting",
    "check_n_features_in",
    "check_estimators_partial_fit_n_features",
    "check_classifiers_train",
)
EXPECTED = {
    **{
        (f"{name}Text", task, check): LENGTHS
        for name in ("RNN", "LSTM", "GRU", "AttentionNetwork")
        for task in ("classification", "regression")
        for check in CHECKS_OF_COLUMNS
    },
    **{
        (name, "regression", "check_sample_weight_equivalence_on_dense_data"): ROUNDING
        for name in ("LSTM", "GRU", "AttentionNetwork", "NeuralTuringMachine", "DifferentiableNeuralComputer")
    },
}
"""(network, task, check): why it does not pass; strict in both directions."""


def as_numbers(X):
    """Return rows of numbers in any usual form as an array (n, d) of float64, neither of them 0; None for all else."""
    if type(X) is list or type(X).__name__ in ("_NotAnArray", "DataFrame"):
        X = np.asarray(X)
    is_table = isinstance(X, np.ndarray) and X.ndim == 2 and X.size > 0
    if not is_table or not all(isinstance(x, int | float | np.integer | np.floating | np.bool_) for x in X.ravel()):
        return None
    return X.astype(np.float64)


def folded(X):
    """Return a list of sequences of two steps from a plain array of numbers; all else as it came."""
    rows = as_numbers(X)
    return X if rows is None else [np.vstack([row, np.zeros_like(row)]) for row in rows]


class Twin:
    """Rows as sequences of steps with several values."""

    def fit(self, X, y=None, **rest):
        return super().fit(folded(X), y, **rest)

    def _read(self, X, *, reset, **target):
        return super()._read(folded(X), reset=reset, **target)


def spelled(X):
    """Return words, codes from 1 to 15 and one a step, from a plain array of numbers; all else as it came."""
    rows = as_numbers(X)
    if rows is None:
        return X
    letters = np.clip(np.rint(2 * rows), -7, 7) + 8
    return list(np.where(np.isfinite(rows), letters, rows)[:, :, None])


class TextTwin:
    """Rows as texts."""

    def fit(self, X, y=None, **rest):
        return super().fit(spelled(X), y, **rest)

    def _read(self, X, *, reset, **target):
        return super()._read(spelled(X), reset=reset, **target)


class RNNText(TextTwin, RNN):
    """Of RNN."""


class LSTMText(TextTwin, LSTM):
    """Of LSTM."""


class GRUText(TextTwin, GRU):
    """Of GRU."""


class AttentionNetworkText(TextTwin, AttentionNetwork):
    """Of AttentionNetwork."""


class RNNTwin(Twin, RNN):
    """Of RNN."""


class LSTMTwin(Twin, LSTM):
    """Of LSTM."""


class GRUTwin(Twin, GRU):
    """Of GRU."""


class AttentionNetworkTwin(Twin, AttentionNetwork):
    """Of AttentionNetwork."""


CHECKS = {
    (network.__name__, task): list(estimator_checks_generator(network(task=task, **QUICK, **given)))
    for networks, given in (
        ((RNN, LSTM, GRU, AttentionNetwork, RNNTwin, LSTMTwin, GRUTwin, AttentionNetworkTwin), {}),
        ((RNNText, LSTMText, GRUText, AttentionNetworkText), {"categorical_features": [0]}),
        ((NeuralTuringMachine, DifferentiableNeuralComputer), {"n_slots": 5, "slot_size": 4}),
    )
    for network in networks
    for task in ("classification", "regression")
}


def name_of(check):
    return getattr(check, "func", check).__name__


@pytest.mark.filterwarnings("ignore:the training loss has not fallen")  # of labels drawn by lot
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{name}-{task}-{name_of(check)}", marks=QUICK.get((name, task), SLOW))
        for (name, task), checks in CHECKS.items()
        for estimator, check in checks
    ],
)
def test_check_passes_or_is_listed(estimator, check):
    reason = EXPECTED.get((type(estimator).__name__, estimator.task, name_of(check)))
    try:
        check(estimator)
    except SkipTest as skipped:
        assert reason, f"this check has not run and is not listed: {skipped}"
    except AssertionError:
        if not reason:
            raise
    else:
        assert not reason, f"listed as an exception, but it passes: {reason}"


@pytest.mark.parametrize(("key", "checks"), CHECKS.items(), ids=map("-".join, CHECKS))
def test_so_many_checks_run(key, checks):
    assert len(checks) >= N_CHECKS[key[1]]


def walk(n_rows=1, length=300):
    """Return series that grow by a wave of changes: the levels of the test were never seen in training."""
    steps = 1 + np.sin(np.arange(length) * 2 * np.pi / 10)
    return np.tile(np.cumsum(steps)[None, :, None], (n_rows, 1, 1))


def learner(**settings):
    known = {"task": "regression", "output": "next", "n_hidden": 16, "n_epochs": 150, "random_state": 0}
    return GRU(**(known | {"early_stopping": False, "learning_rate": 0.01} | settings))


def test_learned_changes_go_on_where_levels_were_never_seen():
    series = walk()
    errors = {}
    for differences in (False, True):
        net = learner(differences=differences).fit(series[:, :200])
        came, said, _ = net.predict_next(series)
        errors[differences] = np.sqrt(np.mean(np.square(came.ravel() - said.ravel())[200:]))
        ahead = net.forecast(series[:, :200], 50).ravel()
        errors[differences, "ahead"] = np.abs(ahead - series[0, 200:250, 0]).max()
    assert errors[True] < 0.2 * errors[False]
    assert errors[True, "ahead"] < 5 < errors[False, "ahead"]


def test_learned_changes_are_added_to_the_last_level_in_predictions_forecasts_and_intervals():
    series = walk(3)
    net = learner(differences=True, n_epochs=3).fit(series)
    shifted = series + 1000
    np.testing.assert_allclose(net.predict(shifted), net.predict(series) + 1000)
    np.testing.assert_allclose(net.forecast(shifted, 7), net.forecast(series, 7) + 1000)
    np.testing.assert_allclose(net.predict(series), net.forecast(series, 1).ravel())
    middle, low, high = net.forecast(series, 5, interval=0.9)
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert np.abs(low.reshape(3, 5) - series[:, -1:, 0]).max() < 50


def test_learned_changes_refuse_what_they_cannot_mean():
    X, y = walk(12, 20), np.arange(12) % 2
    with pytest.raises(UsageError, match="differences=True learns how a series of numbers changes"):
        GRU(differences=True, n_epochs=1).fit(X, y)
