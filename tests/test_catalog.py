"""The chart as a table: complete, and found under every usual name."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator, clone

import nnzoo
from nnzoo.catalog import CATALOG, find
from nnzoo.errors import UsageError
from nnzoo.estimator import Network

TESTS = Path(__file__).parent
NETWORKS = Path(nnzoo.__file__).parent / "networks"
CLASSES = [pytest.param(row.load_class(), id=row.class_name) for row in CATALOG]
HELPERS = {
    "__init__",
    "answering",
    "associative",
    "attending",
    "attending_bodies",
    "backpropagation",
    "boltzmann",
    "boltzmann_layers",
    "boltzmann_learning",
    "boltzmann_units",
    "coding",
    "contrastive",
    "contrastive_network",
    "contexts",
    "gated_cell",
    "gates",
    "kernels",
    "map_units",
    "levels",
    "margins",
    "memory",
    "own_body",
    "parameters",
    "parts",
    "remembering",
    "reservoirs",
    "sampling",
    "showing_maps",
    "showing_recall",
    "slots",
    "sparse_coding",
    "states",
    "symbols",
    "transformer",
    "transitions",
    "unlabelled",
    "variational",
}


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.abbreviation)
def test_network_is_found_by_every_usual_form_of_its_name(row):
    words = row.name.lower().split()
    forms = [row.abbreviation, row.abbreviation.lower(), row.class_name, row.name, row.id, *row.other_names]
    forms += ["-".join(words), "_".join(words), "".join(words), row.name.upper()]
    assert [find(form) for form in forms] == [row] * len(forms)


@pytest.mark.parametrize(
    ("name", "class_name"),
    [("mlp", "DeepFeedForward"), ("ann", "FeedForward"), ("DNN", "DeepFeedForward"), ("perceptron", "Perceptron")],
)
def test_names_that_people_use_are_known(name, class_name):
    assert find(name).class_name == class_name


def test_unknown_network_is_answered_with_the_nearest_names():
    with pytest.raises(UsageError, match=r"network needs the name of one on the chart; got 'perceptrn'\. Did you mean"):
        find("perceptrn")


def test_no_name_stands_for_two_networks():
    names = [name for row in CATALOG for name in {row.id, row.abbreviation.lower(), row.class_name.lower()}]
    names += [name for row in CATALOG for name in row.other_names]
    assert len(names) == len(set(names))


def test_every_file_of_a_network_has_a_row_a_class_and_a_test_file():
    files = {path.stem for path in NETWORKS.glob("*.py")} - HELPERS
    assert files == {row.module.rpartition(".")[2] for row in CATALOG}
    for stem in files | {"own_body"}:
        assert (TESTS / "networks" / f"test_{stem}.py").is_file()


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.abbreviation)
def test_row_says_what_the_class_is(row):
    cls = row.load_class()
    assert getattr(nnzoo, row.class_name) is cls
    assert row.class_name in nnzoo.__all__
    known = inspect.signature(cls).parameters
    assert row.takes_codes == ("categorical_features" in known)
    assert set(row.tasks) <= {"classification", "regression"}
    assert ("task" in known) == (len(row.tasks) > 1)
    assert cls().task in (row.tasks or (None,))
    assert str(row.year) in row.source
    assert "not for" in row.use_for


@pytest.mark.parametrize("cls", CLASSES)
def test_class_stands_two_levels_below_the_estimator_at_most_and_beside_its_siblings(cls):
    own = [base for base in cls.__mro__ if issubclass(base, Network)]
    assert own == [cls, Network]
    assert issubclass(Network, BaseEstimator)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_parameter_has_a_range_that_holds_its_default(cls):
    defaults = {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}
    assert set(cls.ranges) == set(defaults)
    assert [name for name, value in defaults.items() if not cls.ranges[name].holds(value)] == []


@pytest.mark.parametrize("cls", CLASSES)
def test_every_parameter_and_its_default_stand_in_the_docstring(cls):
    text = cls.__doc__.split("Attributes\n")[0]
    for name, parameter in inspect.signature(cls).parameters.items():
        line = next((line for line in text.splitlines() if line.strip().startswith(f"{name} : ")), None)
        assert line is not None, name
        said = re.search(r"default (\"\w+\"|\([^)]*\)|[\w.-]+)", line)
        assert (said is None) == (parameter.default is None and "default" not in line), line
        assert said is None or ast.literal_eval(said[1]) == parameter.default, line


@pytest.mark.parametrize("cls", CLASSES)
def test_constructor_assigns_and_nothing_else(cls):
    odd = {name: object() for name in inspect.signature(cls).parameters}
    made = cls(**odd)
    assert vars(made) == odd
    assert all(getattr(made, name) is value for name, value in odd.items())
    assert clone(cls()).get_params() == cls().get_params()


def test_parameter_of_one_name_has_one_range_in_every_class():
    ranges: dict[str, dict[str, list[str]]] = {}
    for row in CATALOG:
        for name, allowed in row.load_class().ranges.items():
            ranges.setdefault(name, {}).setdefault(str(allowed), []).append(row.class_name)
    several = {name for name, found in ranges.items() if len(found) > 1}
    # "auto" of DeepFeedForward follows its depth; the Perceptron's rate has no scale, so no upper end; a network of
    # images reads no tables, and has no layer normalisation, nor has memory batch normalisation; what is fed back needs
    # tanh or relu; units of a recurrent layer are a square matrix; an autoencoder may have no filters, and a
    # capsule network has one convolution before its capsules; attention
    # generates sequences, too; each network that compares rows has kernels of its own; a perceptron has a joint rule for
    # all classes and may do without tol, a support vector machine has pairs; a map begins on a plane or at rows, and
    # learns by rows or from all; machines learn by chains or by all states, and may have no hidden unit; a belief
    # network has a layer at least; an autoencoder's loss compares rows, that of a game is of a critic's numbers; "auto"
    # of machines that learn from chains makes so many passes that they are enough steps
    assert several <= {
        "activation",
        "hidden_layer_sizes",
        "init",
        "kernel",
        "kind",
        "learning_rate",
        "loss",
        "method",
        "multi_class",
        "n_components",
        "n_epochs",
        "n_filters",
        "n_hidden",
        "normalization",
        "optimizer",
        "output",
        "tol",
        "weight_decay",
    }
