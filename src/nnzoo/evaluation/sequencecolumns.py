"""Sequences as the columns of a table, for the baselines: what a person would count, without their order."""

from collections.abc import Collection

import numpy as np

from nnzoo.ragged import Ragged

MAX_CODES = 1_000


def sequence_columns(rows: Ragged, codes: Collection[int] = ()) -> np.ndarray:
    """Return one row a sequence: float64 (n, n_columns).

    The number of steps; of each value mean, deviation, smallest, largest, first and last; of each column of codes how
    often every code occurs, the first 1,000 codes apart. 0/1 columns so become shares.
    """
    numbers = [column for column in range(rows.width) if column not in codes]
    columns = [rows.lengths[:, None].astype(np.float64)]
    if numbers:
        values = rows.values[:, numbers]
        mean = np.add.reduceat(values, rows.starts) / rows.lengths[:, None]
        away = np.add.reduceat(np.square(values - np.repeat(mean, rows.lengths, axis=0)), rows.starts)
        last = values[rows.starts + rows.lengths - 1]
        columns += [mean, np.sqrt(away / rows.lengths[:, None]), np.minimum.reduceat(values, rows.starts)]
        columns += [np.maximum.reduceat(values, rows.starts), values[rows.starts], last]
    owner = np.repeat(np.arange(len(rows)), rows.lengths)
    for column in sorted(codes):
        found = np.minimum(rows.values[:, column].astype(np.int64), MAX_CODES - 1)
        n_codes = int(found.max(initial=0)) + 1
        counts = np.bincount(owner * n_codes + found, minlength=len(rows) * n_codes)
        columns.append(counts.reshape(len(rows), n_codes).astype(np.float64))
    return np.hstack(columns)


def paired_columns(train: Ragged, test: Ragged, codes: Collection[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of training and test rows alike, codes that only one of them has included."""
    both = Ragged(np.concatenate([train.values, test.values]), np.concatenate([train.lengths, test.lengths]))
    table = sequence_columns(both, codes)
    return table[: len(train)], table[len(train) :]
