"""Series that are made by rule: chaotic, filtered from noise, spikes of templates; each by parameters and a seed."""

import math

import numpy as np

from nnzoo.errors import DataError

EULER_STEPS = 10
"""Steps of the integration within a unit of time, as in GMD report 148."""
BLOCK = 100
NARMA_ORDER = 10
MOST_DRAWS = 100


def mackey_glass(
    n_steps: int,
    *,
    delay: float = 17.0,
    n_series: int = 1,
    n_settling: int = 1000,
    start: float | None = None,
    random_state: int | None = 0,
) -> np.ndarray:
    """Return series of the Mackey-Glass equation, one value a unit of time.

    dx/dt = 0.2 x(t-τ) / (1 + x(t-τ)¹⁰) - 0.1 x(t), by Euler's method with ten steps a unit of time (Jaeger 2001). It is
    chaotic for τ = 17 and above, and rests at x = 1.

    Parameters
    ----------
    n_steps : int
    delay : float, default 17
        τ, a multiple of 0.1, above 0.
    n_series : int
    n_settling : int
        Units of time that go by before the first value.
    start : float, optional
        All values up to time 0; without, each is drawn from 1.2 ± 0.2.
    random_state : int or None

    Returns
    -------
    ndarray of shape (n_series, n_steps)

    Examples
    --------
    >>> mackey_glass(3, start=1.0, n_settling=0).round(12).tolist()
    [[1.0, 1.0, 1.0]]
    """
    lag = round(delay * EULER_STEPS)
    if lag < 1:
        raise DataError(f"mackey_glass needs a delay of at least 0.1; got {delay}.", "Pass a larger one.")
    draw = np.random.default_rng(random_state)
    n = (n_settling + n_steps) * EULER_STEPS
    x = np.empty((lag + n + 1, n_series))
    x[: lag + 1] = draw.uniform(1.0, 1.4, (lag + 1, n_series)) if start is None else start
    step, keep = 1 / EULER_STEPS, 1 - 0.1 / EULER_STEPS
    for place in range(lag, lag + n, min(lag, BLOCK)):
        size = min(lag, BLOCK, lag + n - place)
        late = x[place - lag : place - lag + size]
        gained = step * 0.2 * late / (1 + late**10)
        # x(k+1) = keep x(k) + gained(k), of a block at once: the gains of a block lie wholly in the past.
        powers = keep ** np.arange(1, size + 1)[:, None]
        x[place + 1 : place + 1 + size] = powers * (x[place] + np.cumsum(gained / powers, axis=0))
    return x[lag + n_settling * EULER_STEPS + EULER_STEPS :: EULER_STEPS].T[:, :n_steps].copy()


def narma10(
    n_steps: int, *, n_series: int = 1, n_settling: int = 100, random_state: int | None = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of the tenth-order NARMA task (Atiya & Parlos 2000).

    y(t+1) = 0.3 y(t) + 0.05 y(t) Σ y(t-i) + 1.5 u(t-9) u(t) + 0.1, i = 0 ... 9, with u uniform from 0 to 0.5. A series
    that runs away, which is rare, is drawn anew. The target of step t is y(t+1), which u(t) has a part in.

    Returns
    -------
    u, y : ndarray of shape (n_series, n_steps)
    """
    draw = np.random.default_rng(random_state)
    n = n_settling + n_steps
    inputs, targets = np.empty((n_series, n)), np.empty((n_series, n))
    left = np.arange(n_series)
    for _ in range(MOST_DRAWS):
        inputs[left] = draw.uniform(0.0, 0.5, (len(left), n))
        targets[left] = narma10_of(inputs[left])
        left = left[~(np.abs(targets[left]).max(axis=1) < 1)]
        if not len(left):
            break
    return inputs[:, n_settling:], targets[:, n_settling:]


def narma10_of(u: np.ndarray) -> np.ndarray:
    """Return y(t+1) for every step of inputs (n, T), from rest: y and u are 0 before."""
    n_rows, n_steps = u.shape
    late = NARMA_ORDER - 1
    y = np.zeros((n_steps + NARMA_ORDER, n_rows))
    before = np.concatenate([np.zeros((late, n_rows)), u.T])
    driven = 1.5 * before[:n_steps] * u.T + 0.1
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(n_steps):
            now = y[t + late]
            y[t + NARMA_ORDER] = 0.3 * now + 0.05 * now * y[t : t + NARMA_ORDER].sum(axis=0) + driven[t]
    return y[NARMA_ORDER:].T


def spike_templates(
    n_samples: int,
    *,
    n_templates: int = 2,
    n_channels: int = 1,
    duration: int = 500,
    rate: float = 20.0,
    jitter: float = 4.0,
    random_state: int | None = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return spike trains that are jittered copies of a few Poisson templates, after Maass et al. 2002.

    Parameters
    ----------
    n_samples : int
    n_templates, n_channels : int
    duration : int
        Steps of 1 ms.
    rate : float
        Spikes a second in each channel.
    jitter : float
        Deviation, in ms, of the normal shift of every spike; a spike shifted over an end stays at that end.
    random_state : int or None

    Returns
    -------
    X : ndarray of shape (n_samples, duration, n_channels)
        Spikes of each step: 0 or 1, or more where jitter brings some together.
    y : ndarray of shape (n_samples,)
        The template.
    """
    draw = np.random.default_rng(random_state)
    templates = draw.random((n_templates, duration, n_channels)) < rate / 1000
    y = draw.integers(0, n_templates, n_samples)
    X = np.zeros((n_samples, duration, n_channels))
    sample, step, channel = np.nonzero(templates[y])
    shifted = np.clip(np.rint(step + draw.normal(0.0, jitter, len(step))), 0, duration - 1).astype(np.int64)
    np.add.at(X, (sample, shifted, channel), 1.0)
    return X, y


def nrmse(predicted: np.ndarray, true: np.ndarray, variance: float) -> float:
    """Return the root of the mean squared error over the deviation of the series: 1 is a constant guess."""
    return math.sqrt(float(np.mean(np.square(predicted - true))) / variance)
