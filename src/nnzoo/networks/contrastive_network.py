"""What estimators of restricted Boltzmann machines do alike: of one machine, and of a stack of them."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from nnzoo.checks import OneOf, Range, either
from nnzoo.engine.batches import count_batches
from nnzoo.estimator import GRADIENT_RANGES, LOOP_RANGES, Rows
from nnzoo.evaluation.rowvalues import (
    MAX_ROWS,
    RowValues,
    Shown,
    as_bytes,
    density_by_components,
    density_by_shares,
)
from nnzoo.inputs import Inputs
from nnzoo.networks.boltzmann import CHAIN_RANGES, drawn, generator_of
from nnzoo.networks.boltzmann_layers import anneal_layer, log_partition, numbers
from nnzoo.networks.contrastive import PIECE_ROWS, ContrastiveSettings, ContrastiveTrainer
from nnzoo.networks.parameters import UnlabelledParameters, with_parameters
from nnzoo.networks.parts import HiddenLayers
from nnzoo.networks.unlabelled import (
    Unlabelled,
    drawn_images,
    reconstruction_values,
    within_unit_range,
)
from nnzoo.targets import Target
from nnzoo.training.loop import LoopSettings

VISIBLE = ("gaussian", "bernoulli")
USUAL_PASSES = 20
STEP_ROWS = 2048
N_SAMPLE_STEPS = 200
MOST_FILTERS = 96


@with_parameters
class ContrastiveNetwork(UnlabelledParameters, Unlabelled):
    """What networks of restricted machines do alike; their body has ``layers``, a list of :class:`BoltzmannLayer`.

    Parameters
    ----------
    visible : "auto", "bernoulli" or "gaussian", default "auto"
        "bernoulli" is for numbers from 0 to 1, bytes as shares of 255, which are then not standardised; "gaussian" has
        a variance of each column, which is learned. "auto": Bernoulli if all numbers are from 0 to 1.
    method : "pcd" or "cd", default "pcd"
        Chains that go on from step to step, or that begin at the rows of each step.
    n_gibbs_steps : int, default 1
        From side to side and back, for each step.
    n_chains : int, default 100
        Of "pcd"; samples come from them.
    centering : bool, default True
        Whether means are taken of centred units, which is the faster way to the same fixed points.
    learning_rate : float, default 0.1
        η.
    schedule : "constant", "cosine" or "one_cycle", default "cosine"
        The slower a machine moves at the end, the better its chains can follow.
    batch_size : int, default 50
    n_epochs : int or "auto", default "auto"
        Passes through the training rows. "auto": 20, or as many as make 1,000 steps; a few hundred leave weights small.
    weight_decay : float, default 0.0
        L2 penalty of W.
    Others: those of UnlabelledParameters.
    """

    visible: str = "auto"
    method: str = "pcd"
    n_gibbs_steps: int = 1
    n_chains: int = 100
    centering: bool = True
    learning_rate: float = 0.1
    schedule: str = "cosine"
    batch_size: int = 50
    n_epochs: int | str = "auto"
    weight_decay: float = 0.0

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    own_counts: ClassVar[tuple[str, ...]] = ("bernoulli",)
    trains_in_bfloat16: ClassVar[bool] = False
    least_steps: ClassVar[int] = 1000
    """Of a layer, where ``n_epochs`` is "auto"."""
    ranges: ClassVar[Mapping[str, Range]] = {
        **UnlabelledParameters.ranges,
        **CHAIN_RANGES,
        "visible": OneOf(("auto", *VISIBLE)),
        "method": OneOf(("pcd", "cd")),
        "n_epochs": either(LOOP_RANGES["n_epochs"], OneOf(("auto",))),
        **{name: GRADIENT_RANGES[name] for name in ("learning_rate", "schedule", "batch_size", "weight_decay")},
    }

    @property
    def in_unit_range(self: Any) -> bool:
        """Return whether visible units are 0 and 1."""
        return self.visible_ == "bernoulli"

    @property
    def n_machines(self) -> int:
        """Return how many layers are trained, one after the other."""
        return 1

    def n_passes(self, n_rows: int) -> int:
        """Return how often each layer goes through so many rows."""
        if self.n_epochs != "auto":
            return int(self.n_epochs)
        return max(USUAL_PASSES, -(-self.least_steps // count_batches(n_rows, self.batch_size)))

    def learn(self: Any, network: nn.Module, n_rows: int, n_steps: int) -> ContrastiveTrainer:
        """Return contrastive divergence, layer by layer."""
        own = self.get_params(deep=False) | {"n_epochs": self.n_passes(n_rows)}
        names = ContrastiveSettings.__dataclass_fields__
        return ContrastiveTrainer(network, n_rows, ContrastiveSettings(**{name: own[name] for name in names}))

    def loop_settings(self: Any, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return all passes of all layers; a step takes some batches, and the last weights are kept."""
        n_epochs = self.n_passes(n_rows) * self.n_machines
        n_batches = max(STEP_ROWS // self.batch_size, 1)
        return LoopSettings(n_epochs, n_batches * self.batch_size, seed, keep="last", falls=False)

    def sample(self: Any, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return new rows in their own unit: the means of visible units at the end of chains of Gibbs steps.

        No chain has ever begun at a row of training. Of "pcd" they are the chains of training itself, each of which
        takes 200 steps more, now that the weights stay; more samples than chains share their beginning. Of "cd" each
        one comes by 300 machines from one without links. From the top layer they go down, drawn but for the last step.

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, RandomState or None
        """
        check_is_fitted(self)
        generator = generator_of(random_state, self._device)
        *below, top = self.network_.body.layers
        with torch.inference_mode():
            if self.method == "pcd":
                places = torch.randperm(len(top.chains), generator=generator, device=self._device)
                v = top.means(top.visible_sums(top.chains[places[torch.arange(n_samples) % len(places)]]))
            else:
                v = anneal_layer(top, n_samples, generator)[0]
            for _ in range(N_SAMPLE_STEPS):
                v = top.gibbs_step(v, generator)
            sums = top.visible_sums(drawn(top(v), generator))
            for layer in reversed(below):
                sums = layer.visible_sums(layer.draw_visible(sums, generator))
            rows = self.network_.body.layers[0].means(sums)
        return self._in_units(rows.double().cpu().numpy())

    def hidden_layers(self: Any) -> HiddenLayers:
        """Return the layers as those of a feed-forward network with sigmoid units, for one that starts from them."""
        check_is_fitted(self)
        weights = []
        for layer in self.network_.body.layers:
            scale = 1.0 if layer.log_variance is None else (-layer.log_variance).exp()[:, None]
            weights.append(((layer.weight * scale).t(), layer.hidden_bias.detach()))
        return HiddenLayers(type(self).__name__, self.inputs_, tuple(weights), "sigmoid")

    def settle(self: Any, X: Any, sample_weight: Any) -> None:
        """Work out log Z of the top layer."""
        top = self.network_.body.layers[-1]
        for value, buffer in zip(log_partition(top), (top.log_z, top.log_z_error), strict=True):
            buffer.fill_(value)

    # Inside

    def _start(self: Any, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)  # pyright: ignore[reportAttributeAccessIssue]
        first = self.network_.body.layers[0]
        if not self.in_unit_range:
            return
        rows = self._to_batch(train)
        total = torch.zeros_like(first.visible_mean, dtype=torch.float64)
        for part in rows.pieces(PIECE_ROWS, PIECE_ROWS):
            v = self.network_.scaling(part.inputs).flatten(1).double()
            total += v.sum(dim=0) if part.weight is None else part.weight.double() @ v
        # half a row of either kind more, so that no unit is sure
        first.begin((total + 0.5) / (len(rows) + 1))

    def _size(self: Any, train: Rows, target: Target) -> None:
        is_share = within_unit_range(train.X)
        self.visible_ = VISIBLE[is_share] if self.visible == "auto" else self.visible
        super()._size(train, target)  # pyright: ignore[reportAttributeAccessIssue]

    def _sizes(self: Any) -> dict[str, Any]:
        return super()._sizes() | {"bernoulli": int(self.visible_ == "bernoulli")}  # pyright: ignore[reportAttributeAccessIssue]

    def _bare_network(self: Any, inputs: Inputs, sizes: Mapping[str, Any]) -> Any:
        self.visible_ = VISIBLE[bool(sizes["bernoulli"])]
        return super()._bare_network(inputs, sizes)


def likelihood_values(network: Any, X: Any, X_train: Any | None, n_components: int) -> RowValues:
    """Return the log-likelihood of each row beside that of simpler distributions; what comes back, samples, filters.

    Parameters
    ----------
    network : ContrastiveNetwork
    X, X_train : rows, as for ``transform``
        Those that are measured; those of training, or None where they are not at hand.
    n_components : int
        Of the principal components beside it.
    """
    values, rows = network.score_samples(X), network._standardized(network._check_inputs(X))
    rebuilt = reconstruction_values(network, X, None, n_components)
    more = {"reconstruction_error": (float(rebuilt.values.mean()), rebuilt.better, rebuilt.what)}
    competitors: Any = ()
    if X_train is not None:
        X_train = X_train[:: -(-len(X_train) // MAX_ROWS)]
        known = network._standardized(network._check_inputs(X_train))
        beside = (
            density_by_shares if network.in_unit_range else partial(density_by_components, n_components=n_components)
        )
        competitors = beside(known, rows)
        gap = float(network.score_samples(X_train).mean() - values.mean())
        more["free_energy_gap"] = (gap, "lower", "How much more likely rows of training are, in nats; log Z cancels.")
    top = network.network_.body.layers[-1]
    more["log_z_error"] = (float(top.log_z_error), "lower", "Standard error of log Z, which all rows share.")
    sentence = "Images from chains that never began at a row of training; means of the last step."
    return RowValues(
        "log_likelihood",
        "higher",
        "How likely a row is, as standardised, in nats.",
        values,
        tuple(competitors),
        more,
        rebuilt.shows + drawn_images(network, sentence) + _filters(network),
    )


def _filters(network: Any) -> tuple[Shown, ...]:
    """Return the picture of what the first hidden units look for, if rows are images."""
    inputs: Inputs = network.inputs_
    if inputs.kind != "image":
        return ()
    tiles = as_bytes(numbers(network.network_.body.layers[0].weight.t())[:MOST_FILTERS]).reshape(-1, *inputs.shape)
    lines = {f"{start + 1} on": tiles[start : start + 12] for start in range(0, len(tiles), 12)}
    return (Shown("The filters", "The weights of hidden units: bright where light turns one on.", lines),)
