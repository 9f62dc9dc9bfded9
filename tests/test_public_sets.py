"""The full Fashion-MNIST, where Debian's package of it is installed."""

from pathlib import Path

import pytest

import nnzoo
from nnzoo.data.public import FASHION_MNIST

FOLDER = Path(FASHION_MNIST.system_folders[0])


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the package dataset-fashion-mnist is not installed")
def test_fashion_mnist_loads_in_full_and_one_epoch_beats_080():
    data = nnzoo.load("fashion-mnist", data_dir=FOLDER)
    assert data.images.shape == (70_000, 28, 28)
    assert (len(data.train) + len(data.valid), len(data.test)) == (60_000, 10_000)
    model = nnzoo.train(nnzoo.build(None, data, {"n_epochs": 1}, seed=0), data, verbose=0)
    right = model.network.predict(data.test.images) == data.test.frame[data.target].to_numpy()
    assert right.mean() >= 0.80
