"""What all tests share."""

import os
import signal
from unittest import SkipTest

import hypothesis
import pytest

# scikit-learn's check of array API input runs only where scipy was told so before its first import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# Two workers test side by side, one a core: threads of their own would only stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("nnzoo", deadline=None)
hypothesis.settings.load_profile("nnzoo")

# A shell script starts its background jobs with Ctrl-C ignored; here it is sent, and has to be heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    """Let ``make soak`` ask for many more kills and damaged files than the suite takes, and for longer training."""
    parser.addoption("--soak", action="store_true", help="many more kills and damaged files, longer training")


@pytest.fixture(scope="session")
def soaks(request):
    """Say whether the long form was asked for."""
    return request.config.getoption("--soak")


OF_LEARNING = (
    "check_classifiers_train",
    "check_classifiers_classes",
    "check_class_weight_classifiers",
    "check_class_weight_balanced_classifiers",
    "check_regressors_train",
)
"""Checks of scikit-learn that ask how well a network has learned; all others ask what it takes, gives and leaves."""


@pytest.fixture(scope="session")
def passes_or_is_listed():
    """Give a function that runs a check of scikit-learn, which passes or has a reason; a skipped one has not run.

    ``short`` are parameters for the checks that do not ask how well the network has learned.
    """

    def passes_or_is_listed(estimator, check, reason, short):
        known = estimator.get_params(deep=False)
        if short and getattr(check, "func", check).__name__ not in OF_LEARNING:
            given = {name: value for name, value in short.items() if name in known}
            estimator = type(estimator)(**known | given)  # the other checks share this one
        try:
            check(estimator)
        except SkipTest as skipped:
            assert reason, f"this check has not run and is not listed: {skipped}"
        except AssertionError:
            if not reason:
                raise
        else:
            assert not reason, f"listed as an exception, but it passes: {reason}"

    return passes_or_is_listed
