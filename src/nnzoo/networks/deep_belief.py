"""Deep Belief Network (DBN): restricted Boltzmann machines stacked, each one learning the hidden units of that below.

    p(v, h₁ ... h_L) = p(v|h₁) ... p(h_{L-2}|h_{L-1}) p(h_{L-1}, h_L)
    p(hₗ₋₁|hₗ) = σ(bₗ + Wₗ hₗ)                          downwards, layer after layer
    p(h_{L-1}, h_L) = exp(-E(h_{L-1}, h_L)) / Z          the top, a machine of both directions
    q(hₗ|hₗ₋₁) = σ(cₗ + Wₗᵀ hₗ₋₁)                        upwards, what a row is taken for

    log p(v) ≥ E_q[log p(v|h₁) + ... - F(h_{L-1})] - log Z + Σₗ H(q(hₗ|hₗ₋₁))

Layers learn from the bottom to the top by the rule of the restricted machine (contrastive.py); upwards go
probabilities, and what is drawn by chance are the chains inside the layer that learns. With one layer it is such a
machine, and the bound is exact.

The drawing is a chain of autoencoders; the model is a stack of machines of which the top one alone has two directions.

Sources: Hinton, Osindero & Teh 2006; Bengio, Lamblin, Popovici & Larochelle 2007; Salakhutdinov & Murray 2008 (the
bound). Sibling: restricted_boltzmann.py (one machine).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import Each, Range, Whole
from nnzoo.estimator import Network
from nnzoo.evaluation.rowvalues import RowValues
from nnzoo.inputs import Inputs
from nnzoo.networks.boltzmann_layers import BoltzmannLayer, Downward
from nnzoo.networks.contrastive_network import ContrastiveNetwork, likelihood_values
from nnzoo.networks.parameters import with_parameters
from nnzoo.networks.unlabelled import fill_missing

BOUND_DRAWS = 10


class DeepBeliefBody(nn.Module):
    """Probabilities of the top layer: rows (n, *shape) to (n, n_out), and means of the visible units back.

    Parameters
    ----------
    shape : tuple of int
        Of a row.
    hidden_layer_sizes : sequence of int
    gaussian : bool
        Whether visible units are any numbers.
    n_chains : int

    Attributes
    ----------
    layers : ModuleList
        The machines, from the bottom to the top.
    n_passes : Tensor of shape ()
        Through the training rows so far, of all layers together.
    """

    n_passes: Tensor

    def __init__(
        self, shape: tuple[int, ...], hidden_layer_sizes: Sequence[int], *, gaussian: bool, n_chains: int = 100
    ) -> None:
        super().__init__()
        sizes = pairwise((int(np.prod(shape)), *hidden_layer_sizes))
        machines = [
            BoltzmannLayer(a, b, gaussian=gaussian and k == 0, n_chains=n_chains) for k, (a, b) in enumerate(sizes)
        ]
        self.layers = nn.ModuleList(machines)
        self.down = nn.Sequential(*(Downward(machine) for machine in reversed(machines)))
        self.shape = shape
        self.n_out = int(hidden_layer_sizes[-1])
        self.register_buffer("n_passes", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of the top layer's hidden units."""
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x

    def decode(self, z: Tensor) -> Tensor:
        """Return the means of the visible units, rows (n, *shape), given hidden ones of the top."""
        return self.down(z).unflatten(1, self.shape)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return minus the bound of each row (n,), by the same draws for every row."""
        generator = torch.Generator().manual_seed(0)
        chances = [
            torch.rand(BOUND_DRAWS, 1, int(layer.n_out), generator=generator, dtype=torch.float64).to(x)  # pyright: ignore[reportArgumentType]
            for layer in self.layers[:-1]
        ]
        return -self.bound(x, chances)

    def bound(self, x: Tensor, chances: Sequence[Tensor]) -> Tensor:
        """Return the bound of each row (n,).

        Parameters
        ----------
        x : Tensor of shape (n, *shape)
        chances : sequence of Tensor, each (n_draws, n or 1, n_hidden)
            Numbers from 0 to 1, one for each layer but the top: a unit is on where its probability is larger.
        """
        n, n_draws = len(x), len(chances[0]) if chances else 1
        machines: list[Any] = list(self.layers)
        *below, top = machines
        v, total = x.flatten(1), x.new_zeros(n_draws * n)
        for layer, chance in zip(below, chances, strict=True):
            q = layer(v)
            if len(v) != len(total):
                v, q = v.repeat(n_draws, 1), q.repeat(n_draws, 1)
            h = (chance.expand(-1, n, -1).flatten(0, 1) < q).to(v)
            total = total + layer.log_conditional(v, h) + entropy(q)
            v = h
        total = total - top.free_energy(v) - top.log_z
        return total.view(n_draws, n).mean(dim=0)


def entropy(q: Tensor) -> Tensor:
    """Return how uncertain units with these probabilities are, together: (n, k) to (n,)."""
    return -(torch.xlogy(q, q) + torch.xlogy(1 - q, 1 - q)).sum(dim=1)


@with_parameters
class DeepBeliefNetwork(ContrastiveNetwork, Network):
    """Deep belief network: learns the distribution of rows, and deep features of them, layer by layer.

    p(v, h₁ ... h_L) = p(v|h₁) ... p(h_{L-2}|h_{L-1}) p(h_{L-1}, h_L), each layer a restricted machine that learns
    what the one below makes of the rows. The code of a row is the probabilities of the top layer. Scores are bounds
    below log p(v), in nats, of the row as standardised.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default (500, 500)
        Hidden units of each layer, from the bottom to the top.
    visible : "auto", "bernoulli" or "gaussian", default "auto"
        Of the first layer. "bernoulli" is for numbers from 0 to 1, bytes as shares of 255, which are then not
        standardised; "gaussian" has a variance of each column, which is learned. "auto": Bernoulli if all numbers are
        from 0 to 1.
    schedule : "constant", "cosine" or "one_cycle", default "cosine"
        Laid out for each layer. The slower a machine moves at the end, the better its chains can follow.
    n_epochs : int or "auto", default "auto"
        Passes through the training rows, for each layer. "auto": 20, or as many as make 300 steps of a layer; a hundred
        leave weights small.
    Others: those of ContrastiveNetwork.

    Attributes
    ----------
    network_ : torch.nn.Module
        Rows (n, *shape) to probabilities of the top layer (n, n_out).
    visible_ : "bernoulli" or "gaussian"
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        Epochs of all layers, one layer behind the other. "train_loss" is what the first rows of each step lose on the
        way through the layer that learns and back; it is no measure of the likelihood.

    References
    ----------
    Hinton, Osindero & Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18, 2006. Bengio,
    Lamblin, Popovici & Larochelle, "Greedy layer-wise training of deep networks", NeurIPS 2007. Salakhutdinov & Murray,
    "On the quantitative analysis of deep belief networks", ICML 2008.

    Examples
    --------
    >>> from nnzoo import DeepBeliefNetwork
    >>> X = [[1, 1, 0, 0], [0, 0, 1, 1]] * 20
    >>> network = DeepBeliefNetwork(hidden_layer_sizes=(4, 3), n_epochs=50, random_state=0).fit(X)
    >>> network.transform(X).shape, network.sample(5, random_state=0).shape
    ((40, 3), (5, 4))
    """

    hidden_layer_sizes: Sequence[int] = (500, 500)

    least_steps: ClassVar[int] = 300
    ranges: ClassVar[Mapping[str, Range]] = {
        **ContrastiveNetwork.ranges,
        "hidden_layer_sizes": Each(Whole(1, 10**9), low=1),
    }

    @property
    def n_machines(self) -> int:
        """Return how many layers are trained, one after the other."""
        return len(self.hidden_layer_sizes)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained stack."""
        return DeepBeliefBody(
            inputs.shape, self.hidden_layer_sizes, gaussian=self.visible_ == "gaussian", n_chains=self.n_chains
        )

    def impute(self, X: Any) -> np.ndarray:
        """Return the rows with what is missing (NaN) filled in: float64, of the shape of X.

        Rows go up to the top and down again by means, the known numbers staying, until nothing moves.
        """
        return fill_missing(self, X)

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the bound on the log-likelihood of each row beside simpler distributions; filters and samples."""
        return likelihood_values(self, X, X_train, self.network_.body.n_out)
