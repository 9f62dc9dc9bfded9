"""The training loop: epochs, early stopping, best weights, time limit, interruption, checkpoints and resume.

The loop knows no network. It drives ``trainer.step(batch, generator) -> losses`` and sees a trainer only through named
state tensors and JSON values, so whatever learns by steps (gradients, contrastive divergence, two optimisers, a map)
gets all of the above.
"""

import math
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from nnzoo.engine.batches import Batch, count_batches, cut_batch, epoch_order
from nnzoo.engine.device import derive_seed
from nnzoo.errors import CheckpointError, TrainingDiverged
from nnzoo.training.checkpoint import Checkpoints
from nnzoo.training.progress import Progress
from nnzoo.training.signals import StopSignals

MAX_RETRIES = 2
FIRST_CHECKPOINT_SECONDS = 5.0
LEAST_CHECKPOINT_SECONDS = 1.0
CHECKPOINT_SHARE = 0.05
PLATEAU_EPOCHS, PLATEAU_SHARE = 10, 1e-3
"""Training that has brought the loss down by less than this share in so many epochs stands still."""


class NotFinite(ArithmeticError):
    """A step met a loss or gradient that is not finite, and moved nothing."""

    def __init__(self, *, loss: float, gradient_norm: float) -> None:
        super().__init__(f"loss {loss}, gradient norm {gradient_norm}")


class Trainer(Protocol):
    """A learning rule, as the loop sees it."""

    @property
    def finished(self) -> bool:
        """Return whether further steps would change nothing."""
        ...

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Learn from one batch and return its losses, "loss" first; raise NotFinite before anything is changed.

        Every random draw comes from the generator, or from torch's global one, which is the run's own.
        """
        ...

    def measure(self, batch: Batch) -> float:
        """Return the mean loss of the rows without learning from them."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return the live tensors that a prediction needs."""
        ...

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return everything that the next step depends on: JSON values, and live tensors by name."""
        ...

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what ``state`` gave."""
        ...

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to these weights and learn more carefully from there."""
        ...


@dataclass(frozen=True)
class LoopSettings:
    """What the network's parameters say about the loop.

    Attributes
    ----------
    n_epochs, batch_size, seed : int
    patience : int or None
        Epochs without a better loss after which training stops; None trains all epochs.
    shuffle : bool
        Whether every epoch takes the rows in a new order.
    tolerance : float
        For ``patience`` a loss is better when it falls by more than this share of itself.
    keep : "best" or "last"
        Which weights the run gives: those of the best epoch, or those of the last.
    falls : bool
        Whether the loss is what training brings down, so that one that never falls is worth a warning.
    """

    n_epochs: int
    batch_size: int
    seed: int
    patience: int | None = None
    tolerance: float = 1e-5
    shuffle: bool = True
    keep: str = "best"
    falls: bool = True


@dataclass
class Run:
    """What belongs to one run rather than to the network.

    Attributes
    ----------
    time_limit : float or None
        Seconds after which training stops with what it has.
    checkpoints : Checkpoints or None
        Where the run's state is written.
    resume : bool
        Whether to go on from the latest checkpoint.
    stop_after : int or None
        Epochs after which training stops as if time were over: how a run that was stopped is repeated.
    identity : dict
        JSON values that a checkpoint must agree with to be resumed: data, parameters, seed.
    surroundings : dict
        JSON values whose difference is only warned of: versions, threads.
    verbose : int
        0 is silent, 1 shows one line of progress on a terminal.
    paced : bool
        Whether the network's products are timed alone at the end, to compare training with them.
    """

    time_limit: float | None = None
    checkpoints: Checkpoints | None = None
    resume: bool = False
    stop_after: int | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    surroundings: dict[str, Any] = field(default_factory=dict)
    verbose: int = 0
    paced: bool = False


@dataclass
class Outcome:
    """What a run gives.

    Attributes
    ----------
    weights : dict of str to Tensor
        The weights to keep.
    history : dict of str to list
        A column a quantity, an entry an epoch: "epoch", "train_loss", "valid_loss" and others, "seconds".
    n_epochs : int
        Epochs done.
    best_epoch : int
        The epoch (from 1) whose weights were kept; 0 if none was completed.
    best_by : str
        "valid_loss", "train_loss", or "last" where the last weights were kept.
    stopped : str
        Why training ended: "epochs", "patience", "finished", "time", "interrupt" or "terminate".
    """

    weights: dict[str, Tensor]
    history: dict[str, list[float]]
    n_epochs: int
    best_epoch: int
    best_by: str
    stopped: str


@dataclass
class _Place:
    """Where a run stands; everything in it goes into a checkpoint."""

    epoch: int = 0
    batch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best_loss: float = math.inf
    best_epoch: int = 0
    waiting_from: float = math.inf
    waited: int = 0
    retries: int = 0
    seconds: float = 0.0
    stopped: str = ""


class Loop:
    """One training run over rows that lie on the device.

    Parameters
    ----------
    trainer : Trainer
    train, valid : Batch
        All training rows; all validation rows or None.
    settings : LoopSettings
    run : Run
    """

    def __init__(self, trainer: Trainer, train: Batch, valid: Batch | None, settings: LoopSettings, run: Run) -> None:
        self.trainer = trainer
        self.train = train
        self.valid = valid
        self.settings = settings
        self.run = run
        self.place = _Place()
        self.history: dict[str, list[float]] = {}
        self.best: dict[str, Tensor] = {}
        self.generator = torch.Generator(train.inputs.device).manual_seed(derive_seed(settings.seed, 2**31))
        self._next_checkpoint = FIRST_CHECKPOINT_SECONDS

    def __call__(self) -> Outcome:
        """Train to the end, the limit or the interruption; returns the weights to keep."""
        self._resume()
        started = time.monotonic() - self.place.seconds
        self.progress = Progress(self.settings.n_epochs, verbose=self.run.verbose)
        with StopSignals() as signals:
            while not self.place.stopped:
                self._epoch(signals, started)
        self.place.seconds = time.monotonic() - started
        if self.place.stopped in ("interrupt", "terminate", "time"):
            self._save_checkpoint()
        return self._outcome()

    def _epoch(self, signals: StopSignals, started: float) -> None:
        """Go through the rows once; a stop in the middle leaves the place as it is for a later resume."""
        place, settings = self.place, self.settings
        n_batches = count_batches(len(self.train), settings.batch_size)
        order = epoch_order(self.train, settings.batch_size, settings.seed, place.epoch, shuffle=settings.shuffle)
        while place.batch < n_batches:
            batch = cut_batch(self.train, order, place.batch, settings.batch_size)
            try:
                losses = self.trainer.step(batch, self.generator)
            except NotFinite as error:
                self._restart(error)
                return
            for name, loss in losses.items():
                place.sums[name] = place.sums.get(name, 0.0) + loss * len(batch)
            place.batch += 1
            place.seconds = time.monotonic() - started
            self.progress.update(place.epoch + place.batch / n_batches, self._losses_in_words)
            if place.batch < n_batches and self._must_stop(signals):
                return
            if place.seconds >= self._next_checkpoint:
                self._save_checkpoint()
        self._end_epoch()
        self._must_stop(signals)

    def _end_epoch(self) -> None:
        place = self.place
        losses = {f"train_{name}": total / len(self.train) for name, total in place.sums.items()}
        if self.valid is not None:
            losses["valid_loss"] = self.trainer.measure(self.valid)
        place.epoch, place.batch, place.sums = place.epoch + 1, 0, {}
        for name, value in {"epoch": float(place.epoch), **losses, "seconds": place.seconds}.items():
            self.history.setdefault(name, []).append(value)
        self._keep_best(losses[self._best_by])
        place.stopped = self._natural_end()

    def _natural_end(self) -> str:
        """Return why training is over after the epochs done, or an empty text where it goes on."""
        place, settings = self.place, self.settings
        if self.trainer.finished:
            return "finished"
        if settings.patience is not None and place.waited >= settings.patience:
            return "patience"
        return "epochs" if place.epoch >= settings.n_epochs else ""

    @property
    def _best_by(self) -> str:
        return "train_loss" if self.valid is None else "valid_loss"

    def _keep_best(self, loss: float) -> None:
        """Copy the weights of the best epoch; count epochs without a clear improvement."""
        place = self.place
        loss = math.inf if math.isnan(loss) else loss
        if loss < place.best_loss or not self.best:
            place.best_loss, place.best_epoch = loss, place.epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.trainer.weights().items()}
        if loss < place.waiting_from - self.settings.tolerance * abs(place.waiting_from) or math.isinf(
            place.waiting_from
        ):
            place.waiting_from, place.waited = loss, 0
        else:
            place.waited += 1

    def _must_stop(self, signals: StopSignals) -> bool:
        place, run = self.place, self.run
        is_late = run.time_limit is not None and place.seconds >= run.time_limit
        if signals.received:
            place.stopped = signals.received
        elif (is_late or (run.stop_after is not None and place.epoch >= run.stop_after)) and not place.stopped:
            place.stopped = "time"
        return bool(place.stopped)

    def _restart(self, error: NotFinite) -> None:
        """Go back to the best weights with a tenth of the learning rate, twice at most."""
        place = self.place
        if place.retries >= MAX_RETRIES or not self._good_weights():
            last = ", ".join(f"{loss:.3g}" for loss in self.history.get("train_loss", [])[-3:]) or "none"
            raise TrainingDiverged(
                f"Training needs finite losses; epoch {place.epoch + 1}, batch {place.batch + 1} gave {error} "
                f"after {place.retries} retries (last losses: {last}).",
                "Use a smaller learning_rate or clip_norm, and look for extreme values in the data.",
            ) from error
        place.retries += 1
        warnings.warn(
            f"epoch {place.epoch + 1}: {error}; training goes on from the best weights at a tenth of the learning rate",
            ConvergenceWarning,
            stacklevel=2,
        )
        self.trainer.restart(self._good_weights())
        place.batch, place.sums = 0, {}

    def _good_weights(self) -> dict[str, Tensor]:
        """Return the best weights so far; in the first epoch those of the last step, if they are finite."""
        if self.best:
            return self.best
        now = {name: tensor.detach().clone() for name, tensor in self.trainer.weights().items()}
        return now if all(bool(torch.isfinite(tensor).all()) for tensor in now.values()) else {}

    def _losses_in_words(self) -> str:
        place = self.place
        shown = [
            f"{name.replace('_', ' ')} {values[-1]:.4g}" for name, values in self.history.items() if "loss" in name
        ]
        if place.best_epoch:
            shown.append(f"best {place.best_loss:.4g} in epoch {place.best_epoch}")
        return "  ".join(shown)

    def _warn_of_plateau(self) -> None:
        """Say that training has stood still from its first epoch on."""
        losses = self.history.get("train_loss", []) if self.settings.falls else []
        if len(losses) >= PLATEAU_EPOCHS and min(losses) > losses[0] - PLATEAU_SHARE * abs(losses[0]) and losses[0]:
            warnings.warn(
                f"the training loss has not fallen since the first of {len(losses)} epochs ({losses[0]:.4g} then, "
                f"{min(losses):.4g} at best); if predictions are no better than a constant, use another learning_rate, "
                "or look at the inputs",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _outcome(self) -> Outcome:
        place = self.place
        self._warn_of_plateau()
        keep_best = self.settings.keep == "best" and bool(self.best)
        kept = self.best if keep_best else {n: t.detach().clone() for n, t in self.trainer.weights().items()}
        self.progress.finish(
            f"{place.epoch} epochs in {place.seconds:.1f} s, stopped by {place.stopped}; "
            + (f"weights of epoch {place.best_epoch} kept, {self._best_by.replace('_', ' ')} {place.best_loss:.4g}")
            * keep_best
        )
        return Outcome(
            weights=kept,
            history=self.history,
            n_epochs=place.epoch,
            best_epoch=place.best_epoch if keep_best else place.epoch,
            best_by=self._best_by if keep_best else "last",
            stopped=place.stopped,
        )

    def _save_checkpoint(self) -> None:
        """Write the run's state; the next write comes when writing has cost at most a twentieth of the time."""
        if self.run.checkpoints is None:
            return
        began = time.monotonic()
        values, tensors = self.trainer.state()
        stopped, self.place.stopped = self.place.stopped, ""
        named = {f"trainer{name}": tensor for name, tensor in tensors.items()}
        named |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        named |= {f"random.{name}": state for name, state in _random_states(self.generator).items()}
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in named.items()}
        arrays |= {f"history.{name}": np.array(column) for name, column in self.history.items()}
        about = {
            "place": vars(self.place) | {name: _json_float(getattr(self.place, name)) for name in _MAY_BE_INFINITE},
            "trainer": values,
            "history": list(self.history),
            "identity": self.run.identity,
            "surroundings": self.run.surroundings,
        }
        self.run.checkpoints.save(self.place.epoch * 10**9 + self.place.batch, about, arrays)
        self.place.stopped = stopped
        self._next_checkpoint = self.place.seconds + max(
            (time.monotonic() - began) / CHECKPOINT_SHARE, LEAST_CHECKPOINT_SECONDS
        )

    def _resume(self) -> None:
        if self.run.checkpoints is None or not self.run.resume:
            return
        about, arrays = self.run.checkpoints.latest()
        self._check_identity(about)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        device = self.train.inputs.device
        self.trainer.load_state(about["trainer"], _under("trainer", tensors, device))
        self.best = _under("best.", tensors, device)
        columns = _under("history.", tensors, torch.device("cpu"))
        self.history = {name: columns[name].tolist() for name in about["history"]}
        _set_random_states(self.generator, _under("random.", tensors, torch.device("cpu")))
        place = dict(about["place"])
        for name in _MAY_BE_INFINITE:
            place[name] = math.inf if place[name] is None else place[name]
        self.place = _Place(**place)
        if self.place.epoch and not self.place.batch:
            self.place.stopped = self._natural_end()
        self._next_checkpoint = self.place.seconds + FIRST_CHECKPOINT_SECONDS

    def _check_identity(self, about: dict[str, Any]) -> None:
        different = [name for name, value in self.run.identity.items() if about["identity"].get(name) != value]
        if different:
            raise CheckpointError(
                f"The checkpoint needs the run that it was written by; different now: {', '.join(different)}.",
                "Start without resume, or give the same data, network, parameters and seed.",
            )
        changed = [name for name, value in self.run.surroundings.items() if about["surroundings"].get(name) != value]
        if changed:
            warnings.warn(
                f"the checkpoint was written with other {', '.join(changed)}: the last bits may differ", stacklevel=2
            )


_MAY_BE_INFINITE = ("best_loss", "waiting_from")


def _json_float(value: float) -> float | None:
    return None if math.isinf(value) else value


def _under(prefix: str, tensors: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t.to(device) for name, t in tensors.items() if name.startswith(prefix)}


def _random_states(generator: torch.Generator) -> dict[str, Tensor]:
    states = {"global": torch.get_rng_state(), "own": generator.get_state()}
    if generator.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(generator.device)
    return states


def _set_random_states(generator: torch.Generator, states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["global"])
    generator.set_state(states["own"])
    if generator.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], generator.device)
