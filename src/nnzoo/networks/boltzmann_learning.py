"""How a Boltzmann machine learns: clamped less free moments, by all states, by chains that go on, or by means."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nnzoo.engine.batches import Batch
from nnzoo.networks.boltzmann import (
    drawn,
    free_moments,
)
from nnzoo.networks.boltzmann_units import BoltzmannUnits, moments_of_means
from nnzoo.training.gradient import GradientSettings, rate_factor
from nnzoo.training.loop import NotFinite
from nnzoo.training.state import flatten_state, restore_state


class BoltzmannTrainer:
    """Move weights along what units do together while rows are held less what they do while none is.

    Parameters
    ----------
    network : CodeNetwork
    method : "exact", "pcd", "mean_field" or "pseudo_likelihood"
    temperatures : sequence of float
        Of the sweeps of a step.
    n_chains : int
    centering : bool
    weight_decay : float
    settings : GradientSettings
        Whose rate and schedule count.
    """

    finished = False

    def __init__(
        self,
        network: Any,
        *,
        method: str,
        temperatures: Sequence[float],
        n_chains: int,
        centering: bool,
        settings: GradientSettings,
    ) -> None:
        self.network = network
        self.machine: BoltzmannUnits = network.body.machine
        self.method = method
        self.temperatures = temperatures
        self.n_chains = n_chains
        self.centering = centering
        self.settings = settings
        self.chains: Tensor | None = None
        self.n_steps = 0
        self.rate_factor = 1.0

    @torch.no_grad()
    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Move the weights once; returns the mean loss of the rows before."""
        machine = self.machine
        v = self._units(batch)
        weight = v.new_ones(len(v)) if batch.weight is None else batch.weight.to(v)
        slope, loss = self.slope(v, weight / weight.sum(), generator)
        rate = self.settings.learning_rate * self.rate_factor * rate_factor(self.settings, self.n_steps)
        means, slope = slope.diagonal().clone(), slope * machine.links
        if self.centering:
            away = torch.outer(means, machine.centre)
            slope = slope - (away + away.t()) * machine.links
        move = rate * (slope - self.settings.weight_decay * machine.weight)
        new_weight, new_bias = machine.weight + move, machine.bias + rate * means
        if self.centering:
            new_bias -= move @ machine.centre
        if not bool(new_weight.isfinite().all() and new_bias.isfinite().all()):
            raise NotFinite(loss=loss, gradient_norm=float(slope.norm()))
        machine.weight.copy_(new_weight)
        machine.bias.copy_(new_bias)
        self.n_steps += 1
        return {"loss": loss}

    def slope(self, v: Tensor, share: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
        """Return ⟨s sᵀ⟩_clamped - ⟨s sᵀ⟩_free, the means in its diagonal, and the mean loss of the rows.

        Parameters
        ----------
        v, share : Tensor of shape (n, n_visible) and (n,)
        generator : torch.Generator
        """
        machine = self.machine
        if self.method == "pseudo_likelihood":
            left_over = v - torch.sigmoid(machine.fields(v))
            half = (left_over * share[:, None]).t() @ v
            return (half + half.t()).diagonal_scatter(share @ left_over), float(share @ self._losses(v))
        if self.method == "mean_field":
            means = machine.mean_field_of(v)[0] if machine.n_hidden else v[:, :0]
            s = torch.cat([v, means], dim=1)
            return moments_of_means(s, share) - self._free_means(generator), float(share @ self._losses(v))
        parts = zip(v.split(machine.rows_at_once), share.split(machine.rows_at_once), strict=True)
        held = [(machine.clamped(rows, part), part) for rows, part in parts]
        clamped = torch.stack([moments for (moments, _, _), _ in held]).sum(dim=0)
        if self.method == "exact":
            free, log_z = free_moments(machine.weight, machine.bias)
            loss = log_z - sum(part @ log_weight for (_, _, log_weight), part in held)
            return clamped - free, float(loss)
        loss = float(share @ self._losses(v, torch.cat([s for (_, s, _), _ in held])))
        return clamped - self._free_chains(generator), loss

    def _free_chains(self, generator: torch.Generator) -> Tensor:
        """Return ⟨s sᵀ⟩ over the chains after their sweeps."""
        chains = self.chains
        if chains is None:
            chains = drawn(torch.sigmoid(self.machine.bias).expand(self.n_chains, -1), generator)
        for states in self.machine.run(chains, self.temperatures, generator):
            chains = states.contiguous()
        self.chains = chains
        return chains.t() @ chains / self.n_chains

    def _free_means(self, generator: torch.Generator) -> Tensor:
        """Return ⟨s sᵀ⟩ over many solutions of mean field, which begin by chance and go on from step to step."""
        chains, bias = self.chains, self.machine.bias
        if chains is None:
            size = (self.n_chains, len(bias))
            chains = torch.rand(size, dtype=bias.dtype, device=bias.device, generator=generator)
        for temperature in self.temperatures:
            chains = 0.5 * (chains + torch.sigmoid(self.machine.fields(chains) / temperature))
        self.chains = chains
        return moments_of_means(chains, chains.new_full((self.n_chains,), 1 / self.n_chains))

    def _units(self, batch: Batch) -> Tensor:
        return self.network.body.units(self.network.scaling(batch.inputs))

    def _losses(self, v: Tensor, s: Tensor | None = None) -> Tensor:
        """Return -Σᵢ log p(vᵢ | all others) of each row, the hidden units at their means."""
        machine = self.machine
        s = torch.cat([v, machine.hidden(v)[0]], dim=1) if s is None else s
        told = machine.fields(s)[:, : machine.n_visible]
        return functional.binary_cross_entropy_with_logits(told, v, reduction="none").sum(dim=1)

    @torch.no_grad()
    def measure(self, batch: Batch) -> float:
        """Return the mean loss of the rows: -log p of "exact", else what is lost unit by unit."""
        total, machine = 0.0, self.machine
        log_z = free_moments(machine.weight, machine.bias)[1] if self.method == "exact" else None
        for part in batch.pieces(machine.rows_at_once, machine.rows_at_once):
            v = self._units(part)
            losses = self._losses(v) if log_z is None else log_z - machine.hidden(v)[1]
            total += float(losses.sum() if part.weight is None else losses @ part.weight.to(losses))
        return total / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return the machine and the levels."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return machine, chains and place."""
        return flatten_state(
            {
                "network": dict(self.network.state_dict()),
                "chains": self.chains,
                "n_steps": self.n_steps,
                "rate_factor": self.rate_factor,
            }
        )

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        state = restore_state(values, tensors)
        self.network.load_state_dict(state["network"])
        self.chains, self.n_steps, self.rate_factor = state["chains"], state["n_steps"], state["rate_factor"]

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to these weights with a tenth of the rate and new chains."""
        self.network.load_state_dict(weights)
        self.chains = None
        self.rate_factor /= 10
