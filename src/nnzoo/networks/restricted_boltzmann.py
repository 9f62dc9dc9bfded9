"""Restricted Boltzmann Machine (RBM): visible and hidden units of 0 and 1, joined across and not among themselves.

    E(v, h) = -b·v - c·h - vᵀWh,  p(v, h) = exp(-E(v, h)) / Z
    p(hⱼ = 1|v) = σ(cⱼ + (Wᵀv)ⱼ),  p(vᵢ = 1|h) = σ(bᵢ + (Wh)ᵢ)        all units of a side at once
    F(v) = -b·v - Σⱼ log(1 + exp(cⱼ + (Wᵀv)ⱼ)),  log p(v) = -F(v) - log Z
    ΔW = η (⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine)

The second mean is taken over chains of Gibbs steps, from side to side. Visible units may also be any numbers, normal
around bᵢ + (Wh)ᵢ. The machine, its learning rule and log Z stand in contrastive.py, because a deep belief network is
a stack of such machines.

Sources: Smolensky 1986; Hinton 2002 (contrastive divergence); Tieleman 2008 (persistent chains); Salakhutdinov &
Murray 2008 (log Z by annealing); Montavon & Müller 2012 (centring); Cho, Ilin & Raiko 2011 (Gaussian units).
Siblings: deep_belief.py (a stack).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import Range
from nnzoo.errors import UsageError
from nnzoo.estimator import Network
from nnzoo.evaluation.rowvalues import RowValues
from nnzoo.inputs import Inputs
from nnzoo.networks.boltzmann import drawn, generator_of
from nnzoo.networks.coding import CODING_RANGES
from nnzoo.networks.contrastive import (
    CONTRASTIVE_RANGES,
    BoltzmannLayer,
    ContrastiveNetwork,
    Downward,
    likelihood_values,
)
from nnzoo.networks.unlabelled import fill_missing


class RestrictedBoltzmannBody(nn.Module):
    """Probabilities of the hidden units: rows (n, *shape) to (n, n_components), and means of the visible ones back.

    Parameters
    ----------
    shape : tuple of int
        Of a row.
    n_components : int
    gaussian : bool
        Whether visible units are any numbers.

    Attributes
    ----------
    layers : ModuleList
        The one machine.
    n_passes : Tensor of shape ()
        Through the training rows, so far.
    """

    n_passes: Tensor

    def __init__(self, shape: tuple[int, ...], n_components: int, *, gaussian: bool) -> None:
        super().__init__()
        machine = BoltzmannLayer(int(np.prod(shape)), n_components, gaussian=gaussian)
        self.layers = nn.ModuleList([machine])
        self.down = Downward(machine)
        self.shape = shape
        self.n_out = n_components
        self.register_buffer("n_passes", torch.zeros((), dtype=torch.int64))

    @property
    def machine(self) -> BoltzmannLayer:
        """Return the machine."""
        return self.layers[0]  # pyright: ignore[reportReturnType]

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of the hidden units."""
        return self.machine(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        """Return the means of the visible units, rows (n, *shape), given hidden ones."""
        return self.down(z).unflatten(1, self.shape)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return -log p of each row (n,)."""
        return self.machine.free_energy(x.flatten(1)) + self.machine.log_z

    def pseudo_likelihood(self, x: Tensor) -> Tensor:
        """Return Σᵢ log p(vᵢ | all others) of each row (n,): log σ(F(v with vᵢ turned round) - F(v)), unit by unit."""
        v, machine = x.flatten(1), self.machine
        sums, turn = machine.hidden_sums(v), 1 - 2 * v
        before, total = functional.softplus(sums).sum(dim=1), torch.zeros_like(v[:, 0])
        for unit in range(v.shape[1]):
            after = functional.softplus(sums + turn[:, unit, None] * machine.weight[unit]).sum(dim=1)
            total += functional.logsigmoid(before - after - turn[:, unit] * machine.visible_bias[unit])
        return total


class RestrictedBoltzmannMachine(ContrastiveNetwork, Network):
    """Restricted Boltzmann machine: learns the distribution of rows of 0 and 1, and features of them.

    E(v, h) = -b·v - c·h - vᵀWh, trained by W ← W + η (⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine), where the machine's part comes from
    chains of Gibbs steps. The code of a row is the probabilities of the hidden units. Likelihoods are in nats, of the
    row as standardised; of numbers between 0 and 1 they are bounds below the mean over rows of 0 and 1 that are drawn
    with these chances.

    Parameters
    ----------
    n_components : int, default 256
        Hidden units.
    visible : "auto", "bernoulli" or "gaussian", default "auto"
        "bernoulli" is for numbers from 0 to 1, bytes as shares of 255, which are then not standardised; "gaussian" has
        a variance of each column, which is learned. "auto": Bernoulli if all numbers are from 0 to 1.
    method : "pcd" or "cd", default "pcd"
        Chains that go on from step to step, or that begin at the rows of each step.
    n_gibbs_steps : int, default 1
        From side to side and back, for each step.
    n_chains : int, default 50
        Of "pcd".
    centering : bool, default True
        Whether means are taken of centred units, which is the faster way to the same fixed points.
    learning_rate : float, default 0.1
        η; Gaussian units learn at half of it.
    schedule : "constant", "cosine" or "one_cycle", default "cosine"
        The slower a machine moves at the end, the better its chains can follow.
    batch_size : int, default 20
    n_epochs : int, default 30
        Passes through the training rows.
    weight_decay : float, default 0.0
        L2 penalty of W.
    kind : None, "table", "image" or "sequence", default None
    input_shape : tuple of int or None
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
    random_state : int, RandomState or None
    verbose : int, default 0

    Attributes
    ----------
    network_ : torch.nn.Module
        Rows (n, *shape) to probabilities of hidden units (n, n_components).
    visible_ : "bernoulli" or "gaussian"
    components_ : ndarray of shape (n_components, n_features)
        Wᵀ: what each hidden unit looks for.
    log_partition_ : float
        log Z: exact where a side has few units, else by annealing.
    log_partition_error_ : float
        Its standard error, 0 where it is exact.
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is what the first rows of each step lose on the way to the hidden units and back, a squared error;
        it is no measure of the likelihood.

    Notes
    -----
    scikit-learn's ``BernoulliRBM.score_samples`` draws one unit of a row by chance and multiplies by their number;
    :meth:`pseudo_likelihood` adds up all of them.

    References
    ----------
    Smolensky, "Information processing in dynamical systems: foundations of harmony theory", in Parallel Distributed
    Processing, 1986. Hinton, "Training products of experts by minimizing contrastive divergence", Neural Computation
    14, 2002. Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient", ICML
    2008. Salakhutdinov & Murray, "On the quantitative analysis of deep belief networks", ICML 2008.

    Examples
    --------
    >>> from nnzoo import RestrictedBoltzmannMachine
    >>> X = [[1, 1, 0, 0], [0, 0, 1, 1]] * 20
    >>> network = RestrictedBoltzmannMachine(n_components=3, n_epochs=200, random_state=0).fit(X)
    >>> network.impute([[1, float("nan"), 0, 0]]).round().tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """

    kinds = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **CONTRASTIVE_RANGES,
        "n_components": CODING_RANGES["n_components"],
    }

    def __init__(
        self,
        *,
        n_components: int = 256,
        visible: str = "auto",
        method: str = "pcd",
        n_gibbs_steps: int = 1,
        n_chains: int = 50,
        centering: bool = True,
        learning_rate: float = 0.1,
        schedule: str = "cosine",
        batch_size: int = 20,
        n_epochs: int = 30,
        weight_decay: float = 0.0,
        kind: str | None = None,
        input_shape: Sequence[int] | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.visible = visible
        self.method = method
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.centering = centering
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.weight_decay = weight_decay
        self.kind = kind
        self.input_shape = input_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @property
    def components_(self) -> np.ndarray:
        """Return Wᵀ (n_components, n_features)."""
        return self._machine.weight.t().double().cpu().numpy()

    @property
    def log_partition_(self) -> float:
        """Return log Z."""
        return float(self._machine.log_z)

    @property
    def log_partition_error_(self) -> float:
        """Return the standard error of log Z."""
        return float(self._machine.log_z_error)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained machine."""
        return RestrictedBoltzmannBody(inputs.shape, self.n_components, gaussian=self.visible_ == "gaussian")

    def pseudo_likelihood(self, X: Any) -> np.ndarray:
        """Return Σᵢ log p(vᵢ | all others of the row) of each row, which needs no log Z: (n,).

        Raises
        ------
        UsageError
            Visible units are Gaussian.
        """
        inputs = self._check_inputs(X)
        if not self.in_unit_range:
            raise UsageError(
                "RestrictedBoltzmannMachine has a pseudo-likelihood for units of 0 and 1; these are Gaussian.",
                "Take score_samples, or scale X to numbers from 0 to 1.",
            )
        return self._pass(lambda x: self.network_.body.pseudo_likelihood(self.network_.scaling(x)), inputs)  # pyright: ignore[reportCallIssue]

    def gibbs(
        self, X: Any, n_gibbs_steps: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> np.ndarray:
        """Return what rows become in so many Gibbs steps: rows of visible units that are drawn, in their own unit."""
        inputs, generator = self._check_inputs(X), generator_of(random_state, self._device)
        machine = self._machine
        with torch.inference_mode():
            v = self.network_.scaling(inputs).flatten(1)  # pyright: ignore[reportCallIssue]
            for _ in range(n_gibbs_steps):
                v = machine.draw_visible(machine.visible_sums(drawn(machine(v), generator)), generator)
        return self._in_units(v.double().cpu().numpy())

    def impute(self, X: Any) -> np.ndarray:
        """Return the rows with what is missing (NaN) filled in: float64, of the shape of X.

        Means of hidden and visible units follow each other, the known numbers staying, until nothing moves (mean field).
        """
        return fill_missing(self, X)

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the log-likelihood of each row beside that of simpler distributions; filters and samples."""
        return likelihood_values(self, X, X_train, self.n_components)

    @property
    def _machine(self) -> BoltzmannLayer:
        return self.network_.body.machine  # pyright: ignore[reportReturnType]
