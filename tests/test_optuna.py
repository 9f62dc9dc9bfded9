"""Optuna searches the parameters of every class that learns from a target, as any that follows scikit-learn."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

from nnzoo.catalog import CATALOG
from nnzoo.comparison.candidates import SEARCH

optuna = pytest.importorskip("optuna", reason="the extra nnzoo[optuna] is not installed")
FEW_EPOCHS = 3
SHAPES = {"table": (-1, 4), "image": (-1, 2, 2, 1), "sequence": (-1, 4, 1)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", [row for row in CATALOG if row.tasks], ids=lambda row: row.id)
def test_optuna_searches(row):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kind = next(kind for kind in SHAPES if kind in row.kinds)
    X, y = load_iris(return_X_y=True)
    X = X[::3].reshape(SHAPES[kind]) if kind != "image" else np.tile(X[::3].reshape(-1, 2, 2, 1), (1, 7, 7, 1))
    network = row.load_class()(random_state=0)
    known = network.get_params()
    network.set_params(**{"n_epochs": FEW_EPOCHS} if "n_epochs" in known else {})
    name = next(name for name in SEARCH if isinstance(known.get(name), int | float) and known[name])
    usual = known[name]

    def objective(trial):
        suggest = trial.suggest_int if isinstance(usual, int) else trial.suggest_float
        value = suggest(name, usual // 2 if isinstance(usual, int) else usual / 2, usual * 2)
        return cross_val_score(network.set_params(**{name: value}), X, y[::3], cv=2).mean()

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=2)
    assert len({trial.params[name] for trial in study.trials}) == 2
    assert 0 <= study.best_value <= 1
