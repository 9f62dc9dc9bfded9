"""What reservoirs share: a recurrent pool that is drawn and never trained, and a least-squares readout over sequences.

A pool reads sequences as a recurrent layer does, (n, T, d) and a state to (n, T, n_hidden) and the state behind. Beside
its states the readout sees the inputs themselves. Sequences are worked through in windows of time, so that memory
follows the window and not their length; the inputs of a window are multiplied at once.

The links of a pool are few: their product is taken by scipy's sparse matrices where at most a fifth of them is there.
On two cores, at 500 units with a tenth of all links, a step of one series took 18 μs so and 90 μs by torch.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Truth, Whole, either
from nnzoo.engine.batches import Batch
from nnzoo.engine.steps import Steps
from nnzoo.errors import DataError
from nnzoo.estimator import TABLE_RANGES, ScoreNetwork
from nnzoo.inputs import Inputs
from nnzoo.networks.gates import plain
from nnzoo.networks.memory import POOLINGS, Carried, RecurrentBody
from nnzoo.networks.parameters import ReadoutParameters, with_parameters
from nnzoo.networks.parts import TableInput
from nnzoo.networks.remembering import Remembering
from nnzoo.sequences import OUTPUTS
from nnzoo.trace import MAX_SHOWN, Step
from nnzoo.tracing import Names
from nnzoo.training.loop import LoopSettings
from nnzoo.training.readout import Kept, ReadoutTrainer, one_pass, with_sums

FEW_LINKS = 0.2
"""Share of the links up to which a product by a sparse matrix is the faster one."""
WINDOW_VALUES = 2**19
"""States of a window of time, over all its steps, sequences and units."""
GROUP_STEPS = 2**15
"""Steps of the sequences that are read side by side."""
KEPT_VALUES = 2**22
"""States that are kept for the solution: those of a chaotic series are so alike that XXᵀ alone would lose the digits
that a forecast needs. 8,000 steps of 500 units."""
LONGEST_WASHOUT, WASHED_SHARE = 100, 10


class Links(nn.Module):
    """The weights W (n_hidden, n_hidden) of a pool, from the sending unit (column) to the receiving one (row)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self._kept: tuple[Any, int, Any] = (None, 0, None)

    @property
    def matrix(self) -> Any:
        """Return W for products with numpy arrays (n_hidden, n): sparse where links are few."""
        kept, version, matrix = self._kept
        if kept is not self.weight or version != self.weight._version:
            dense = self.weight.numpy()
            is_sparse = np.count_nonzero(dense) <= FEW_LINKS * dense.size
            matrix = sparse.csr_matrix(dense) if is_sparse else dense
            self._kept = (self.weight, self.weight._version, matrix)
        return matrix

    def __deepcopy__(self, memo: dict[int, Any]) -> "Links":
        copy = memo[id(self)] = Links(self.weight.detach().clone())
        return copy


class ReservoirBody(RecurrentBody):
    """A pool over sequences; then one vector a sequence, or one a step: its states, and the inputs beside them.

    Categories given by code become random vectors of mean square 1; code 0, the unknown one, becomes zeros.

    Parameters
    ----------
    table : TableInput
        For the values of a step.
    make_pool : callable
        Number of values of a step to the pool.
    pooling : "last", "mean" or "max"
    per_step : bool
    """

    def __init__(
        self, table: TableInput, make_pool: Callable[[int], nn.Module], *, pooling: str, per_step: bool
    ) -> None:
        super().__init__(table, make_pool, pooling=pooling, per_step=per_step)
        self.n_out += table.n_out
        for embedding in table.embeddings:
            weight: Any = embedding.weight
            if not weight.is_meta:
                nn.init.normal_(weight)
                nn.init.zeros_(weight[0])
        self.requires_grad_(False)

    @property
    def pool(self) -> Any:
        """Return the pool."""
        return self.forward_layers[0]

    def advance(self, x: Steps, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        """Return outputs (n, longest, n_out) and what goes on; where one vector a sequence is wanted, no outputs."""
        outputs, width = [], max(len(x), 1) * self.n_out
        for window in x.windows(max(WINDOW_VALUES // width, 1)):
            u = window.padded(self.table(window.flat()))
            h, state = self.pool(u, None if carried is None else carried.layers[0])
            h = torch.cat([h, u], dim=2)
            carried = Carried((state,), *self._pool(h, window, carried))
            outputs.append(h if self.per_step else h[:, :0])
        if carried is None:
            raise DataError("A reservoir needs sequences of at least one step; got none.", "Leave empty ones out.")
        return torch.cat(outputs, dim=1), carried

    def trace(self, x: Steps, output: Tensor, names: Names, *, brief: bool = False) -> Iterator[Step]:
        """Yield how one sequence is read, and how states and inputs become one vector; it is always brief."""
        del brief
        read = self.table(x.flat())
        yield from self.table.trace(x.flat(), read, names)
        names.labels, symbol = (), names.last
        u = x.padded(read)
        h = self.pool(u)[0]
        yield from self.pool.trace_steps(u, h, (symbol, "h1"))
        names.number, names.last = 1, "h1"
        both = plain(torch.cat([h, u], dim=2)[0])
        name = "[h1, u]"
        yield Step(
            "direct links",
            "The inputs beside the states",
            f"{name}(t) = [h1(t), {symbol}(t)]",
            f"{h.shape[2]:,} states, then {u.shape[2]:,} inputs, at each of {len(both):,} steps",
            name,
            both,
            "The readout sees the inputs beside the states: what is linear in them needs no unit.",
            {"h1": plain(h[0]), symbol: plain(u[0])} if both.size <= MAX_SHOWN else {},
        )
        names.last = name
        if self.per_step:
            names.last = f"{name}({x.longest})"
        else:
            yield self.trace_summary(both, plain(output[0]), names)


class SequenceReadout(ReadoutTrainer):
    """Least squares on what a reservoir makes of sequences, in windows of time.

    Parameters
    ----------
    network, head, ridge
        As for :class:`ReadoutTrainer`.
    washout : int
        Steps at the start of each sequence from which nothing is learned where every step has a target.
    mean_length : float
        Of the training sequences, so that the loss is that of a step where every step has a target.
    """

    def __init__(self, network: Any, head: Any, *, ridge: float | str, washout: int, mean_length: float) -> None:
        super().__init__(network, head, ridge=ridge)
        self.n_kept = max(self.n_kept, KEPT_VALUES // network.body.n_out)
        self.washout = washout
        self.steps_per_row = max(mean_length - washout, 1.0) if network.body.per_step else 1.0

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Add the sequences and solve anew; returns the loss of a sequence, or of a step."""
        return {name: loss / self.steps_per_row for name, loss in super().step(batch, generator).items()}

    def _rows(self, batch: Batch) -> Iterator[Kept]:
        """Yield the rows as they are summed; noise of the states belongs to learning alone."""
        pool = self.network.body.pool
        self.network.eval()
        pool.train()
        try:
            yield from super()._rows(batch)
        finally:
            pool.eval()

    def _features(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield features, targets and weights of sequences, or of their steps behind the washout, some at a time."""
        body = self.network.body
        for part in batch.pieces(GROUP_STEPS, GROUP_STEPS):
            inputs: Any = self.network.scaling(part.inputs)
            target: Any = part.target
            weight = torch.ones(len(part), dtype=torch.float64) if part.weight is None else part.weight.double()
            if not body.per_step:
                yield body.summary(body.advance(inputs)[1]), target, weight
                continue
            carried, n_steps = None, max(WINDOW_VALUES // (len(part) * body.n_out), 1)
            pairs = zip(inputs.windows(n_steps), target.windows(n_steps), strict=True)
            for number, (window, wanted) in enumerate(pairs):
                outputs, carried = body.advance(window, carried)
                rows = window.rows()
                kept = number * n_steps + _numbers_of_steps(window) >= self.washout
                yield body.flat(outputs, window)[kept], wanted.flat()[kept], weight[rows][kept]


def _numbers_of_steps(x: Steps) -> Tensor:
    """Return for every step of ``x.flat()`` its number within its row, from 0."""
    before = x.lengths.cumsum(0) - x.lengths
    return torch.arange(int(x.lengths.sum())) - before.repeat_interleave(x.lengths)


@with_parameters
class Reservoir(ReadoutParameters, Remembering):
    """A network of a pool and a readout; the class gives ``make_pool(n_in)``.

    Parameters
    ----------
    output : "sequence", "step" or "next", default "sequence"
        One target a sequence, one a step, or what comes next in the sequence itself; then ``fit(X)`` needs no y.
    n_hidden : int, default 500
        Units of the pool.
    input_scaling : float, default 0.5
        Deviation of the sums of a unit over standardised inputs.
    pooling : "last", "mean" or "max", default "mean"
        How states become one vector a sequence.
    differences : bool, default False
        Of forecasts: read and learn the change from step to step in place of the value, for series that wander or grow.
    washout : int or "auto", default "auto"
        Steps at the start of each sequence that are read and not learned from, where every step has a target. "auto":
        of a single series a tenth, 100 at most; else none.
    categorical_features : list of int or None
        Values of a step that are category codes 0, 1, 2, ... (0 is "unknown"); each gets a random vector.
    kind : None or "sequence", default None
    input_shape : list of int or None
        (steps, values), where rows come flat with more than one value a step.
    Others: those of ReadoutParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised steps to scores.
    n_features_in_ : int
        Values of a step; of flat rows their columns.
    n_iter_ : int
    history_ : dict of str to list
        "train_loss" is the least squared error of the coded targets with its penalty, a sequence or a step.
    Others: those of ReadoutParameters.
    """

    output: str = "sequence"
    n_hidden: int = 500
    input_scaling: float = 0.5
    pooling: str = "mean"
    differences: bool = False
    washout: int | str = "auto"
    categorical_features: Sequence[int] | None = None

    ranges: ClassVar[Mapping[str, Range]] = {
        **ReadoutParameters.ranges,
        "categorical_features": TABLE_RANGES["categorical_features"],
        "output": OneOf(OUTPUTS),
        "n_hidden": Whole(1, 10**5),
        "pooling": OneOf(POOLINGS),
        "differences": Truth(),
        "input_scaling": Real(0.0, 1e6, above=True),
        "washout": either(OneOf(("auto",)), Whole(0)),
    }

    def make_body(self: Any, inputs: Inputs) -> nn.Module:
        """Return the body, drawn, for steps of these values."""
        self._check_differences()
        table = TableInput(inputs.n_scaled, inputs.n_codes)
        pooling = "last" if self.output == "next" else self.pooling
        return ReservoirBody(table, self.make_pool, pooling=pooling, per_step=self.output != "sequence")

    @property
    def ridge_(self: Any) -> float:
        """Return λ of the readout."""
        return float(self.network_.sums.ridge)

    def learn(self: Any, network: nn.Module, n_rows: int, n_steps: int) -> SequenceReadout:
        """Return least squares on the states."""
        length = self.n_values_per_row_ / self.inputs_.n_scaled
        washout = self.washout
        if washout == "auto":
            washout = min(LONGEST_WASHOUT, int(length) // WASHED_SHARE) if n_rows == 1 else 0
        if self.output != "sequence" and n_rows == 1 and washout >= length:
            raise DataError(
                f"{type(self).__name__}: washout={washout} leaves out all {length:.0f} steps to learn from.",
                "Pass a smaller washout.",
            )
        return SequenceReadout(network, self.target_.head, ridge=self.ridge, washout=int(washout), mean_length=length)

    def loop_settings(self: Any, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return one pass."""
        return one_pass(seed)

    def _bare_network(self: Any, inputs: Inputs, sizes: Mapping[str, Any]) -> ScoreNetwork:
        return with_sums(super()._bare_network(inputs, sizes))  # pyright: ignore[reportAttributeAccessIssue]


def uniform(*shape: int) -> Tensor:
    """Return uniform numbers of mean 0 and deviation 1."""
    return math.sqrt(3) * (2 * torch.rand(*shape) - 1)
