"""Prediction: rows per second in batch, and the time of one row."""

import statistics
from typing import Any

from machine import bold, reasons, short, spread, table

from sections.epochs import NETWORKS, OURS

TITLE = "Prediction"
WAYS = {
    "predict_proba": "nnzoo, network.predict_proba",
    "model": "nnzoo, nnzoo.predict(model, rows)",
    "module": "the bare module, blocks of 1,024",
    "onnx": "ONNX Runtime, blocks of 1,024",
}
ROWS = {
    "predict": "nnzoo, network.predict(row)",
    "predictor": "nnzoo, model.predictor()(row)",
    "module": "the bare module",
    "onnx": "ONNX Runtime",
}


def results(bench: Any, network: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return nnzoo's and the bare module's figures, and those of ONNX Runtime with the same weights."""
    which, own = OURS[network]
    spec = {"section": "prediction", "network": network, "round": number, "data": "fashion-mnist", "class": which}
    spec |= {"rows": 500 if bench.quick else 10_000}
    ours = bench.run("nnzoo_predict.py", "nnzoo", spec | {"params": own})
    if "not_run" in ours:
        return ours, {"not_run": "nnzoo's weights are missing"}
    return ours, bench.run("onnx_.py", "onnx", spec, peer="onnx")


def measure(bench: Any) -> None:
    """Measure every network in turn."""
    for number in range(bench.n_rounds):
        for network in NETWORKS:
            results(bench, network, number)


def gathered(bench: Any, network: str, group: str) -> dict[str, list[Any]]:
    """Return the figures of all rounds by way."""
    rounds = [results(bench, network, number) for number in range(bench.n_rounds)]
    found: dict[str, list[Any]] = {}
    for each in (one for pair in rounds for one in pair):
        for name, value in each.get(group, {}).items():
            found.setdefault(name, []).append(value)
    found.setdefault("onnx", [reasons([onnx for _, onnx in rounds])])
    return found


def report(bench: Any) -> list[str]:
    """Return the tables: rows per second, then microseconds of one row."""
    lines = [
        "Networks that nnzoo has trained for one epoch on Fashion-MNIST. nnzoo predicts in float32 from bytes (the LSTM "
        "from numbers): checks, scaling, labels and probabilities are part of its time. The bare module gets float32 tensors "
        "that are ready. *model* goes through the recipe and gives a data frame with a column a class. ONNX Runtime "
        "runs the same weights.",
        "",
        "### In batch: rows per second",
        "",
    ]
    rows = []
    for network, words in NETWORKS.items():
        found = gathered(bench, network, "rates")
        base = statistics.median(found["module"]) if found.get("module") else None
        for name, way in WAYS.items():
            rows.append([words, way, *rate_cells(name, found.get(name, []), base)])
    lines += table(("", "", "rows per second", "share of the bare module's"), rows)
    lines += ["### One row: microseconds", ""]
    rows = []
    for network, words in NETWORKS.items():
        found = gathered(bench, network, "row")
        base = statistics.median(each[0] for each in found["module"]) if found.get("module") else None
        for name, way in ROWS.items():
            rows.append([words, way, *row_cells(found.get(name, []), base)])
    lines += table(("", "", "p50", "p99", "p50 above the bare module", "ratio"), rows)
    return [
        *lines,
        "Wanted: the ready predictor at most 1.3 times the bare module, `predict` at most 150 µs above it.",
        "",
    ]


def rate_cells(name: str, values: list[Any], base: float | None) -> list[str]:
    """Return the cells of a rate; ONNX Runtime's is bold where it beats the module."""
    if not values or isinstance(values[0], str):
        return [values[0] if values else "not run", ""]
    middle = statistics.median(values)
    return [
        bold(spread(values), name == "onnx" and base is not None and middle > base),
        f"{middle / base:.2f}" if base else "",
    ]


def row_cells(values: list[Any], base: float | None) -> list[str]:
    """Return the cells of (p50, p99) in microseconds."""
    if not values or isinstance(values[0], str):
        return [values[0] if values else "not run", "", "", ""]
    middle = statistics.median(each[0] for each in values)
    cells = [spread([each[0] for each in values]), spread([each[1] for each in values])]
    return [*cells, short(middle - base), f"{middle / base:.2f}"] if base else [*cells, "", ""]
