"""The loop, proved on three learning rules: a gradient, two optimisers, and a rule without gradients."""

import json
import math
import signal
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic, isolated_random_state
from nnzoo.errors import CheckpointError, TrainingDiverged
from nnzoo.heads import HEADS
from nnzoo.training import loop as loop_module
from nnzoo.training.checkpoint import Checkpoints
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import Loop, LoopSettings, NotFinite, Outcome, Run
from nnzoo.training.state import flatten_state, restore_state

CPU = torch.device("cpu")
N_ROWS, BATCH_SIZE, N_EPOCHS = 53, 10, 6  # 5 batches of 10 and one of 3


class AdversarialTrainer:
    """A toy game: the generator turns noise into rows, the discriminator tells them from real ones."""

    def __init__(self) -> None:
        with isolated_random_state(3, CPU):
            self.generator = nn.Linear(2, 4)
            self.discriminator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        self.optimizers = [torch.optim.Adam(net.parameters(), lr=0.01) for net in (self.generator, self.discriminator)]
        self.finished = False

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        fake = self.generator(torch.randn(len(batch), 2, generator=generator))
        loss_d = self._loss(batch.inputs, 1.0) + self._loss(fake.detach(), 0.0)
        self._move(1, loss_d)
        loss_g = self._loss(fake, 1.0)
        self._move(0, loss_g)
        return {"loss": loss_g.item(), "discriminator_loss": loss_d.item()}

    def _loss(self, rows: torch.Tensor, truth: float) -> torch.Tensor:
        scores = self.discriminator(rows)
        return nn.functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, truth))

    def _move(self, which: int, loss: torch.Tensor) -> None:
        self.optimizers[which].zero_grad()
        loss.backward()
        self.optimizers[which].step()

    def measure(self, batch: Batch) -> float:
        with torch.inference_mode():
            return float(self._loss(batch.inputs, 1.0))

    def weights(self) -> dict[str, torch.Tensor]:
        return dict(self.generator.state_dict())

    def _parts(self) -> list:
        return [self.generator, self.discriminator, *self.optimizers]

    def state(self) -> tuple:
        return flatten_state([part.state_dict() for part in self._parts()])

    def load_state(self, values: object, tensors: dict[str, torch.Tensor]) -> None:
        for part, state in zip(self._parts(), restore_state(values, tensors), strict=True):
            part.load_state_dict(state)

    def restart(self, weights: dict[str, torch.Tensor]) -> None:
        self.generator.load_state_dict(weights)


class ContrastiveDivergenceTrainer:
    """A toy restricted Boltzmann machine: ΔW = ⟨v hᵀ⟩_data - ⟨v hᵀ⟩_model with a persistent chain, in numpy."""

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        self.W, self.b, self.c = random.normal(0, 0.1, (4, 3)), np.zeros(4), np.zeros(3)
        self.chain = (random.random((7, 4)) < 0.5).astype(float)
        self.n_steps = 0
        self.finished = False

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        v = (batch.inputs.numpy() > 0).astype(float)
        h = self._hidden(self.chain)
        h = (torch.rand(h.shape, generator=generator).numpy() < h).astype(float)
        p = 1 / (1 + np.exp(-(h @ self.W.T + self.b)))
        self.chain = (torch.rand(p.shape, generator=generator).numpy() < p).astype(float)
        h_data, h_model = self._hidden(v), self._hidden(self.chain)
        self.W = self.W + 0.1 * (v.T @ h_data / len(v) - self.chain.T @ h_model / len(self.chain))
        self.b = self.b + 0.1 * (v.mean(axis=0) - self.chain.mean(axis=0))
        self.c = self.c + 0.1 * (h_data.mean(axis=0) - h_model.mean(axis=0))
        self.n_steps += 1
        return {"loss": self.measure(batch)}

    def _hidden(self, v: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(v @ self.W + self.c)))

    def measure(self, batch: Batch) -> float:
        v = (batch.inputs.numpy() > 0).astype(float)
        again = 1 / (1 + np.exp(-(self._hidden(v) @ self.W.T + self.b)))
        return float(np.square(v - again).mean())

    def _arrays(self) -> dict[str, np.ndarray]:
        return {".W": self.W, ".b": self.b, ".c": self.c, ".chain": self.chain}

    def weights(self) -> dict[str, torch.Tensor]:
        return {
            name.strip("."): torch.from_numpy(array) for name, array in self._arrays().items() if "chain" not in name
        }

    def state(self) -> tuple:
        return {"n_steps": self.n_steps}, {name: torch.from_numpy(array) for name, array in self._arrays().items()}

    def load_state(self, values: dict, tensors: dict[str, torch.Tensor]) -> None:
        self.n_steps = values["n_steps"]
        self.W, self.b, self.c, self.chain = (tensors[name].numpy().copy() for name in (".W", ".b", ".c", ".chain"))

    def restart(self, weights: dict[str, torch.Tensor]) -> None:
        self.W, self.b, self.c = (weights[name].numpy().copy() for name in "Wbc")


def gradient_trainer(*, dropout: float = 0.3, **settings: object) -> GradientTrainer:
    with isolated_random_state(1, CPU):
        network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1)).double()
    chosen = GradientSettings(**({"learning_rate": 0.01, "n_steps": 36, "schedule": "cosine"} | settings))
    return GradientTrainer(network, HEADS["regression"].row_loss, chosen, Arithmetic(torch.float64))


RULES = {
    "gradient": gradient_trainer,
    "averaged sgd": lambda: gradient_trainer(optimizer="sgd", average=True, warmup=0.2),
    "two optimisers": AdversarialTrainer,
    "no gradients": ContrastiveDivergenceTrainer,
}


def rows(n_rows: int = N_ROWS, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Batch:
    random = np.random.default_rng(seed)
    X = random.normal(size=(n_rows, 4))
    y = np.tanh(X @ [1.0, -1.0, 0.5, 0.0])[:, None]
    return Batch(torch.from_numpy(X).to(dtype), torch.from_numpy(y).to(dtype))


def rows_for(rule: str, **kwargs: int) -> Batch:
    return rows(**kwargs, dtype=torch.float32 if rule == "two optimisers" else torch.float64)


def run_loop(trainer: object, train: Batch, *, run: Run | None = None, valid: Batch | None = None, **settings: object):
    chosen = LoopSettings(**({"n_epochs": N_EPOCHS, "batch_size": BATCH_SIZE, "seed": 11} | settings))
    with isolated_random_state(17, CPU):
        return Loop(trainer, train, valid, chosen, run or Run())()


def without_seconds(outcome: Outcome) -> dict[str, list[float]]:
    return {name: column for name, column in outcome.history.items() if name != "seconds"}


def assert_same(one: Outcome, other: Outcome) -> None:
    assert set(one.weights) == set(other.weights)
    for name, tensor in one.weights.items():
        assert torch.equal(tensor, other.weights[name]), name
    assert without_seconds(one) == without_seconds(other)
    assert (one.n_epochs, one.best_epoch, one.best_by, one.stopped) == (
        other.n_epochs, other.best_epoch, other.best_by, other.stopped,
    )  # fmt: skip


def after_steps(trainer: object, n_steps: int, act: Callable[[], None]) -> object:
    """Return the trainer, doing something else as well in one of its steps."""
    step, count = trainer.step, iter(range(1, 10**6))

    def acting_step(batch: Batch, generator: torch.Generator) -> dict[str, float]:
        losses = step(batch, generator)
        if next(count) == n_steps:
            act()
        return losses

    trainer.step = acting_step
    return trainer


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_steps", [1, 3, 6, 14, 35, 36])
def test_run_interrupted_after_any_step_resumes_to_the_same_bits(rule, n_steps, tmp_path):
    train, valid = rows_for(rule), rows_for(rule, n_rows=20, seed=1)
    whole = run_loop(RULES[rule](), train, valid=valid)
    checkpoints = Checkpoints(tmp_path / "run")
    stopped = run_loop(
        after_steps(RULES[rule](), n_steps, interrupt), train, valid=valid, run=Run(checkpoints=checkpoints)
    )
    assert stopped.stopped == "interrupt"
    resumed = run_loop(RULES[rule](), train, valid=valid, run=Run(checkpoints=checkpoints, resume=True))
    assert_same(resumed, whole)


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_line_searches_interrupted_and_resumed_give_the_same_bits(n_steps, tmp_path):
    def trainer() -> GradientTrainer:
        return gradient_trainer(optimizer="lbfgs", schedule="constant", dropout=0.0)

    checkpoints = Checkpoints(tmp_path / "run")
    whole = run_loop(trainer(), rows(), batch_size=N_ROWS)
    run_loop(after_steps(trainer(), n_steps, interrupt), rows(), batch_size=N_ROWS, run=Run(checkpoints=checkpoints))
    resumed = run_loop(trainer(), rows(), batch_size=N_ROWS, run=Run(checkpoints=checkpoints, resume=True))
    assert_same(resumed, whole)


@pytest.mark.parametrize("rule", RULES)
def test_run_that_dies_without_a_last_word_resumes_from_its_last_checkpoint_to_the_same_bits(
    rule, tmp_path, monkeypatch
):
    train = rows_for(rule)
    whole = run_loop(RULES[rule](), train)
    monkeypatch.setattr(loop_module, "FIRST_CHECKPOINT_SECONDS", 0.0)
    checkpoints = Checkpoints(tmp_path / "run")

    def die() -> None:
        raise SystemError("killed")

    with pytest.raises(SystemError, match="killed"):
        run_loop(after_steps(RULES[rule](), 9, die), train, run=Run(checkpoints=checkpoints))
    assert checkpoints.latest()[0]["place"]["batch"] == 1
    assert_same(run_loop(RULES[rule](), train, run=Run(checkpoints=checkpoints, resume=True)), whole)


@pytest.mark.parametrize("rule", RULES)
def test_rule_learns(rule):
    if rule == "two optimisers":
        train = rows_for(rule)
        train = Batch(train.inputs * 0.1 + 3)
        outcome = run_loop(RULES[rule](), train, n_epochs=120, keep="last")
        with torch.no_grad():
            made = nn.functional.linear(torch.zeros(1, 2), outcome.weights["weight"], outcome.weights["bias"])
        assert abs(float(made.mean()) - 3) < 1.5
    else:
        train = rows_for(rule)
        train.inputs[:, 1:3] = train.inputs[:, :1] * torch.tensor([1.0, -1.0])
        losses = run_loop(RULES[rule](), train, n_epochs=150, keep="last").history["train_loss"]
        assert losses[-1] < 0.8 * losses[0]


def test_interrupt_during_the_wait_for_patience_resumes_to_the_same_end(tmp_path):
    train, valid = rows(), rows(9, seed=2)
    settings = {"n_epochs": 40, "patience": 2, "tolerance": 0.5}
    whole = run_loop(gradient_trainer(), train, valid=valid, **settings)
    assert whole.stopped == "patience"
    n_steps = 6 * whole.n_epochs
    for last in (n_steps, n_steps - 4):
        checkpoints = Checkpoints(tmp_path / f"run{last}")
        trainer = after_steps(gradient_trainer(), last, interrupt)
        assert (
            run_loop(trainer, train, valid=valid, run=Run(checkpoints=checkpoints), **settings).stopped == "interrupt"
        )
        run = Run(checkpoints=checkpoints, resume=True)
        assert_same(run_loop(gradient_trainer(), train, valid=valid, run=run, **settings), whole)


def test_retries_survive_a_resume(tmp_path):
    """A run that has restarted once goes on with a tenth of the rate after a resume, too."""

    def trainer(steps: tuple[int, ...], last: int = 0) -> GradientTrainer:
        return after_steps(failing(gradient_trainer(schedule="constant"), steps), last, interrupt)

    train = rows()
    with pytest.warns(ConvergenceWarning, match="tenth of the learning rate"):
        whole = run_loop(trainer((8,)), train)
    checkpoints = Checkpoints(tmp_path / "run")
    with pytest.warns(ConvergenceWarning, match="tenth of the learning rate"):
        run_loop(trainer((8,), last=15), train, run=Run(checkpoints=checkpoints))
    assert checkpoints.latest()[0]["place"]["retries"] == 1
    assert_same(run_loop(trainer(()), train, run=Run(checkpoints=checkpoints, resume=True)), whole)


def failing(trainer: GradientTrainer, numbers: tuple[int, ...]) -> GradientTrainer:
    """Return the trainer, refusing the steps of these numbers (from 1) as not finite."""
    step, count = trainer.step, iter(range(1, 10**6))

    def failing_step(batch: Batch, generator: torch.Generator) -> dict[str, float]:
        if next(count) in numbers:
            raise NotFinite(loss=math.nan, gradient_norm=math.inf)
        return step(batch, generator)

    trainer.step = failing_step
    return trainer


def test_resume_of_another_run_is_refused_by_the_name_of_the_difference(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    run = Run(checkpoints=checkpoints, identity={"data": "a", "seed": 0}, time_limit=1e-9)
    run_loop(gradient_trainer(), rows(), run=run)
    other = Run(checkpoints=checkpoints, identity={"data": "b", "seed": 0}, resume=True)
    with pytest.raises(CheckpointError, match=r"different now: data\. Start without resume"):
        run_loop(gradient_trainer(), rows(), run=other)


def test_resume_with_other_threads_warns_and_goes_on(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    run_loop(gradient_trainer(), rows(), run=Run(checkpoints=checkpoints, surroundings={"threads": 1}, time_limit=1e-9))
    other = Run(checkpoints=checkpoints, surroundings={"threads": 2}, resume=True)
    with pytest.warns(UserWarning, match="other threads: the last bits may differ"):
        assert run_loop(gradient_trainer(), rows(), run=other).stopped == "epochs"


def test_resume_without_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        run_loop(gradient_trainer(), rows(), run=Run(checkpoints=Checkpoints(tmp_path / "none"), resume=True))


def test_run_leaves_a_checkpoint_that_is_plain_json_and_tensors(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    run_loop(gradient_trainer(), rows(), run=Run(checkpoints=checkpoints, time_limit=1e-9))
    values, tensors = checkpoints.latest()
    assert json.loads(json.dumps(values)) == values
    assert all(type(array) is np.ndarray for array in tensors.values())


def test_time_limit_stops_in_the_middle_of_an_epoch_with_usable_weights():
    outcome = run_loop(gradient_trainer(), rows(), run=Run(time_limit=1e-9))
    assert (outcome.stopped, outcome.n_epochs, outcome.best_epoch) == ("time", 0, 0)
    assert all(torch.isfinite(tensor).all() for tensor in outcome.weights.values())


def test_time_limit_counts_the_time_before_a_resume(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    slow = after_steps(gradient_trainer(), 2, lambda: time.sleep(0.3))
    first = run_loop(slow, rows(), run=Run(checkpoints=checkpoints, time_limit=0.25))
    assert first.stopped == "time"
    resumed = run_loop(gradient_trainer(), rows(), run=Run(checkpoints=checkpoints, resume=True, time_limit=0.25))
    assert (resumed.stopped, resumed.n_epochs) == ("time", 0)


def test_C14_clock_that_jumps_stops_nothing(monkeypatch):
    hours = iter(range(0, 10**6, 5000))
    monkeypatch.setattr(time, "time", lambda: next(hours))
    assert run_loop(gradient_trainer(), rows(), run=Run(time_limit=60.0)).stopped == "epochs"


def test_C4_sigterm_ends_the_batch_and_is_noted():
    trainer = after_steps(gradient_trainer(), 2, lambda: signal.raise_signal(signal.SIGTERM))
    assert run_loop(trainer, rows()).stopped == "terminate"


def test_C3_second_interrupt_acts_at_once():
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        run_loop(after_steps(gradient_trainer(), 2, twice), rows())


def test_interrupt_keeps_the_best_weights_so_far():
    train, valid = rows(), rows(9, seed=2)
    upto = run_loop(gradient_trainer(), train, valid=valid, n_epochs=3)
    stopped = run_loop(after_steps(gradient_trainer(), 6 * 3 + 2, interrupt), train, valid=valid)
    assert stopped.best_epoch == upto.best_epoch
    assert all(torch.equal(stopped.weights[name], tensor) for name, tensor in upto.weights.items())


def test_loop_runs_outside_the_main_thread():
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(run_loop(gradient_trainer(), rows())))
    thread.start()
    thread.join()
    assert_same(outcomes[0], run_loop(gradient_trainer(), rows()))


class ScriptedTrainer(ContrastiveDivergenceTrainer):
    """Loss of each epoch by script; its one weight is the number of steps taken."""

    def __init__(self, train: list[float], valid: list[float] | None = None) -> None:
        super().__init__()
        self.script = {"train": train, "valid": valid}
        self.n_steps = 0

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        self.n_steps += 1
        return {"loss": self.script["train"][self.n_steps - 1]}

    def measure(self, batch: Batch) -> float:
        return self.script["valid"][self.n_steps - 1]

    def weights(self) -> dict[str, torch.Tensor]:
        return {"n_steps": torch.tensor(float(self.n_steps))}


def scripted(train: list[float], valid: list[float] | None = None, **settings: object) -> Outcome:
    settings = {"n_epochs": len(train), "batch_size": 10} | settings
    return run_loop(ScriptedTrainer(train, valid), rows(5), valid=rows(5) if valid else None, **settings)


def test_kept_weights_are_those_of_the_lowest_validation_loss():
    outcome = scripted([5.0, 4.0, 3.0, 2.0, 1.0], [3.0, 2.0, 1.5, 1.7, 1.6])
    assert (outcome.best_epoch, outcome.best_by, float(outcome.weights["n_steps"])) == (3, "valid_loss", 3.0)
    assert outcome.history["valid_loss"] == [3.0, 2.0, 1.5, 1.7, 1.6]
    assert outcome.history["epoch"] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_without_validation_the_best_training_loss_decides_and_the_outcome_says_so():
    outcome = scripted([5.0, 1.0, 3.0])
    assert (outcome.best_epoch, outcome.best_by, float(outcome.weights["n_steps"])) == (2, "train_loss", 2.0)
    assert "valid_loss" not in outcome.history


def test_keep_last_keeps_the_last_weights():
    outcome = scripted([5.0, 1.0, 3.0], keep="last")
    assert (outcome.best_epoch, outcome.best_by, float(outcome.weights["n_steps"])) == (3, "last", 3.0)


def test_patience_counts_epochs_without_a_better_loss():
    outcome = scripted([9.0] * 9, [5.0, 4.0, 4.0, 4.1, 4.0, 1.0, 1.0, 1.0, 1.0], patience=3)
    assert (outcome.stopped, outcome.n_epochs, outcome.best_epoch) == ("patience", 5, 2)


def test_patience_ignores_an_improvement_within_the_tolerance_but_the_best_weights_do_not():
    outcome = scripted([9.0] * 4, [1.0, 0.99, 0.985, 0.98], patience=3, tolerance=0.1)
    assert (outcome.stopped, outcome.n_epochs, outcome.best_epoch) == ("patience", 4, 4)


def test_validation_loss_that_is_no_number_is_never_the_best():
    outcome = scripted([9.0] * 4, [math.nan, 2.0, math.nan, 1.0], patience=3)
    assert (outcome.best_epoch, outcome.n_epochs) == (4, 4)


def test_trainer_that_says_finished_ends_training():
    trainer = after_steps(gradient_trainer(), 13, lambda: setattr(trainer, "finished", True))
    outcome = run_loop(trainer, rows())
    assert (outcome.stopped, outcome.n_epochs) == ("finished", 3)


def test_epoch_loss_weighs_the_last_short_batch_by_its_rows():
    losses = iter([1.0, 2.0, 10.0])

    class Trainer(ScriptedTrainer):
        def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
            return {"loss": next(losses)}

    outcome = run_loop(Trainer([]), rows(23), n_epochs=1)
    assert outcome.history["train_loss"] == [(10 * 1.0 + 10 * 2.0 + 3 * 10.0) / 23]


def test_C11_last_batch_of_one_row_joins_the_one_before():
    sizes = []

    class Trainer(ScriptedTrainer):
        def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
            sizes.append(len(batch))
            return {"loss": 1.0}

    run_loop(Trainer([]), rows(21), n_epochs=1)
    assert sizes == [10, 11]


def test_every_epoch_takes_every_row_once_in_an_order_of_its_own():
    seen = []

    class Trainer(ScriptedTrainer):
        def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
            seen.extend(batch.inputs[:, 0].tolist())
            return {"loss": 1.0}

    train = Batch(torch.arange(N_ROWS, dtype=torch.float64)[:, None])
    run_loop(Trainer([]), train, n_epochs=2)
    first, second = seen[:N_ROWS], seen[N_ROWS:]
    assert sorted(first) == sorted(second) == list(range(N_ROWS))
    assert first != second != sorted(second)


def test_without_shuffle_rows_come_as_they_are():
    seen = []

    class Trainer(ScriptedTrainer):
        def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
            seen.extend(batch.inputs[:, 0].tolist())
            return {"loss": 1.0}

    run_loop(Trainer([]), Batch(torch.arange(23.0)[:, None]), n_epochs=1, shuffle=False)
    assert seen == list(range(23))


def test_C1_step_that_is_not_finite_restarts_from_the_best_weights_at_a_tenth_of_the_rate():
    trainer = failing(gradient_trainer(schedule="constant"), (14,))
    restarted = []
    restart = trainer.restart
    trainer.restart = lambda weights: (restarted.append({n: t.clone() for n, t in weights.items()}), restart(weights))
    with pytest.warns(ConvergenceWarning, match="epoch 3: loss nan, gradient norm inf; training goes on from the best"):
        outcome = run_loop(trainer, rows())
    best = run_loop(gradient_trainer(schedule="constant"), rows(), n_epochs=2)
    assert all(torch.equal(restarted[0][name], tensor) for name, tensor in best.weights.items())
    assert trainer.learning_rate == pytest.approx(0.001)
    assert (outcome.stopped, outcome.n_epochs) == ("epochs", N_EPOCHS)


def test_C1_third_step_that_is_not_finite_ends_training_and_names_epoch_batch_and_losses():
    trainer = failing(gradient_trainer(), (14, 15, 18))  # epoch 3, batch 2; then its batch 1; then its batch 3
    message = r"epoch 3, batch 3 gave loss nan, gradient norm inf after 2 retries \(last losses: .*\d, .*\d\)"
    with pytest.warns(ConvergenceWarning), pytest.raises(TrainingDiverged, match=message) as caught:
        run_loop(trainer, rows())
    assert "learning_rate" in caught.value.hint


def test_C1_first_step_of_all_may_fail_too():
    with pytest.warns(ConvergenceWarning, match="epoch 1"):
        outcome = run_loop(failing(gradient_trainer(), (1,)), rows())
    assert outcome.stopped == "epochs"


def test_C1_extreme_row_diverges_by_name_and_moves_no_weight():
    trainer, train = gradient_trainer(), rows(5)
    train.target[3] = math.inf
    before = {name: tensor.clone() for name, tensor in trainer.weights().items()}
    with pytest.warns(ConvergenceWarning), pytest.raises(TrainingDiverged, match="epoch 1, batch 1 gave loss inf"):
        run_loop(trainer, train)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.weights().items())


def test_C6_full_disk_costs_a_warning_and_training_goes_on(tmp_path, monkeypatch):
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nnzoo.training.checkpoint.write_tensors", full)
    monkeypatch.setattr(loop_module, "FIRST_CHECKPOINT_SECONDS", 0.0)
    with pytest.warns(UserWarning, match="took no checkpoint: no space left on device"):
        outcome = run_loop(gradient_trainer(), rows(), run=Run(checkpoints=Checkpoints(tmp_path / "run")))
    assert_same(outcome, run_loop(gradient_trainer(), rows()))


def test_two_runs_of_one_seed_are_the_same_and_other_seeds_are_not():
    one, other = run_loop(gradient_trainer(), rows()), run_loop(gradient_trainer(), rows(), seed=12)
    assert_same(one, run_loop(gradient_trainer(), rows()))
    assert without_seconds(one) != without_seconds(other)


def test_C16_training_that_stands_still_is_said_and_its_best_is_kept():
    settings = LoopSettings(n_epochs=12, batch_size=4, seed=0)
    with pytest.warns(ConvergenceWarning, match="has not fallen since the first of 12 epochs"):
        outcome = Loop(Still(), Batch(torch.zeros(8, 1)), None, settings, Run())()
    assert outcome.n_epochs == 12
    assert outcome.best_epoch == 1


def test_a_run_stops_after_the_epochs_that_it_is_told():
    settings = LoopSettings(n_epochs=100, batch_size=4, seed=0)
    outcome = Loop(Still(), Batch(torch.zeros(8, 1)), None, settings, Run(stop_after=3))()
    assert (outcome.n_epochs, outcome.stopped) == (3, "time")


class Still:
    """A learning rule that learns nothing."""

    finished = False

    def step(self, batch, generator):
        return {"loss": 1.0}

    def measure(self, batch):
        return 1.0

    def weights(self):
        return {"w": torch.zeros(1)}
