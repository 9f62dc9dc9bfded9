"""Who takes part: the networks that fit, settings drawn by seed, one factor at a time; wrong wishes are refused."""

import pytest

import nnzoo
from nnzoo.checks import check_ranges
from nnzoo.comparison.candidates import chosen, fitting, searched, varied
from nnzoo.errors import ParameterError, UsageError

BASE = nnzoo.DeepFeedForward().get_params(deep=False) | {"weight_decay": 1e-4}


@pytest.fixture(scope="module")
def penguins():
    return nnzoo.load("penguins", target="species")


def row(name):
    return nnzoo.catalog.find(name)


def test_networks_that_fit_read_the_kind_and_do_the_task(penguins):
    ids = [each.id for each in fitting(penguins)]
    assert "support-vector-machine" in ids
    assert "perceptron" in ids
    assert not {"long-short-term-memory", "deep-convolutional-network", "auto-encoder"} & set(ids)


def test_all_stands_for_all_that_fit(penguins):
    assert chosen("all", penguins) == chosen(None, penguins) == chosen(["all"], penguins) == fitting(penguins)


def test_names_may_be_in_any_form_and_keep_the_order_of_the_chart(penguins):
    assert [each.abbreviation for each in chosen(["SVM", "mlp", "ff"], penguins)] == ["FF", "DFF", "SVM"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["lstm"], "long-short-term-memory does not fit these data: a classification of table data"),
        (["ff", "FF"], "feed-forward is named twice"),
        (["forest"], "needs the name of one on the chart"),
    ],
)
def test_wrong_names_are_refused(penguins, names, message):
    with pytest.raises(UsageError, match=message):
        chosen(names, penguins)


def test_first_setting_is_none_and_the_others_lie_in_their_ranges():
    candidate = searched(row("dff"), 20, 0, BASE)
    first, *others = candidate.settings
    assert first == {}
    assert len(others) == 19
    for settings in others:
        assert settings
        check_ranges("DeepFeedForward", settings, nnzoo.DeepFeedForward.ranges)


def test_settings_follow_from_the_seed_and_the_network_alone():
    assert searched(row("dff"), 4, 0, BASE) == searched(row("dff"), 4, 0, BASE)
    assert searched(row("dff"), 4, 0, BASE).settings == searched(row("dff"), 8, 0, BASE).settings[:4]
    assert searched(row("dff"), 4, 1, BASE).settings != searched(row("dff"), 4, 0, BASE).settings


def test_one_factor_is_a_candidate_for_each_value():
    found = varied(row("dff"), "activation", ["relu", "elu"])
    assert [(each.name, each.settings) for each in found] == [
        ("activation=relu", ({"activation": "relu"},)),
        ("activation=elu", ({"activation": "elu"},)),
    ]
    assert varied(row("dff"), "hidden_layer_sizes", [(64,), (64, 32)])[1].name == "hidden_layer_sizes=64,32"


@pytest.mark.parametrize(
    ("factor", "values", "error", "message"),
    [
        ("activaton", ["relu", "elu"], ParameterError, "no parameter"),
        ("activation", ["relu", "soft"], ParameterError, "activation needs"),
        ("activation", ["relu"], UsageError, "two different values"),
        ("activation", ["relu", "relu"], UsageError, "two different values"),
        ("random_state", [0, 1], ParameterError, "no factor"),
    ],
)
def test_wrong_factors_are_refused(factor, values, error, message):
    with pytest.raises(error, match=message):
        varied(row("dff"), factor, values)


def test_images_bring_networks_of_images():
    images = nnzoo.load("fashion-sample")
    ids = [each.id for each in fitting(images)]
    assert "deep-convolutional-network" in ids
    assert "echo-state-network" not in ids
