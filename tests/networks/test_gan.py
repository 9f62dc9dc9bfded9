"""Generative adversarial network: the best critic and the value of the game, penalties, spectral norms, both moves."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.datasets import load_digits, load_iris
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import nnzoo
from nnzoo import GAN
from nnzoo.engine.batches import Batch
from nnzoo.evaluation.samples import modes_reached
from nnzoo.networks.gan import BETAS, LOSSES, Critic, slopes
from nnzoo.networks.sampling import drawn_rows, learn_features, sample_distance
from nnzoo.training.optimizers import ADAM_EPSILON

SMALL = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "spectral_norm": False,
    "r1_weight": 0.0,
    "n_epochs": 2,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)[0]


def images(n=24, dtype=np.uint8):
    draw = np.random.default_rng(1)
    return (draw.random((n, 9, 7, 3)) * 255).astype(dtype)


def trainer_of(X, **params):
    """Return the trainer of a new network, and rows as a batch."""
    network = GAN(**(SMALL | {"precision": "float64"} | params)).sized_to(X, None)
    network._start(network._check_rows(X, None, None, reset=True), network.target_, 0)
    return network.learn(network.network_, len(X), 10), Batch(network._to_inputs(X))


def test_one_step_by_hand():
    """G(z) = a z and D(x) = w x + b with a = 2, w = 0.5, b = 0; x = 1 and -1, whose standardised values they are.

    With noise z the critic's loss is the mean of log(1 + e^-(w x)) over x plus that of log(1 + e^(w a z)) over z. Its
    slope by w is mean of -x σ(-w x) plus mean of a z σ(w a z), by b mean of -σ(-w x) plus mean of σ(w a z). Adam's first
    step is the learning rate along the sign, as far as epsilon lets it: η g / (|g| + ε). Then the generator, with the
    critic moved to w', b': the loss is the mean of log(1 + e^-(w' a z + b')), its slope by a mean of -w' z σ(-(w' a z +
    b')), by its bias mean of -w' σ(...).
    """
    trainer, batch = trainer_of(
        np.array([[1.0], [-1.0]]), n_components=1, hidden_layer_sizes=(), learning_rate=0.1, average_decay=0.0
    )
    layers = [trainer.generator.layers[0], trainer.critic.verdict.layer]
    for layer, weight in zip(layers, (2.0, 0.5), strict=True):
        layer.weight.data.fill_(weight)
        layer.bias.data.zero_()
    z = torch.randn(2, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64).numpy()[:, 0]
    x, sigma = np.array([1.0, -1.0]), lambda s: 1 / (1 + np.exp(-s))
    losses = trainer.step(batch, torch.Generator().manual_seed(3))
    assert losses["loss"] == pytest.approx(np.log1p(np.exp(-0.5 * x)).mean() + np.log1p(np.exp(z)).mean())
    slope = np.array([(-x * sigma(-0.5 * x)).mean() + (2 * z * sigma(z)).mean(), (sigma(z) - sigma(-0.5 * x)).mean()])
    w, b = np.array([0.5, 0.0]) - 0.1 * slope / (np.abs(slope) + ADAM_EPSILON)
    assert [layers[1].weight.item(), layers[1].bias.item()] == pytest.approx([w, b])
    scores = 2 * w * z + b
    assert losses["loss_of_generator"] == pytest.approx(np.log1p(np.exp(-scores)).mean())
    slope = np.array([(-w * z * sigma(-scores)).mean(), (-w * sigma(-scores)).mean()])
    a, shift = np.array([2.0, 0.0]) - 0.1 * slope / (np.abs(slope) + ADAM_EPSILON)
    assert [layers[0].weight.item(), layers[0].bias.item()] == pytest.approx([a, shift])
    assert trainer.weights()["body.generator.layers.0.weight"].item() == pytest.approx(a)


@pytest.mark.parametrize("loss", LOSSES)
def test_moves_are_those_of_two_optimizers_of_torch(loss, iris):
    """The loop of the papers, written out: Adam on the critic with a graph of its own, then Adam on the generator."""
    trainer, batch = trainer_of(iris, loss=loss, n_critic=2, r1_weight=0.3, average_decay=0.0, learning_rate=0.01)
    G, D = (trainer_of(iris, loss=loss)[0].generator, trainer_of(iris, loss=loss)[0].critic)
    optimizers = [torch.optim.Adam(net.parameters(), 0.01, BETAS, ADAM_EPSILON) for net in (G, D)]
    draw, own, x = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5), batch.inputs
    for step in range(5):
        made = G(torch.randn(len(x), 2, generator=draw, dtype=torch.float64))
        fake, seen = made.detach(), x.clone().requires_grad_()
        value = {
            "non_saturating": lambda f=fake: -(D(x).sigmoid().log().mean() + (1 - D(f).sigmoid()).log().mean()),
            "hinge": lambda f=fake: (1 - D(x)).clamp(min=0).mean() + (1 + D(f)).clamp(min=0).mean(),
            "wgan_gp": lambda f=fake: D(f).mean() - D(x).mean(),
            "least_squares": lambda f=fake: ((D(x) - 1) ** 2).mean() / 2 + (D(f) ** 2).mean() / 2,
        }[loss]()
        if loss == "wgan_gp":
            share = torch.rand(len(x), generator=draw, dtype=torch.float64)[:, None]
            between = (share * x + (1 - share) * fake).requires_grad_()
            (gradient,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
            value = value + 10 * ((gradient.norm(dim=1) - 1) ** 2).mean()
        (gradient,) = torch.autograd.grad(D(seen).sum(), seen, create_graph=True)
        value = value + 0.3 / 2 * (gradient**2).sum(dim=1).mean()
        optimizers[1].zero_grad()
        value.backward()
        optimizers[1].step()
        if step % 2 == 0:
            score = D(made)
            value = {
                "non_saturating": lambda s=score: -s.sigmoid().log().mean(),
                "least_squares": lambda s=score: ((s - 1) ** 2).mean() / 2,
            }.get(loss, lambda s=score: -s.mean())()
            optimizers[0].zero_grad()
            value.backward()
            optimizers[0].step()
        trainer.step(batch, own)
    for ours, theirs in ((trainer.generator, G), (trainer.critic, D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-6, atol=1e-9)


def test_generator_leaves_no_gradient_in_the_critic(iris):
    trainer, batch = trainer_of(iris)
    trainer.step(batch, torch.Generator().manual_seed(0))
    before = [p.grad.clone() for p in trainer.critic.parameters()]
    scores = trainer.critic(trainer.generator(torch.randn(5, 2).double()))
    trainer._descend("generator", LOSSES["non_saturating"].of_generator(scores).mean())
    assert all(torch.equal(p.grad, g) for p, g in zip(trainer.critic.parameters(), before, strict=True))


@pytest.mark.parametrize("score", [-3.0, 0.2])
def test_both_losses_of_the_generator_push_one_way_where_the_critic_says_the_same_of_all(score):
    """d/dD of log(1 - σ(D)) is -σ(D) and of -log σ(D) is -(1 - σ(D)): one direction, in the ratio (1 - σ) / σ."""
    d = torch.tensor([score], dtype=torch.float64, requires_grad=True)
    (ours,) = torch.autograd.grad(LOSSES["non_saturating"].of_generator(d).sum(), d)
    (minimax,) = torch.autograd.grad((1 - d.sigmoid()).log().sum(), d)
    share = 1 / (1 + math.exp(-score))
    assert ours.item() / minimax.item() == pytest.approx((1 - share) / share)


def test_penalty_of_a_linear_critic_of_slope_one_is_zero():
    critic = Critic((3,), (), (), "leaky_relu").double()
    weight = critic.verdict.layer.weight
    weight.data /= weight.data.norm()
    norms = slopes(critic, torch.randn(7, 3).double()).norm(dim=1)
    assert (norms.detach() - 1).square().max() < 1e-12


def test_power_iteration_finds_the_largest_singular_value():
    torch.manual_seed(0)
    layer = nn.Linear(6, 5)
    wanted = torch.linalg.svdvals(layer.weight)[0].item()
    weight = layer.weight.detach().clone()
    parametrizations.spectral_norm(layer)
    for _ in range(200):
        layer(torch.zeros(1, 6))
    found = (weight / layer.weight.detach()).flatten()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_critic_of_spectral_norm_one_has_it_when_it_is_saved(iris):
    """Power iteration makes one step a move, so it is near, not at 1."""
    network = GAN(**(SMALL | {"spectral_norm": True, "n_epochs": 20})).fit(iris)
    critic = network.network_.body.critic
    layers = [layer for layer in critic.modules() if isinstance(layer, nn.Linear)]
    assert [torch.linalg.svdvals(layer.weight)[0].item() for layer in layers] == pytest.approx([1, 1], rel=0.05)
    assert not any(parametrize.is_parametrized(layer) for layer in layers)


def train_critic(loss, real, made, n_steps, **params):
    """Return a critic that is trained on a generator that stays, as a function of numbers."""
    draw = torch.Generator().manual_seed(0)
    X = real(torch.randn(4000, 1, generator=draw, dtype=torch.float64))
    settings = {"loss": loss, "n_critic": 100, "hidden_layer_sizes": (32, 32), "learning_rate": 3e-3, "random_state": 0}
    network = GAN(
        r1_weight=0.0,
        precision="float64",
        n_components=1,
        activation="tanh",
        schedule="cosine",
        **(settings | params),
    )
    network = network.sized_to(X.numpy(), None)
    network._start(network._check_rows(X.numpy(), None, None, reset=True), network.target_, 0)
    trainer = network.learn(network.network_, len(X), n_steps)
    trainer.n_moves = 1
    mean, scale = (torch.from_numpy(each) for each in (network.inputs_.standard.mean, network.inputs_.standard.scale))
    trainer.generator = Standardized(made, mean, scale)
    for _ in range(n_steps):
        rows = (real(torch.randn(512, 1, generator=draw, dtype=torch.float64)) - mean) / scale
        loss = trainer._descend(
            "critic",
            trainer._critic_loss(
                Batch(rows), rows, trainer.generator(torch.randn(512, 1, generator=draw, dtype=torch.float64)), draw
            ),
        )
        trainer.n_moves += 1
    return lambda x: trainer.critic((x - mean) / scale).detach(), float(scale)


class Standardized(nn.Module):
    def __init__(self, made, mean, scale):
        super().__init__()
        self.made, self.mean, self.scale = made, mean, scale

    def forward(self, z):
        return (self.made(z) - self.mean) / self.scale


@pytest.mark.slow
def test_critic_becomes_the_best_one_and_the_game_has_its_value():
    """For p = N(0, 1) and q = N(1.5, 1): σ(D) → p / (p + q); value → 2 JSD(p, q) - log 4, both by quadrature."""
    critic, _ = train_critic("non_saturating", lambda z: z, lambda z: 1.5 + z, 1500)
    x = np.linspace(-1.5, 3, 91)
    p, q = norm.pdf(x), norm.pdf(x, 1.5)
    found = critic(torch.from_numpy(x)[:, None]).sigmoid().numpy()[:, 0]
    np.testing.assert_allclose(found, p / (p + q), atol=0.02)

    def divergence(x):
        p, q = norm.pdf(x), norm.pdf(x, 1.5)
        return (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q))) / 2

    wanted = 2 * quad(divergence, -8, 9)[0] - math.log(4)
    z = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    of_real, of_made = critic(z).sigmoid(), critic(1.5 + z).sigmoid()
    assert (of_real.log().mean() + (1 - of_made).log().mean()).item() == pytest.approx(wanted, abs=0.02)


@pytest.mark.slow
def test_wasserstein_value_is_the_shift_of_the_means():
    """W(N(0, 1), N(2, 1)) = 2, and E D(x) - E D(G(z)) of a critic of slope 1 reaches it.

    The penalty is soft: of slopes s, all along one line, 2 s - λ (s - 1)² is largest at s = 1 + 1/λ, here 1.01.
    """
    critic, scale = train_critic("wgan_gp", lambda z: z, lambda z: 2 + z, 1500, gp_weight=100.0)
    z = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    assert (critic(z).mean() - critic(2 + z).mean()).item() * scale == pytest.approx(2, rel=0.05)


def test_real_and_made_rows_do_not_meet_in_the_critic():
    critic = Critic((8, 8, 1), (), (3, 4), "leaky_relu").double()
    real, made = torch.randn(2, 5, 8, 8, 1).double()
    together = critic(torch.cat([real, made]))
    np.testing.assert_allclose(together.detach(), torch.cat([critic(real), critic(made)]).detach(), rtol=1e-12)


def test_creases_of_the_first_units_do_not_all_meet_at_the_origin(iris):
    trainer, _ = trainer_of(iris)
    for layers in (trainer.generator.layers, trainer.critic.features):
        assert layers[0][0].bias.abs().min() > 0
    assert trainer.generator.layers[1].bias.abs().max() == 0


def test_mean_generator_is_that_of_all_steps(iris):
    """It keeps (1 + n) / (10 + n) of itself after n steps, at most the decay: 1/10, then 2/11 and 3/12, cut to 0.15."""
    trainer, batch = trainer_of(iris, average_decay=0.15)
    name, seen = "layers.0.0.weight", []
    seen.append(trainer.body.generator.state_dict()[name].clone())
    for seed in range(3):
        trainer.step(batch, torch.Generator().manual_seed(seed))
        seen.append(trainer.generator.state_dict()[name].clone())
    wanted = seen[0]
    for decay, weight in zip((0.1, 0.15, 0.15), seen[1:], strict=True):
        wanted = decay * wanted + (1 - decay) * weight
    np.testing.assert_allclose(trainer.body.generator.state_dict()[name], wanted, rtol=1e-12)


def test_generator_moves_at_every_n_critic_th_step(iris):
    trainer, batch = trainer_of(iris, loss="wgan_gp")
    steps = []
    for seed in range(7):
        before = trainer.generator.layers[0][0].weight.clone()
        trainer.step(batch, torch.Generator().manual_seed(seed))
        steps.append(not torch.equal(before, trainer.generator.layers[0][0].weight))
    assert steps == [True, False, False, False, False, True, False]


@pytest.mark.parametrize(
    ("X", "params"),
    [
        (images(), {"n_filters": (4, 6)}),
        (images(dtype=np.float64), {"n_filters": (4,)}),
        (images(), {"n_filters": ()}),
        (np.random.default_rng(0).normal(size=(20, 5, 2)), {"kind": "sequence"}),
    ],
)
def test_samples_are_rows_in_their_own_unit(X, params):
    network = GAN(kind=params.pop("kind", "image"), **SMALL, **params).fit(X)
    drawn = network.sample(6, random_state=0)
    assert drawn.shape == (6, *X.shape[1:])
    assert (drawn.dtype == np.uint8) == (X.dtype == np.uint8)
    assert drawn.tolist() == network.sample(6, random_state=0).tolist()
    assert drawn.tolist() != network.sample(6, random_state=1).tolist()
    assert network.transform(X).shape == (len(X), network.network_.body.n_out)


def test_score_samples_is_the_critic_and_score_minus_the_kernel_distance(iris):
    network = GAN(**SMALL).fit(iris)
    x = torch.from_numpy(network._standardized(network._check_inputs(iris)))
    with torch.no_grad():
        wanted = network.network_.body.critic(x)[:, 0]
    np.testing.assert_allclose(network.score_samples(iris), wanted, rtol=1e-12)
    assert network.score(iris) == -sample_distance(network, x.numpy()).mean()
    assert not hasattr(network, "inverse_transform")
    assert not hasattr(network, "reconstruct")


def test_copies_of_rows_are_nearer_to_rows_than_a_new_network(iris):
    network = GAN(**SMALL).fit(iris)
    before = network.score(iris)
    network.sample = lambda n, random_state: iris[np.arange(n) % len(iris)]
    assert network.score(iris) > before + 0.05


@pytest.mark.slow
def test_features_of_images_are_always_the_same_and_tell_digits_from_noise():
    X = load_digits().images[:300, ..., None] / 8 - 1
    first, again = learn_features(X)(X[:5]), learn_features(X)(X[:5])
    assert first.tolist() == again.tolist()
    assert first.shape == (5, 32)


@pytest.mark.parametrize(
    ("X", "params", "expected"),
    [
        (images(), {}, (0.0, True)),
        (images(), {"n_filters": ()}, (1.0, False)),
        (images(), {"spectral_norm": False}, (1.0, False)),
        (images(), {"n_filters": (), "loss": "wgan_gp"}, (0.0, False)),
        (images(), {"r1_weight": 0.2}, (0.2, True)),
    ],
)
def test_one_bound_of_the_critic_is_enough(X, params, expected):
    network = GAN(**({"kind": "image", "n_filters": (4,)} | params)).sized_to(X, None)
    network._start(network._check_rows(X, None, None, reset=True), network.target_, 0)
    game = network.learn(network.network_, len(X), 1).game
    assert (game.r1_weight, game.spectral_norm) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_samples_of_a_mixture_come_from_all_its_modes(seed):
    centers = np.array([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
    draw = np.random.default_rng(seed)
    X = centers[draw.integers(3, size=1000)] + 0.3 * draw.normal(size=(1000, 2))
    network = GAN(random_state=seed).fit(X)
    found, share = modes_reached(network.sample(500, random_state=0), centers, 0.3)
    assert found == 3
    assert share > 0.5  # evenly over the rectangle of all modes: 3 π 0.9² / (7.8 · 4.8) = 0.2


def test_report_has_the_distance_beside_normal_distributions(iris):
    network = GAN(**SMALL).fit(iris)
    found = network.measures(iris[::2], iris[1::2])
    assert [each.name for each in found.competitors] == ["constant", "normal distribution"]
    assert found.competitors[1].values.mean() < found.competitors[0].values.mean() < found.values.mean() + 1
    assert set(found.more) == {"precision", "recall", "groups_reached", "kernel_distance_of_training_rows"}
    assert len(found.values) == 75
    assert network.measures(iris, None).competitors == ()


@pytest.mark.slow
def test_report_shows_samples_beside_the_nearest_training_images():
    X = images(60)
    network = GAN(kind="image", n_filters=(4,), n_epochs=1, random_state=0).fit(X)
    (shown,) = network.measures(X[:20], X[20:]).shows
    assert [each.shape for each in shown.content.values()] == [(12, 9, 7, 3)] * 2
    drawn = drawn_rows(network, 2000)[:12]
    known = network._standardized(network._check_inputs(X[20:]))
    wanted = [np.square(known - row).sum(axis=1).argmin() for row in drawn]
    np.testing.assert_array_equal(shown.content["nearest in training"], X[20:][wanted])


def test_validation_rows_give_the_kernel_distance_of_each_epoch(iris):
    network = GAN(**SMALL).fit(iris[::2], X_val=iris[1::2])
    assert len(network.history_["valid_loss"]) == 2
    assert network.best_by_ == "last"


def test_images_that_are_too_small_for_the_filters_are_refused():
    with pytest.raises(nnzoo.errors.UsageError, match=r"3 layers of filters need images of at least 8 pixels a side; "):
        GAN(n_filters=(2, 2, 2), kind="image", **SMALL).fit(images())
