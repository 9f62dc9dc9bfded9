"""The numbers of the Deep Residual Network: 56 layers that train where the plain ones degrade.

Dense layers without normalisation, which would hide most of the effect; the plain twin has the same weights.
"""

from functools import cache

from figures import Figure, public_images

from nnzoo import DeepResidualNetwork

N_IMAGES = 10_000
HOW = {
    "digits": {"n_hidden": 64, "n_epochs": 20, "batch_size": 64},
    "Fashion-MNIST, 10,000 rows": {"n_hidden": 64, "n_epochs": 10, "batch_size": 128},
}


@cache
def training_loss(data: str, n_layers: int, shortcuts: bool, seed: int) -> float:
    """Return the cross-entropy over the training rows after training: first layer, blocks of two layers, last layer."""
    from sklearn.datasets import load_digits
    from sklearn.metrics import log_loss

    if data == "digits":
        X, y = load_digits(return_X_y=True)
    else:
        X, y, _, _ = public_images("fashion-mnist")
        X, y = X[:N_IMAGES].reshape(N_IMAGES, -1) / 255, y[:N_IMAGES]
    net = DeepResidualNetwork(
        n_blocks=(n_layers - 2) // 2,
        shortcuts=shortcuts,
        normalization=None,
        precision="float32",
        early_stopping=False,
        random_state=seed,
        **HOW[data],
    )
    return float(log_loss(y, net.fit(X, y).predict_proba(X)))


def of_plain(data: str, seed: int) -> float:
    """Return how many times the loss of the residual network the plain one has, at 56 layers."""
    return training_loss(data, 56, False, seed) / training_loss(data, 56, True, seed)


def of_depth(data: str, seed: int) -> float:
    """Return how many times the loss of 20 layers 56 layers have, both plain."""
    return training_loss(data, 56, False, seed) / training_loss(data, 20, False, seed)


FIGURES = tuple(
    Figure(
        f"training loss, {words}, {data}", 1.0, "own target", "", "up", lambda seed, f=f, d=data: f(d, seed), by="all"
    )
    for data in HOW
    for words, f in (
        ("56 plain layers over 56 residual ones", of_plain),
        ("56 plain layers over 20 plain ones", of_depth),
    )
)
