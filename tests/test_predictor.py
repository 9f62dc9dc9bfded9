"""A ready predictor says of one row what the network says of it among others."""

import numpy as np
import pytest
import torch

import nnzoo
from nnzoo import (
    GRU,
    LSTM,
    AttentionNetwork,
    DeepConvolutionalNetwork,
    DeepFeedForward,
    FeedForward,
    Model,
    OwnBody,
    Perceptron,
)
from nnzoo.errors import DataError
from nnzoo.networks.backpropagation import SLOPES
from nnzoo.networks.parts import ACTIVATIONS

RANDOM = np.random.default_rng(0)
TABLE, IMAGES, SERIES = RANDOM.normal(size=(40, 5)), RANDOM.integers(0, 256, (40, 9, 8)), RANDOM.normal(size=(40, 7, 2))
IMAGES = IMAGES.astype(np.uint8)
LABELS = np.array(["a", "b", "c", "b"] * 10)
SHORT = {"n_epochs": 2, "random_state": 0}

CASES = {
    "perceptron": (Perceptron(), TABLE, np.where(TABLE[:, 0] > TABLE[:, 1], "a", "b")),
    "table": (FeedForward(**SHORT), TABLE, LABELS),
    "two classes": (FeedForward(**SHORT), TABLE, LABELS == "b"),
    "several labels": (FeedForward(**SHORT), TABLE, np.stack([LABELS == "a", TABLE[:, 0] > 0], axis=1).astype(int)),
    "values": (DeepFeedForward(task="regression", **SHORT), TABLE, TABLE[:, :2] * 3 + 1),
    "value": (DeepFeedForward(task="regression", hidden_layer_sizes=(), **SHORT), TABLE, TABLE[:, 0]),
    "dropout": (DeepFeedForward(dropout=0.5, normalization="batch", **SHORT), TABLE, LABELS),
    "dense on images": (FeedForward(kind="image", **SHORT), IMAGES, LABELS),
    "grey images": (DeepConvolutionalNetwork(n_filters=(4,), **SHORT), IMAGES, LABELS),
    "colours": (DeepConvolutionalNetwork(n_filters=(4,), **SHORT), np.stack([IMAGES] * 3, axis=-1), LABELS),
    "signals": (DeepConvolutionalNetwork(n_filters=(4,), **SHORT), TABLE, LABELS),
    "sequences": (LSTM(n_hidden=6, **SHORT), SERIES, LABELS),
    "values of sequences": (GRU(n_hidden=6, task="regression", **SHORT), SERIES, SERIES[:, 0, 0]),
    "two layers": (LSTM(n_hidden=6, n_layers=2, **SHORT), SERIES, LABELS),
    "both ways": (LSTM(n_hidden=6, bidirectional=True, **SHORT), SERIES, LABELS),
    "means of steps": (GRU(n_hidden=6, pooling="mean", **SHORT), SERIES, LABELS),
    "written-out cells": (LSTM(n_hidden=6, peepholes=True, **SHORT), SERIES, LABELS),
    "attention": (AttentionNetwork(n_hidden=6, **SHORT), SERIES, LABELS),
    "transformer": (AttentionNetwork(body="transformer", n_hidden=8, **SHORT), SERIES, SERIES[:, 0, 0] > 0),
    "own body": (OwnBody(torch.nn.Linear(5, 4), **SHORT), TABLE, LABELS),
} | {f"activation {name}": (FeedForward(activation=name, **SHORT), TABLE, LABELS) for name in ACTIVATIONS}


@pytest.mark.parametrize("case", CASES)
def test_one_row_is_predicted_as_among_others(case):
    network, X, y = CASES[case]
    network.fit(X, y)
    predictor = Model(network).predictor()
    predictions, shares = network.predict_rows(X)
    for row in (0, 7):
        answer = predictor(X[row])
        if predictions.dtype.kind == "f":
            np.testing.assert_allclose(answer.prediction, predictions[row], rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(answer.prediction, predictions[row])
        if shares is None:
            assert answer.probabilities is None
        else:
            np.testing.assert_allclose(answer.probabilities, shares[row], atol=1e-6)


def test_activations_on_arrays_are_those_whose_slopes_are_written_out():
    assert set(nnzoo.predictor.FORMULAS) == set(SLOPES)


def test_rows_that_are_no_arrays_go_through_the_recipe():
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.build("feed-forward", data, {"n_epochs": 5, "patience": 5})
    nnzoo.train(model, data, verbose=0)
    row = {
        "island": "Biscoe",
        "bill_length_mm": 50.0,
        "bill_depth_mm": 15.0,
        "flipper_length_mm": 220,
        "body_mass_g": 5000,
    }
    row |= {"sex": "male", "year": 2008}
    frame = nnzoo.predict(model, row)
    answer = model.predictor()(row)
    assert answer.prediction == frame["prediction"][0]
    assert answer.probabilities.tolist() == [frame[name][0] for name in frame.columns if name.startswith("prob")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (np.zeros(4), r"FeedForward was trained on rows of shape \(5,\); the row has shape \(4,\)"),
        (np.array([0, 1, np.nan, 0, 0]), "the row holds NaN or inf"),
    ],
)
def test_rows_that_do_not_fit_are_refused(row, message):
    network, X, y = CASES["table"]
    with pytest.raises(DataError, match=message):
        Model(network.fit(X, y)).predictor()(row)


def test_several_rows_at_once_are_refused():
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.build("feed-forward", data, {"n_epochs": 1, "patience": 1})
    nnzoo.train(model, data, verbose=0)
    with pytest.raises(DataError, match="takes one row; got 240"):
        model.predictor()(data.train.frame)


def test_an_image_without_a_channel_axis_and_one_that_cannot_be_written_to_are_read():
    network, X, y = CASES["grey images"]
    predictor = Model(network.fit(X, y)).predictor()
    locked = X[0][..., None].copy()
    locked.setflags(write=False)
    assert predictor(locked).prediction == predictor(X[0]).prediction == predictor(X[0].astype(float)).prediction


def test_an_untrained_network_is_refused():
    with pytest.raises(ValueError, match="not fitted"):
        Model(FeedForward()).predictor()


def test_labels_of_steps_come_for_every_step():
    network = LSTM(n_hidden=6, output="step", **SHORT).fit(SERIES, (SERIES[:, :, 0] > 0).astype(int))
    answer = Model(network).predictor()(SERIES[3])
    assert answer.prediction.tolist() == network.predict(SERIES[3:4])[0].tolist()
    np.testing.assert_array_equal(answer.probabilities, network.predict_proba(SERIES[3:4])[0])
