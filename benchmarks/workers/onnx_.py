"""ONNX Runtime with the weights that nnzoo's worker left: rows per second, and one row."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import NotRun, answer
from nnzoo_predict import BLOCK, one_row, rate


def predictions(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Export the peers' module to ONNX and time its predictions."""
    import onnxruntime
    import torch
    from torch_networks import make

    warnings.simplefilter("ignore")
    path = Path(places["models"]) / f"{spec['network']}.npz"
    if not path.exists():
        raise NotRun("nnzoo's weights are missing")
    with np.load(path) as found:
        weights, rows = [found[name] for name in sorted(found) if name != "rows"], found["rows"]
    module = make(spec["network"]).eval()
    with torch.no_grad():
        for slot, weight in zip(module.parameters(), weights, strict=True):
            slot.copy_(torch.from_numpy(weight))
    file = io.BytesIO()
    batch = {0: torch.export.Dim("n", min=1)}
    program = torch.onnx.export(
        module, (torch.from_numpy(rows[:8]),), dynamo=True, dynamic_shapes=(batch,), verbose=False
    )
    program.save(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spec["threads"]
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def scores(block: np.ndarray) -> np.ndarray:
        return session.run(None, {name: block})[0]

    def whole() -> None:
        for start in range(0, len(rows), BLOCK):
            scores(rows[start : start + BLOCK])

    with torch.inference_mode():
        difference = np.abs(scores(rows[:BLOCK]) - module(torch.from_numpy(rows[:BLOCK])).numpy()).max()
    return {
        "rates": {"onnx": rate(whole, len(rows))},
        "row": {"onnx": one_row(lambda k: scores(rows[k % len(rows)][None]))},
        "difference": float(difference),
    }


if __name__ == "__main__":
    answer(predictions)
