"""Targets: reading y, coding it for a head, and turning scores back into predictions."""

import numpy as np
import pytest

from nnzoo.errors import DataError
from nnzoo.targets import read_target


def classify(y: object):
    return read_target("FF", "classification", np.asarray(y), None)


@pytest.mark.parametrize(
    ("y", "kind", "n_targets", "n_scores"),
    [
        (["a", "b", "a"], "binary", 2, 1),
        ([True, False], "binary", 2, 1),
        ([3, 1, 7], "multiclass", 3, 3),
        ([5, 5, 5], "multiclass", 1, 1),
        ([[0, 1], [1, 1]], "labels", 2, 2),
    ],
)
def test_labels_choose_head_and_width(y, kind, n_targets, n_scores):
    target = classify(y)
    assert (target.head.kind, target.n_targets, target.n_scores) == (kind, n_targets, n_scores)


@pytest.mark.parametrize("y", [["b", "a", "b"], [False, True], [3, 1, 7], [-2, 5], [1.0, 0.0], [9, 9]])
def test_perfect_scores_give_the_labels_back_in_their_own_type(y):
    target, y = classify(y), np.asarray(y)
    coded = target.code(y)
    scores = np.eye(target.n_targets)[coded] if target.head.kind == "multiclass" else 2 * coded - 1
    back = target.labels_or_values(scores)
    assert back.dtype == y.dtype
    assert back.tolist() == y.tolist()


def test_indicator_rows_come_back():
    y = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    target = classify(y)
    assert target.labels_or_values(2.0 * target.code(y) - 1).tolist() == y.tolist()
    assert target.classes.tolist() == [0, 1, 2]


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3)])
def test_values_are_standardised_inside_and_given_back_in_their_own_unit_and_shape(shape):
    y = 1000 + 50 * np.random.default_rng(0).normal(size=shape)
    target = read_target("FF", "regression", y, None)
    coded = target.code(y)
    assert coded.shape == (5, 1 if len(shape) == 1 else shape[1])
    np.testing.assert_allclose(coded.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(coded.std(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(target.labels_or_values(coded), y, rtol=1e-14)
    assert target.labels_or_values(coded).shape == shape


def test_scaling_of_values_goes_by_weight():
    target = read_target("FF", "regression", np.array([0.0, 1.0, 10.0]), np.array([1.0, 1.0, 2.0]))
    repeated = read_target("FF", "regression", np.array([0.0, 1.0, 10.0, 10.0]), None)
    np.testing.assert_allclose(target.standard.mean, repeated.standard.mean, rtol=1e-14)
    np.testing.assert_allclose(target.standard.scale, repeated.standard.scale, rtol=1e-14)


def test_constant_values_are_predicted_as_they_are():
    target = read_target("FF", "regression", np.full(4, 7.5), None)
    assert target.labels_or_values(target.code(np.full(4, 7.5))).tolist() == [7.5] * 4


def test_label_that_the_first_fit_has_not_seen_is_refused_by_name():
    with pytest.raises(DataError, match=r'labels seen at the first fit; new: "c", "z".*classes='):
        classify(["a", "d"]).code(np.array(["a", "c", "z"]))


MANY_CLASSES = pytest.mark.filterwarnings("ignore:The number of unique classes")  # scikit-learn's own word on it


@MANY_CLASSES
def test_many_different_numbers_as_labels_are_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"FF needs class labels; got 200 different numbers in 200 rows.*task='regress"):
        classify(np.arange(200))


@MANY_CLASSES
def test_many_different_texts_or_few_rows_are_taken():
    assert classify([f"name {n}" for n in range(200)]).n_targets == 200
    assert classify(np.arange(100)).n_targets == 100


def test_real_numbers_as_labels_are_refused_in_the_words_of_scikit_learn():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        classify([0.5, 1.25, 3.75])


def test_several_columns_of_classes_are_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"one label a row.*shape \(2, 2\).*MultiLabelBinarizer"):
        classify([[1, 2], [3, 1]])
