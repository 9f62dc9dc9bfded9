"""Every network that is listed can be drawn as it was trained: all its weights are counted, all its layers stand."""

import numpy as np
import pytest
import torch

import nnzoo
from nnzoo.chart import drawing_of
from nnzoo.drawing import draw, layers_of
from nnzoo.model import n_weights


def test_a_trained_network_is_drawn_with_all_its_weights(row, trained, tmp_path):
    model = nnzoo.load_model(trained(row))
    layers = list(layers_of(model.network))
    assert sum(layer.n_weights for layer in layers) == n_weights(model.network)
    assert layers[0].letter == "I"
    assert layers[-1].letter == "O"
    kinds = {layer.letter for layer in layers}
    assert kinds <= set(drawing_of(row.abbreviation).cells)
    scene = draw(model, tmp_path / "net.svg")
    assert f"{n_weights(model.network):,} weights" in scene.words
    assert row.name in (tmp_path / "net.svg").read_text()


def test_every_chart_entry_is_drawn_by_its_name(row):
    assert (
        draw(row.id).title == draw(row.class_name).title == f"{drawing_of(row.abbreviation).name} ({row.abbreviation})"
    )


def test_a_body_of_the_users_own_is_drawn():
    body = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.LayerNorm(6), torch.nn.Linear(6, 3))
    network = nnzoo.OwnBody(body, n_epochs=1).fit(np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2)
    layers = list(layers_of(network))
    assert [(layer.n_cells, layer.n_weights) for layer in layers] == [(4, 0), (6, 30 + 12), (3, 21), (1, 4)]
    assert "user's own" in draw(nnzoo.Model(network)).title


def test_deep_bidirectional_layers_are_counted():
    X = np.random.default_rng(0).normal(size=(12, 5, 2))
    network = nnzoo.GRU(n_hidden=3, n_layers=2, bidirectional=True, n_epochs=1).fit(X, np.arange(12) % 2)
    layers = list(layers_of(network))
    assert [layer.n_cells for layer in layers] == [2, 6, 6, 1]
    assert sum(layer.n_weights for layer in layers) == n_weights(network)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(nnzoo.UsageError, match="needs the name of a network of the chart; got 'lstn'"):
        draw("lstn")
    with pytest.raises(nnzoo.UsageError, match="needs a model or the name of a network; got int"):
        draw(3)
    with pytest.raises(nnzoo.UsageError, match="was not built on data"):
        draw(nnzoo.Model(nnzoo.FeedForward()))
