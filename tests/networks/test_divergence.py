"""A run that diverges leaves no network behind that would predict nonsense."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from nnzoo import FeedForward
from nnzoo.errors import TrainingDiverged


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_C1_a_diverged_network_does_not_predict():
    X = np.random.default_rng(0).normal(size=(50, 3))
    network = FeedForward(task="regression", optimizer="sgd", learning_rate=1000.0, random_state=0)
    with pytest.raises(TrainingDiverged, match="after 2 retries"):
        network.fit(X, X[:, 0])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        network.predict(X)
