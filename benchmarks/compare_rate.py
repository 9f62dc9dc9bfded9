"""How many trials a minute a comparison does with one process and with two, in turn.

    python benchmarks/compare_rate.py [--seconds 90] [--rounds 1]

The data are scikit-learn's breast_cancer; units are counted in the ledger, from the first to the last one of a run, so
that the start of the processes does not count. On an idle machine with two processors.
"""

import argparse
import json
import tempfile
from pathlib import Path

from sklearn.datasets import load_breast_cancer

import nnzoo


def rate(data: "nnzoo.data.dataset.Data", n_workers: int, seconds: float) -> float:
    """Return the units a minute of a comparison with so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        nnzoo.compare(data, time_limit=seconds, n_workers=n_workers, out=folder)
        lines = [json.loads(line) for line in (Path(folder) / "ledger.jsonl").read_text().splitlines()]
    times = [line["seconds"] for line in lines if "result" in line]
    return 60 * (len(times) - 1) / (times[-1] - times[0])


def main() -> None:
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    X, y = load_breast_cancer(return_X_y=True)
    data = nnzoo.load(X, target=y, task="classification")
    for _ in range(options.rounds):
        one, two = (rate(data, n_workers, options.seconds) for n_workers in (1, 2))
        print(
            f"{one:.0f} trials a minute with one process, {two:.0f} with two: {two / one:.2f} times as many", flush=True
        )


if __name__ == "__main__":
    main()
