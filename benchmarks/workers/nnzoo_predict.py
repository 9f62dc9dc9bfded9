"""nnzoo's predictions beside its own bare module: rows per second, and one row. Leaves the weights for ONNX Runtime."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import NotRun, answer
from nnzoo_ import arrays

TRAINED_ROWS = 6_000
BLOCK = 1024
LEAST_SECONDS, N_CALLS, WARM_CALLS = 2.0, 3000, 200


def rate(call: Callable[[], Any], n_rows: int) -> float:
    """Return rows per second of a call that predicts so many, the median of calls over some seconds."""
    call()
    times: list[float] = []
    while sum(times) < LEAST_SECONDS or len(times) < 3:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return n_rows / float(np.median(times))


def one_row(call: Callable[[int], Any], n_calls: int = N_CALLS) -> list[float]:
    """Return the 50th and 99th percentile of a call with a row's number, in microseconds."""
    for k in range(WARM_CALLS):
        call(k)
    times = np.empty(n_calls)
    for k in range(n_calls):
        start = time.perf_counter()
        call(k)
        times[k] = time.perf_counter() - start
    return (np.percentile(times, [50, 99]) * 1e6).tolist()


def predictions(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train a network briefly and time its predictions."""
    import torch

    import nnzoo

    torch.set_num_threads(spec["threads"])
    X, y, X_test, _ = arrays(spec | {"rows": TRAINED_ROWS}, places)
    rows = np.resize(X_test, (spec["rows"], *X_test.shape[1:]))
    net = getattr(nnzoo, spec["class"])(n_epochs=1, random_state=0, early_stopping=False, **spec["params"])
    kind = "sequence" if spec["class"] == "LSTM" else "image"
    data = nnzoo.load((X, y), kind=kind)
    model = nnzoo.train(nnzoo.build(net, data), data, verbose=0)
    network: Any = model.network
    module, tensors = bare_module(spec["network"], network, rows)

    @torch.inference_mode()
    def bare() -> None:
        for block in tensors.split(BLOCK):
            module(block)

    @torch.inference_mode()
    def bare_row(k: int) -> Any:
        return module(tensors[k % len(tensors)][None])

    inputs = [rows[k][None] for k in range(len(rows))]
    whole = list(rows) if kind == "sequence" else rows
    rates = {
        "predict_proba": rate(lambda: network.predict_proba(rows), len(rows)),
        "model": rate(lambda: nnzoo.predict(model, whole), len(rows)),
        "module": rate(bare, len(rows)),
    }
    row: dict[str, Any] = {
        "predict": one_row(lambda k: network.predict(inputs[k % len(inputs)])),
        "module": one_row(bare_row),
        "predictor": "not yet",
    }
    if hasattr(model, "predictor"):
        predictor = model.predictor()
        row["predictor"] = one_row(lambda k: predictor(rows[k % len(rows)]))
    with torch.inference_mode():
        difference = float(np.abs(softmax(module(tensors[:BLOCK]).numpy()) - network.predict_proba(rows[:BLOCK])).max())
    leave(Path(places["models"]) / f"{spec['network']}.npz", module, tensors)
    return {"rates": rates, "row": row, "difference": difference}


def bare_module(name: str, network: Any, rows: np.ndarray) -> tuple[Any, Any]:
    """Return the peers' torch module with nnzoo's weights, and the rows scaled as it wants them."""
    import torch
    from torch_networks import make

    module = make(name).eval()
    weights = list(network.network_.parameters())
    slots = list(module.parameters())
    if [each.shape for each in weights] != [each.shape for each in slots]:
        raise NotRun("nnzoo's weights do not fit the peers' module")
    with torch.no_grad():
        for slot, weight in zip(slots, weights, strict=True):
            slot.copy_(weight)
    standard = network.inputs_.standard
    shares = rows / np.float32(255) if rows.dtype == np.uint8 else rows
    return module, torch.from_numpy(((shares - standard.mean) / standard.scale).astype(np.float32))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def leave(path: Path, module: Any, tensors: Any) -> None:
    """Write the module's weights and the rows, for the worker of ONNX Runtime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {f"w{k:02d}": each.detach().numpy() for k, each in enumerate(module.parameters())}
    np.savez(path, rows=tensors.numpy(), **weights)


if __name__ == "__main__":
    answer(predictions)
