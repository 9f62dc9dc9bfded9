"""The chart as a plain table: a row a network. Everything that iterates the networks reads it; nothing registers."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from nnzoo.errors import UsageError, nearest


@dataclass(frozen=True)
class Row:
    """One network of the chart.

    Attributes
    ----------
    abbreviation, name : str
        As on the chart, e.g. "DFF", "Deep Feed Forward".
    class_name, module : str
        Where the estimator is.
    year : int
        Of the source.
    source : str
    kinds, tasks : tuple of str
        What it reads, and what it can be asked.
    takes_codes : bool
        Whether it has ``categorical_features``, trained vectors for categories.
    equations : tuple of str
        What it computes, a line an equation.
    learns_by : str
    use_for : str
        What it is good for, and what for it is not.
    other_names : tuple of str
        Further names that people use.
    few_rows : int
        Below so many training rows other methods usually win; a rule of thumb.
    most_steps : int or None
        So far back it remembers; a rule of thumb.
    caveat : str
        What it cannot do even on data that it reads, as half a sentence; empty where there is nothing to say.
    """

    abbreviation: str
    name: str
    class_name: str
    module: str
    year: int
    source: str
    kinds: tuple[str, ...]
    tasks: tuple[str, ...]
    takes_codes: bool
    equations: tuple[str, ...]
    learns_by: str
    use_for: str
    other_names: tuple[str, ...] = ()
    few_rows: int = 0
    most_steps: int | None = None
    caveat: str = ""

    @property
    def id(self) -> str:
        """Return the name in lower case with hyphens, as the command line and a model file write it."""
        return self.name.lower().replace(" ", "-")

    def load_class(self) -> type[Any]:
        """Import and return the estimator's class."""
        return getattr(import_module(self.module), self.class_name)


BACKPROPAGATION = "gradient descent by backpropagation"
THROUGH_TIME = "gradient descent by backpropagation through all steps of time"

CATALOG = (
    Row(
        "P", "Perceptron", "Perceptron", "nnzoo.networks.perceptron", 1958, "Rosenblatt 1958",
        ("table",), ("classification",), False,
        ("y = sign(w·x + b)", "on a mistake: w ← w + η y x, b ← b + η y"),
        "a correction after every mistake; no gradient",
        "streaming linear classification, huge sparse text; not for anything non-linear or calibrated probabilities",
        caveat="it draws one straight border a class and gives no probabilities: a fast first look",
    ),
    Row(
        "FF", "Feed Forward", "FeedForward", "nnzoo.networks.feed_forward", 1986, "Rumelhart, Hinton & Williams 1986",
        ("table", "image"), ("classification", "regression"), True,
        ("h = f(W1 x + b1)", "o = g(W2 h + b2)"), BACKPROPAGATION,
        "medium and large dense numeric tables; not for small tables, where boosted trees win",
        ("ann", "feed-forward-network"), few_rows=1_000,
    ),
    Row(
        "DFF", "Deep Feed Forward", "DeepFeedForward", "nnzoo.networks.deep_feed_forward", 1986,
        "Rumelhart, Hinton & Williams 1986; He et al. 2015",
        ("table", "image"), ("classification", "regression"), True,
        ("h(l) = f(W(l) h(l-1) + b(l)), l = 1 ... L, h(0) = x", "o = g(W h(L) + b)"), BACKPROPAGATION,
        "large dense tables, flattened images as a baseline; not for images and sequences with structure",
        ("mlp", "multilayer-perceptron", "dnn"), few_rows=1_000,
    ),
    Row(
        "RNN", "Recurrent Neural Network", "RNN", "nnzoo.networks.recurrent", 1990, "Elman 1990",
        ("sequence", "text"), ("classification", "regression"), True,
        ("h(t) = f(W x(t) + U h(t-1) + b)", "o(t) = g(V h(t) + c)"), THROUGH_TIME,
        "short memory, tiny models, teaching; not for lags beyond about 20 steps",
        ("recurrent", "recurrent-network", "elman"), most_steps=20,
    ),
    Row(
        "LSTM", "Long Short-Term Memory", "LSTM", "nnzoo.networks.lstm", 1997, "Hochreiter & Schmidhuber 1997",
        ("sequence", "text"), ("classification", "regression"), True,
        (
            "i, f, o = σ(W x(t) + U h(t-1) + b), g = tanh(W x(t) + U h(t-1) + b), each with its own W, U, b",
            "c(t) = f ⊙ c(t-1) + i ⊙ g", "h(t) = o ⊙ tanh(c(t))",
        ), THROUGH_TIME,
        "medium sequences, events, streams, little data; not for long text or long nearly linear series",
    ),
    Row(
        "GRU", "Gated Recurrent Unit", "GRU", "nnzoo.networks.gru", 2014, "Chung et al. 2014; Cho et al. 2014",
        ("sequence", "text"), ("classification", "regression"), True,
        (
            "r, z = σ(W x(t) + U h(t-1) + b), each with its own W, U, b", "n = tanh(W x(t) + b + r ⊙ (U h(t-1) + b'))",
            "h(t) = (1 - z) ⊙ n + z ⊙ h(t-1)",
        ), THROUGH_TIME,
        "as an LSTM with a quarter fewer weights; not for counting, where an LSTM is safer",
    ),
    Row(
        "DCN", "Deep Convolutional Network", "DeepConvolutionalNetwork", "nnzoo.networks.deep_convolutional", 1998,
        "LeCun et al. 1998; Fukushima 1980",
        ("image",), ("classification", "regression"), False,
        ("y_k = f(Σ_c w_kc ∗ x_c + b_k), then pooling, repeated", "o = g(W h + b)"), BACKPROPAGATION,
        "images, spectra, signals; not for tables, whose columns stand in no order",
        ("cnn", "convnet", "deep-convolutional", "convolutional-neural-network"),
    ),
    Row(
        "NTM", "Neural Turing Machine", "NeuralTuringMachine", "nnzoo.networks.turing_machine", 2014,
        "Graves, Wayne & Danihelka 2014",
        ("sequence",), ("classification", "regression"), True,
        (
            "w = (g softmax(β cos(k, M(i))) + (1 - g) w(t-1)) ⊛ s, to the power γ and divided by its sum",
            "r(t) = wᵀ M(t-1)", "M(t) = M(t-1) ⊙ (1 - w eᵀ) + w aᵀ",
        ), THROUGH_TIME,
        "the study of how algorithms are learned: copying, recalling, sorting; not for production work on sequences",
        caveat="it is slow, and made to study how algorithms are learned; an LSTM usually does as well",
    ),
    Row(
        "DNC", "Differentiable Neural Computer", "DifferentiableNeuralComputer",
        "nnzoo.networks.differentiable_computer", 2016, "Graves et al. 2016",
        ("sequence",), ("classification", "regression"), True,
        (
            "w = g_w (g_a a + (1 - g_a) C(M, k, β)), with a the free slots, the least used first",
            "M ← M ⊙ (1 - w eᵀ) + w vᵀ", "L_ij ← (1 - w_i - w_j) L_ij + w_i p_j, L_ii = 0",
            "r = π₁ Lᵀ r + π₂ C(M, k, β) + π₃ L r: backward, by content, forward",
        ), THROUGH_TIME,
        "the study of memory, small tasks on graphs and lists; not for large data",
        caveat="it is slow, and made to study memory; an LSTM usually does as well",
    ),
)  # fmt: skip
"""The networks that stand, in the order of the chart."""


def find(name: str) -> Row:
    """Return the row of a name in any usual form: "DFF", "DeepFeedForward", "deep-feed-forward", "mlp".

    Raises
    ------
    UsageError
        No network has that name; the nearest ones are listed.

    Examples
    --------
    >>> find("mlp").class_name
    'DeepFeedForward'
    """
    names = {
        _fold(form): row for row in CATALOG for form in (row.name, row.abbreviation, row.class_name, *row.other_names)
    }
    if _fold(name) not in names:
        raise UsageError(
            f"network needs the name of one on the chart; got {name!r}.", nearest(name, [r.id for r in CATALOG])
        )
    return names[_fold(name)]


def _fold(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
