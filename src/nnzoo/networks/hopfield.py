"""Hopfield Network (HN): a memory of patterns that completes what is broken.

    W = (1/N) Σ_μ ξ^μ ξ^μᵀ,  w_ii = 0                  what is stored, states are -1 and 1 (Hebb's rule)
    sᵢ ← sign(Σⱼ wᵢⱼ sⱼ - θ)                           recall, unit after unit; where the sum is 0 sᵢ stays
    E = -½ sᵀWs + θ Σᵢ sᵢ                              never rises

Storkey's rule takes pattern after pattern: wᵢⱼ ← wᵢⱼ + (ξᵢξⱼ - ξᵢhⱼᵢ - hᵢⱼξⱼ)/N with hᵢⱼ = Σ_{k≠i,j} wᵢₖξₖ. The
pseudo-inverse makes W the projection on the patterns, so that independent ones all stay. A dense memory has
E = -Σ_μ (ξ^μ·s/N)ⁿ + θ Σᵢ sᵢ; for n = 2 it recalls as Hebb's rule does. The modern one takes any numbers:

    q ← Ξᵀ softmax(β Ξ q),  E = -β⁻¹ log Σ_μ exp(β ξ^μ·q) + ½ q·q

Sources: Hopfield 1982; Storkey 1997; Personnaz, Guyon & Dreyfus 1985 (pseudo-inverse); Amit, Gutfreund & Sompolinsky
1985 (capacity); Krotov & Hopfield 2016 (dense); Ramsauer et al. 2020 (modern, which is attention).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.engine.batches import Batch
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import Network, Rows
from nnzoo.evaluation.rowvalues import RowValues
from nnzoo.inputs import Inputs
from nnzoo.networks.associative import AssociativeMemory, Recall
from nnzoo.networks.levels import round_levels
from nnzoo.networks.parameters import UnlabelledParameters, with_parameters
from nnzoo.networks.showing_recall import recall_values, trace_recall
from nnzoo.networks.unlabelled import Unlabelled
from nnzoo.targets import Target
from nnzoo.trace import Step
from nnzoo.tracing import Names, array, trace_layers, trace_scaling
from nnzoo.training.loop import LoopSettings

PIECE_ROWS = 1024


class HopfieldBody(nn.Module):
    """Overlaps with the stored patterns: rows (n, *shape) to (n, n_patterns), and recall of rows."""

    def __init__(self, shape: tuple[int, ...], memory: AssociativeMemory, recall: Recall) -> None:
        super().__init__()
        self.shape = shape
        self.memory = memory
        self.recall = recall

    @property
    def n_out(self) -> int:
        """Return the number of stored patterns."""
        return len(self.memory.patterns)

    def forward(self, x: Tensor) -> Tensor:
        """Return the overlaps of the states of rows with the stored patterns."""
        return self.memory.overlaps(self.memory.state_of(x.flatten(1)))

    def decode(self, z: Tensor) -> Tensor:
        """Return the stored pattern with the largest overlap, as rows (n, *shape)."""
        return self.memory.row_of(self.memory.patterns[z.argmax(dim=1)]).unflatten(1, self.shape)

    def recalled(self, x: Tensor) -> Tensor:
        """Return the states (n, n_in) that rows end in."""
        return self.recall(self.memory.state_of(x.flatten(1)))

    def row_loss(self, x: Tensor) -> Tensor:
        """Return the energy of each row (n,)."""
        return self.memory.energy(self.memory.state_of(x.flatten(1)))

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how one row is recalled."""
        yield from trace_recall(self.memory, self.recall, x.flatten(1), names)


class MemoryTrainer:
    """Store rows by a rule, in one step.

    Parameters
    ----------
    network : CodeNetwork
    rule : "hebb", "storkey" or "pseudo_inverse"
        Of a classic memory; the others keep the patterns alone.
    """

    finished = False

    def __init__(self, network: Any, rule: str) -> None:
        self.network = network
        self.memory: AssociativeMemory = network.body.memory
        self.rule = rule

    @torch.no_grad()
    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Store the rows; returns the share of their entries that the memory would change at once."""
        x = torch.cat([self._rows(part) for part in batch.pieces(PIECE_ROWS, PIECE_ROWS)])
        weight = x.new_ones(len(x)) if batch.weight is None else batch.weight
        s = self.memory.keep(x, weight)
        if self.memory.memory == "classic":
            {"hebb": self._hebb, "storkey": self._storkey, "pseudo_inverse": self._project}[self.rule](s, weight.to(s))
        return {"loss": self.measure(batch)}

    def _rows(self, part: Batch) -> Tensor:
        return self.network.scaling(part.inputs).flatten(1)

    def _hebb(self, s: Tensor, weight: Tensor) -> None:
        self.memory.weight.add_((s * weight[:, None]).t() @ s / s.shape[1]).fill_diagonal_(0)

    def _storkey(self, s: Tensor, weight: Tensor) -> None:
        w, n = self.memory.weight, s.shape[1]
        for pattern, share in zip(s, weight.tolist(), strict=True):
            h = (w @ pattern)[:, None] - w * pattern  # h[i, j], as w_ii = 0
            away = pattern[:, None] * h.t()
            w.add_((torch.outer(pattern, pattern) - away - away.t()) * (share / n)).fill_diagonal_(0)

    def _project(self, s: Tensor, weight: Tensor) -> None:
        _, values, right = torch.linalg.svd(self.memory.patterns.double(), full_matrices=False)
        right = right[values > values[:1] * max(self.memory.patterns.shape) * torch.finfo(values.dtype).eps]
        self.memory.weight.copy_(right.t() @ right).fill_diagonal_(0)

    @torch.no_grad()
    def measure(self, batch: Batch) -> float:
        """Return the share of entries that the memory would change at once."""
        changed = 0.0
        for part in batch.pieces(PIECE_ROWS, PIECE_ROWS):
            s = self.memory.state_of(self._rows(part))
            after = self.memory.attended(s) if self.memory.is_modern else self.memory.fields(s)
            away = ((after * s < 0) & (after.abs() > self.memory.rounding)).double().mean(dim=1)
            changed += float(away.sum() if part.weight is None else away @ part.weight.double())
        return changed / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return what is stored."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return what is stored."""
        return None, {f".{name}": tensor for name, tensor in self.network.state_dict().items()}

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        self.network.load_state_dict({name[1:]: tensor for name, tensor in tensors.items()}, assign=True)

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to what was stored."""
        self.network.load_state_dict(weights, assign=True)


@with_parameters
class HopfieldNetwork(UnlabelledParameters, Unlabelled, Network):
    """Hopfield Network: a memory that completes patterns, by running down its energy.

    sᵢ ← sign(Σⱼ wᵢⱼ sⱼ - θ) with W = (1/N) Σ_μ ξ^μ ξ^μᵀ, wᵢᵢ = 0, for states of -1 and 1; q ← Ξᵀ softmax(β Ξ q) for
    numbers of any size. Every training row is a pattern. A number is taken for 1 where it lies above the mean of its
    column, else for -1; what is recalled gets the mean of either side again, which of columns with two values gives
    these back.

    Parameters
    ----------
    rule : "hebb", "storkey" or "pseudo_inverse", default "hebb"
        How a classic memory stores: some 0.14 N patterns drawn by chance by Hebb's rule, more by Storkey's, N
        independent ones by the pseudo-inverse.
    memory : "classic", "dense" or "modern", default "classic"
    update : "asynchronous" or "synchronous", default "asynchronous"
        Unit after unit, in their order, or all at once; the modern memory moves as a whole.
    threshold : float, default 0.0
        θ.
    temperature : float, default 0.0
        T of Glauber's rule: a unit becomes 1 with probability 1 / (1 + exp(-2 h / T)); 0 leaves nothing to chance.
    max_sweeps : int, default 100
        Turns of all units, at most.
    degree : int, default 3
        n of the dense memory.
    inverse_temperature : float, default 1.0
        β of the modern memory: the larger, the fewer patterns come back mixed.
    random_state : int, RandomState or None
        Nothing is drawn in training; ``sample`` has its own.
    Others: those of UnlabelledParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to overlaps (n, n_patterns_).
    n_patterns_ : int
        Stored rows.
    coef_ : ndarray of shape (n_features, n_features)
        W of a classic memory.
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is the share of entries of the stored rows that the memory would change at once.

    Notes
    -----
    ``partial_fit`` adds patterns; the pseudo-inverse is worked out anew from all of them.

    References
    ----------
    Hopfield, "Neural networks and physical systems with emergent collective computational abilities", PNAS 79, 1982.
    Storkey, "Increasing the capacity of a Hopfield network without sacrificing functionality", ICANN 1997. Krotov &
    Hopfield, "Dense associative memory for pattern recognition", NeurIPS 2016. Ramsauer et al., "Hopfield networks is
    all you need", ICLR 2021.

    Examples
    --------
    >>> from nnzoo import HopfieldNetwork
    >>> X = [[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]]
    >>> HopfieldNetwork().fit(X).predict([[-1, 1, 1, 1, -1, -1, -1, -1]]).astype(int).tolist()
    [[1, 1, 1, 1, -1, -1, -1, -1]]
    """

    rule: str = "hebb"
    memory: str = "classic"
    update: str = "asynchronous"
    threshold: float = 0.0
    temperature: float = 0.0
    max_sweeps: int = 100
    degree: int = 3
    inverse_temperature: float = 1.0

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    own_counts: ClassVar[tuple[str, ...]] = ("n_patterns",)
    ranges: ClassVar[Mapping[str, Range]] = {
        **UnlabelledParameters.ranges,
        "rule": OneOf(("hebb", "storkey", "pseudo_inverse")),
        "memory": OneOf(("classic", "dense", "modern")),
        "update": OneOf(("asynchronous", "synchronous")),
        "threshold": Real(-1e9, 1e9),
        "temperature": Real(0.0),
        "max_sweeps": Whole(1, 10**6),
        "degree": Whole(0, 100),
        "inverse_temperature": Real(0.0, above=True),
    }

    @property
    def coef_(self) -> np.ndarray:
        """Return W of a classic memory (n_features, n_features)."""
        return self._memory.weight.cpu().numpy()

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the memory with nothing in it."""
        memory = AssociativeMemory(
            inputs.n_features,
            self.n_patterns_,
            memory=self.memory,
            degree=self.degree,
            beta=self.inverse_temperature,
            threshold=self.threshold,
        )
        recall = Recall(memory, update=self.update, temperature=self.temperature, max_sweeps=self.max_sweeps)
        return HopfieldBody(inputs.shape, memory, recall)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> MemoryTrainer:
        """Return the rule that stores."""
        return MemoryTrainer(network, self.rule)

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return one step with all rows."""
        return LoopSettings(1, n_rows, seed, shuffle=False, keep="last")

    def predict(self, X: Any) -> np.ndarray:
        """Return what each row is completed to, in the unit of the rows: (n, n_features), or images in their shape."""
        inputs = self._check_inputs(X)
        return self._rows_of(self._recalled(inputs))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return what ``predict`` gives."""
        return self.predict(X)

    def answers(self, X: Any) -> Mapping[str, np.ndarray]:
        """Return "prediction", the stored row (from 0) that is nearest to what is recalled, the overlap, the energy.

        An overlap of 1 is that row itself, unit by unit; all else is a spurious state.
        """
        inputs = self._check_inputs(X)
        states = torch.from_numpy(self._recalled(inputs)).to(self._weight)
        overlap = self._pass(self._memory.overlaps, states)
        energy = self._pass(self._memory.energy, states)
        return {"prediction": overlap.argmax(axis=1), "overlap": overlap.max(axis=1), "energy": energy}

    def recall_rate(self, X: Any, wanted: Any) -> float:
        """Return the share of rows of X that are recalled as the rows ``wanted``, unit by unit."""
        found, right = self._recalled(self._check_inputs(X)), self._states(self._check_inputs(wanted))
        if found.shape != right.shape:
            raise DataError(
                f"HopfieldNetwork needs a wanted row for each row; got {len(right):,} for {len(found):,}.",
                "Pass as many rows of each.",
            )
        return float(np.all((found > 0) == (right > 0), axis=1).mean())

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of rows that the memory leaves as they are, unit by unit; y is left aside."""
        inputs = self._check_inputs(X)
        kept = np.all((self._recalled(inputs) > 0) == (self._states(inputs) > 0), axis=1)
        return float(np.average(kept, weights=sample_weight))

    def classify(self, X: Any, labels: Any) -> np.ndarray:
        """Return the label of the stored row nearest to what each row is recalled to; labels are those of training."""
        labels = np.asarray(labels)
        if len(labels) != self.n_patterns_:
            raise DataError(
                f"HopfieldNetwork needs a label for each stored row; got {len(labels):,} for {self.n_patterns_:,}.",
                "Pass the labels of the rows that it was fitted on.",
            )
        return labels[self.answers(X)["prediction"]]

    def spurious_states(self, X: Any) -> np.ndarray:
        """Return the distinct states that rows are recalled to and that are no stored row, nor one turned round.

        States are in the unit of the rows: (n_spurious, n_features), or images in their shape.
        """
        states = self._recalled(self._check_inputs(X))
        overlap = self._pass(self._memory.overlaps, torch.from_numpy(states).to(self._weight))
        most = np.abs(overlap).max(axis=1)
        return self._rows_of(np.unique(states[most < 1 - 1e-6], axis=0))

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return rows drawn by Glauber's rule, after ``max_sweeps`` sweeps from random states, in their own unit.

        Raises
        ------
        UsageError
            Nothing is left to chance: the temperature is 0, or the memory is the modern one.
        """
        memory = self._memory
        if not self.temperature or memory.is_modern:
            raise UsageError(
                f"HopfieldNetwork draws by chance at a temperature above 0; this one has temperature="
                f"{self.temperature:g} and memory={self.memory!r}.",
                'Pass temperature=0.5, and memory="classic" or "dense".',
            )
        draw = np.random.default_rng(_seed_of(random_state))
        states = torch.from_numpy(np.where(draw.random((n_samples, memory.n_out)) < 0.5, -1.0, 1.0)).to(self._weight)
        with torch.inference_mode():
            states = self._body.recall(states, lambda sweep: draw.random((memory.n_out, n_samples)))
        return self._rows_of(states.double().cpu().numpy())

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the share of each row that is right after a tenth of it was turned round and recalled."""
        del X_train
        return recall_values(self, X)

    def trace(self, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield how one row is recalled, step by step, from the tensors that are computed."""
        del labels
        rows = self._read(X, reset=False)[1]
        names = Names("x", tuple(inputs))
        tensors = self._to_inputs(rows)
        if not self.inputs_.pixels:
            yield from trace_scaling(
                self.inputs_.standard, np.asarray(rows[0], dtype=np.float64), array(tensors), names
            )
        yield from trace_layers(self.network_, tensors, names)

    def settle(self, X: Any, sample_weight: Any) -> None:
        """Count what is stored."""
        self.n_patterns_ = self._body.n_out

    @property
    def _body(self) -> HopfieldBody:
        return self.network_.body  # pyright: ignore[reportReturnType]

    @property
    def _memory(self) -> AssociativeMemory:
        return self._body.memory

    def _states(self, inputs: Tensor) -> np.ndarray:
        return self._pass(lambda x: self._memory.state_of(self.network_.scaling(x).flatten(1)), inputs)

    def _recalled(self, inputs: Tensor) -> np.ndarray:
        return self._pass(lambda x: self._body.recalled(self.network_.scaling(x)), inputs)

    def _rows_of(self, states: np.ndarray) -> np.ndarray:
        """Return states (n, n_in) as rows in their own unit."""
        rows = self._in_units(self._memory.row_of(torch.from_numpy(states).to(self._weight)).double().cpu().numpy())
        if self._memory.is_modern or self.inputs_.pixels:
            return rows
        return round_levels(rows, self._weight.dtype)

    def _size(self, train: Rows, target: Target) -> None:
        self.n_patterns_ = train.X.shape[0]
        super()._size(train, target)

    def _sizes(self) -> dict[str, Any]:
        return super()._sizes() | {"n_patterns": self.n_patterns_}

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> Any:
        self.n_patterns_ = sizes["n_patterns"]
        return super()._bare_network(inputs, sizes)


def _seed_of(random_state: int | np.random.RandomState | None) -> int | None:
    """Return the seed of a numpy generator, one drawn from a RandomState."""
    return random_state.randint(2**31 - 1) if isinstance(random_state, np.random.RandomState) else random_state
