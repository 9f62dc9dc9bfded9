"""What all tests share."""

import os
import signal

# scikit-learn's check of array API input runs only where scipy was told so before its first import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# Two workers test side by side, one a core: threads of their own would only stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell script starts its background jobs with Ctrl-C ignored; here it is sent, and has to be heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    """Let ``make soak`` ask for many more kills and damaged files than the suite takes."""
    parser.addoption("--soak", action="store_true", help="many more kills and damaged files in tests/trust")
