"""Markov Chain (MC): what comes next depends on the last symbols alone.

    P_ij = n_ij / Σ_j n_ij                              how often j came behind i: the likeliest chain
    π P = π,  H = -Σ_i π_i Σ_j P_ij log₂ P_ij           the long run, and its bits a symbol

Of order k a state is the last k symbols. Long contexts are rare, so a longer one can be mixed with the one that is a
symbol shorter, down to all symbols being equally likely:

    Witten-Bell   P(x|c) = (n(c, x) + T(c) P(x|c')) / (n(c) + T(c)),  T(c) different symbols behind c
    Kneser-Ney    P(x|c) = max(v(c, x) - D(v), 0) / v(c) + rest(c) P(x|c')

with v the count for the longest contexts, for shorter ones the number of different symbols that came before, and a
discount D each for v = 1, v = 2 and more, from how many pairs came once, twice, three and four times.

The chart draws stochastic units, all joined; a chain has states, and its links have a direction and lead back to where
they come from, too.

Sources: Markov 1906, 1913; Hayes 2013; Anderson & Goodman 1957 (tests of the order); Witten & Bell 1991; Kneser & Ney
1995, interpolated and with three discounts as by Chen & Goodman 1999.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.data import stored
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.scaling import Standardizer
from nnzoo.engine.steps import Steps
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import Network, Rows
from nnzoo.evaluation.rowvalues import Competitor, RowValues, Shown, timed_competitor
from nnzoo.fitted import FittedState
from nnzoo.inputs import Inputs
from nnzoo.networks.contexts import (
    BACKOFFS,
    ContextTree,
    OrderFit,
    Table,
    add_grams,
    border_of,
    count_grams,
    distinct,
    fits_of_orders,
    shifted,
    trace_contexts,
)
from nnzoo.networks.states import StatesOfChain
from nnzoo.networks.symbols import Alphabet, Symbols, read_symbols
from nnzoo.networks.unlabelled import UNLABELLED_RANGES, CodeNetwork
from nnzoo.pictures.graphs import transition_graph
from nnzoo.ragged import Ragged
from nnzoo.targets import NO_TARGET, Target
from nnzoo.trace import Step
from nnzoo.tracing import Names
from nnzoo.training.loop import LoopSettings

BLOCK_ROWS = 256
MOST_SHOWN = 40
LEAST = float(np.finfo(np.float64).tiny)
"""What a symbol without a chance counts as in a loss, which is to be finite: 1,022 bits."""


class ContextCounts(nn.Module):
    """How often each symbol came behind each context: sequences to the probabilities of what comes next.

    Parameters
    ----------
    order, n_symbols, n_grams : int
    smoothing : float
    backoff : None, "witten_bell" or "kneser_ney"

    Attributes
    ----------
    grams : int32 Tensor of shape (n_grams, order + 1)
        A symbol and those before it, the nearest first.
    counts : Tensor of shape (n_grams,)
    """

    grams: Tensor

    def __init__(self, order: int, n_symbols: int, n_grams: int, *, smoothing: float, backoff: str | None) -> None:
        super().__init__()
        self.order = order
        self.n_out = n_symbols
        self.smoothing = smoothing
        self.backoff = backoff
        self.counts = nn.Parameter(torch.zeros(n_grams), requires_grad=False)
        self.register_buffer("grams", torch.zeros(n_grams, order + 1, dtype=torch.int32))
        self._tree: tuple[Tensor, ContextTree] | None = None

    @property
    def drawn(self) -> tuple[str, str, str]:
        """Return what it is in a drawing."""
        return "P", "symbols", f"order {self.order}, {len(self.counts):,} contexts and what came next"

    @property
    def table(self) -> Table:
        """Return grams and counts as arrays."""
        return self.grams.numpy(), self.counts.detach().double().numpy()

    def keep(self, table: Table, n_symbols: int) -> None:
        """Take over a table of grams."""
        self.n_out = n_symbols
        self.grams = torch.from_numpy(table[0].astype(np.int32))
        self.counts = nn.Parameter(torch.from_numpy(table[1]).to(self.counts.dtype), requires_grad=False)

    @property
    def tree(self) -> ContextTree:
        """Return the contexts of the table, worked out once."""
        if self._tree is None or self._tree[0] is not self.grams:
            self._tree = self.grams, self.tree_of(self.order)
        return self._tree[1]

    def tree_of(self, order: int, backoff: str | None = "as here") -> ContextTree:
        """Return the contexts of a chain of the same sequences and of this order or a lower one."""
        grams, counts = self.table
        if order < self.order:
            grams, counts = distinct(list(grams[:, : order + 1].T), self.n_out + 1, counts)
        rule = self.backoff if backoff == "as here" else backoff
        return ContextTree(grams, counts, self.n_out, smoothing=self.smoothing if rule is None else 0.0, backoff=rule)

    def before(self, codes: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
        """Return the symbols before every place of sequences, the nearest first."""
        return [shifted(codes, starts, back, border_of(self.n_out)) for back in range(1, self.order + 1)]

    def behind(self, codes: np.ndarray, ends: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Return the last symbols of sequences that end before ``ends``, the nearest first."""
        border = border_of(self.n_out)
        nearest = range(1, self.order + 1)
        return [np.where(lengths >= back, codes[ends - np.minimum(back, lengths)], border) for back in nearest]

    def forward(self, x: Steps) -> Tensor:
        """Return the probabilities of what comes behind each sequence: (n, n_symbols)."""
        if x.values.is_meta:
            return x.values.new_zeros(len(x), self.n_out)
        codes, lengths = x.values[:, 0].long().numpy(), x.lengths.numpy()
        contexts = self.behind(codes, x.starts.numpy() + lengths, lengths)
        return torch.from_numpy(self.tree.distribution(contexts, len(x)))

    def trace(self, x: Steps, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how the last symbols of one sequence become probabilities of the next."""
        codes, lengths = x.values[:, 0].long().numpy(), x.lengths.numpy()
        yield from trace_contexts(self.tree, self.behind(codes, x.starts.numpy() + lengths, lengths), codes, names)


class CountTrainer:
    """Count, in one step.

    Parameters
    ----------
    network : CodeNetwork
    """

    finished = False

    def __init__(self, network: Any) -> None:
        self.body: ContextCounts = network.body
        self.network = network

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Count the grams of some sequences; returns the bits a symbol of all that was counted."""
        codes, starts, weight = _flat(batch)
        table = count_grams(codes, starts, self.body.order, self.body.n_out, weight)
        if len(self.body.counts):
            table = add_grams(self.body.table, table, self.body.n_out)
        self.body.keep(table, self.body.n_out)
        grams, counts = table
        p = self.body.tree.probability(grams[:, 0], list(grams[:, 1:].T))
        return {"loss": float(-counts @ np.log2(np.maximum(p, LEAST)) / counts.sum())}

    def measure(self, batch: Batch) -> float:
        """Return the bits a symbol of some sequences."""
        codes, starts, weight = _flat(batch)
        bits = -np.log2(np.maximum(self.body.tree.probability(codes, self.body.before(codes, starts)), LEAST))
        return float(np.average(bits, weights=weight))

    def weights(self) -> dict[str, Tensor]:
        """Return the table."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return the table."""
        return None, {f".{name}": tensor for name, tensor in self.network.state_dict().items()}

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        self.body.keep((tensors[".body.grams"].numpy(), tensors[".body.counts"].numpy()), self.body.n_out)

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to an earlier table."""
        self.load_state(None, {f".{name}": tensor for name, tensor in weights.items()})


def _flat(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return codes, starts of the sequences, and the weight of each code."""
    steps: Steps = batch.inputs  # pyright: ignore[reportAssignmentType]
    lengths = steps.lengths.numpy()
    weight = None if batch.weight is None else np.repeat(batch.weight.double().numpy(), lengths)
    return steps.flat()[:, 0].long().numpy(), np.cumsum(lengths) - lengths, weight


class MarkovChain(StatesOfChain, Network):
    """Markov Chain: the next symbol by the last ones, counted.

    P_ij = n_ij / Σ_j n_ij, of any order, with any hashable symbols. A sequence is a text (of characters), a list, or a
    row of an array; nothing is counted from one sequence into the next, and what begins a sequence is counted, too.

    Parameters
    ----------
    order : int, default 1
        Symbols that what comes next depends on; 0 takes how often each comes at all.
    smoothing : float, default 0.0
        Added to every count of a symbol behind the last ``order`` ones; 0 gives the likeliest chain of training, in
        which what never came is impossible. For chains without backoff.
    backoff : None, "witten_bell" or "kneser_ney", default None
        How longer contexts are mixed with shorter ones, so that nothing of the alphabet is impossible.
    random_state : int, RandomState or None
        Nothing is drawn in training; ``sample`` has its own.
    verbose : int, default 0

    Attributes
    ----------
    network_ : torch.nn.Module
        Sequences of codes to the probabilities of the next (n, n_symbols).
    classes_ : ndarray of shape (n_symbols,)
        The symbols.
    states_ : list
        Of the chain: symbols, or of a higher order tuples of them.
    transition_matrix_ : sparse array of shape (n_states, n_states)
        A state that nothing has followed stays: there the chain ends.
    stationary_ : ndarray of shape (n_states,)
        The share of time in each state in the long run, from where the sequences of training begin.
    entropy_rate_ : float
        Bits a symbol in the long run.
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" in bits a symbol.

    Notes
    -----
    ``partial_fit`` adds whole sequences, new symbols among them, and ends at the same counts as ``fit`` on all.
    ``score`` is minus the bits a symbol; ``score_samples`` the log-likelihood of each sequence, in nats.

    References
    ----------
    Markov, "An example of statistical investigation of the text Eugene Onegin concerning the connection of samples in
    chains", 1913. Hayes, "First links in the Markov chain", American Scientist 101, 2013. Witten & Bell, "The
    zero-frequency problem", IEEE Transactions on Information Theory 37, 1991. Chen & Goodman, "An empirical study of
    smoothing techniques for language modeling", Computer Speech & Language 13, 1999.

    Examples
    --------
    >>> from nnzoo import MarkovChain
    >>> weather = MarkovChain().fit(["sun sun rain sun sun rain rain sun".split()])
    >>> weather.transition_matrix_.toarray().round(2).tolist()
    [[0.33, 0.67], [0.5, 0.5]]
    >>> "".join(MarkovChain(order=2).fit("abracadabra").sample(1, n_steps=7, prompt="ab", random_state=0)[0])
    'racadab'
    """

    task: Any = None
    kinds: ClassVar[tuple[str, ...]] = ("text", "sequence")
    shows_inputs: ClassVar[bool] = True
    reads_symbols: ClassVar[bool] = True
    own_counts: ClassVar[tuple[str, ...]] = ("n_grams", "n_symbols", "n_bytes")
    ranges: ClassVar[Mapping[str, Range]] = {
        "order": Whole(0, 1_000),
        "smoothing": Real(0.0),
        "backoff": OneOf(BACKOFFS),
        "random_state": UNLABELLED_RANGES["random_state"],
        "verbose": UNLABELLED_RANGES["verbose"],
    }

    def __init__(
        self,
        *,
        order: int = 1,
        smoothing: float = 0.0,
        backoff: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.order = order
        self.smoothing = smoothing
        self.backoff = backoff
        self.random_state = random_state
        self.verbose = verbose

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> CountTrainer:
        """Return the rule that counts."""
        return CountTrainer(network)

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return one step with all sequences."""
        return LoopSettings(1, n_rows, seed, shuffle=False, keep="last")

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Count further sequences; y is left aside.

        Parameters
        ----------
        X : sequences, as for ``fit``
        y : ignored
        classes : sequence of symbols, optional
            Symbols of the alphabet that need not come.
        sample_weight : array of shape (n_sequences,), optional
        """
        found = read_symbols(type(self).__name__, X)
        if hasattr(self, "network_"):
            self._widen(found)
        super().partial_fit(found, None, sample_weight=sample_weight)
        if classes is not None:
            self._widen(read_symbols(type(self).__name__, [list(classes)]))
        return self

    # Predictions

    def predict_proba(self, X: Any, *, lengths: Any = None) -> np.ndarray:
        """Return the probabilities of what comes behind each sequence: (n, n_symbols), in the order of ``classes_``."""
        inputs = self._check_inputs(self._cut_to(X, lengths))
        with torch.inference_mode():
            return np.concatenate([self.network_(block).numpy() for block in inputs.split(BLOCK_ROWS)])

    def predict(self, X: Any, *, lengths: Any = None) -> np.ndarray:
        """Return the likeliest symbol behind each sequence: (n,)."""
        return self.classes_[self.predict_proba(X, lengths=lengths).argmax(axis=1)]

    def predict_rows(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the likeliest symbols and all probabilities."""
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(axis=1)], probability

    def score_samples(self, X: Any, *, lengths: Any = None) -> np.ndarray:
        """Return the log-likelihood of each sequence, in nats: (n,); minus infinity where it is impossible."""
        rows = self._read(self._cut_to(X, lengths))
        return np.add.reduceat(self._logs(self._body.tree, rows), rows.starts)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the bits a symbol of some sequences; y is left aside."""
        rows = self._read(X)
        weight = None if sample_weight is None else np.repeat(np.asarray(sample_weight), rows.lengths)
        return float(np.average(self._logs(self._body.tree, rows), weights=weight) / np.log(2))

    def sample(
        self,
        n_samples: int = 1,
        *,
        n_steps: int = 200,
        prompt: Any = None,
        temperature: float = 1.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Return new sequences, symbol after symbol.

        Parameters
        ----------
        n_samples, n_steps : int
        prompt : sequence of symbols, optional
            What they go on from; without, they begin as the sequences of training do.
        temperature : float, default 1
            Near 0 the likeliest symbol always comes, above 1 rare ones come more often.
        random_state : int, RandomState or None

        Returns
        -------
        ndarray of shape (n_samples, n_steps)
            Without the prompt. The code 0 of a recipe, which stands for what is unknown, is not drawn.

        Raises
        ------
        UsageError
            The temperature is not above 0.
        """
        check_is_fitted(self)
        if not temperature > 0:
            raise UsageError(f"MarkovChain: sample needs a temperature above 0; got {temperature}.", "Pass 1.")
        draw, border, tree = check_random_state(random_state), border_of(len(self.alphabet_)), self._body.tree
        past = np.full((self.order + n_steps, n_samples), border)
        if prompt is not None and len(prompt):
            given = self.alphabet_.encode(read_symbols("MarkovChain", prompt).flat)[-self.order :] if self.order else []
            past[self.order - len(given) : self.order] = np.asarray(given, dtype=np.int64).reshape(-1, 1)
        for step in range(self.order, self.order + n_steps):
            p = tree.distribution([past[step - back] for back in range(1, self.order + 1)], n_samples)
            if self.alphabet_.coded and len(self.alphabet_) > 1:
                p[:, 0] = np.where(p[:, 1:].any(axis=1), 0.0, p[:, 0])
            p = (p / p.max(axis=1, keepdims=True)) ** (1 / temperature)
            edges = p.cumsum(axis=1)
            past[step] = (edges <= draw.random_sample(n_samples)[:, None] * edges[:, -1:]).sum(axis=1)
        return self.classes_[past[self.order :].T]

    def fits_of_orders(self) -> list[OrderFit]:
        """Return how well each order up to this one fits the sequences of training: AIC, BIC, likelihood-ratio test."""
        check_is_fitted(self)
        grams, counts = self._body.table
        return fits_of_orders(grams, counts, len(self.alphabet_))

    def best_order(self, criterion: str = "bic") -> int:
        """Return the order up to this one with the least "bic" or "aic"."""
        if criterion not in ("aic", "bic"):
            raise UsageError(f"MarkovChain: best_order needs 'aic' or 'bic'; got {criterion!r}.", 'Pass "bic".')
        return min(self.fits_of_orders(), key=lambda fit: getattr(fit, criterion)).order

    # Evaluation

    def measures(self, X: Any, X_train: Any | None, inputs: Sequence[str] = ()) -> RowValues:
        """Return the bits a symbol of sequences, beside how often symbols come, and the order below.

        Raises
        ------
        DataError
            A symbol came that the chain gives no chance.
        """
        rows, body = self._read(X), self._body
        mean_length = float(rows.lengths.mean())

        def bits(tree: ContextTree) -> np.ndarray:
            return -np.add.reduceat(self._logs(tree, rows), rows.starts) / (np.log(2) * mean_length)

        own = bits(body.tree)
        if not np.isfinite(own).all():
            raise DataError(
                f"MarkovChain: {int((~np.isfinite(own)).sum()):,} of {len(own):,} sequences hold what the chain gives "
                "no chance, so their bits are without end.",
                'Train with backoff="witten_bell", or with smoothing above 0.',
            )
        competitors: tuple[Competitor, ...] = (
            timed_competitor("constant", lambda: bits(body.tree_of(0, "witten_bell")), "how often each symbol comes"),
        )
        if self.order > 1:
            lower = f"order {self.order - 1}"
            competitors += (timed_competitor(lower, lambda: bits(body.tree_of(self.order - 1)), "a symbol less"),)
        doubt = "Between so many symbols it is in doubt, on average."
        return RowValues(
            "bits_per_symbol",
            "lower",
            "What a symbol still tells when those before it are known, -log₂ of its probability. Of a sequence all "
            "bits are divided by the mean number of symbols, so that every symbol counts alike.",
            own,
            competitors,
            {"perplexity": (2.0 ** float(own.mean()), "lower", doubt)},
            (self._graph(inputs),),
        )

    def _graph(self, names: Sequence[str]) -> Shown:
        """Return the picture of what comes behind each symbol, of many symbols behind the commonest."""
        body, n = self._body, len(self.alphabet_)
        share = np.bincount(body.table[0][:, 0], body.table[1], minlength=n)
        kept = np.sort(np.argsort(-share, kind="stable")[:MOST_SHOWN])
        kept = kept[share[kept] > 0]
        pairs = body.tree_of(min(self.order, 1))
        matrix = pairs.distribution([kept] * pairs.order, len(kept))[:, kept]
        labels = [str(names[k]) if len(names) > k else str(self.classes_[k]) for k in kept.tolist()]
        labels = [{" ": "␣", "\n": "↵", "\t": "→"}.get(each, each) for each in labels]
        what = f" Of {n:,} symbols the {len(kept)} that come most." if len(kept) < n else ""
        more = " The chain itself looks further back than the one symbol shown." if self.order > 1 else ""
        sentence = f"How likely each symbol comes behind each other.{what}{more}"
        return Shown("Transitions", sentence, transition_graph(matrix, labels))

    def trace(self, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield how the probabilities of the next symbol of one sequence come about."""
        del inputs
        steps = self._to_inputs(self._read(X))
        for step in self._body.trace(steps, self.network_(steps), Names("x")):
            named = len(step.result) == len(labels) and step.op != "last symbols"
            yield replace(step, labels=tuple(labels)) if named else step

    # What a model file stores

    def fitted_state(self) -> FittedState:
        """Return what a model file stores, the alphabet among it."""
        state, symbols = super().fitted_state(), self.alphabet_.to_bytes()
        own = {"n_grams": len(self._body.counts), "n_symbols": len(self.alphabet_), "n_bytes": len(symbols)}
        return replace(state, sizes=state.sizes | own, tensors=state.tensors | {"symbols": symbols})

    def expected_tensors(self, sizes: Mapping[str, Any]) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Return name, type and shape of every tensor of a network of these sizes."""
        return super().expected_tensors(sizes) | {"symbols": (np.dtype(np.uint8), (sizes["n_bytes"],))}

    def restore(self, state: FittedState) -> Self:
        """Take over a stored state."""
        self.alphabet_ = Alphabet.from_bytes(state.tensors["symbols"])
        grams, counts = state.tensors["network.body.grams"], state.tensors["network.body.counts"]
        n = state.sizes["n_symbols"]
        if len(self.alphabet_) != n or (len(grams) and not (grams.min() >= 0 and grams.max() <= border_of(n))):
            raise stored.refuse("grams", "codes of the alphabet", "others")
        if (counts < 0).any() or (len(grams) and grams[:, 0].max() >= n):
            raise stored.refuse("counts", "counts of symbols", "others")
        super().restore(state)
        self.classes_ = self.alphabet_.values
        return self

    # Inside

    @property
    def _body(self) -> ContextCounts:
        check_is_fitted(self)
        return self.network_.body  # pyright: ignore[reportReturnType]

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> Any:
        # Of a network that is still to be trained the alphabet is known, and nothing has been counted.
        known = "n_grams" in sizes
        n_symbols, n_grams = (sizes["n_symbols"], sizes["n_grams"]) if known else (len(self.alphabet_), 0)
        body = ContextCounts(self.order, n_symbols, n_grams, smoothing=self.smoothing, backoff=self.backoff)
        return CodeNetwork(inputs.make_scaling(), body).to(Arithmetic.named(sizes["arithmetic"]).dtype)

    def _cut_to(self, X: Any, lengths: Any) -> Symbols:
        return read_symbols(type(self).__name__, X, lengths)

    def _read(self, X: Any, *, reset: bool = False, **target: Any) -> Any:
        """Return sequences as codes, float64; those of training set the alphabet."""
        found = read_symbols(type(self).__name__, X)
        if reset:
            self._know(Alphabet.learn(found))
            self.n_features_in_ = 1
        else:
            check_is_fitted(self, "alphabet_")
        return Ragged(self.alphabet_.encode(found.flat).astype(np.float64)[:, None], found.lengths)

    def _check_rows(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Rows:
        """Check sequences, and drop those of weight 0; y is left aside."""
        if self.backoff is not None and self.smoothing:
            raise UsageError(
                f"MarkovChain: backoff={self.backoff!r} leaves nothing for smoothing={self.smoothing:g} to do.",
                "Pass one of the two.",
            )
        rows = self._read(X, reset=reset)
        if sample_weight is None:
            return Rows("sequence", rows, None, None)
        weight = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
        return Rows("sequence", rows[weight > 0], None, weight[weight > 0])

    def _know(self, alphabet: Alphabet) -> None:
        self.alphabet_, self.classes_ = alphabet, alphabet.values

    def _widen(self, found: Symbols) -> None:
        """Take new symbols into the alphabet, and give all that was counted its new codes."""
        before, alphabet = self.alphabet_, Alphabet.learn(found, self.alphabet_)
        if len(alphabet) == len(before):
            return
        codes = np.append(alphabet.encode(list(before.symbols)), border_of(len(alphabet)))
        grams, counts = self._body.table
        # In the order of the new codes, so that it is the table that counting all at once gives.
        self._body.keep(distinct(list(codes[grams].T), len(alphabet) + 1, counts), len(alphabet))
        self._know(alphabet)

    def _learn_target(self, rows: Rows) -> Target:
        return NO_TARGET

    def _row_shape(self, X: Any) -> tuple[int, ...]:
        return (1,)

    def standardize(self, X: np.ndarray, weight: np.ndarray | None, codes: Any) -> Standardizer:
        """Return no scaling: codes stay as they are."""
        return Standardizer.identity(1)

    def _to_batch(self, rows: Rows) -> Batch:
        weight = None if rows.weight is None else torch.from_numpy(rows.weight)
        return Batch(self._to_inputs(rows.X), None, weight)

    def _check_inputs(self, X: Any) -> Steps:
        check_is_fitted(self)
        return self._to_inputs(self._read(X))

    def _logs(self, tree: ContextTree, rows: Ragged) -> np.ndarray:
        """Return log P of every symbol, (n_steps_in_all,)."""
        codes = rows.values[:, 0].astype(np.int64)
        before = [shifted(codes, rows.starts, back, border_of(tree.n_symbols)) for back in range(1, tree.order + 1)]
        with np.errstate(divide="ignore"):
            return np.log(tree.probability(codes, before))
