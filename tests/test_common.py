"""What every network on the chart owes scikit-learn: its own checks, and its tools.

Listed exceptions are strict in both directions: a listed check that passes fails here, as does any other that does not
pass. A check that skips itself has not run, so it must be listed, too.
"""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from nnzoo.catalog import CATALOG

EXPECTED = {
    ("Perceptron", "check_sample_weight_equivalence_on_dense_data"): (
        "the rule takes rows one after another: a row of weight 2 moves the weights once by twice as much, two rows "
        "move them twice"
    ),
    ("Perceptron", "check_sample_weight_equivalence_on_sparse_data"): "as on dense data",
    ("Perceptron", "check_classifiers_multilabel_output_format_predict_proba"): (
        "skips itself: there is no probability in a perceptron's output"
    ),
    **{
        (name, "check_sample_weight_equivalence_on_dense_data"): (
            "λ is that of the least leave-one-out error, and a row of weight 2 is left out whole, one of two equal "
            "rows alone; for a λ that is given a test of the network holds them equal"
        )
        for name in ("RadialBasisNetwork", "ExtremeLearningMachine")
    },
    ("HopfieldNetwork", "check_sample_weight_equivalence_on_dense_data"): (
        "its features are overlaps with the stored rows: a row of weight 2 is one of them, two equal rows are two; a "
        "test of the network holds what is recalled equal"
    ),
    ("BoltzmannMachine", "check_estimators_nan_inf"): (
        "it fills in what is missing, so predict takes NaN; a test of the network holds that fit and transform do not"
    ),
    ("KohonenNetwork", "check_sample_weight_equivalence_on_dense_data"): (
        "100 units for 15 rows: several lie on one point, and which of them answers is rounding; a test of the network "
        "holds 16 units equal"
    ),
    ("SupportVectorMachine", "check_sample_weight_equivalence_on_dense_data"): (
        "weights are brought to mean 1, so that they do not change C; more rows of weight 1 count for more against the "
        "width of the margin"
    ),
    ("VariationalAutoencoder", "check_sample_weight_equivalence_on_dense_data"): (
        "every row draws codes of its own in training, so two equal rows draw twice as many as one of weight 2"
    ),
    ("DenoisingAutoencoder", "check_sample_weight_equivalence_on_dense_data"): (
        "every row gets noise of its own in training, so two equal rows get twice as much as one of weight 2"
    ),
    **{
        (name, "check_sample_weight_equivalence_on_dense_data"): (
            "rows are taken by some at a time in an order that is drawn, and chains are drawn at each of these steps"
        )
        for name in ("RestrictedBoltzmannMachine", "DeepBeliefNetwork")
    },
    ("GAN", "check_sample_weight_equivalence_on_dense_data"): (
        "a batch draws noise for as many rows as it has real ones: for two equal rows twice as often as for one of "
        "weight 2"
    ),
    ("SupportVectorMachine", "check_classifiers_multilabel_output_format_predict_proba"): (
        "skips itself: there is no probability in its output"
    ),
    ("DeepResidualNetwork", "check_sample_weight_equivalence_on_dense_data"): (
        "batch normalisation sees a row of weight 2 once, two rows twice"
    ),
}
"""(network, check): why it does not pass, or does not run."""

N_CHECKS = {
    ("Perceptron", "classification"): 65,
    ("RadialBasisNetwork", "classification"): 72,
    ("RadialBasisNetwork", "regression"): 65,
    ("ExtremeLearningMachine", "classification"): 72,
    ("ExtremeLearningMachine", "regression"): 65,
    ("SupportVectorMachine", "classification"): 71,
    ("SupportVectorMachine", "regression"): 65,
    ("FeedForward", "classification"): 73,
    ("FeedForward", "regression"): 66,
    ("DeepFeedForward", "classification"): 73,
    ("DeepFeedForward", "regression"): 66,
    ("Autoencoder", "no target"): 50,
    ("VariationalAutoencoder", "no target"): 49,
    ("DenoisingAutoencoder", "no target"): 49,
    ("SparseAutoencoder", "no target"): 50,
    ("GAN", "no target"): 49,
    ("KohonenNetwork", "no target"): 50,
    ("HopfieldNetwork", "no target"): 50,
    ("RestrictedBoltzmannMachine", "no target"): 49,
    ("DeepBeliefNetwork", "no target"): 49,
    ("BoltzmannMachine", "no target"): 49,
    ("DeepResidualNetwork", "classification"): 72,
    ("DeepResidualNetwork", "regression"): 65,
}
"""How many checks run and pass at the least; scikit-learn adds checks from release to release."""

WITHOUT_DRAWS = ("SupportVectorMachine", "KohonenNetwork", "HopfieldNetwork")
"""Networks in which nothing is drawn at defaults: the dual has one solution, a map begins on a plane, a memory keeps the
rows."""

WEIGHT_EQUIVALENT = ("FeedForward", "DeepFeedForward")


def at_defaults(row: object, task: str) -> object:
    cls = row.load_class()
    return cls(task=task) if len(row.tasks) > 1 else cls()


NETWORKS = {
    (row.class_name, task): at_defaults(row, task)
    for row in CATALOG
    if "table" in row.kinds
    for task in row.tasks or ("no target",)
}
CHECKS = {key: list(estimator_checks_generator(network)) for key, network in NETWORKS.items()}


GRIDS = {"learning_rate": [1e-6, 1e-2], "ridge": [1e9, 1.0], "C": [1e-3, 1.0]}
"""What a grid search may go over, a bad and a good value: the first parameter that a network has."""


def shortened(key: tuple[str, str], n_epochs: int, **params: object) -> object:
    """Return the network with fewer epochs, where it has any."""
    known = NETWORKS[key].get_params()
    return NETWORKS[key].__class__(**(known | ({"n_epochs": n_epochs} if "n_epochs" in known else {}) | params))


def name_of(check: object) -> str:
    return getattr(check, "func", check).__name__


IN_QUICK_RUN = ("FeedForward", "Autoencoder")
"""One network with a target and one without; the others share nearly all of the code that is checked."""
FEW_EPOCHS = {"n_epochs": 3}
"""What the others get where a check does not ask how well they learn; ``make soak`` leaves all at their defaults."""


def all_checks() -> list:
    return [
        pytest.param(
            name,
            estimator,
            check,
            id=f"{name}-{task}-{name_of(check)}",
            marks=() if name in IN_QUICK_RUN else pytest.mark.slow,
        )
        for (name, task), checks in CHECKS.items()
        for estimator, check in checks
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the training loss has not fallen")  # of labels drawn by lot
@pytest.mark.parametrize(("network", "estimator", "check"), all_checks())
def test_check_of_scikit_learn_passes_or_is_listed(network, estimator, check, passes_or_is_listed, soaks):
    reason = EXPECTED.get((network, name_of(check)))
    in_full = soaks or network in IN_QUICK_RUN
    passes_or_is_listed(estimator, check, reason, None if in_full else FEW_EPOCHS)


@pytest.mark.parametrize("key", NETWORKS, ids="-".join)
def test_no_check_has_gone(key):
    names = [name_of(check) for _, check in CHECKS[key]]
    n_run = sum((key[0], name) not in EXPECTED for name in names)
    assert n_run >= N_CHECKS[key]


def test_every_network_that_reads_tables_is_checked_and_every_exception_names_a_check():
    assert set(NETWORKS) == set(N_CHECKS)
    there = {(network, name_of(check)) for (network, _), checks in CHECKS.items() for _, check in checks}
    assert set(EXPECTED) <= there
    assert all(EXPECTED.values())


@pytest.mark.parametrize("network", WEIGHT_EQUIVALENT)
def test_weight_equivalence_is_no_exception(network):
    assert (network, "check_sample_weight_equivalence_on_dense_data") not in EXPECTED
    names = {name_of(check) for (name, _), checks in CHECKS.items() for _, check in checks if name == network}
    assert "check_sample_weight_equivalence_on_dense_data" in names


WITH_TARGET = [key for key in NETWORKS if key[1] != "no target"]


def scores_of(network: object, X: np.ndarray) -> np.ndarray:
    return network.decision_function(X) if hasattr(network, "decision_function") else network.predict_rows(X)[0]


def rows_of(task: str) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_diabetes(return_X_y=True) if task == "regression" else load_iris(return_X_y=True)
    return X, y if task == "regression" else np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the training loss has not fallen")  # of learning rates that are too small
@pytest.mark.parametrize("key", WITH_TARGET, ids="-".join)
def test_network_works_in_a_pipeline_a_grid_search_and_cross_validation(key):
    X, y = rows_of(key[1])
    network = shortened(key, 20, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), network)
    step = pipeline.steps[1][0]
    name = next(name for name in GRIDS if name in network.get_params())
    search = GridSearchCV(pipeline, {f"{step}__{name}": GRIDS[name]}, cv=3).fit(X, y)
    floor = 0.5 if key[1] == "classification" else 0.2
    assert cross_val_score(search.best_estimator_, X, y, cv=3).mean() == search.best_score_ > floor
    scaled = MinMaxScaler().fit_transform(X)
    assert pipeline.fit(X, y).predict(X).tolist() == network.fit(scaled, y).predict(scaled).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("key", [key for key in NETWORKS if key not in WITH_TARGET], ids="-".join)
def test_network_without_a_target_works_in_a_pipeline_before_a_classifier(key):
    X, y = rows_of("classification")
    network = NETWORKS[key].__class__(random_state=0)
    pipeline = make_pipeline(StandardScaler(), network, LogisticRegression())
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.6


@pytest.mark.parametrize("key", [key for key in NETWORKS if key[1] == "classification"], ids="-".join)
def test_network_works_inside_ensembles(key):
    X, y = rows_of("classification")
    network = shortened(key, 20, random_state=0)
    assert BaggingClassifier(network, 3, random_state=0).fit(X, y).score(X, y) > 0.5
    assert MultiOutputClassifier(network).fit(X, np.stack([y, y[::-1]], axis=1)).predict(X).shape == (150, 2)


@pytest.mark.parametrize("key", NETWORKS, ids="-".join)
def test_same_seed_gives_the_same_bits(key):
    X, y = rows_of(key[1])
    network = shortened(key, 3, random_state=4)
    first = network.fit(X, y).predict_rows(X)[0]
    np.random.rand(3)
    assert network.fit(X, y).predict_rows(X)[0].tolist() == first.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("key", NETWORKS, ids="-".join)
def test_random_state_may_be_a_generator_whose_draws_go_on(key):
    X, y = rows_of(key[1])
    fits = [shortened(key, 1, random_state=np.random.RandomState(seed)).fit(X, y) for seed in (0, 0, 1)]
    bits = [scores_of(fit, X).tolist() for fit in fits]
    assert bits[0] == bits[1]
    assert (bits[0] != bits[2]) == (key[0] not in WITHOUT_DRAWS)
