"""How many trials a minute a comparison does with one process and with two, in turn.

    python benchmarks/compare_rate.py [--rounds 1]

One factor of one network on scikit-learn's breast_cancer: the same eighty trials both times, counted in the ledger from
the first result to the last, so that the start of the processes does not count. On an idle machine with two processors;
one process has both of them for its arithmetic, two have one each.
"""

import argparse
import json
import tempfile
from pathlib import Path

from sklearn.datasets import load_breast_cancer

import nnzoo
from nnzoo.data.dataset import Data

FACTOR = {"n_hidden": [25, 50, 100, 200]}


def rate(data: Data, n_workers: int) -> float:
    """Return the units a minute of a comparison with so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        nnzoo.compare(data, network="feed-forward", vary=FACTOR, time_limit=None, n_workers=n_workers, out=folder)
        lines = [json.loads(line) for line in (Path(folder) / "ledger.jsonl").read_text().splitlines()]
    times = [line["seconds"] for line in lines if "result" in line]
    return 60 * (len(times) - 1) / (times[-1] - times[0])


def main() -> None:
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    X, y = load_breast_cancer(return_X_y=True)
    data = nnzoo.load(X, target=y, task="classification")
    for _ in range(options.rounds):
        one, two = (rate(data, n_workers) for n_workers in (1, 2))
        print(
            f"{one:.0f} trials a minute with one process, {two:.0f} with two: {two / one:.2f} times as many", flush=True
        )


if __name__ == "__main__":
    main()
