"""Every network of the catalog draws itself, with the weights that it has."""

from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
import torch

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.chart import drawing_of
from nnzoo.drawing import draw, layers_of
from nnzoo.errors import UsageError
from nnzoo.model import Model, n_weights
from nnzoo.pictures.scene import render


def rows_of(kind, n_rows=24):
    """Return small rows of a kind with two classes."""
    draws = np.random.default_rng(0)
    shape = {"table": (6,), "image": (8, 8), "sequence": (5, 2)}[kind]
    X = draws.normal(size=(n_rows, *shape))
    return (X * 40 + 120).clip(0, 255).astype(np.uint8) if kind == "image" else X, np.arange(n_rows) % 2


def trained(network, kind="table"):
    if "n_epochs" in network.get_params(deep=False):
        network.set_params(n_epochs=1)
    return Model(network.set_params(random_state=0).fit(*rows_of(kind)))


def untrained(row):
    settings = {name: "classification" for name in ("task",) if name in row.load_class()._get_param_names()}
    return row.load_class()(**settings)


def kinds_and_counts(model):
    return [(layer.letter, layer.n_cells) for layer in layers_of(model.network)]


CLASSIFIERS = [row for row in CATALOG if "classification" in row.tasks]


@pytest.mark.parametrize("row", CLASSIFIERS, ids=lambda row: row.abbreviation)
def test_network_of_the_catalog_draws_with_all_its_weights(row):
    model = trained(untrained(row), row.kinds[0])
    layers = list(layers_of(model.network))
    assert sum(layer.n_weights for layer in layers) == n_weights(model.network)
    assert {layer.letter for layer in layers} <= set(drawing_of(row.abbreviation).cells)
    scene = draw(model)
    assert row.abbreviation in scene.title
    assert f"{n_weights(model.network):,} weights in all" in scene.words
    ElementTree.fromstring(render(scene, ".svg"))


def test_layers_of_a_deep_network_are_its_sizes():
    model = trained(nnzoo.DeepFeedForward(hidden_layer_sizes=(7, 5), normalization="batch"))
    assert kinds_and_counts(model) == [("I", 6), ("H", 7), ("H", 5), ("O", 1)]
    # 6 x 7 + 7 and two numbers a unit of the normalisation, then 7 x 5 + 5 and two, then 5 + 1
    assert [layer.n_weights for layer in layers_of(model.network)] == [0, 63, 50, 6]


def test_first_convolution_is_of_kernels_and_the_later_ones_are_not():
    model = trained(nnzoo.DeepConvolutionalNetwork(n_filters=(4, 6), hidden_layer_sizes=(3,)), "image")
    assert kinds_and_counts(model) == [("I", 64), ("K", 4), ("V", 6), ("H", 3), ("O", 1)]
    assert [layer.shape for layer in layers_of(model.network)][:3] == ["8 x 8 x 1", "maps 8 x 8", "maps 4 x 4"]


def test_weights_of_a_residual_network_are_counted_to_its_layers():
    model = trained(nnzoo.DeepResidualNetwork(n_filters=(4, 6), depth=6), "image")
    layers = list(layers_of(model.network))
    assert kinds_and_counts(model) == [("I", 64), ("K", 4), *[("V", 4)] * 2, *[("V", 6)] * 2, ("O", 1)]
    assert sum(layer.n_weights for layer in layers) == n_weights(model.network)
    # 9 filters of one channel and four maps, and what the first block normalises: two numbers a map
    assert [layer.n_weights for layer in layers][1] == 9 * 4 + 2 * 4


@pytest.mark.parametrize(("name", "letter"), [("RNN", "R"), ("LSTM", "Y"), ("GRU", "G")])
def test_cells_of_a_recurrent_layer_are_those_of_its_drawing_and_loop(name, letter):
    model = trained(getattr(nnzoo, name)(n_hidden=3, n_layers=2, bidirectional=True), "sequence")
    assert letter in drawing_of(name).cells
    assert kinds_and_counts(model) == [("I", 2), (letter, 6), (letter, 6), ("O", 1)]
    hidden = list(layers_of(model.network))[1:3]
    assert all(layer.loops and layer.shape == "read in both directions" for layer in hidden)


def test_recurrent_layer_with_a_written_out_cell_draws_too():
    model = trained(nnzoo.LSTM(n_hidden=3, peepholes=True), "sequence")
    assert kinds_and_counts(model) == [("I", 2), ("Y", 3), ("O", 1)]
    assert sum(layer.n_weights for layer in layers_of(model.network)) == n_weights(model.network)


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_controller_and_slots_are_drawn_one_behind_the_other(controller):
    net = nnzoo.NeuralTuringMachine(n_hidden=3, n_slots=7, slot_size=2, controller=controller)
    model = trained(net, "sequence")
    assert kinds_and_counts(model) == [("I", 2), ("H", 3), ("Y", 7), ("O", 1)]
    assert [layer.loops for layer in layers_of(model.network)] == [False, controller == "lstm", True, False]
    assert sum(layer.n_weights for layer in layers_of(model.network)) == n_weights(model.network)


def test_body_of_the_users_own_draws():
    body = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    model = trained(nnzoo.OwnBody(body))
    assert kinds_and_counts(model) == [("I", 6), ("H", 4), ("H", 3), ("O", 1)]
    assert draw(model).title == "A body of the user's own"


def test_body_of_one_module_is_counted():
    model = trained(nnzoo.OwnBody(torch.nn.Linear(6, 4)))
    assert kinds_and_counts(model) == [("I", 6), ("H", 4), ("O", 1)]
    assert sum(layer.n_weights for layer in layers_of(model.network)) == n_weights(model.network)


def test_weights_of_code_of_ones_own_are_counted():
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(6))
            self.layer = torch.nn.Linear(6, 3)

        def forward(self, x):
            return self.layer(self.factor * x)

    model = trained(nnzoo.OwnBody(Scaled()))
    layers = list(layers_of(model.network))
    assert sum(layer.n_weights for layer in layers) == n_weights(model.network) == 6 + 21 + 4
    assert layers[-2].n_weights == 6


def test_names_from_outside_leave_the_drawing_whole():
    X = pl.DataFrame({"a\x0bb<i>": [0.0, 1.0] * 20, "c": [1.0, 2.0, 3.0, 4.0] * 10, "y\x0b&": ["u\x0b", "<v>"] * 20})
    data = nnzoo.load(X, target="y\x0b&")
    model = nnzoo.train(nnzoo.build("feed-forward", data, {"n_epochs": 1}), data, verbose=0)
    text = render(draw(model), ".svg").decode()
    ElementTree.fromstring(text)
    assert "<i>" not in text


def test_categories_become_vectors_in_the_drawing():
    X, y = rows_of("table")
    X[:, 0] = np.arange(len(X)) % 3
    network = nnzoo.FeedForward(n_hidden=4, n_epochs=1, categorical_features=[0], random_state=0).fit(X, y)
    found = [layer.title for layer in layers_of(network)]
    assert "vectors of categories" in found
    assert sum(layer.n_weights for layer in layers_of(network)) == n_weights(network)


def test_head_says_what_it_makes_of_its_scores():
    X, y = rows_of("table")
    targets = {"sigmoid": y, "softmax": np.arange(len(X)) % 3}
    for words, target in targets.items():
        network = nnzoo.FeedForward(n_hidden=2, n_epochs=1, random_state=0).fit(X, target)
        assert list(layers_of(network))[-1].shape == words
    values = nnzoo.FeedForward(task="regression", n_hidden=2, n_epochs=1, random_state=0).fit(X, X[:, 0])
    assert list(layers_of(values))[-1].shape == "identity"


def test_drawing_changes_nothing_about_the_network():
    model = trained(nnzoo.DeepConvolutionalNetwork(n_filters=(4,)), "image")
    X, _ = rows_of("image")
    before, network = model.network.predict_proba(X), model.network.network_
    mode = network.training
    draw(model)
    assert np.array_equal(model.network.predict_proba(X), before)
    assert network.training == mode
    assert all(not module._forward_hooks for module in network.modules())


def test_model_draws_to_the_same_bytes_after_saving_and_loading(tmp_path):
    model = trained(nnzoo.FeedForward(n_hidden=4))
    model.save(tmp_path / "m.nnzoo")
    assert render(draw(nnzoo.load_model(tmp_path / "m.nnzoo")), ".svg") == render(draw(model), ".svg")


@pytest.mark.parametrize("name", ["DFF", "deep-feed-forward", "DeepFeedForward", "mlp", "Deep Feed Forward"])
def test_network_of_the_chart_is_found_by_any_of_its_names(name):
    assert draw(name).title == "Deep Feed Forward (DFF)"


def test_network_that_is_not_built_yet_is_drawn_from_the_chart():
    assert draw("hopfield-network").title == "Hopfield Network (HN)"


def test_chart_leads_to_the_pages_of_the_catalog():
    root = ElementTree.fromstring(render(draw(links="pages/"), ".svg"))
    links = {e.get("href") for e in root.iter("{http://www.w3.org/2000/svg}a")}
    assert links == {f"pages/{row.id}.html" for row in CATALOG}


def test_file_is_written_in_the_form_of_its_suffix(tmp_path):
    for name, start in (("a.svg", b"<svg"), ("a.PDF", b"%PDF"), ("a.png", b"\x89PNG")):
        draw("P", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PDF", "a.png", "a.svg"]


def test_what_cannot_be_drawn_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(UsageError, match='draw needs the name of a network.*Did you mean "Perceptron"'):
        draw("perceptro", tmp_path / "a.svg")
    with pytest.raises(UsageError, match="draw needs a model or the name of a network; got int"):
        draw(3, tmp_path / "a.svg")
    with pytest.raises(UsageError, match="draw needs a model whose sizes are known.*Train it first"):
        draw(Model(nnzoo.FeedForward()), tmp_path / "a.svg")
    with pytest.raises(UsageError, match="draw needs a file name that ends in"):
        draw("P", tmp_path / "a.gif")
    with pytest.raises(nnzoo.ResourceError, match="The drawing cannot be written"):
        draw("P", tmp_path / "none" / "a.svg")
    assert list(tmp_path.iterdir()) == []
