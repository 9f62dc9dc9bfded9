"""Feed Forward: its formula, what it equals, what it learns, and everything that the common face gives it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_circles
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from nnzoo import FeedForward
from nnzoo.errors import DataError, ParameterError, ResourceError
from nnzoo.networks.feed_forward import FeedForwardBody
from nnzoo.networks.parts import ACTIVATIONS, TableInput
from nnzoo.training.gradient import GradientTrainer

FORMULAS = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1),
}


def noisy_rows(n_rows: int = 120, n_features: int = 3, n_outputs: int = 1, seed: int = 0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n_rows, n_features))
    Y = X @ random.normal(size=(n_features, n_outputs)) + random.normal(size=(n_rows, n_outputs))
    return X, 20 + 7 * (Y[:, 0] if n_outputs == 1 else Y)


def copy_from_mlp(net: FeedForward, mlp: MLPClassifier | MLPRegressor) -> None:
    layers = {"body.hidden.0": 0, "head": 1}
    state = {f"{name}.weight": torch.tensor(mlp.coefs_[k].T) for name, k in layers.items()}
    state |= {f"{name}.bias": torch.tensor(mlp.intercepts_[k]) for name, k in layers.items()}
    net.network_.load_state_dict(state)


@pytest.mark.parametrize("name", FORMULAS)
def test_body_is_the_formula(name):
    """h = f(W₁ x + b₁), in numpy."""
    torch.manual_seed(0)
    body = FeedForwardBody(TableInput(4, {}), 6, activation=name).double()
    x = torch.randn(9, 4, dtype=torch.float64)
    W, b = (p.detach().numpy() for p in body.hidden[0].parameters())
    np.testing.assert_allclose(body(x).detach().numpy(), FORMULAS[name](x.numpy() @ W.T + b), rtol=1e-12, atol=1e-14)


def test_activations_are_those_of_the_documentation():
    documented = FeedForward.__doc__.split("f: ")[1].split("\n")[0]
    assert {name for name in ACTIVATIONS if f'"{name}"' in documented} == set(ACTIVATIONS)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine], ids=["2 classes", "3 classes"])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # the reference need not converge to be copied
def test_weights_of_the_reference_give_its_probabilities(load):
    X, y = load(return_X_y=True)
    net = FeedForward(n_hidden=12, activation="tanh", n_epochs=1, random_state=0).fit(X, y)
    Z = net.inputs_.standard.apply(X, np.float64)
    mlp = MLPClassifier(12, activation="tanh", max_iter=20, random_state=0).fit(Z, y)
    copy_from_mlp(net, mlp)
    np.testing.assert_allclose(net.predict_proba(X), mlp.predict_proba(Z), atol=1e-6)
    np.testing.assert_array_equal(net.predict(X), mlp.predict(Z))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # as above
def test_weights_of_the_reference_give_its_values():
    X, y = load_diabetes(return_X_y=True)
    net = FeedForward(task="regression", n_hidden=9, n_epochs=1, random_state=0).fit(X, y)
    Z, y_inside = net.inputs_.standard.apply(X, np.float64), net.target_.code(y)[:, 0]
    mlp = MLPRegressor(hidden_layer_sizes=9, max_iter=20, random_state=0).fit(Z, y_inside)
    copy_from_mlp(net, mlp)
    np.testing.assert_allclose(net.predict(X), y.mean() + y.std() * mlp.predict(Z), rtol=1e-10)


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_identity_activation_ends_at_the_loss_of_least_squares(n_outputs):
    """With n_hidden ≥ n_outputs the product W₂ W₁ has full rank, so the minimum is that of least squares."""
    X, y = noisy_rows(n_outputs=n_outputs)
    net = FeedForward(
        task="regression", n_hidden=3, activation="identity", optimizer="lbfgs", weight_decay=0.0, random_state=0
    ).fit(X, y)
    wanted = np.square(y - LinearRegression().fit(X, y).predict(X)).mean()
    assert np.square(y - net.predict(X)).mean() == pytest.approx(wanted, rel=1e-4)


def test_order_of_the_hidden_units_does_not_matter():
    X, y = load_wine(return_X_y=True)
    net = FeedForward(n_hidden=15, n_epochs=5, random_state=0).fit(X, y)
    before = net.decision_function(X)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(0))
    state = net.network_.state_dict()
    for name in ("body.hidden.0.weight", "body.hidden.0.bias"):
        state[name] = state[name][order]
    state["head.weight"] = state["head.weight"][:, order]
    net.network_.load_state_dict(state)
    np.testing.assert_allclose(net.decision_function(X), before, atol=1e-12)


def test_transform_gives_the_hidden_activations_under_their_names():
    X, y = load_wine(return_X_y=True)
    net = FeedForward(n_hidden=7, n_epochs=2, random_state=0).fit(X, y)
    H = net.transform(X)
    W, b = net.network_.head.weight.detach().numpy(), net.network_.head.bias.detach().numpy()
    np.testing.assert_allclose(H @ W.T + b, net.decision_function(X), rtol=1e-10)
    assert H.min() == 0.0
    assert net.get_feature_names_out().tolist() == [f"feedforward{k}" for k in range(7)]
    assert net.set_output(transform="pandas").transform(X).columns.tolist() == net.get_feature_names_out().tolist()


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_a_circle_that_no_line_cuts_out(seed):
    X, y = make_circles(600, noise=0.1, factor=0.4, random_state=seed)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    line = LogisticRegression().fit(X_train, y_train).score(X_test, y_test)
    net = FeedForward(learning_rate=0.01, random_state=seed).fit(X_train, y_train)
    assert net.score(X_test, y_test) > max(line + 0.2, 0.9)


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_values_that_no_line_follows(seed):
    random = np.random.default_rng(seed)
    X = random.uniform(-2, 2, (400, 2))
    y = 100 + 30 * X[:, 0] * X[:, 1] + random.normal(size=400)
    net = FeedForward(task="regression", learning_rate=0.01, random_state=seed).fit(X[:300], y[:300])
    assert net.score(X[300:], y[300:]) > LinearRegression().fit(X[:300], y[:300]).score(X[300:], y[300:]) + 0.5


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "lbfgs"])
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_every_optimiser_and_normalisation_learns(optimizer, normalization):
    X, y = load_wine(return_X_y=True)
    n_epochs = 3 if optimizer == "lbfgs" else 40
    net = FeedForward(
        n_epochs=n_epochs, optimizer=optimizer, normalization=normalization, learning_rate=0.02, random_state=0
    )
    losses = net.fit(X, y).history_["train_loss"]
    assert min(losses) < 0.3 * losses[0]
    assert net.score(X, y) > 0.9


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_every_schedule_and_precision_learns(schedule, precision):
    X, y = load_wine(return_X_y=True)
    net = FeedForward(n_epochs=60, schedule=schedule, precision=precision, learning_rate=0.01, random_state=0).fit(X, y)
    assert net.score(X, y) > 0.9
    assert net.arithmetic_ == precision


def test_several_labels_a_row_give_indicator_rows_and_a_probability_each():
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 3))
    Y = np.stack([X[:, 0] > 0, X[:, 1] > 0.5, X[:, 0] + X[:, 2] > 0], axis=1).astype(int)
    net = FeedForward(learning_rate=0.01, random_state=0).fit(X, Y)
    P = net.predict_proba(X)
    assert P.shape == net.decision_function(X).shape == (300, 3)
    np.testing.assert_array_equal(net.predict(X), (P > 0.5).astype(int))
    assert net.score(X, Y) > 0.8
    assert net.score(X, Y) == (net.predict(X) == Y).all(axis=1).mean()


def test_several_outputs_are_values_in_their_own_units():
    X, Y = noisy_rows(200, n_outputs=2)
    Y = Y * [1.0, 1000.0]
    net = FeedForward(task="regression", learning_rate=0.01, random_state=0).fit(X, Y)
    assert net.predict(X).shape == (200, 2)
    linear = LinearRegression().fit(X, Y)
    assert net.score(X, Y) > linear.score(X, Y)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_whole_weights_equal_repeats_and_weight_0_equals_leaving_out(task, optimizer):
    X, y = noisy_rows(90)
    y = (y > 20).astype(int) if task == "classification" else y
    weight = np.random.default_rng(1).integers(0, 4, 90)
    params = {"task": task, "optimizer": optimizer, "n_epochs": 30, "batch_size": 1000, "random_state": 0}
    weighted = FeedForward(**params).fit(X, y, sample_weight=weight)
    repeated = FeedForward(**params).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)
    assert weighted.history_["train_loss"][-1] == pytest.approx(repeated.history_["train_loss"][-1], rel=1e-6)


def test_class_weight_is_sample_weight_by_label():
    X, y = noisy_rows(100)
    y = np.where(y > 26, "rare", "usual")
    share = (y == "rare").mean()
    params = {"n_epochs": 20, "random_state": 0}
    balanced = FeedForward(class_weight="balanced", **params).fit(X, y)
    by_class = FeedForward(class_weight={"rare": 1 / share, "usual": 1 / (1 - share)}, **params).fit(X, y)
    by_row = FeedForward(**params).fit(X, y, sample_weight=np.where(y == "rare", 1 / share, 1 / (1 - share)))
    np.testing.assert_allclose(balanced.predict_proba(X), by_row.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(by_class.predict_proba(X), by_row.predict_proba(X), rtol=1e-9)
    assert (balanced.predict(X) == "rare").mean() > (FeedForward(**params).fit(X, y).predict(X) == "rare").mean()


def test_validation_rows_choose_the_best_weights_and_the_end():
    X, y = load_breast_cancer(return_X_y=True)
    net = FeedForward(learning_rate=0.01, patience=5, n_epochs=500, random_state=0)
    net.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    valid = net.history_["valid_loss"]
    assert (net.stopped_, net.best_by_) == ("patience", "valid_loss")
    assert net.n_iter_ == len(valid) < 500
    assert net.best_epoch_ == int(np.argmin(valid)) + 1
    assert log_loss(y[300:], net.predict_proba(X[300:])) == pytest.approx(min(valid), rel=1e-6)


def test_weights_of_validation_rows_count():
    X, y = load_breast_cancer(return_X_y=True)
    weight = np.linspace(0.1, 5.0, 269)
    net = FeedForward(n_epochs=3, random_state=0)
    net.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:], sample_weight_val=weight)
    best = log_loss(y[300:], net.predict_proba(X[300:]), sample_weight=weight)
    assert best == pytest.approx(min(net.history_["valid_loss"]), rel=1e-6)


@pytest.mark.parametrize(("n_rows", "early_stopping", "held_out"), [(10_000, "auto", True), (9_999, "auto", False),
                                                                    (10_000, False, False), (50, True, True)])  # fmt: skip
def test_rows_are_held_out_from_10000_rows_on_or_when_told(n_rows, early_stopping, held_out):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    net = FeedForward(n_hidden=2, n_epochs=1, batch_size=4096, early_stopping=early_stopping, random_state=0)
    assert ("valid_loss" in net.fit(X, X[:, 0] > 0).history_) == held_out


def test_rows_held_out_have_the_classes_in_their_shares(monkeypatch):
    seen = []
    measure = GradientTrainer.measure
    monkeypatch.setattr(GradientTrainer, "measure", lambda own, batch: seen.append(batch.target) or measure(own, batch))
    y = np.repeat([0, 1], [160, 40])
    for seed in range(5):
        FeedForward(n_epochs=1, early_stopping=True, random_state=seed).fit(np.arange(200.0)[:, None], y)
    assert [(len(target), int(target.sum())) for target in seen] == [(20, 4)] * 5


def test_C12_caller_s_random_state_is_left_as_it_was():
    X, y = load_wine(return_X_y=True)
    torch.manual_seed(3), np.random.seed(3)
    wanted = torch.rand(2).tolist(), np.random.rand(2).tolist()
    torch.manual_seed(3), np.random.seed(3)
    FeedForward(n_epochs=2, dropout=0.2, random_state=0).fit(X, y).predict(X)
    assert (torch.rand(2).tolist(), np.random.rand(2).tolist()) == wanted


def test_same_seed_gives_the_same_bits_whatever_ran_before_and_another_seed_does_not():
    X, y = load_wine(return_X_y=True)

    def bits(seed: int) -> bytes:
        return (
            FeedForward(n_epochs=3, dropout=0.2, batch_size=50, random_state=seed).fit(X, y).predict_proba(X).tobytes()
        )

    first = bits(0)
    torch.rand(100)
    assert bits(1) != first == bits(0)


def test_threads_and_input_are_left_as_they_were():
    X, y = noisy_rows()
    threads, X_before, y_before = torch.get_num_threads(), X.copy(), y.copy()
    FeedForward(task="regression", n_epochs=2, random_state=0).fit(X, y).predict(X)
    assert torch.get_num_threads() == threads
    assert (X.tobytes(), y.tobytes()) == (X_before.tobytes(), y_before.tobytes())


def test_partial_fit_goes_on_from_where_it_was():
    X, y = load_breast_cancer(return_X_y=True)
    net = FeedForward(batch_size=64, random_state=0)
    losses = [net.partial_fit(X, y).history_["train_loss"][-1] for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert (net.n_iter_, net.history_["epoch"]) == (5, [1.0, 2.0, 3.0, 4.0, 5.0])
    again = FeedForward(batch_size=64, random_state=0)
    for _ in range(5):
        again.partial_fit(X, y)
    assert again.predict_proba(X).tobytes() == net.predict_proba(X).tobytes()


def test_partial_fit_goes_on_after_fit_and_fit_starts_anew():
    X, y = load_breast_cancer(return_X_y=True)
    net = FeedForward(n_epochs=3, random_state=0).fit(X, y)
    first = net.predict_proba(X)
    net.partial_fit(X, y)
    assert net.n_iter_ == 4
    assert np.abs(net.predict_proba(X) - first).max() > 0
    assert net.fit(X, y).predict_proba(X).tobytes() == first.tobytes()


def test_partial_fit_takes_classes_that_come_later():
    X, y = load_wine(return_X_y=True)
    net = FeedForward(random_state=0).partial_fit(X[:100], y[:100], classes=[0, 1, 2])
    assert net.partial_fit(X[100:], y[100:]).predict_proba(X).shape == (178, 3)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_give_what_arrays_give_and_their_columns_are_checked(frame):
    X, y = load_wine(return_X_y=True)
    names = [f"c{k}" for k in range(13)]
    table = frame({name: X[:, k] for k, name in enumerate(names)})
    net = FeedForward(n_epochs=2, random_state=0).fit(table, y)
    assert net.feature_names_in_.tolist() == names
    wanted = FeedForward(n_epochs=2, random_state=0).fit(X, y).predict_proba(X)
    assert net.predict_proba(table).tobytes() == wanted.tobytes()
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame({name: X[:, k] for k, name in enumerate(reversed(names))}))


@pytest.mark.parametrize("n_unknown", [0, 1])
def test_category_codes_get_trained_vectors_and_new_codes_the_unknown_one(n_unknown):
    random = np.random.default_rng(0)
    codes = random.integers(1, 9, 400)
    y = np.isin(codes, [2, 3, 7]).astype(int)
    X = np.stack([random.normal(size=400), codes], axis=1)
    net = FeedForward(categorical_features=[1], learning_rate=0.02, n_epochs=60, random_state=0).fit(X, y)
    assert net.score(X, y) == 1.0
    assert net.inputs_.n_codes == {1: 9}
    new, unknown = np.array([[0.5, 99.0], [0.5, 9.0]]), np.array([[0.5, 0.0]] * 2)
    assert net.predict_proba(new).tobytes() == net.predict_proba(unknown).tobytes()


@pytest.mark.parametrize("bad", [-1.0, 0.5, 1e9])
def test_columns_that_hold_no_codes_are_refused(bad):
    with pytest.raises(DataError, match=r"FeedForward: column 0 needs category codes 0, 1, 2.*OrdinalEncoder"):
        FeedForward(categorical_features=[0]).fit([[bad], [1.0]], [0, 1])


def test_category_column_beyond_the_table_is_refused():
    with pytest.raises(DataError, match="categorical_features needs columns below 1; got 3"):
        FeedForward(categorical_features=[3]).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learning_rate": -1}, r'learning_rate needs a number above 0 to 1000; got "-1"'),
        ({"n_hidden": 0}, r"n_hidden needs a whole number from 1"),
        ({"activation": "tanhh"}, r"activation needs one of 'identity', .*got \"'tanhh'\""),
        ({"task": "ranking"}, r"task needs one of 'classification', 'regression'"),
        ({"dropout": 1.0}, r"dropout needs a number from 0 to 0.99"),
        ({"random_state": -3}, r"random_state needs None, a whole number"),
        ({"class_weight": {"a": -1.0}}, r"class_weight needs one of None, 'balanced', or a dict"),
    ],
)
def test_C10_bad_parameter_is_refused_in_fit_by_name_and_range(params, message):
    with pytest.raises(ParameterError, match=f"FeedForward: {message}"):
        FeedForward(**params).fit([[0.0], [1.0]], [0, 1])


def test_C10_network_beyond_memory_is_refused_before_it_is_allocated():
    with pytest.raises(ResourceError, match=r"FeedForward with 3,000,000,001 weights and 2 rows needs about .* GiB"):
        FeedForward(n_hidden=10**9).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_C11_last_batch_of_one_row_is_no_obstacle(normalization):
    X, y = noisy_rows(33)
    net = FeedForward(task="regression", batch_size=16, normalization=normalization, n_epochs=2, random_state=0)
    assert np.isfinite(net.fit(X, y).predict(X)).all()


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_C11_few_rows_one_column_and_a_class_for_each_row_train(n_rows):
    net = FeedForward(n_epochs=2, random_state=0).fit(np.arange(n_rows, dtype=float)[:, None], np.arange(n_rows))
    assert net.predict_proba([[0.0]]).shape == (1, n_rows)


def test_one_class_is_always_predicted_with_certainty():
    net = FeedForward(n_epochs=2, random_state=0).fit([[0.0], [1.0]], ["a", "a"])
    assert net.predict([[9.0]]).tolist() == ["a"]
    assert net.predict_proba([[9.0]]).tolist() == [[1.0]]


def test_rows_without_weight_are_refused():
    with pytest.raises(DataError, match="FeedForward needs a row of weight above 0; all weights are 0"):
        FeedForward(class_weight={0: 0.0, 1: 0.0}).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="weight"):
        FeedForward().fit([[0.0], [1.0]], [0, 1], sample_weight=[0, 0])


@pytest.mark.parametrize("verb", ["predict", "predict_proba", "decision_function", "transform"])
def test_D12_unfitted_network_is_refused_by_every_verb(verb):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(FeedForward(), verb)([[0.0]])


def test_regression_has_no_probabilities_and_no_decision_function():
    assert not hasattr(FeedForward(task="regression"), "predict_proba")
    assert not hasattr(FeedForward(task="regression"), "decision_function")


def test_predictions_are_the_same_bits_in_chunks_and_one_row_agrees():
    X, y = np.random.default_rng(0).normal(size=(1100, 5)), np.tile([0, 1], 550)
    net = FeedForward(n_epochs=1, random_state=0).fit(X, y)
    whole = net.predict_proba(X)
    assert net.arithmetic_ == "float32"
    assert np.vstack([net.predict_proba(X[:512]), net.predict_proba(X[512:])]).tobytes() == whole.tobytes()
    np.testing.assert_allclose(np.vstack([net.predict_proba(row[None]) for row in X[:50]]), whole[:50], atol=1e-6)
