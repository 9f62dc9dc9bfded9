"""nnzoo: trains an estimator on arrays, or says which settings ``nnzoo.build`` gives it."""

import time
from typing import Any

import numpy as np
from common import answer, read_images


def arrays(spec: dict[str, Any], places: dict[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows as the estimator takes them: images as bytes, sequences of rows as numbers, digits as a table."""
    X, y, X_test, y_test = read_images(spec, places)
    if spec["data"] == "digits":
        return X.reshape(len(X), -1), y, X_test.reshape(len(X_test), -1), y_test
    if spec["class"] == "LSTM":
        return X / np.float32(255), y, X_test / np.float32(255), y_test
    return X, y, X_test, y_test


def train(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Fit the class of the spec with its parameters; the seconds are those of its own history."""
    import torch

    import nnzoo

    torch.set_num_threads(spec["threads"])
    X, y, X_test, y_test = arrays(spec, places)
    net = getattr(nnzoo, spec["class"])(**spec["params"])
    start = time.perf_counter()
    net.fit(X, y)
    whole = time.perf_counter() - start
    seconds = np.diff([0.0, *net.history_["seconds"]]).tolist()
    return {
        "setup": whole - sum(seconds),
        "seconds": seconds,
        "losses": net.history_["train_loss"],
        "accuracies": [net.score(X_test, y_test)] if spec.get("test") else [],
        "arithmetic": net.arithmetic_,
        "weights": sum(each.numel() for each in net.network_.parameters()),
    }


def settings(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Return the parameters that ``nnzoo.build`` gives a network by name for the data of the spec, and how weights move."""
    import nnzoo

    if spec["as"] == "sequence":
        X, y, _, _ = arrays(spec | {"class": "LSTM"}, places)
        data = nnzoo.load((X, y), kind="sequence")
    else:
        data = nnzoo.load(spec["data"], data_dir=places[spec["data"]])
    model = nnzoo.build(spec["network"], data, seed=0)
    params = {name: value for name, value in model.network.get_params().items() if name != "task"}
    moves = model.network.gradient_settings() | {"batch_size": params["batch_size"]}
    return {"class": type(model.network).__name__, "params": params, "recipe": moves}


if __name__ == "__main__":
    answer(lambda spec, places: settings(spec, places) if spec["work"] == "settings" else train(spec, places))
