"""Writes a small trained model and a table for it: FOLDER/model.nnzoo and FOLDER/rows.csv, so many rows.

python nnzoo_files.py FOLDER N_ROWS
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

import nnzoo

N_COLUMNS, PIECE, TRAINED_ROWS = 20, 50_000, 2_000


def write_rows(path: Path, n_rows: int) -> None:
    """Write a table of 20 columns of numbers and a label, piece by piece."""
    draw = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, n_rows, PIECE):
            values = draw.standard_normal((min(PIECE, n_rows - start), N_COLUMNS)).round(3)
            frame = pl.DataFrame(values, schema=[f"x{k}" for k in range(N_COLUMNS)])
            frame = frame.with_columns(y=pl.Series(np.where(values[:, 0] > 0, "yes", "no")))
            frame.write_csv(file, include_header=start == 0)


def write_model(path: Path) -> None:
    """Train a small model and save it."""
    rows = path.with_name("train.csv")
    write_rows(rows, TRAINED_ROWS)
    data = nnzoo.load(rows, target="y")
    model = nnzoo.build("feed-forward", data, {"n_epochs": 1, "n_hidden": 32})
    nnzoo.train(model, data, verbose=0).save(path)


if __name__ == "__main__":
    write_model(Path(sys.argv[1]) / "model.nnzoo")
    write_rows(Path(sys.argv[1]) / "rows.csv", int(sys.argv[2]))
