"""Series that are made by rule: their fixed points, statistics that were published, and independent integration."""

import numpy as np
import pytest

from nnzoo.data.timeseries import mackey_glass, narma10, narma10_of, nrmse, spike_templates
from nnzoo.errors import DataError


@pytest.mark.parametrize("delay", [0.1, 3.0, 17.0, 30.0])
def test_mackey_glass_by_blocks_is_eulers_method_step_by_step(delay):
    lag = round(10 * delay)
    x = [0.7] * (lag + 1)
    for _ in range(600):
        late = x[-1 - lag]
        x.append(x[-1] + 0.1 * (0.2 * late / (1 + late**10) - 0.1 * x[-1]))
    np.testing.assert_allclose(mackey_glass(60, delay=delay, n_settling=0, start=0.7)[0], x[lag + 10 :: 10], rtol=1e-9)


def test_mackey_glass_rests_at_one_and_without_much_delay_comes_to_rest_there():
    """0.2 / (1 + 1) = 0.1: x = 1 is a fixed point, stable for a short delay."""
    np.testing.assert_allclose(mackey_glass(50, start=1.0, n_settling=0), 1.0, rtol=1e-9)
    np.testing.assert_allclose(mackey_glass(5, delay=1.0, n_settling=2000), 1.0, rtol=1e-9)


def test_mackey_glass_has_the_variance_of_the_report():
    """GMD report 148: 0.067 for tanh(x - 1), which is that of τ = 30."""
    assert np.tanh(mackey_glass(4000, delay=30, n_series=20) - 1).var() == pytest.approx(0.067, abs=0.004)


def test_mackey_glass_refuses_no_delay():
    with pytest.raises(DataError, match="mackey_glass needs a delay of at least 0.1; got 0"):
        mackey_glass(5, delay=0)


def test_narma_rests_where_its_equation_says():
    """u = 0: y = 0.3 y + 0.5 y² + 0.1, so y = 0.7 - √0.29."""
    np.testing.assert_allclose(narma10_of(np.zeros((1, 300)))[0, -1], 0.7 - np.sqrt(0.29), rtol=1e-9)


def test_narma_by_its_equation_step_by_step():
    u, y = narma10(60, n_series=2, n_settling=0, random_state=3)
    for row in range(2):
        past, inputs = [0.0] * 10, [0.0] * 9
        for t in range(60):
            inputs.append(u[row, t])
            new = 0.3 * past[-1] + 0.05 * past[-1] * sum(past[-10:]) + 1.5 * inputs[-10] * inputs[-1] + 0.1
            past.append(new)
            assert y[row, t] == pytest.approx(new, rel=1e-12)


def test_twenty_linear_lags_reach_about_the_error_on_narma_that_was_published():
    """NMSE 0.124; sets of 1,000 steps differ from 0.117 to 0.161. The rest is not linear."""
    u, y = narma10(20_000, random_state=0)
    lags = np.stack([np.roll(u[0], lag) for lag in range(20)] + [np.ones(u.shape[1])], axis=1)[20:]
    said = lags @ np.linalg.lstsq(lags, y[0, 20:], rcond=None)[0]
    assert nrmse(said, y[0, 20:], y.var()) ** 2 == pytest.approx(0.14, abs=0.022)


def test_templates_keep_their_rate_and_copies_their_spikes():
    X, y = spike_templates(400, n_templates=8, n_channels=20, duration=500, rate=20.0, random_state=1)
    assert X.shape == (400, 500, 20)
    # 160 trains of 10 spikes: the mean has a deviation of √(10 / 160) = 0.25
    assert X.sum(axis=1).mean() == pytest.approx(10.0, abs=0.8)
    counts = [X[y == k].sum(axis=(1, 2)) for k in range(8)]
    assert all(len(set(each)) == 1 for each in counts)


def test_jitter_shifts_spikes_by_its_deviation():
    still, _ = spike_templates(1, n_channels=400, duration=2000, rate=1.0, jitter=0.0, random_state=2)
    moved, _ = spike_templates(1, n_channels=400, duration=2000, rate=1.0, jitter=4.0, random_state=2)
    lone = (still[0].sum(axis=0) == 1) & (moved[0].sum(axis=0) == 1)
    shift = moved[0, :, lone].argmax(axis=1) - still[0, :, lone].argmax(axis=1)
    assert lone.sum() > 60
    assert shift.std() == pytest.approx(4.0, rel=0.3)
