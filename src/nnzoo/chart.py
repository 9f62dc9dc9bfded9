"""The chart as it is drawn: the cells and links of all 30 networks, of 2016 and of 2019, as plain data.

The kinds and counts of cells are those of Fjodor van Veen's "Neural Network Zoo" (The Asimov Institute, 2016 and 2019);
the drawings made of them are our own. A column is a text with a letter for each cell, see :data:`KINDS`.
"""

from dataclasses import dataclass

KINDS = {
    "B": "Backfed Input",
    "I": "Input",
    "N": "Noisy Input",
    "H": "Hidden",
    "P": "Probabilistic Hidden",
    "S": "Spiking Hidden",
    "C": "Capsule",
    "O": "Output",
    "M": "Match Input Output",
    "R": "Recurrent",
    "Y": "Memory",
    "G": "Gated Memory",
    "K": "Kernel",
    "V": "Convolution or Pool",
}
"""Letter to kind of cell, in the order of the legend of 2019; "Gated Memory" is "Different Memory" in 2016."""

CREDIT = "After the Neural Network Zoo by Fjodor van Veen, The Asimov Institute, 2016 and 2019."


@dataclass(frozen=True)
class Drawing:
    """One network as the chart draws it.

    Attributes
    ----------
    abbreviation, name : str
    years : tuple of int
        On which charts it is.
    columns : tuple of str
        From left to right, a letter a cell.
    links : str
        How each column is joined to the next, a letter a pair: "f" all to all, "1" one to one, "l" to the nearest,
        "p" a few here and there. Empty: all to all.
    form : "columns", "ring", "pool" or "grid"
        A ring joins every pair; a pool is 3 x 4 cells with a few links; a grid is 3 x 3 cells.
    loops : bool
        Recurrent cells are joined to themselves; where there are none, memory cells.
    arcs : tuple of pairs of int
        Links over columns, on the upper row.
    more : tuple of (letter, x, y)
        Further cells, in units of the distance of cells; y is 0 in the middle and grows downwards.
    ties : tuple of pairs of int
        Links of cells by number, all columns counted first, then the further cells.
    differs : str
        Where the drawing is not the model of the paper; empty where it is.
    """

    abbreviation: str
    name: str
    columns: tuple[str, ...]
    years: tuple[int, ...] = (2016, 2019)
    links: str = ""
    form: str = "columns"
    loops: bool = False
    arcs: tuple[tuple[int, int], ...] = ()
    more: tuple[tuple[str, float, float], ...] = ()
    ties: tuple[tuple[int, int], ...] = ()
    differs: str = ""

    @property
    def cells(self) -> str:
        """Return the letters of all cells."""
        return "".join(self.columns) + "".join(letter for letter, _, _ in self.more)

    def words(self) -> str:
        """Return the drawing in words, for people who do not see it.

        Examples
        --------
        >>> CHART[0].words()
        'Perceptron (P): 2 Input, then 1 Output.'
        """
        parts = [counted_cells(column) for column in self.columns]
        forms = {"ring": " in a ring, every one joined to every other", "pool": "", "grid": "", "columns": ""}
        text = f"{self.name} ({self.abbreviation}): {', then '.join(parts)}{forms[self.form]}"
        if self.more:
            text += f"; beside them {counted_cells(''.join(letter for letter, _, _ in self.more))}"
        return f"{text}{'; recurrent cells are joined to themselves' * self.loops}."


def counted_cells(letters: str) -> str:
    """Return the cells of a column in words.

    Examples
    --------
    >>> counted_cells("BBBPP")
    '3 Backfed Input and 2 Probabilistic Hidden'
    """
    return " and ".join(f"{letters.count(letter)} {KINDS[letter]}" for letter in dict.fromkeys(letters))


def _joined(first: range, second: range) -> tuple[tuple[int, int], ...]:
    return tuple((a, b) for a in first for b in second)


OLD, NEW = (2016,), (2019,)
CHART = (
    Drawing("P", "Perceptron", ("II", "O")),
    Drawing("FF", "Feed Forward", ("II", "HH", "O")),
    Drawing(
        "RBF", "Radial Basis Network", ("II", "HH", "O"),
        differs="The drawing is that of FF; the hidden cells measure distances to centres.",
    ),
    Drawing("DFF", "Deep Feed Forward", ("III", "HHHH", "HHHH", "OO")),
    Drawing(
        "RNN", "Recurrent Neural Network", ("III", "RRR", "RRR", "OOO"), loops=True,
        differs="Only self-loops are drawn; in the model every state reaches every other one of its layer.",
    ),
    Drawing(
        "LSTM", "Long Short-Term Memory", ("III", "YYY", "YYY", "OOO"), loops=True,
        differs="Only self-loops are drawn; in the model every state reaches every gate of its layer.",
    ),
    Drawing(
        "GRU", "Gated Recurrent Unit", ("III", "GGG", "GGG", "OOO"), loops=True,
        differs="Only self-loops are drawn; in the model every state reaches every gate of its layer.",
    ),
    Drawing("AE", "Auto Encoder", ("IIII", "HH", "MMMM")),
    Drawing(
        "VAE", "Variational Auto Encoder", ("IIII", "PPPP", "MMMM"),
        differs="No bottleneck is drawn; the code is usually much narrower than the input.",
    ),
    Drawing(
        "DAE", "Denoising Auto Encoder", ("NNNN", "HHHH", "MMMM"),
        differs="Drawn as wide as its input; any width goes, because the noise keeps it from copying.",
    ),
    Drawing("SAE", "Sparse Auto Encoder", ("II", "HHHH", "MM")),
    Drawing(
        "MC", "Markov Chain", ("PPPPPPPP",), form="ring",
        differs="Drawn are stochastic units, all joined; a chain has states, directed transitions and self-loops.",
    ),
    Drawing("HN", "Hopfield Network", ("BBBBBBBB",), form="ring"),
    Drawing("BM", "Boltzmann Machine", ("BBBPPPPP",), form="ring"),
    Drawing("RBM", "Restricted Boltzmann Machine", ("BBB", "PPPP")),
    Drawing(
        "DBN", "Deep Belief Network", ("BBBB", "PP", "HHHH", "PP", "HHHH", "PP", "MMMM"),
        differs="Drawn as a chain of small autoencoders; the model is a stack of restricted Boltzmann machines.",
    ),
    Drawing(
        "DCN", "Deep Convolutional Network", ("IIIII", "KKKKK", "VVVV", "VVV", "VV", "HHHH", "HHHH", "OOO"),
        links="1lllfff",
    ),
    Drawing(
        "DN", "Deconvolutional Network", ("II", "VVV", "VVVV", "KKKKK", "OOOOO"), links="lll1",
        differs="Drawn from label to image; the paper goes from image to feature maps by sparse coding.",
    ),
    Drawing(
        "DCIGN", "Deep Convolutional Inverse Graphics Network",
        ("IIIII", "KKKKK", "VVVV", "VVV", "PPP", "VVV", "VVVV", "KKKKK", "OOOOO"), links="1llffll1",
        differs="Its last cells are plain outputs; they match the input.",
    ),
    Drawing(
        "GAN", "Generative Adversarial Network", ("BBB", "HHH", "HHH", "MMM", "HHH", "HHH", "MM"),
        differs="One chain without noise and real data; it is two networks, one fed by noise, the other by both.",
    ),
    Drawing(
        "LSM", "Liquid State Machine", ("III", "S" * 12, "OO"), form="pool", links="pp",
        differs="No loops are drawn and links go one way; the pool feeds back on itself.",
    ),
    Drawing(
        "ELM", "Extreme Learning Machine", ("III", "H" * 12, "OO"), form="pool", links="pp",
        differs="Drawn as a sparse pool; it is one random layer, joined all to all.",
    ),
    Drawing(
        "ESN", "Echo State Network", ("III", "R" * 12, "OO"), form="pool", links="pp",
        differs="No loops are drawn and links go one way; the pool feeds back on itself.",
    ),
    Drawing(
        "DRN", "Deep Residual Network", ("II", *("HH",) * 7, "OO"), arcs=((1, 3), (3, 5), (5, 7)),
    ),
    Drawing("KN", "Kohonen Network", ("II", "H" * 9), form="grid"),
    Drawing(
        "SVM", "Support Vector Machine", ("III", "HHH", "HHH", "O"), OLD, links="1ff",
        differs="Two hidden layers are drawn; the model compares with its support vectors, then adds once.",
    ),
    Drawing(
        "NTM", "Neural Turing Machine", ("III", "HH", "HH", "HHH", "O"),
        more=(("Y", 2.0, 2.6), ("Y", 3.0, 2.6), ("Y", 4.0, 2.6)), ties=_joined(range(7, 10), range(11, 14)),
        differs="A feed-forward controller is drawn; the paper has that or an LSTM, and heads to read and to write.",
    ),
    Drawing(
        "DNC", "Differentiable Neural Computer", ("II", "RR", "RR", "RR", "O"), NEW, loops=True,
        more=(
            ("O", 1.0, 1.8), ("I", 3.0, 1.8), *(("Y", x - 1.0, 3.1) for x in range(7)),
            *(("Y", x - 1.0, 4.2) for x in range(7)),
        ),
        ties=(
            *_joined(range(4, 6), range(9, 10)), *_joined(range(10, 11), range(4, 6)),
            *_joined(range(9, 11), range(11, 18)), *((n, n + 7) for n in range(11, 18)),
        ),
        differs="Which cells of the memory are in use, and in what order they were written, is not drawn.",
    ),
    Drawing(
        "CN", "Capsule Network", ("IIIII", "KKKKK", "CCCC", "CCC", "CC", "HHH", "HHH", "OOO"), NEW, links="1lllfff",
        differs="The hidden layers at its end are the decoder; the class is the length of a capsule.",
    ),
    Drawing(
        "AN", "Attention Network", ("II", "RR", "YY", "YY", "O", "HH", "HH", "I"), NEW, links="fffffff", loops=True,
        more=(("R", 5.0, 1.7), ("R", 5.0, 2.7), ("R", 6.0, 1.7), ("R", 6.0, 2.7), ("O", 7.0, 2.2)),
        ties=(
            *_joined(range(8, 9), range(14, 16)), *_joined(range(2, 4), range(14, 16)),
            *_joined(range(14, 16), range(16, 18)), *_joined(range(16, 18), range(18, 19)), (18, 13),
        ),
        differs="It is a recurrent encoder and decoder with attention between them, not a Transformer.",
    ),
)  # fmt: skip
"""All networks of the two charts, in the order of the chart of 2016, then what 2019 added."""


def drawing_of(abbreviation: str) -> Drawing:
    """Return the drawing of a network by its abbreviation; raise KeyError if there is none."""
    return {drawing.abbreviation: drawing for drawing in CHART}[abbreviation]
