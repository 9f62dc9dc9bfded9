"""Accuracy is not paid: nnzoo's default precision beside its float32 and beside the plain loop with the same recipe."""

import statistics
from typing import Any

from machine import ran, reasons, table

from sections.epochs import BATCH, COMMON, N_ROWS, NETWORKS, OURS, PEERS, RECIPE

TITLE = "Scores: accuracy is not paid"
N_SEEDS, N_EPOCHS, DIGITS_EPOCHS = 5, 5, 50
FRAMES = {**NETWORKS, "digits": "scikit-learn's digits, 64-100-10"}
WAYS = {
    "auto": "nnzoo, default precision",
    "float32": "nnzoo, float32",
    "plain": "plain PyTorch loop, float32",
    "plain, same start": "the same, first weights by nnzoo's law",
}


def one(bench: Any, frame: str, way: str, seed: int) -> dict[str, Any]:
    """Return a run."""
    digits = frame == "digits"
    n_epochs = 1 if bench.quick else DIGITS_EPOCHS if digits else N_EPOCHS
    spec: dict[str, Any] = {"section": "scores", "frame": frame, "way": way, "seed": seed, "test": True}
    spec |= {"data": "digits" if digits else "fashion-mnist", "rows": min(bench.n_rows, N_ROWS)}
    if way not in ("auto", "float32"):
        if way != "plain":
            spec["first_weights"] = "nnzoo's"
        network = "mlp_digits" if digits else frame
        spec |= {"flags": [], "precision": "fp32", "recipe": RECIPE | {"network": network, "n_epochs": n_epochs}}
        return bench.run("plain.py", PEERS["plain"].environment, spec, peer="plain")
    which, own = ("FeedForward", {"n_hidden": 100}) if digits else OURS[frame]
    params = own | COMMON | {"n_epochs": n_epochs, "random_state": seed, "precision": way}
    return bench.run("nnzoo_.py", "nnzoo", spec | {"work": "train", "class": which, "params": params})


def ways(frame: str) -> list[str]:
    """Return what is compared; of the LSTM only the loop with torch's own first weights."""
    return [way for way in WAYS if frame != "lstm" or way != "plain, same start"]


def seeds(bench: Any) -> range:
    """Return the seeds."""
    return range(1 if bench.quick else N_SEEDS)


def measure(bench: Any) -> None:
    """Measure all ways in turn, seed by seed."""
    for seed in seeds(bench):
        for frame in FRAMES:
            for way in ways(frame):
                one(bench, frame, way, seed)


def report(bench: Any) -> list[str]:
    """Return the table."""
    rows = []
    for frame, words in FRAMES.items():
        found = {way: [one(bench, frame, way, seed) for seed in seeds(bench)] for way in ways(frame)}
        plain = [
            [each["accuracies"][-1] for each in ran(runs)] for way, runs in found.items() if way.startswith("plain")
        ]
        for way in found:
            there, said = ran(found[way]), WAYS[way]
            if not there:
                rows.append([words, said, reasons(found[way]), "", "", ""])
                continue
            scores = [each["accuracies"][-1] for each in there]
            spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
            arithmetic = f" ({there[0]['arithmetic']})" if "arithmetic" in there[0] else ""
            falls = [fall(way, scores, each) for each in (plain[0], plain[-1])]
            row = [words, said + arithmetic, f"{statistics.mean(scores):.4f}", f"{spread:.4f}"]
            rows.append([*row, falls[0], falls[1] if len(plain) > 1 else ""])
    text = (
        f"Test accuracy after {N_EPOCHS} epochs ({DIGITS_EPOCHS} on digits) at batch {BATCH}, Adam at 1e-3: mean and standard "
        f"deviation over {len(seeds(bench))} seeds, and the difference of the mean to the plain loop's. nnzoo starts from larger "
        "weights than torch's layers do and from a last layer of zeros, and learns faster at first; to tell what the engine does "
        "from what that does, the plain loop runs from such weights, too. A difference counts from the loop's own spread on."
    )
    head = ("", "", "accuracy", "spread", "difference", "difference from the same law of first weights")
    return [text, "", *table(head, rows)]


def fall(way: str, scores: list[float], plain: list[float]) -> str:
    """Return the difference to the plain loop, and whether it falls beyond its spread."""
    if way.startswith("plain") or not plain:
        return ""
    difference = statistics.mean(scores) - statistics.mean(plain)
    limit = statistics.stdev(plain) if len(plain) > 1 else 0.0
    beyond = len(plain) > 1 and difference < -limit
    return f"{difference:+.4f}" + (", **below the spread**" if beyond else "")
