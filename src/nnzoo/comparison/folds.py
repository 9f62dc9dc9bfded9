"""The folds of a comparison: the same cuts of the same rows for every candidate, the test part of the data left alone.

Rows are cut into five folds, again and again with other seeds: classes in equal shares, groups and entities whole.
Where time runs, a fold is tested on what comes after its training rows, so that there are five folds and no more.
"""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nnzoo.data.dataset import Data, strata_of
from nnzoo.data.sequences import IN_TIME, Sequences
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN, VALID, first_seen_codes, split
from nnzoo.errors import DataError, counted

N_FOLDS = 5
VALID_SHARE = 0.18
"""Of a fold's training rows: a little more than ``load`` takes, because a fold keeps fewer of them."""
BLOCKS_BEFORE = 5
"""In time, the first fold trains on so many blocks; each fold is tested on the block after its last one."""
FEWEST_ROWS = 10


@dataclass(frozen=True)
class Folds:
    """The folds of some data, made when they are asked for.

    Parameters
    ----------
    data : Data
        As loaded. Its test part is in no fold.
    seed : int, default 0
    """

    data: Data
    seed: int = 0

    @cached_property
    def in_time(self) -> bool:
        """Whether a fold is tested on what comes after its training rows."""
        data = self.data
        return data.time is not None or data.thing == "piece"

    @cached_property
    def n_parts(self) -> int:
        """Folds that together test every row once: 5, or as many as there are groups."""
        if self.data.group is None or self._by_step:
            return N_FOLDS
        return int(min(N_FOLDS, self._groups.max() + 1))

    @property
    def most(self) -> int | None:
        """How many folds there can be at the most; None where repeats give as many as are wanted."""
        return N_FOLDS if self.in_time else None

    @cached_property
    def share(self) -> float:
        """Test rows for each training row of a fold, which the correction of the test of difference needs."""
        fold = self.make(1)
        if self._by_step and fold.sequences is not None:
            n_steps = fold.sequences.lengths
            return float(n_steps[fold.part == TEST].sum() / n_steps[fold.part != TEST].sum())
        return float((fold.part == TEST).mean() / (fold.part != TEST).mean())

    def make(self, number: int) -> Data:
        """Return fold ``number``, from 1: the rows outside the sealed test, with parts of their own.

        Number 0 has no test part: training and validation rows as they were loaded, to choose settings for good.

        Raises
        ------
        DataError
            The rows are too few to be cut.
        """
        data = self.data
        kept = data.part != TEST
        if number == 0:
            return data.split_again(kept, data.part[kept], "the training and validation rows")
        if self._by_step:
            return self._cut_in_time(number)
        n_rows = int(kept.sum())
        if n_rows < FEWEST_ROWS:
            raise DataError(
                f"A comparison needs at least {FEWEST_ROWS} {data.thing}s outside the test part; got {n_rows}.",
                "Give more rows.",
            )
        repeat, place = divmod(number - 1, self.n_parts)
        owner = self._ordered(n_rows) if self.in_time else self._owners(n_rows, repeat)
        tested = owner == (place + BLOCKS_BEFORE if self.in_time else place)
        part = np.full(n_rows, TEST, dtype=np.int8)
        learned = owner < place + BLOCKS_BEFORE if self.in_time else ~tested
        part[learned] = self._validated(np.flatnonzero(kept)[learned], number)
        mask = kept.copy()
        mask[kept] = tested | learned
        return data.split_again(mask, part[tested | learned], f"fold {number}")

    @property
    def _by_step(self) -> bool:
        """Whether the parts are pieces of series that are cut by time, to be cut anew."""
        return self.data.schema is not None and self.data.schema.layout in IN_TIME

    @cached_property
    def _groups(self) -> np.ndarray:
        """Number of the group of each row outside the test."""
        return first_seen_codes(self.data.frame[str(self.data.group)])[self.data.part != TEST]

    def _owners(self, n_rows: int, repeat: int) -> np.ndarray:
        """Return the fold that each row is tested in, from 0."""
        from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

        strata = strata_of(self.data)
        classes = None if strata is None else first_seen_codes(strata)[self.data.part != TEST]
        if classes is not None and np.bincount(classes).max() < self.n_parts:
            classes = None
        grouped = self.data.group is not None
        makers = {(False, False): KFold, (False, True): GroupKFold}
        makers |= {(True, False): StratifiedKFold, (True, True): StratifiedGroupKFold}
        maker = makers[classes is not None, grouped](self.n_parts, shuffle=True, random_state=self.seed + repeat)
        owner = np.empty(n_rows, dtype=np.int64)
        with warnings.catch_warnings():
            # a class with fewer rows than folds is absent from some: its rows count where they are tested
            warnings.filterwarnings("ignore", message="The least populated class")
            cuts = maker.split(np.zeros(n_rows), classes, self._groups if grouped else None)
            for place, (_, tested) in enumerate(cuts):
                owner[tested] = place
        return owner

    def _ordered(self, n_rows: int) -> np.ndarray:
        """Return the block of time that each row is in, from 0; rows of equal time are in one block."""
        n_blocks = BLOCKS_BEFORE + N_FOLDS
        if self.data.time is None:
            return np.arange(n_rows) * n_blocks // n_rows
        times = self.data.frame[self.data.time].to_numpy()[self.data.part != TEST]
        first = np.searchsorted(np.sort(times), times)
        return first * n_blocks // n_rows

    def _validated(self, rows: np.ndarray, number: int) -> np.ndarray:
        """Return TRAIN or VALID for some rows of the data, cut as ``load`` cuts them."""
        data = self.data
        frame = data.frame[rows]
        shares = (1 - VALID_SHARE - 1e-9, VALID_SHARE, 1e-9)
        if data.time is not None:
            found = split(len(rows), times=frame[data.time], shares=shares).part
        elif self.in_time:
            found = split(len(rows), times=np.arange(len(rows)), shares=shares).part
        elif data.group is not None:
            found = split(len(rows), groups=frame[data.group], seed=self.seed + number, shares=shares).part
        else:
            strata = strata_of(data)
            classes = None if strata is None else strata[rows]
            found = split(len(rows), strata=classes, seed=self.seed + number, shares=shares).part
        return np.where(found == TEST, VALID, found)

    def _cut_in_time(self, number: int) -> Data:
        """Return the series up to the end of the fold's block, cut into pieces of their own."""
        data = self.data
        if data.sequences is None:
            raise DataError(f"{data.origin} has no steps.", "Load it as sequences.")
        n_pieces = len(PART_NAMES)
        lengths = data.sequences.lengths.reshape(-1, n_pieces)
        n_steps = lengths[:, : n_pieces - 1].sum(axis=1)
        n_blocks = BLOCKS_BEFORE + N_FOLDS
        learned = n_steps * (BLOCKS_BEFORE + number - 1) // n_blocks
        ends = np.stack(
            [np.round(learned * (1 - VALID_SHARE)), learned, n_steps * (BLOCKS_BEFORE + number) // n_blocks], axis=1
        ).astype(np.int64)
        cut = np.diff(ends, prepend=0, axis=1)
        if cut.min() < 2:
            raise DataError(
                f"A comparison needs series of at least {4 * n_blocks} steps; the shortest has "
                f"{counted(int(lengths.sum(axis=1).min()), 'step')}.",
                "Give longer series.",
            )
        place = np.arange(data.sequences.n_steps) - np.repeat(data.sequences.starts[::n_pieces], lengths.sum(axis=1))
        steps = place < np.repeat(ends[:, -1], lengths.sum(axis=1))
        numbers = data.sequences.rows
        sequences = Sequences(
            data.sequences.frame.filter(steps), cut.ravel(), None if numbers is None else numbers[steps]
        )
        part = np.tile(np.array([TRAIN, VALID, TEST], dtype=np.int8), len(lengths))
        return replace(data, sequences=sequences, part=part, how_split=f"fold {number}, by time")
