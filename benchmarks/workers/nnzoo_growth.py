"""Seconds and memory of one training epoch and of a prediction, against one size of the data."""

import time
from typing import Any

import numpy as np
from common import answer, forget_peak, memory

N_COLUMNS = 20
ROWS_OF = {"classes": 20_000, "features": 5_000}


def table(n_rows: int, n_columns: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers in float32 and labels, of which every class has some."""
    draw = np.random.default_rng(0)
    labels = np.arange(n_rows) % n_classes
    return draw.standard_normal((n_rows, n_columns), dtype=np.float32), draw.permutation(labels)


def growth(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train for an epoch and predict; what is needed once for all sizes has been loaded by a small run before."""
    import torch

    import nnzoo

    torch.set_num_threads(spec["threads"])
    size, along = spec["size"], spec["along"]
    common = {"n_epochs": 1, "random_state": 0, "early_stopping": False, "precision": "float32"}
    if along == "length":
        net: Any = nnzoo.LSTM(task="regression", output="next", n_hidden=32, bptt_steps=200, **common)
        rows = (np.sin(np.arange(size) / 9)[None, :, None].astype(np.float32),)
        small: tuple[Any, ...] = (rows[0][:, :50],)
    else:
        net = nnzoo.FeedForward(n_hidden=32, batch_size=256, **common)
        shape = {"rows": (size, N_COLUMNS, 2), "classes": (ROWS_OF["classes"], N_COLUMNS, size)}
        rows = table(*shape.get(along, (ROWS_OF["features"], size, 2)))
        small = table(64, N_COLUMNS, 2)
    net.fit(*small).predict(small[0])
    before = forget_peak()
    start = time.perf_counter()
    net.fit(*rows)
    fitted = time.perf_counter()
    net.predict(rows[0])
    ended = time.perf_counter()
    return {"fit": fitted - start, "predict": ended - fitted, "grown_mib": memory("VmHWM") - before}


if __name__ == "__main__":
    answer(growth)
