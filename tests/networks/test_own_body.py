"""A body of the user's own between the standardisation and the head."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from torch import nn

from nnzoo import FeedForward, OwnBody
from nnzoo.errors import ParameterError


def make_body(n_features: int = 13) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_features, 9), nn.Tanh())


def test_own_body_learns_and_the_module_given_is_never_changed():
    X, y = load_wine(return_X_y=True)
    body = make_body()
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    net = OwnBody(body, learning_rate=0.01, random_state=0).fit(X, y)
    assert net.score(X, y) > 0.95
    assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())
    assert body.training
    assert not hasattr(body, "n_out")


def test_training_starts_from_the_module_s_own_weights():
    X, y = load_wine(return_X_y=True)
    body = make_body()
    net = OwnBody(body, learning_rate=1e-12, n_epochs=1, random_state=0).fit(X, y)
    torch.testing.assert_close(net.network_.body[0].weight.float(), body[0].weight.detach(), rtol=1e-6, atol=1e-7)


def test_body_of_a_hidden_layer_is_feed_forward_with_its_weights():
    X, y = load_diabetes(return_X_y=True)
    reference = FeedForward(task="regression", n_hidden=9, activation="tanh", n_epochs=2, random_state=0).fit(X, y)
    net = OwnBody(make_body(10), task="regression", n_epochs=1, random_state=0).fit(X, y)
    state = reference.network_.state_dict()
    net.network_.load_state_dict({name.replace("body.hidden.", "body."): tensor for name, tensor in state.items()})
    assert net.predict(X).tobytes() == reference.predict(X).tobytes()
    assert net.transform(X).tobytes() == reference.transform(X).tobytes()


def test_same_seed_gives_the_same_bits():
    X, y = load_wine(return_X_y=True)
    body = nn.Sequential(nn.Linear(13, 9), nn.Dropout(0.3))
    nets = [OwnBody(body, n_epochs=3, batch_size=64, random_state=1).fit(X, y) for _ in range(2)]
    assert nets[0].predict_proba(X).tobytes() == nets[1].predict_proba(X).tobytes()


def test_clone_has_the_body_too():
    X, y = load_wine(return_X_y=True)
    net = clone(OwnBody(make_body(), n_epochs=2, random_state=0)).fit(X, y)
    again = OwnBody(make_body(), n_epochs=2, random_state=0).fit(X, y)
    assert net.predict_proba(X).tobytes() == again.predict_proba(X).tobytes()


def test_body_without_weights_is_taken():
    X, y = load_wine(return_X_y=True)
    assert OwnBody(nn.Identity(), learning_rate=0.05, random_state=0).fit(X, y).score(X, y) > 0.95


def test_body_for_another_width_is_refused_with_the_width_needed():
    with pytest.raises(
        ParameterError, match=r"body needs to take rows of shape \(2,\); it said .*Build the module for such rows"
    ):
        OwnBody(make_body(13)).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])


class Returns(nn.Module):
    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> object:
        return self.value


@pytest.mark.parametrize(
    ("value", "came"), [(torch.zeros(2), r"\(2,\)"), (torch.zeros(3, 4), r"\(3, 4\)"), ("text", "str")], ids=str
)
def test_body_that_gives_no_rows_of_features_is_refused_with_what_it_gave(value, came):
    with pytest.raises(ParameterError, match=rf"features of shape \(n, n_out\); for 2 rows it gave {came}\. Flatten"):
        OwnBody(Returns(value)).fit([[0.0], [1.0]], [0, 1])


def test_what_is_no_module_is_refused():
    with pytest.raises(ParameterError, match="OwnBody: body needs a torch.nn.Module; got"):
        OwnBody(np.tanh).fit([[0.0], [1.0]], [0, 1])
