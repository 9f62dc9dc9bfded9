"""Training again from what a model file records, as a function and through the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import nnzoo
from nnzoo import verifying
from nnzoo.cli import main
from nnzoo.errors import DataError, UsageError

SMALL = {"n_epochs": 4, "hidden_layer_sizes": (8,)}


@pytest.fixture(scope="module")
def trained():
    """Give a model of the penguins."""
    data = nnzoo.load("penguins", target="species")
    return nnzoo.train(nnzoo.build("mlp", data, SMALL), data, verbose=0)


@pytest.fixture
def path(trained, tmp_path):
    """Give the file of the model."""
    trained.save(tmp_path / "m.nnzoo")
    return tmp_path / "m.nnzoo"


def test_the_same_data_give_the_same_bits_and_leave_the_model_alone(path):
    model = nnzoo.load_model(path)
    before = {name: tensor.tobytes() for name, tensor in model.network.fitted_state().tensors.items()}
    found = nnzoo.verify(model, "penguins")
    assert found.same
    assert found.n_tensors == len(before)
    assert {name: tensor.tobytes() for name, tensor in model.network.fitted_state().tensors.items()} == before


def test_the_recorded_number_of_threads_is_taken_and_put_back(path):
    model = nnzoo.load_model(path)
    here = torch.get_num_threads()
    model.made_with["threads"] = here + 1
    nnzoo.verify(model, "penguins")
    assert torch.get_num_threads() == here


def test_a_changed_weight_a_recipe_and_a_split_are_named(path, monkeypatch):
    model = nnzoo.load_model(path)
    with torch.no_grad():
        model.network.network_.head.bias += 0.5
    model.provenance.part = model.provenance.part[::-1]
    model.recipe = replace(model.recipe, columns=model.recipe.columns[::-1])
    monkeypatch.setitem(model.made_with["versions"], "torch", "0.1")
    found = nnzoo.verify(model, "penguins")
    assert found.differences == ("the recipe", "the split", 'tensor "network.head.bias" is off by up to 0.5')
    assert any(each.startswith("torch") and "before 0.1" in each for each in found.surroundings)
    assert "not the same" in str(found)
    assert "Different here: torch" in str(found)


def test_a_run_that_time_ended_is_repeated_to_its_last_whole_epoch():
    data = nnzoo.load("penguins", target="species")
    model = nnzoo.build("mlp", data, SMALL | {"n_epochs": 10**6, "patience": 10**6})
    nnzoo.train(model, data, time_limit=0.3, verbose=0)
    assert model.network.stopped_ == "time"
    assert 0 < model.network.n_iter_ < 10**6
    assert nnzoo.verify(model, "penguins").same


def test_other_data_and_other_models_are_refused(path, trained, tmp_path):
    model = nnzoo.load_model(path)
    nnzoo.load("penguins").frame.head(100).write_csv(tmp_path / "other.csv")
    with pytest.raises(DataError, match="needs the data that the model was trained on"):
        nnzoo.verify(model, tmp_path / "other.csv")
    bare = nnzoo.Model(nnzoo.FeedForward(n_epochs=1).fit(np.eye(4), [0, 1, 0, 1]))
    with pytest.raises(UsageError, match="built and trained by nnzoo alone"):
        nnzoo.verify(bare, "penguins")
    model.network.stopped_, model.network.n_iter_ = "interrupt", 0
    with pytest.raises(UsageError, match="one whole epoch"):
        nnzoo.verify(model, "penguins")


def test_tensors_of_other_names_and_shapes_are_differences(trained):
    tensors = trained.network.fitted_state().tensors
    other = {"network.head.bias": np.zeros(7)}
    found = list(verifying._differences(trained, trained, tensors, tensors | other))
    assert found == ['tensor "network.head.bias" has shape (7,), before (3,)']
    assert list(verifying._differences(trained, trained, tensors, other)) == ["the names of the tensors"]


def test_the_command_says_so_and_its_exit_code_too(path, capsys):
    assert main(["inspect", "--verify", str(path), "penguins"]) == 0
    assert "the same bits" in capsys.readouterr().out
    assert main(["inspect", "--verify", str(path), "penguins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    assert main(["inspect", str(path), "penguins"]) == 2
    assert main(["inspect", "--verify", str(path)]) == 2
    capsys.readouterr()
    model = nnzoo.load_model(path)
    with torch.no_grad():
        model.network.network_.head.bias += 1
    model.made_with["versions"]["python"] = "2.7"
    model.save(path)
    assert main(["inspect", "--verify", str(path), "penguins"]) == 4
    said = capsys.readouterr().err
    assert "is not what training again gives" in said
    assert "before 2.7" in said
