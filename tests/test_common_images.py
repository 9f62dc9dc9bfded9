"""Twins of scikit-learn's checks: every check runs on rows that reach the network as images, grey and in colour.

The twin of a network folds each row (d,) of a check into an image of d pixels before the network sees it; what is no
two-dimensional array of numbers reaches the network as it came. A check that skips itself has not run.
"""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from nnzoo import DeepConvolutionalNetwork

N_CHECKS = {"classification": 66, "regression": 59}
"""How many checks run at the least, for each twin."""

TWINS = ("GreyTwin", "ColourTwin", "SignalTwin")

SMALL = {"n_filters": (8, 16)}
FEW_EPOCHS = {"n_epochs": 3}
"""Where a check does not ask how well they learn."""

NO_EQUIVALENCE = "batch normalisation and dropout see a row of weight 2 once, two rows twice"
NO_FRAME = "a data frame holds no images: its rows are read as signals"
EXPECTED = {
    **{(twin, "check_sample_weight_equivalence_on_dense_data"): NO_EQUIVALENCE for twin in TWINS},
    **{
        (twin, f"check_{learner}_data_not_an_array"): NO_FRAME
        for twin in ("GreyTwin", "ColourTwin")
        for learner in ("classifier", "regressor")
    },
}
"""(twin, check): why it does not pass; strict in both directions."""


def folded(X, shape):
    """Return a plain array of numbers with each row folded into an image; all else as it came."""
    if type(X) is list or type(X).__name__ == "_NotAnArray":
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "biuf" and X.shape[0] and X.shape[1]:
        return X.reshape(len(X), *shape(X.shape[1]))
    return X


class GreyTwin(DeepConvolutionalNetwork):
    """Rows as grey images of one column."""

    shape = staticmethod(lambda d: (d, 1))

    def fit(self, X, y=None, **rest):
        return super().fit(folded(X, lambda d: (d,)), y, **rest)

    def _read(self, X, *, reset, **target):
        X = folded(X, lambda d: (d,))
        if isinstance(X, np.ndarray) and X.ndim == 2 and not reset and hasattr(self, "n_features_in_"):
            d = self.n_features_in_
            if X.shape[1] != d:
                raise ValueError(
                    f"X has {X.shape[1]} features, but {type(self).__name__} is expecting {d} features as input"
                )
        return super()._read(folded(X, self.shape), reset=reset, **target)


class ColourTwin(GreyTwin):
    """Rows as images of one row of pixels and one channel."""

    shape = staticmethod(lambda d: (1, d, 1))


class SignalTwin(GreyTwin):
    """Rows as they are: signals of one channel."""

    shape = staticmethod(lambda d: (d,))


CHECKS = {
    (twin.__name__, task): list(estimator_checks_generator(twin(task=task, **SMALL)))
    for twin in (GreyTwin, ColourTwin, SignalTwin)
    for task in ("classification", "regression")
}


def name_of(check):
    return getattr(check, "func", check).__name__


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the training loss has not fallen")  # of labels drawn by lot
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{name}-{task}-{name_of(check)}")
        for (name, task), checks in CHECKS.items()
        for estimator, check in checks
    ],
)
def test_twin_of_a_check_passes_or_is_listed(estimator, check, passes_or_is_listed):
    reason = EXPECTED.get((type(estimator).__name__, name_of(check)))
    passes_or_is_listed(estimator, check, reason, FEW_EPOCHS)


@pytest.mark.parametrize(("key", "checks"), CHECKS.items(), ids=map("-".join, CHECKS))
def test_so_many_checks_run(key, checks):
    assert len(checks) >= N_CHECKS[key[1]]
