"""Gradient descent: the gradient itself, micro-batches, schedules, averages, and what is refused."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnzoo import GRU, LSTM, RNN
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.errors import ResourceError
from nnzoo.heads import HEADS
from nnzoo.training.gradient import AVERAGE_DECAY, GradientSettings, GradientTrainer, rate_factor
from nnzoo.training.loop import NotFinite

F64 = Arithmetic(torch.float64)


def batch(n_rows: int = 12, *, kind: str = "regression", weighted: bool = False) -> Batch:
    random = torch.Generator().manual_seed(4)
    X = torch.randn(n_rows, 3, dtype=torch.float64, generator=random)
    target = torch.randn(n_rows, 2, dtype=torch.float64, generator=random)
    if kind != "regression":
        target = (target > 0).double()
    if kind == "binary":
        target = target[:, :1]
    if kind == "multiclass":
        target = (target[:, 0] > 0).long()
    weight = torch.rand(n_rows, dtype=torch.float64, generator=random) if weighted else None
    return Batch(X, target, weight)


def network(n_out: int = 2) -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, n_out)).double()


def trainer(
    net: nn.Module | None = None, *, kind: str = "regression", arithmetic: Arithmetic = F64, **settings: object
):
    chosen = GradientSettings(**({"learning_rate": 0.1} | settings))
    return GradientTrainer(net or network(), HEADS[kind].row_loss, chosen, arithmetic)


def gradient(one: GradientTrainer) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in one.network.parameters()])


def weights(one: GradientTrainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in one.network.parameters()])


def take_step(one: GradientTrainer, rows: Batch) -> float:
    return one.step(rows, torch.Generator())["loss"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", HEADS)
def test_gradient_equals_central_differences(kind, weighted):
    rows = batch(kind=kind, weighted=weighted)
    one = trainer(network(1 if kind == "binary" else 2), kind=kind)
    start = weights(one)
    take_step(one, rows)
    found, h = gradient(one), 1e-5

    def loss_at(place: torch.Tensor) -> float:
        nn.utils.vector_to_parameters(place, one.network.parameters())
        with torch.no_grad():
            return float(rows.mean(one.row_loss(one.network(rows.inputs), rows.target)))

    unit = torch.eye(len(start), dtype=torch.float64)
    differences = [(loss_at(start + h * e) - loss_at(start - h * e)) / (2 * h) for e in unit]
    torch.testing.assert_close(found, torch.tensor(differences, dtype=torch.float64), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", HEADS)
def test_gradient_is_what_backpropagation_by_hand_gives(kind):
    """δ₂ = c (o - y) / n, δ₁ = δ₂ W₂ ⊙ (1 - h²), ∂E/∂Wₖ = δₖᵀ · input; c is 2/k, 1/k or 1 as the head's mean has it."""
    rows = batch(kind=kind)
    one = trainer(network(1 if kind == "binary" else 2), kind=kind)
    W1, b1, W2, b2 = (p.detach().clone() for p in one.network.parameters())
    take_step(one, rows)
    h = torch.tanh(rows.inputs @ W1.T + b1)
    o = HEADS[kind].activation(h @ W2.T + b2)
    y = nn.functional.one_hot(rows.target, 2) if kind == "multiclass" else rows.target
    c = {"regression": 2 / 2, "binary": 1.0, "labels": 1 / 2, "multiclass": 1.0}[kind]
    d2 = c * (o - y) / len(rows)
    d1 = (d2 @ W2) * (1 - h**2)
    by_hand = [d1.T @ rows.inputs, d1.sum(0), d2.T @ h, d2.sum(0)]
    for parameter, wanted in zip(one.network.parameters(), by_hand, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-10, atol=1e-14)


def test_one_step_of_sgd_is_the_formula_of_nesterov():
    """The velocity starts as g, so the first step is w - η (g + 0.9 g) with g the gradient plus the penalty λ w."""
    one = trainer(optimizer="sgd", weight_decay=0.3)
    before = weights(one)
    loss = take_step(one, batch())
    g = gradient(one) + 0.3 * before
    torch.testing.assert_close(weights(one), before - 0.1 * 1.9 * g, rtol=1e-10, atol=1e-12)
    assert loss == pytest.approx(trainer().measure(batch()), rel=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_gradient_of_the_size_of_rounding_moves_no_weight_by_a_whole_step(optimizer):
    """The first step of Adam is η g / (|g| + ε); with g = 1e-9 that is about η / 1000, not η."""
    net = nn.Linear(1, 1, bias=False).double()
    one = trainer(net, optimizer=optimizer)
    before = net.weight.item()
    one.row_loss = lambda scores, target: 1e-9 * scores[:, 0]
    take_step(one, Batch(torch.ones(3, 1, dtype=torch.float64), torch.zeros(3, 1)))
    assert abs(net.weight.item() - before) == pytest.approx(0.1 * 1e-9 / (1e-9 + 1e-6), rel=1e-3)


class Hungry(nn.Module):
    """A network for which more than ``limit`` rows at once are too many."""

    def __init__(self, limit: int, error: Exception) -> None:
        super().__init__()
        self.inside, self.limit, self.error, self.sizes = network(), limit, error, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        if len(x) > self.limit:
            raise self.error
        return self.inside(x)


OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("weighted", [False, True])
def test_C8_micro_batches_give_the_gradient_and_loss_of_the_whole(error, weighted):
    rows, whole = batch(13, weighted=weighted), trainer()
    loss = take_step(whole, rows)
    hungry = trainer(Hungry(4, error))
    with pytest.warns(UserWarning, match="memory ran out for") as caught:
        assert take_step(hungry, rows) == pytest.approx(loss, rel=1e-12)
    assert [str(w.message).split(";")[0] for w in caught] == [
        "memory ran out for 13 rows at once", "memory ran out for 7 rows at once",
    ]  # fmt: skip
    torch.testing.assert_close(gradient(hungry), gradient(whole), rtol=1e-10, atol=1e-14)


def test_C8_size_that_fits_is_remembered_and_survives_a_checkpoint():
    hungry = trainer(Hungry(4, MemoryError()))
    with pytest.warns(UserWarning, match="memory ran out"):
        take_step(hungry, batch(13))
    values, tensors = hungry.state()
    again = trainer(Hungry(4, MemoryError()))
    again.load_state(values, tensors)
    take_step(again, batch(13))
    assert again.network.sizes == [4, 4, 4, 1]


def test_C8_less_than_one_row_is_a_resource_error():
    with pytest.warns(UserWarning), pytest.raises(ResourceError, match="memory for one row.*Use a smaller network"):
        take_step(trainer(Hungry(0, MemoryError())), batch(3))


def test_other_runtime_errors_pass():
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        take_step(trainer(Hungry(0, RuntimeError("shapes do not fit"))), batch(3))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_C1_loss_that_is_not_finite_is_seen_before_a_weight_moves(optimizer):
    one, rows = trainer(optimizer=optimizer), batch()
    rows.target[2, 0] = math.nan
    before = weights(one)
    with pytest.raises(NotFinite, match="loss nan, gradient norm nan"):
        take_step(one, rows)
    assert torch.equal(weights(one), before)


def test_C2_gradient_that_is_not_finite_is_seen_where_the_loss_is_finite():
    class Root(nn.Module):
        """sqrt(0) is 0, its slope is infinite."""

        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1, dtype=torch.float64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.w.sqrt().expand(len(x), 2)

    one = trainer(Root())
    with pytest.raises(NotFinite, match=r"loss \d\.\d+, gradient norm (inf|nan)"):
        take_step(one, batch())
    assert one.network.w.item() == 0.0


def test_restart_goes_back_to_the_weights_with_a_tenth_of_the_rate_and_no_momentum():
    one, rows = trainer(optimizer="sgd"), batch()
    start = {name: tensor.clone() for name, tensor in one.weights().items()}
    for _ in range(3):
        take_step(one, rows)
    one.restart(start)
    assert all(torch.equal(tensor, start[name]) for name, tensor in one.weights().items())
    fresh = trainer(optimizer="sgd", learning_rate=0.1 / 10)
    for net in (one, fresh):
        take_step(net, rows)
    torch.testing.assert_close(weights(one), weights(fresh), rtol=1e-12, atol=0)


def test_rate_of_a_restart_survives_a_checkpoint():
    one = trainer()
    one.restart(one.weights())
    again = trainer()
    again.load_state(*one.state())
    again.restart(again.weights())
    assert again.learning_rate == pytest.approx(0.1 / 100)


def test_clip_norm_bounds_the_gradient_and_keeps_its_direction():
    free, clipped = trainer(), trainer(clip_norm=0.01)
    for one in (free, clipped):
        take_step(one, batch())
    assert float(gradient(clipped).norm()) == pytest.approx(0.01, rel=1e-4)
    cosine = nn.functional.cosine_similarity(gradient(free), gradient(clipped), dim=0)
    assert float(cosine) == pytest.approx(1.0)


def test_average_is_the_running_mean_of_the_weights_and_is_what_is_kept_and_measured():
    one, rows = trainer(average=True), batch()
    mean = weights(one)
    for _ in range(5):
        take_step(one, rows)
        mean = AVERAGE_DECAY * mean + (1 - AVERAGE_DECAY) * weights(one)
    kept = torch.cat([tensor.flatten() for tensor in one.weights().values()])
    torch.testing.assert_close(kept, mean, rtol=1e-12, atol=1e-14)
    plain = trainer()
    plain.network.load_state_dict(one.weights())
    assert one.measure(rows) == pytest.approx(plain.measure(rows), rel=1e-12)


def test_average_counts_the_batches_of_a_batch_normalisation():
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    one = trainer(net, average=True)
    for _ in range(3):
        take_step(one, batch())
    assert int(one.weights()["1.num_batches_tracked"]) == 3


def test_measure_is_the_weighted_mean_over_any_number_of_rows_and_learns_nothing(monkeypatch):
    one, rows = trainer(), batch(23, weighted=True)
    before = weights(one)
    whole = one.measure(rows)
    monkeypatch.setattr("nnzoo.training.gradient.MEASURE_ROWS", 5)
    assert one.measure(rows) == pytest.approx(whole, rel=1e-12)
    with torch.no_grad():
        wanted = (rows.weight * one.row_loss(one.network(rows.inputs), rows.target)).mean()
    assert whole == pytest.approx(float(wanted), rel=1e-12)
    assert torch.equal(weights(one), before)


def test_bfloat16_computes_the_products_in_bfloat16_and_keeps_float32_weights():
    seen = []
    net = network().float()
    net[1].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].dtype))
    rows = batch()
    one = trainer(net, arithmetic=Arithmetic(torch.float32, autocast=True))
    take_step(one, Batch(rows.inputs.float(), rows.target.float()))
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    seen.clear()
    one.measure(Batch(rows.inputs.float(), rows.target.float()))
    assert seen == [torch.bfloat16]


def test_lbfgs_reaches_the_bottom_of_a_ridge_regression():
    """The penalty enters as λ/2 |w|² beside the mean square over k columns: (XᵀX 2/(nk) + λ I) w = Xᵀy 2/(nk)."""
    rows = batch(30)
    net = nn.Linear(3, 2, bias=False).double()
    one = trainer(net, optimizer="lbfgs", weight_decay=0.5)
    for _ in range(10):
        take_step(one, rows)
    X, y, scale = rows.inputs.numpy(), rows.target.numpy(), 2 / (30 * 2)
    wanted = np.linalg.solve(scale * X.T @ X + 0.5 * np.eye(3), scale * X.T @ y).T
    np.testing.assert_allclose(net.weight.detach().numpy(), wanted, rtol=1e-6, atol=1e-9)
    assert one.finished


def test_lbfgs_is_not_finished_while_it_moves():
    one = trainer(optimizer="lbfgs")
    take_step(one, batch(30))
    assert not one.finished


def test_lbfgs_that_is_not_finite_is_said():
    rows = batch()
    rows.target[0, 0] = math.inf
    with pytest.raises(NotFinite, match="loss inf"):
        take_step(trainer(optimizer="lbfgs"), rows)


@pytest.mark.parametrize(
    ("schedule", "places"),
    [
        ("constant", {0: 1.0, 50: 1.0, 100: 1.0}),
        ("cosine", {0: 1.0, 25: 0.5 * (1 + math.sqrt(0.5)), 50: 0.5, 100: 0.0}),
        ("one_cycle", {0: 0.04, 15: 0.52, 30: 1.0, 65: 0.5 * (1 + 4e-6), 100: 4e-6}),
    ],
)
def test_schedule_has_its_published_shape(schedule, places):
    settings = GradientSettings(schedule=schedule, n_steps=100)
    for step, factor in places.items():
        assert rate_factor(settings, step) == pytest.approx(factor, abs=1e-12)
    assert rate_factor(settings, 1000) == pytest.approx(rate_factor(settings, 100))


def test_warmup_rises_from_zero_over_its_share_of_the_steps():
    settings = GradientSettings(warmup=0.1, n_steps=100)
    assert [rate_factor(settings, step) for step in (0, 4, 9, 10, 99)] == pytest.approx([0.1, 0.5, 1.0, 1.0, 1.0])


def test_optimiser_follows_the_schedule():
    one = trainer(schedule="cosine", n_steps=10)
    rates = []
    for _ in range(11):
        rates.append(one.learning_rate)
        take_step(one, batch())
    assert rates == pytest.approx([0.1 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(11)])


def test_frozen_parameters_stay():
    net = network()
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    take_step(trainer(net, weight_decay=0.5), batch())
    assert torch.equal(net[0].weight, before)


def images(n_rows: int) -> Batch:
    random = torch.Generator().manual_seed(5)
    X = torch.randn(n_rows, 2, 8, 8, dtype=torch.float64, generator=random).to(memory_format=torch.channels_last)
    return Batch(X, torch.randint(3, (n_rows,), generator=random), torch.rand(n_rows, generator=random).double())


def filters() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(2, 64, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 3)).double()


def of_threads(n_threads: int, arithmetic: Arithmetic = F64) -> GradientTrainer:
    net, settings = filters().to(arithmetic.dtype), GradientSettings(learning_rate=0.01)
    one = GradientTrainer(net, HEADS["multiclass"].row_loss, settings, arithmetic, in_parts=True)
    one._n_threads = n_threads
    return one


def test_parts_on_several_threads_add_up_to_the_gradient_of_the_whole():
    rows = images(80)
    found = []
    for n_threads in (1, 2, 3):
        one = of_threads(n_threads)
        loss = take_step(one, rows)
        assert len(one._copies) == (0 if n_threads == 1 else n_threads)
        found.append((loss, gradient(one), weights(one)))
    for loss, slope, moved in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-12)
        torch.testing.assert_close(slope, found[0][1], rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(moved, found[0][2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("network", [RNN, LSTM, GRU])
def test_parts_of_a_recurrent_network_add_up_weight_by_weight(network):
    X = np.random.default_rng(0).normal(size=(40, 9, 3))
    net = network(n_hidden=8, n_epochs=1, random_state=0).fit(X, np.arange(40) % 3)
    rows = net._to_batch(net._check_rows(X, np.arange(40) % 3, None, reset=True))
    found = []
    for n_parts in (1, 2):
        one = GradientTrainer(net.network_, HEADS["multiclass"].row_loss, GradientSettings(), F64, in_parts=True)
        one._backward(rows, torch.Generator(), n_parts)
        found.append([p.grad.clone() for p in one.parameters])
    for (name, _), whole, parts in zip(net.network_.named_parameters(), *found, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-12, msg=name)


def test_gradients_lie_in_memory_as_their_parameters_do():
    one = of_threads(1)
    take_step(one, images(12))
    assert all(p.grad.stride() == p.stride() for p in one.parameters)


def test_a_resumed_trainer_keeps_the_number_of_threads_that_the_run_began_with():
    begun = of_threads(3)
    take_step(begun, images(80))
    resumed = of_threads(1)
    resumed.load_state(*begun.state())
    take_step(begun, images(80))
    take_step(resumed, images(80))
    assert torch.equal(weights(begun), weights(resumed))


def test_networks_are_worked_through_in_parts_only_if_they_say_so():
    one = trainer(filters(), kind="multiclass")
    take_step(one, images(80))
    assert not one._copies


@pytest.mark.parametrize("n_threads", [1, 2])
def test_copies_multiply_in_bfloat16_and_the_weights_stay_float32(n_threads):
    rows = images(80)
    rows = Batch(rows.inputs.float(), rows.target)
    one, exact = of_threads(n_threads, Arithmetic(torch.float32, autocast=True)), of_threads(1)
    for trainer_ in (one, exact):
        take_step(trainer_, Batch(rows.inputs.to(trainer_.arithmetic.dtype), rows.target))
    assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in one.parameters)
    assert {p.dtype for p in one._copies[0].parameters()} == {torch.bfloat16}
    assert torch.cosine_similarity(gradient(one).double(), gradient(exact), dim=0) > 0.999
    assert not torch.equal(gradient(one).double(), gradient(exact))
