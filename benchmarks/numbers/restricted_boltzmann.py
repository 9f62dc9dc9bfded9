"""The numbers of the restricted Boltzmann machine."""

import numpy as np
from figures import Figure, told_apart
from sklearn.datasets import load_digits
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import minmax_scale

from nnzoo import RestrictedBoltzmannMachine
from nnzoo.data.patterns import bars_and_stripes


def bars(seed: int) -> float:
    """Return the mean log-likelihood of the 14 bars and stripes of 3 x 3; at best it is -ln 14 = -2.639 nats."""
    X = bars_and_stripes(3)
    net = RestrictedBoltzmannMachine(
        n_components=16,
        learning_rate=0.1,
        n_chains=300,
        n_gibbs_steps=5,
        batch_size=len(X),
        n_epochs=10_000,
        random_state=seed,
    )
    return net.fit(X).score(X)


def digits(seed: int) -> float:
    """Return the pseudo-likelihood of scikit-learn's example: digits as they are and shifted by a pixel, 10 passes."""
    images = load_digits().images
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    shifts = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    X = minmax_scale(np.concatenate([wide[:, i : i + 8, j : j + 8] for i, j in shifts]).reshape(-1, 64))
    net = RestrictedBoltzmannMachine(
        n_components=100,
        learning_rate=0.1,
        schedule="constant",
        batch_size=10,
        n_chains=10,
        n_epochs=10,
        random_state=seed,
    )
    return float(net.fit(X).pseudo_likelihood(X).mean())


def anomalies(seed: int) -> float:
    """Return the area under the curve of digits not seen beside one that was, less that of scikit-learn's forest."""
    return told_apart(lambda: RestrictedBoltzmannMachine(random_state=seed)) - told_apart(
        lambda: IsolationForest(random_state=seed)
    )


FIGURES = (
    Figure("log-likelihood of bars and stripes 3 x 3, nats (best: -2.639)", -2.70, "own target", "", "up", bars),
    Figure("pseudo-likelihood of shifted digits, 100 units, 10 passes", -20.21, "own target", "", "up", digits),
    Figure(
        "anomalies: area under the ROC curve of the other digits beside one that is known, less IsolationForest's",
        0.0,
        "own target",
        "",
        "up",
        anomalies,
        n_seeds=3,
        by="all",
    ),
)
