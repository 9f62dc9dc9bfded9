"""Restricted Boltzmann Machine (RBM): visible and hidden units of 0 and 1, joined across and not among themselves.

    E(v, h) = -b·v - c·h - vᵀWh,  p(v, h) = exp(-E(v, h)) / Z
    p(hⱼ = 1|v) = σ(cⱼ + (Wᵀv)ⱼ),  p(vᵢ = 1|h) = σ(bᵢ + (Wh)ᵢ)        all units of a side at once
    F(v) = -b·v - Σⱼ log(1 + exp(cⱼ + (Wᵀv)ⱼ)),  log p(v) = -F(v) - log Z
    ΔW = η (⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine)

The second mean is taken over chains of Gibbs steps, from side to side. Visible units may also be any numbers, normal
around bᵢ + (Wh)ᵢ. The machine and log Z stand in boltzmann_layers.py, its learning rule in contrastive.py, because a
deep belief network is a stack of such machines.

Sources: Smolensky 1986; Hinton 2002 (contrastive divergence); Tieleman 2008 (persistent chains); Salakhutdinov &
Murray 2008 (log Z by annealing); Montavon & Müller 2012 (centring); Cho, Ilin & Raiko 2011 (Gaussian units).
Siblings: deep_belief.py (a stack).
"""

from collections.abc import Mapping
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
from nnzoo.networks.boltzmann import generator_of
from nnzoo.networks.boltzmann_layers import BoltzmannLayer, Downward
from nnzoo.networks.coding import CODING_RANGES
from nnzoo.networks.contrastive_network import ContrastiveNetwork, likelihood_values
from nnzoo.networks.parameters import with_parameters
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
    n_chains : int

    Attributes
    ----------
    layers : ModuleList
        The one machine.
    n_passes : Tensor of shape ()
        Through the training rows, so far.
    """

    n_passes: Tensor

    def __init__(self, shape: tuple[int, ...], n_components: int, *, gaussian: bool, n_chains: int = 100) -> None:
        super().__init__()
        machine = BoltzmannLayer(int(np.prod(shape)), n_components, gaussian=gaussian, n_chains=n_chains)
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


@with_parameters
class RestrictedBoltzmannMachine(ContrastiveNetwork, Network):
    """Restricted Boltzmann machine: learns the distribution of rows of 0 and 1, and features of them.

    E(v, h) = -b·v - c·h - vᵀWh, trained by W ← W + η (⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine); the machine's part comes from
    chains of Gibbs steps. The code of a row is the probabilities of the hidden units. Likelihoods are in nats, of the
    row as standardised; of numbers between 0 and 1 they are bounds below the mean over rows of 0 and 1 that are drawn
    with these chances.

    Parameters
    ----------
    n_components : int, default 256
        Hidden units.
    Others: those of ContrastiveNetwork.

    Attributes
    ----------
    network_ : torch.nn.Module
        Rows (n, *shape) to probabilities of hidden units (n, n_components).
    visible_ : "bernoulli" or "gaussian"
    components_ : ndarray of shape (n_components, n_features)
        Wᵀ: what each hidden unit looks for.
    intercept_visible_, intercept_hidden_ : ndarray of shape (n_features,), (n_components,)
        b and c.
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

    n_components: int = 256

    ranges: ClassVar[Mapping[str, Range]] = {
        **ContrastiveNetwork.ranges,
        "n_components": CODING_RANGES["n_components"],
    }

    @property
    def components_(self) -> np.ndarray:
        """Return Wᵀ (n_components, n_features)."""
        return self._machine.weight.t().double().cpu().numpy()

    @property
    def intercept_visible_(self) -> np.ndarray:
        """Return b (n_features,)."""
        return self._machine.visible_bias.double().cpu().numpy()

    @property
    def intercept_hidden_(self) -> np.ndarray:
        """Return c (n_components,)."""
        return self._machine.hidden_bias.double().cpu().numpy()

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
        return RestrictedBoltzmannBody(
            inputs.shape, self.n_components, gaussian=self.visible_ == "gaussian", n_chains=self.n_chains
        )

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
                v = machine.gibbs_step(v, generator)
        return self._in_units(v.double().cpu().numpy())

    def impute(self, X: Any) -> np.ndarray:
        """Return the rows with what is missing (NaN) filled in: float64, of the shape of X.

        Means of hidden and visible units follow each other, the known numbers staying, until nothing moves: the mean
        field.
        """
        return fill_missing(self, X)

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the log-likelihood of each row beside that of simpler distributions; filters and samples."""
        return likelihood_values(self, X, X_train, self.n_components)

    @property
    def _machine(self) -> BoltzmannLayer:
        return self.network_.body.machine  # pyright: ignore[reportReturnType]
