"""The numbers of the GRU: Fashion-MNIST, read row by row."""

from figures import Figure, public_images

from nnzoo import GRU


def accuracy(seed: int, **params: object) -> float:
    """Return the test accuracy on Fashion-MNIST, an image as a sequence of 28 rows of 28 pixels."""
    X, y, X_test, y_test = public_images("fashion-mnist")
    cycle = {"schedule": "one_cycle", "early_stopping": False, "batch_size": 128, "random_state": seed}
    net = GRU(**(cycle | params)).fit(X.astype("float32") / 255, y)
    return float(net.score(X_test.astype("float32") / 255, y_test))


def plain(seed: int) -> float:
    """Return the accuracy of 128 units after 6 epochs."""
    return accuracy(seed, n_epochs=6)


def with_dropout(seed: int) -> float:
    """Return the accuracy of 128 units with dropout after 12 epochs."""
    return accuracy(seed, dropout=0.3, n_epochs=12)


TABLE = "benchmark table of github.com/zalandoresearch/fashion-mnist"
FIGURES = (
    Figure("test accuracy, Fashion-MNIST as 28 rows", 0.888, "paper", f"{TABLE}, GRU with SVM", "up", plain),
    Figure(
        "test accuracy, Fashion-MNIST as 28 rows, dropout",
        0.897,
        "paper",
        f"{TABLE}, GRU with SVM and dropout",
        "up",
        with_dropout,
    ),
)
