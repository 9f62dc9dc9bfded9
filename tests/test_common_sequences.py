"""scikit-learn's checks of the networks with memory, and their twins: the same rows as sequences of several values.

Flat rows are signals of one value a step and go through the checks as they are. The twin of a network folds each row
(d,) of a check into one step of d values and a second one of zeros, a list of arrays, before the network sees it. A
check that skips itself has not run.
"""

from unittest import SkipTest

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from nnzoo import GRU, LSTM, RNN
from nnzoo.errors import UsageError

N_CHECKS = {"classification": 66, "regression": 59}
"""How many checks run at the least, for each network."""
QUICK = {"n_hidden": 16, "n_epochs": 40, "learning_rate": 0.02}

NO_FRAME = "a data frame holds one value a step: its rows are read as signals, not folded"
ROUNDING = "a row of weight 2 and the row twice differ by rounding, 1e-16, which 40 steps of Adam make 1e-5 to 1e-4"
EXPECTED = {
    **{(f"{name}Twin", "regression", "check_regressor_data_not_an_array"): NO_FRAME for name in ("RNN", "LSTM", "GRU")},
    **{(name, "regression", "check_sample_weight_equivalence_on_dense_data"): ROUNDING for name in ("LSTM", "GRU")},
}
"""(network, task, check): why it does not pass; strict in both directions."""


def folded(X):
    """Return a list of sequences of two steps from a plain array of numbers; all else as it came."""
    if type(X) is list or type(X).__name__ == "_NotAnArray":
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "biuf" and X.shape[0] and X.shape[1]:
        return [np.vstack([row, np.zeros_like(row)]) for row in X]
    return X


class Twin:
    """Rows as sequences of steps with several values."""

    def fit(self, X, y=None, **rest):
        return super().fit(folded(X), y, **rest)

    def _read(self, X, *, reset, **target):
        return super()._read(folded(X), reset=reset, **target)


class RNNTwin(Twin, RNN):
    """Of RNN."""


class LSTMTwin(Twin, LSTM):
    """Of LSTM."""


class GRUTwin(Twin, GRU):
    """Of GRU."""


CHECKS = {
    (network.__name__, task): list(estimator_checks_generator(network(task=task, **QUICK)))
    for network in (RNN, LSTM, GRU, RNNTwin, LSTMTwin, GRUTwin)
    for task in ("classification", "regression")
}


def name_of(check):
    return getattr(check, "func", check).__name__


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{name}-{task}-{name_of(check)}")
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
