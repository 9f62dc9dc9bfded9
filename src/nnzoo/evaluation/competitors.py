"""The scikit-learn models behind the baselines, kept within two threads and some seconds."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_THREADS = 2
# Below this many cells a second thread costs more in waiting than it gives, most of all on a busy machine.
CELLS_FOR_THREADS = 1_000_000
MAX_CODES_LINEAR = 1000
MAX_CODES_TREES = 255
MAX_STEPS_LINEAR = 300
# Work is rows x columns x outputs for the linear model and rows x columns x trees for the trees.
MAX_WORK_LINEAR = 1e9
MAX_WORK_TREES = 2e10
MIN_ROWS_KEPT = 1000
N_NEIGHBOURS = 5
N_ROUNDS = 100
MAX_TREES = 4000
EARLY_STOPPING_ROWS = 10_000
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Job:
    """What all outputs of one baseline share.

    Parameters
    ----------
    name : str
        "constant", "linear", "nearest neighbours" or "boosted trees".
    task : str
    X, X_test : array (n, d), (n_test, d)
    codes : list of int
        Indices of the code columns.
    n_outputs : int
        Models or columns of scores that one baseline needs: classes (1 for two), labels, or 1.
    seed : int
    max_rows : int
        Training rows of the linear model.
    effort : float
        Share of the usual work that may be done.
    """

    name: str
    task: str
    X: np.ndarray
    X_test: np.ndarray
    codes: list[int]
    n_outputs: int
    seed: int
    max_rows: int
    effort: float = 1.0


def fit_predict(job: Job, y: np.ndarray, n_classes: int = 0) -> tuple[np.ndarray, str]:
    """Train on X and y, and predict the test rows.

    Parameters
    ----------
    job : Job
    y : array (n,)
        Numbers, or class numbers 0 to ``n_classes`` - 1.
    n_classes : int
        0 for regression.

    Returns
    -------
    prediction : array (n_test,) or (n_test, n_classes)
        Numbers, or the chance of each class.
    note : str
        What was cut short, in words; may be empty.
    """
    X, y, thinned = _thin(job, y)
    model, shortened = _build(job, X, y)
    with warnings.catch_warnings(), few_threads(MAX_THREADS if X.size >= CELLS_FOR_THREADS else 1):
        _quiet()
        model.fit(X, y)
        note = "; ".join(part for part in (thinned, shortened, _unfinished(model)) if part)
        if not n_classes:
            return np.asarray(model.predict(job.X_test), dtype=np.float64), note
        chances = np.zeros((len(job.X_test), n_classes))
        chances[:, model.classes_] = model.predict_proba(job.X_test)
    return chances, note


def _build(job: Job, X: np.ndarray, y: np.ndarray) -> tuple[Any, str]:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if job.name == "constant" or (y == y[0]).all():
        return (DummyRegressor() if job.task == "regression" else DummyClassifier(strategy="prior")), ""
    if job.name == "boosted trees":
        return _trees(job, y)
    return (_linear(job) if job.name == "linear" else _neighbours(job)), ""


def _linear(job: Job) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return _on_numbers(job, Ridge() if job.task == "regression" else LogisticRegression(max_iter=MAX_STEPS_LINEAR))


def _neighbours(job: Job) -> Any:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    n_neighbors = min(N_NEIGHBOURS, len(job.X))
    return _on_numbers(job, (KNeighborsRegressor if job.task == "regression" else KNeighborsClassifier)(n_neighbors))


def _on_numbers(job: Job, last: Any) -> Any:
    """Return the model behind standardised columns, and a column for each of the frequent codes."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CODES_LINEAR)
    numbers = [i for i in range(job.X.shape[1]) if i not in set(job.codes)]
    prepare = ColumnTransformer([("codes", one_hot, job.codes), ("numbers", StandardScaler(), numbers)])
    return make_pipeline(prepare, last)


def _trees(job: Job, y: np.ndarray) -> tuple[Any, str]:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    n_rounds = _rounds(job)
    settings: dict[str, Any] = {
        "categorical_features": list(range(len(job.codes))) or None,
        "max_iter": n_rounds,
        "random_state": job.seed,
    }
    fold = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=MAX_CODES_TREES)
    prepare = ColumnTransformer([("codes", fold, job.codes)], remainder="passthrough")
    note = "" if n_rounds == N_ROUNDS else f"stopped after {n_rounds} rounds for {job.n_outputs:,} outputs"
    if job.task == "regression":
        return make_pipeline(prepare, HistGradientBoostingRegressor(**settings)), note
    if not _can_hold_out(y):
        settings["early_stopping"] = False
    return make_pipeline(prepare, HistGradientBoostingClassifier(**settings)), note


def _rounds(job: Job) -> int:
    return max(1, min(N_ROUNDS, MAX_TREES // job.n_outputs))


def _can_hold_out(y: np.ndarray) -> bool:
    """Say whether the stratified hold-out of early stopping is possible."""
    counts = np.unique(y, return_counts=True)[1]
    return counts.min() >= 2 and VALIDATION_SHARE * len(y) >= len(counts)


def _thin(job: Job, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the rows to train on: all, or a random part where all would take too long."""
    n_rows, n_columns = job.X.shape
    limit = float(n_rows)
    if job.name == "linear":
        limit = min(job.max_rows, max(MIN_ROWS_KEPT, job.effort * MAX_WORK_LINEAR / (n_columns * job.n_outputs)))
    elif job.name == "nearest neighbours":
        limit = max(MIN_ROWS_KEPT, job.effort * MAX_WORK_TREES / (n_columns * len(job.X_test)))
    elif job.name == "boosted trees":
        limit = max(MIN_ROWS_KEPT, job.effort * MAX_WORK_TREES / (n_columns * job.n_outputs * _rounds(job)))
    if n_rows <= limit:
        return job.X, y, ""
    kept = np.sort(np.random.default_rng(job.seed).choice(n_rows, int(limit), replace=False))
    return job.X[kept], y[kept], f"trained on {len(kept):,} of the {n_rows:,} training rows, drawn at random"


def _unfinished(model: Any) -> str:
    last = model[-1] if hasattr(model, "steps") else model
    is_cut = type(last).__name__ == "LogisticRegression" and max(last.n_iter_) >= MAX_STEPS_LINEAR
    return f"stopped after {MAX_STEPS_LINEAR} steps" if is_cut else ""


def _quiet() -> None:
    """Leave out what the notes say, and what is no news about a baseline."""
    from scipy.linalg import LinAlgWarning
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", LinAlgWarning)
    warnings.filterwarnings("ignore", message="The number of unique classes")


@contextmanager
def few_threads(n_threads: int) -> Iterator[None]:
    """Let the arithmetic libraries use at most that many threads inside, and what they used before outside."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    limits: dict[str, int] = {}
    for pool in controller.info():
        kind = pool["user_api"]
        limits[kind] = min(n_threads, pool["num_threads"], limits.get(kind, n_threads))
    with controller.limit(limits=limits):
        yield
