"""scikit-learn's MLPClassifier on float32 arrays; an epoch is one call of ``partial_fit``."""

import warnings
from typing import Any

import numpy as np
from common import Course, answer, read_numbers

HIDDEN = {"mlp": (128,), "mlp_default": (100,)}


def train(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train a network of the spec."""
    recipe = spec["recipe"]
    X, y, X_test, y_test = read_numbers(spec, places)
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    X, X_test = (each.reshape(len(each), -1) for each in (X, X_test))
    course = Course(spec)
    net = MLPClassifier(
        hidden_layer_sizes=HIDDEN[recipe["network"]],
        solver=recipe["optimizer"],
        alpha=recipe.get("weight_decay", 0.0),
        batch_size=recipe["batch_size"],
        learning_rate_init=recipe["learning_rate"],
        random_state=spec["seed"],
    )
    goes_on = True
    while goes_on:
        course.begin()
        net.partial_fit(X, y, classes=np.arange(10))
        goes_on = course.end(net.loss_, lambda: net.score(X_test, y_test))
    return course.result()


if __name__ == "__main__":
    answer(train)
