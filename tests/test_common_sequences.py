"""scikit-learn's checks of the networks with memory, and their twins: the same rows as sequences of several values.

Flat rows are signals of one value a step and go through the checks as they are. The twin of a network folds each row
(d,) of a check into one step of d values and a second one of zeros, a list of arrays, before the network sees it. A
check that skips itself has not run.

The twin for texts reads every number as a letter, the nearest of fifteen, and each row as a word of d letters.
"""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from nnzoo import (
    GRU,
    LSTM,
    RNN,
    AttentionNetwork,
    DifferentiableNeuralComputer,
    EchoStateNetwork,
    LiquidStateMachine,
    NeuralTuringMachine,
)
from nnzoo.errors import UsageError

IN_QUICK_RUN = ("EchoStateNetworkTwin", "classification")
"""The others share most of its code, and learn for longer."""

N_CHECKS = {"classification": 66, "regression": 59}
"""How many checks run at the least, for each network."""
LEARNER = {"n_hidden": 16, "n_epochs": 40, "learning_rate": 0.02}
RESERVOIR = {"n_hidden": 150, "ridge": 1e-3}
LIQUID = RESERVOIR | {"input_scaling": 3.0}
CODES = {"categorical_features": [0]}

WEIGHED = "check_sample_weight_equivalence_on_dense_data"
FEW_EPOCHS = {"n_epochs": 3}
"""Where a check does not ask how well they learn."""
FEW_STEPS = {"n_epochs": 10, "learning_rate": 0.005}
"""What the check of weights gets where a network descends a gradient.

A row of weight 2 and the row twice add up to the same gradient but for rounding, and Adam makes much of that: targets of
regressions have mean 0, so the first gradient of the last bias is 0 but for 1e-17, and Adam, which divides by its size
(and 1e-8 at the least), moves the bias by 1e-9 of a step. Measured with an LSTM at a learning rate of 0.02: all other
weights differ by 3e-18 after the first step, this bias by 6e-11; predictions by 1e-9 after 10 steps and by 2e-4 after 40.
In classification, where no gradient is 0, it is 1e-14 and 1e-10."""
AGAINST_RIDGE = "weights are brought to mean 1 and λ stays, so more rows of weight 1 count for more against it"
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
        for name in ("RNN", "LSTM", "GRU", "AttentionNetwork", "EchoStateNetwork", "LiquidStateMachine")
        for task in ("classification", "regression")
        for check in CHECKS_OF_COLUMNS
    },
    **{
        (name, task, WEIGHED): AGAINST_RIDGE
        for name in ("EchoStateNetwork", "LiquidStateMachine")
        for task in ("classification", "regression")
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


class EchoStateNetworkText(TextTwin, EchoStateNetwork):
    """Of EchoStateNetwork."""


class LiquidStateMachineText(TextTwin, LiquidStateMachine):
    """Of LiquidStateMachine."""


class RNNTwin(Twin, RNN):
    """Of RNN."""


class LSTMTwin(Twin, LSTM):
    """Of LSTM."""


class GRUTwin(Twin, GRU):
    """Of GRU."""


class AttentionNetworkTwin(Twin, AttentionNetwork):
    """Of AttentionNetwork."""


class EchoStateNetworkTwin(Twin, EchoStateNetwork):
    """Of EchoStateNetwork."""


class LiquidStateMachineTwin(Twin, LiquidStateMachine):
    """Of LiquidStateMachine."""


CHECKS = {
    (network.__name__, task): list(estimator_checks_generator(network(task=task, **given)))
    for networks, given in (
        ((RNN, LSTM, GRU, AttentionNetwork, RNNTwin, LSTMTwin, GRUTwin, AttentionNetworkTwin), LEARNER),
        ((RNNText, LSTMText, GRUText, AttentionNetworkText), LEARNER | CODES),
        ((NeuralTuringMachine, DifferentiableNeuralComputer), LEARNER | {"n_slots": 5, "slot_size": 4}),
        ((EchoStateNetwork, EchoStateNetworkTwin), RESERVOIR),
        ((EchoStateNetworkText,), RESERVOIR | CODES),
        ((LiquidStateMachine, LiquidStateMachineTwin), LIQUID),
        ((LiquidStateMachineText,), LIQUID | CODES),
    )
    for network in networks
    for task in ("classification", "regression")
}


def name_of(check):
    return getattr(check, "func", check).__name__


def mark_of(name, task):
    return () if (name, task) == IN_QUICK_RUN else pytest.mark.slow


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the training loss has not fallen")  # of labels drawn by lot
@pytest.mark.filterwarnings("ignore:a unit of the pool spikes")  # in rows of few steps, seldom
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{name}-{task}-{name_of(check)}", marks=mark_of(name, task))
        for (name, task), checks in CHECKS.items()
        for estimator, check in checks
    ],
)
def test_check_passes_or_is_listed(estimator, check, passes_or_is_listed):
    reason = EXPECTED.get((type(estimator).__name__, estimator.task, name_of(check)))
    passes_or_is_listed(estimator, check, reason, FEW_STEPS if name_of(check) == WEIGHED else FEW_EPOCHS)


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


@pytest.mark.slow
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
