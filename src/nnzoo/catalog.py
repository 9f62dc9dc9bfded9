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
    sees_places : bool
        Whether, reading tables first, it has filters for images, too, and does not take an image as one long row.
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
    sees_places: bool = False
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
LEAST_SQUARES = "least squares for the last layer, in one pass; what comes before it is drawn or placed"
THROUGH_TIME = "gradient descent by backpropagation through all steps of time"

CONTRASTIVE = "what units do together in the data, less what they do in chains of the machine's own"
RECONSTRUCTION = "gradient descent on the error of what it gives back"

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
        "RBF", "Radial Basis Network", "RadialBasisNetwork", "nnzoo.networks.radial_basis", 1988,
        "Broomhead & Lowe 1988; Moody & Darken 1989",
        ("table", "image"), ("classification", "regression"), False,
        ("h_i = ρ(‖x - c_i‖), ρ(r) = exp(-β_i r²)", "a = (HᵀH + λI)⁻¹ Hᵀy", "o = g(Σ a_i h_i)"), LEAST_SQUARES,
        "smooth surfaces of few dimensions, surrogate models, few rows; not for many dimensions",
        ("rbf-network", "radial-basis-function-network"),
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
        "AE", "Auto Encoder", "Autoencoder", "nnzoo.networks.autoencoder", 1988, "Bourlard & Kamp 1988",
        ("table", "image"), (), False,
        ("z = f(x)", "x̂ = g(z)", "min over f and g of Σ ‖x - g(f(x))‖²"), RECONSTRUCTION,
        "non-linear compression, anomaly scores; not for generating (a variational one) or small data (PCA)",
        few_rows=1_000,
    ),
    Row(
        "VAE", "Variational Auto Encoder", "VariationalAutoencoder", "nnzoo.networks.variational_autoencoder", 2013,
        "Kingma & Welling 2013; Rezende, Mohamed & Wierstra 2014",
        ("table", "image"), (), False,
        (
            "q(z|x) = N(μ(x), σ(x)²)", "z = μ + σ ⊙ ε, ε ~ N(0, I)",
            "max E[log p(x|z)] - KL(q(z|x) ‖ N(0, I))",
        ),
        "gradient descent on a bound of the likelihood, through codes that are drawn",
        "density, embedding and missing values in one; not for sharp images",
        few_rows=1_000,
    ),
    Row(
        "DAE", "Denoising Auto Encoder", "DenoisingAutoencoder", "nnzoo.networks.denoising_autoencoder", 2008,
        "Vincent et al. 2008",
        ("table", "image"), (), False,
        ("x̃ ~ q(x̃|x), noise", "z = f(x̃)", "x̂ = g(z)", "min over f and g of Σ ‖x - g(f(x̃))‖²"), RECONSTRUCTION,
        "cleaning noisy rows, first weights for few labels; not for densities",
        few_rows=1_000,
    ),
    Row(
        "SAE", "Sparse Auto Encoder", "SparseAutoencoder", "nnzoo.networks.sparse_autoencoder", 2007,
        "Ranzato et al. 2007; Makhzani & Frey 2014; Gao et al. 2024",
        ("table", "image"), (), False,
        (
            "a = the k largest of max(0, W (x - b₀) + b), 0 elsewhere", "x̂ = D a + b₀, columns of D of norm 1",
            "min Σ ‖x - x̂‖²",
        ), RECONSTRUCTION,
        "interpretable features, more of them than a row has numbers; not for compression",
        few_rows=1_000,
    ),
    Row(
        "MC", "Markov Chain", "MarkovChain", "nnzoo.networks.markov_chain", 1906, "Markov 1906, 1913; Hayes 2013",
        ("text", "sequence"), (), False,
        (
            "P_ij = n_ij / Σ_j n_ij, how often j came behind i", "of order k: i are the last k symbols",
            "π P = π", "H = -Σ_i π_i Σ_j P_ij log₂ P_ij",
        ), "counting, in one pass; no gradient",
        "state logs, click streams, a first model of a text; not for long memory",
        ("n-gram", "markov"),
    ),
    Row(
        "HN", "Hopfield Network", "HopfieldNetwork", "nnzoo.networks.hopfield", 1982,
        "Hopfield 1982; Ramsauer et al. 2020",
        ("table", "image"), (), False,
        (
            "W = (1/N) Σ_μ ξ_μ ξ_μᵀ, w_ii = 0", "s_i ← sign(Σ_j w_ij s_j - θ)", "E = -½ sᵀWs + θ Σ s_i",
            "modern: q ← Ξᵀ softmax(β Ξ q)",
        ), "storing the rows in its weights, in one pass; no gradient",
        "completing a few binary patterns, memory like attention; not for correlated patterns by Hebb's rule, or many",
        ("associative-memory",),
    ),
    Row(
        "BM", "Boltzmann Machine", "BoltzmannMachine", "nnzoo.networks.boltzmann_machine", 1985,
        "Ackley, Hinton & Sejnowski 1985; Hinton & Sejnowski 1986",
        ("table", "image"), (), False,
        (
            "E(s) = -½ sᵀWs - b·s, p(s) = exp(-E(s)) / Z, s = (v, h) of 0 and 1",
            "p(s_i = 1 | all others) = σ(b_i + Σ_j w_ij s_j)",
            "Δw_ij = η (⟨s_i s_j⟩_clamped - ⟨s_i s_j⟩_free)",
        ), "what units do together while rows are held, less what they do while none is",
        "small tables of yes and no with gaps, couplings between columns; not for more than a few hundred units",
    ),
    Row(
        "RBM", "Restricted Boltzmann Machine", "RestrictedBoltzmannMachine", "nnzoo.networks.restricted_boltzmann",
        1986, "Smolensky 1986; Hinton 2002; Tieleman 2008",
        ("table", "image"), (), False,
        (
            "E(v, h) = -b·v - c·h - vᵀWh, p = exp(-E) / Z",
            "p(h_j = 1|v) = σ(c_j + (Wᵀv)_j), p(v_i = 1|h) = σ(b_i + (Wh)_i)",
            "ΔW = η (⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine)",
        ), CONTRASTIVE,
        "rows of 0 and 1 with gaps, features from few labels; not for natural images",
    ),
    Row(
        "DBN", "Deep Belief Network", "DeepBeliefNetwork", "nnzoo.networks.deep_belief", 2006,
        "Hinton, Osindero & Teh 2006; Bengio et al. 2007",
        ("table", "image"), (), False,
        (
            "p(v, h_1 ... h_L) = p(v|h_1) ... p(h_(L-2)|h_(L-1)) p(h_(L-1), h_L)",
            "p(h_(l-1)|h_l) = σ(b_l + W_l h_l) downwards, q(h_l|h_(l-1)) = σ(c_l + W_lᵀ h_(l-1)) upwards",
            "the top: p(h_(L-1), h_L) = exp(-E) / Z",
        ), f"{CONTRASTIVE}, layer by layer from the bottom",
        "few labels beside many rows without, history; not for modern vision",
        few_rows=1_000,
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
        "DN", "Deconvolutional Network", "DeconvolutionalNetwork", "nnzoo.networks.deconvolutional", 2010,
        "Zeiler et al. 2010; Dosovitskiy et al. 2015",
        ("image",), (), False,
        (
            "min over z and f of ½ Σ ‖x - Σ_k z_k ∗ f_k‖² + λ Σ |z|, ‖f_k‖ = 1", "z ← soft(z - ∇/L, λ/L)",
            "or from a label c: x̂ = W_L ∗ up(... f(W_2 ∗ up(f(W_1 c + b_1)) + b_2) ...)",
        ), "filters and sparse maps in turn: maps by thresholded steps, filters by gradient descent",
        "sparse feature maps, images from labels or attributes; not for many different images of one label",
        ("deconvolutional", "convolutional-sparse-coding", "upconvolutional-network"),
    ),
    Row(
        "DCIGN", "Deep Convolutional Inverse Graphics Network", "InverseGraphicsNetwork",
        "nnzoo.networks.inverse_graphics", 2015, "Kulkarni, Whitney, Kohli & Tenenbaum 2015",
        ("image",), (), False,
        (
            "q(z|x) = N(μ(x), σ(x)²), p(x|z) around g(z), both convolutional",
            "max E[log p(x|z)] - KL(q(z|x) ‖ N(0, I))",
            "where one factor varies: z_j ← its mean over the batch and ∂/∂z_j ← c (z_j - mean) for all other j",
        ), "gradient descent on a bound of the likelihood, in batches in which one factor varies if they are at hand",
        "images whose factors can be varied one at a time; not for collections of which nothing is known (a VAE)",
        ("inverse-graphics", "dc-ign"),
    ),
    Row(
        "GAN", "Generative Adversarial Network", "GAN", "nnzoo.networks.gan", 2014,
        "Goodfellow et al. 2014; Radford, Metz & Chintala 2016",
        ("table", "image"), (), False,
        (
            "min over G, max over D of E log σ(D(x)) + E log (1 - σ(D(G(z)))), z ~ N(0, I)",
            "the generator in practice: max E log σ(D(G(z)))",
        ),
        "gradient descent of two networks against one another: a generator, and a critic of what it makes",
        "sharp samples from plentiful data; not for likelihoods, tiny data or tables",
        few_rows=1_000,
    ),
    Row(
        "LSM", "Liquid State Machine", "LiquidStateMachine", "nnzoo.networks.liquid_state", 2002,
        "Maass, Natschläger & Markram 2002",
        ("sequence",), ("classification", "regression"), True,
        (
            "τ dv/dt = -v + W_in u + I_0; v ≥ 1: spike s, v ← 0, rest", "v ← v + W s, W random",
            "r(t+1) = e^(-1/τ_f) r(t) + s(t+1)", "y = W_out [r, u] + c",
        ), f"{LEAST_SQUARES}; the spiking pool is drawn and stays",
        "spikes, neuromorphic study; not for accuracy by the second of computing, where an echo state network wins",
    ),
    Row(
        "ELM", "Extreme Learning Machine", "ExtremeLearningMachine", "nnzoo.networks.extreme_learning", 2006,
        "Huang, Zhu & Siew 2006; Cambria et al. 2013",
        ("table", "image"), ("classification", "regression"), False,
        ("H = f(X W + b), W and b random", "β = (HᵀH + λI)⁻¹ HᵀT", "o = g(H β)"), LEAST_SQUARES,
        "fast baselines, regression on streams; not for best accuracy in images and texts",
        ("random-vector-functional-link", "rvfl"),
    ),
    Row(
        "ESN", "Echo State Network", "EchoStateNetwork", "nnzoo.networks.echo_state", 2001,
        "Jaeger 2001; Jaeger & Haas 2004",
        ("sequence",), ("classification", "regression"), True,
        (
            "x(n+1) = (1 - a) x(n) + a tanh(W_in u(n+1) + W x(n) + b), W_in, W, b random",
            "W_out = Y Xᵀ (X Xᵀ + λI)⁻¹", "y = g(W_out [x, u] + c)",
        ), f"{LEAST_SQUARES}; the recurrent pool is drawn and stays",
        "chaotic and short series, fast learning; not for language or long symbolic memory",
        ("reservoir", "reservoir-computing", "echo-state"),
    ),
    Row(
        "DRN", "Deep Residual Network", "DeepResidualNetwork", "nnzoo.networks.deep_residual", 2015,
        "He et al. 2015, 2016; Huang et al. 2016",
        ("table", "image"), ("classification", "regression"), True,
        ("y = x + F(x), block behind block", "F(x) = W2 f(N(W1 f(N(x)))), N normalisation", "∂y/∂x = I + ∂F/∂x"),
        BACKPROPAGATION,
        "depth, larger image sets, tables with many rows; not for deep image models on a small processor",
        ("resnet", "residual", "deep-residual", "residual-network"), few_rows=1_000, sees_places=True,
    ),
    Row(
        "KN", "Kohonen Network", "KohonenNetwork", "nnzoo.networks.kohonen", 1982, "Kohonen 1982",
        ("table", "image"), (), False,
        (
            "c = argmin_i ‖x - m_i‖", "h_ci = exp(-d(c, i)² / (2 σ²)), d measured on the map",
            "m_i = Σ_n h_c(n)i x_n / Σ_n h_c(n)i", "or, row by row, m_i ← m_i + α h_ci (x - m_i)",
        ), "a unit and its neighbours on the map move to the rows that they answer to; no gradient",
        "maps for people to read; not for pure clustering or the best embedding",
        ("som", "self-organising-map", "self-organizing-map"),
    ),
    Row(
        "SVM", "Support Vector Machine", "SupportVectorMachine", "nnzoo.networks.support_vector", 1995,
        "Cortes & Vapnik 1995; Boser, Guyon & Vapnik 1992",
        ("table", "image"), ("classification", "regression"), False,
        ("f(x) = Σ a_i y_i K(x_i, x) + b", "max Σ a_i - ½ Σ a_i a_j y_i y_j K(x_i, x_j), 0 ≤ a_i ≤ C, Σ a_i y_i = 0"),
        "the largest margin, an exact quadratic programme; no gradient",
        "up to some 50,000 rows, clean margins; not for millions of rows or probabilities",
        ("svc", "svr", "support-vector"),
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
    Row(
        "CN", "Capsule Network", "CapsuleNetwork", "nnzoo.networks.capsule", 2017, "Sabour, Frosst & Hinton 2017",
        ("image",), ("classification",), False,
        (
            "û_j|i = W_ij u_i", "c_i = softmax(b_i), s_j = Σ_i c_ij û_j|i, v_j = ‖s_j‖ / (1 + ‖s_j‖²) · s_j",
            "b_ij ← b_ij + û_j|i · v_j", "L = Σ_k T_k max(0, 0.9 - ‖v_k‖)² + 0.5 (1 - T_k) max(0, ‖v_k‖ - 0.1)²",
        ),
        "gradient descent by backpropagation on lengths; couplings are found by agreement",
        "the study of pose and of images that overlap; not for accuracy per operation",
        ("capsules", "capsnet"),
    ),
    Row(
        "AN", "Attention Network", "AttentionNetwork", "nnzoo.networks.attention", 2014,
        "Bahdanau, Cho & Bengio 2014; Vaswani et al. 2017",
        ("sequence", "text"), ("classification", "regression"), True,
        (
            "e_j = v·tanh(W q + U h_j + b), h_j the states of a recurrent network, q what asks",
            "or, as a transformer, e_j = (W q)·(U h_j) / √d, h_j the steps of the layer before",
            "α = softmax(e)", "c = Σ_j α_j h_j",
        ), BACKPROPAGATION,
        "long dependencies with enough data; not for a few short series",
        ("attention", "transformer"),
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
