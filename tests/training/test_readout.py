"""The closed-form readout: normal equations, leave-one-out by formula and by refitting, chunks, probabilities, resume."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

from nnzoo.engine.batches import Batch
from nnzoo.engine.steps import Steps
from nnzoo.errors import TrainingDiverged
from nnzoo.estimator import ScoreNetwork
from nnzoo.heads import HEADS
from nnzoo.ragged import Ragged
from nnzoo.training import readout
from nnzoo.training.loop import Loop, Run
from nnzoo.training.readout import Kept, ReadoutTrainer, left_out, one_pass, probability_factor, with_sums

GENERATOR = torch.Generator().manual_seed(0)


def network(n_features: int, n_scores: int) -> ScoreNetwork:
    """Return a network whose features are its inputs."""
    return with_sums(ScoreNetwork(nn.Identity(), nn.Identity(), n_features, n_scores).double())


def rows(n: int, d: int, k: int = 1, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=random, dtype=torch.float64)
    w = torch.randn(d, k, generator=random, dtype=torch.float64)
    y = x @ w + 3 + 0.5 * torch.randn(n, k, generator=random, dtype=torch.float64)
    return Batch(x, y)


def trained(batch: Batch, kind: str = "regression", n_scores: int = 1, **settings) -> tuple:
    net = network(batch.inputs.shape[1], n_scores)
    trainer = ReadoutTrainer(net, HEADS[kind], **settings)
    trainer.step(batch, torch.Generator().manual_seed(0))
    return net, trainer


def scores(net: ScoreNetwork, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return net(x)


def layer(net: ScoreNetwork) -> np.ndarray:
    return np.hstack([net.head.weight.detach().numpy(), net.head.bias.detach().numpy()[:, None]])


def test_two_rows_by_hand():
    """h = 1, 3 and t = 2, 8: centred -1, 1 and -3, 3, so β = (3 + 3) / (1 + 1 + λ) = 2 for λ = 1, b = 5 - 2·2 = 1.

    The squared errors with the penalty: (3 - 2)² + (3 - 2)² + 1·2² = 6, half of it for each row.
    """
    batch = Batch(torch.tensor([[1.0], [3.0]]).double(), torch.tensor([[2.0], [8.0]]).double())
    net = network(1, 1)
    losses = ReadoutTrainer(net, HEADS["regression"], ridge=1.0).step(batch, GENERATOR)
    np.testing.assert_allclose(layer(net), [[2.0, 1.0]], rtol=1e-12)
    assert losses["loss"] == pytest.approx(3.0)
    assert (float(net.sums.ridge), int(net.sums.n_rows)) == (1.0, 2)


@pytest.mark.parametrize("with_weight", [False, True])
def test_it_is_ridge_regression(with_weight):
    batch = rows(80, 6, 3)
    weight = torch.rand(80, dtype=torch.float64, generator=GENERATOR) if with_weight else None
    batch = Batch(batch.inputs, batch.target, None if weight is None else weight / weight.mean())
    net, _ = trained(batch, n_scores=3, ridge=0.7)
    other = Ridge(alpha=0.7).fit(batch.inputs, batch.target, sample_weight=batch.weight)
    np.testing.assert_allclose(layer(net), np.hstack([other.coef_, other.intercept_[:, None]]), atol=1e-10)


def test_without_bias_nothing_is_centred():
    batch = rows(40, 4)
    net, _ = trained(batch, ridge=0.5, with_bias=False)
    x, y = batch.inputs, batch.target
    wanted = torch.linalg.solve(x.T @ x + 0.5 * torch.eye(4), x.T @ y)
    np.testing.assert_allclose(layer(net), [[*wanted[:, 0].tolist(), 0.0]], atol=1e-12)


@pytest.mark.parametrize(
    ("ridge", "n", "cuts"), [(1e-3, 500, (7, 400)), (1e-3, 5000, (3000,)), (0.0, 500, (7,)), ("gcv", 500, (7, 400))]
)
def test_rows_in_chunks_give_what_all_rows_give(ridge, n, cuts):
    """Both where all rows are kept and where only their sums are left (of more than 1,024 rows)."""
    batch = rows(n, 5)
    whole, _ = trained(batch, ridge=ridge)
    net = network(5, 1)
    trainer = ReadoutTrainer(net, HEADS["regression"], ridge=ridge)
    errors = 0.0
    for part in np.split(np.arange(len(batch)), cuts):
        errors += len(part) * trainer.step(batch.take(torch.from_numpy(part)), GENERATOR)["loss"]
    np.testing.assert_allclose(layer(net), layer(whole), rtol=1e-8)
    residual = batch.target - scores(net, batch.inputs)
    penalty = float(net.sums.ridge) * np.square(layer(net)[:, :-1]).sum()
    assert errors == pytest.approx(float(residual.square().sum()) + penalty, rel=1e-8)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("way", ["cholesky", "rows", "gram"])
def test_leave_one_out_by_formula_is_refitting(with_bias, way, monkeypatch):
    """Also for rows of different weight; the row's weight is what is left out."""
    if way != "cholesky":
        monkeypatch.setattr(readout, "_by_cholesky", lambda *_: None)
    if way == "rows":
        monkeypatch.setattr(readout, "CLEAR_OF_ROUNDING", np.inf)
    batch = rows(12, 3)
    weight = torch.linspace(0.5, 1.5, 12, dtype=torch.float64)
    batch = Batch(batch.inputs, batch.target, weight)
    _, trainer = trained(batch, ridge=0.3, with_bias=with_bias)
    found = left_out(trainer.kept, trainer._solve(), trainer.sums.centred(with_bias=with_bias))
    for row in range(12):
        rest = batch.take(torch.tensor([n for n in range(12) if n != row]))
        net, _ = trained(rest, ridge=0.3, with_bias=with_bias)
        assert float(scores(net, batch.inputs[row : row + 1])) == pytest.approx(float(found[row]), abs=1e-8)


def test_gcv_takes_the_ridge_with_the_least_error_of_rows_left_out_one_by_one():
    batch = rows(15, 8, seed=3)
    net, trainer = trained(batch, ridge="gcv")
    scale = float(trainer.sums.centred(with_bias=True).gram.diagonal().mean())
    errors = []
    for ridge in (readout.RIDGES * scale).tolist():
        error = 0.0
        for row in range(15):
            rest = batch.take(torch.tensor([n for n in range(15) if n != row]))
            left, _ = trained(rest, ridge=ridge)
            error += float((scores(left, batch.inputs[row : row + 1]) - batch.target[row]).square())
        errors.append(error)
    assert float(net.sums.ridge) == pytest.approx(float(readout.RIDGES[int(np.argmin(errors))]) * scale)


@pytest.mark.parametrize("way", ["interpolation", "rows", "gram"])
def test_singular_features_are_solved_with_the_least_norm(way, monkeypatch):
    """Two equal columns share what one would bear; without ridge Cholesky cannot."""
    x = torch.tensor([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]).double()
    if way == "interpolation":
        x = x[:2]
    if way == "gram":
        monkeypatch.setattr(readout.ReadoutTrainer, "_has_all_rows", False)
    net, _ = trained(Batch(x, 6 * x[:, :1]), ridge=0.0, with_bias=False)
    np.testing.assert_allclose(layer(net), [[3.0, 3.0, 0.0]], atol=1e-10)


def test_as_many_features_as_rows_interpolate():
    batch = rows(60, 60)
    for with_bias in (True, False):
        net, _ = trained(batch, ridge=0.0, with_bias=with_bias)
        np.testing.assert_allclose(scores(net, batch.inputs), batch.target, atol=1e-8)


def test_kept_rows_are_an_even_draw_from_all_rows():
    """1,024 of 8,192 rows whose feature is their number: the mean is 4095.5 with deviation 2365 / 32 = 74."""
    x = torch.arange(8192, dtype=torch.float64)[:, None]
    _, trainer = trained(Batch(x, x))
    assert len(trainer.kept) == 1024
    assert len(trainer.kept.features.unique()) == 1024
    assert abs(float(trainer.kept.features.mean()) - 4095.5) < 4 * 74


@pytest.mark.parametrize("kind", ["binary", "multiclass", "labels"])
def test_factor_gives_the_labels_the_highest_likelihood(kind):
    """Against a fine grid, labels counted as Laplace's rule does."""
    random = torch.Generator().manual_seed(2)
    n, k = 300, {"binary": 1, "multiclass": 3, "labels": 2}[kind]
    given = torch.randn(n, k, dtype=torch.float64, generator=random)
    noisy = given + torch.randn(n, k, dtype=torch.float64, generator=random)
    target = torch.nn.functional.one_hot(noisy.argmax(1), k).double() if kind == "multiclass" else noisy.sign()
    one = torch.ones(n, dtype=torch.float64)
    factor = probability_factor(HEADS[kind], given, Kept(given, target, one, one))
    wanted = (target * n + 1) / (n + k) if kind == "multiclass" else ((target + 1) / 2 * n + 1) / (n + 2)

    def likelihood(a: float) -> float:
        shares = HEADS[kind].activation(a * given)
        both = (
            wanted * shares.log() if kind == "multiclass" else wanted * shares.log() + (1 - wanted) * (1 - shares).log()
        )
        return float(both.sum())

    grid = [likelihood(factor * (1 + 0.01 * step)) for step in (-20, -1, 0, 1, 20)]
    assert max(grid) == grid[2]
    assert 0.5 < factor < 5


def test_factor_stays_finite_where_every_row_is_right():
    given, one = torch.tensor([[1.0], [-1.0]]).double(), torch.ones(2, dtype=torch.float64)
    factor = probability_factor(HEADS["binary"], given, Kept(given, given, one, one))
    assert torch.sigmoid(torch.tensor(factor)) == pytest.approx(3 / 4)  # (2 + 1) / (2 + 2)


@pytest.mark.parametrize(("kind", "k"), [("binary", 1), ("multiclass", 3), ("labels", 2)])
def test_label_is_that_of_least_squares_and_probability_is_its_multiple(kind, k):
    batch = rows(200, 4, k)
    y = batch.target - 3
    target = y.argmax(1) if kind == "multiclass" else (y > 0).double()
    net, trainer = trained(Batch(batch.inputs, target), kind, k, ridge=1.0)
    coded = torch.nn.functional.one_hot(target, k).double() if kind == "multiclass" else 2 * target - 1
    plain = Ridge(alpha=1.0).fit(batch.inputs, coded).predict(batch.inputs).reshape(200, -1)
    ratio = scores(net, batch.inputs).numpy() / plain
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-8)
    assert ratio[0, 0] > 0
    assert trainer.measure(Batch(batch.inputs, target)) < {"multiclass": np.log(3)}.get(kind, np.log(2)) / 2


def test_steps_with_a_target_each_are_rows():
    batch = rows(30, 4)
    ragged = Ragged(np.zeros((30, 1)), np.array([5, 10, 15]))
    steps = Batch(Steps.of(ragged, batch.inputs), Steps.of(ragged, batch.target), torch.tensor([0.5, 1.0, 1.5]))
    net = network(4, 1)
    net.body = Flat()
    trainer = ReadoutTrainer(net, HEADS["regression"], ridge=0.1)
    trainer.step(steps, GENERATOR)
    weight = np.repeat([0.5, 1.0, 1.5], [5, 10, 15])
    other = Ridge(alpha=0.1).fit(batch.inputs, batch.target, sample_weight=weight)
    np.testing.assert_allclose(net.head.weight.detach(), other.coef_.reshape(1, -1), atol=1e-10)
    errors = np.square(other.predict(batch.inputs).ravel() - batch.target[:, 0].numpy())
    assert trainer.measure(steps) == pytest.approx(float(np.average(errors, weights=weight)))


class Flat(nn.Module):
    """The steps as they are."""

    def forward(self, x: Steps) -> torch.Tensor:
        return x.flat()


def test_features_that_are_not_finite_are_said():
    with pytest.raises(TrainingDiverged, match="Identity needs to give finite features; some are not"):
        trained(Batch(torch.tensor([[1.0], [np.inf]]).double(), torch.zeros(2, 1).double()))


def test_state_goes_through_a_checkpoint_to_the_same_bits():
    batch = rows(3000, 5)
    halves = [batch.take(slice(0, 1500)), batch.take(slice(1500, 3000))]

    def go_on(trainer: ReadoutTrainer, generator: torch.Generator) -> bytes:
        trainer.step(halves[1], generator)
        return layer(trainer.network).tobytes() + trainer.kept.lot.numpy().tobytes()

    first, second = (ReadoutTrainer(network(5, 1), HEADS["regression"], ridge="gcv") for _ in range(2))
    generator = torch.Generator().manual_seed(5)
    first.step(halves[0], generator)
    middle = generator.get_state()
    second.load_state(*first.state())
    wanted = go_on(first, generator)
    assert go_on(second, torch.Generator().manual_seed(0).set_state(middle)) == wanted


def test_loop_makes_one_pass_and_notes_the_error_a_row():
    batch = rows(100, 3)
    net = network(3, 1)
    trainer = ReadoutTrainer(net, HEADS["regression"], ridge=0.0)
    outcome = Loop(trainer, batch, batch, one_pass(0, batch_size=30), Run())()
    assert (outcome.stopped, outcome.n_epochs) == ("epochs", 1)
    assert outcome.history["train_loss"] == pytest.approx(outcome.history["valid_loss"], rel=1e-8)
    net.load_state_dict(outcome.weights)
    assert trainer.measure(batch) == pytest.approx(outcome.history["valid_loss"][0])
