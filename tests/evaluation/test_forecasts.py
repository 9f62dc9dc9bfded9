"""The season of a series, and the forecasts that a network has to beat, each against a plain loop."""

import numpy as np
import pytest

from nnzoo.evaluation.forecasts import bits, choose_scored, forecast_baselines, season, symbol_baselines

NOISE = np.random.default_rng(0).normal(size=200)
WAVE = 10 * np.sin(np.arange(240) * 2 * np.pi / 12)


@pytest.mark.parametrize("trend", [0, 0.3 * np.arange(240), 0.002 * np.arange(240) ** 2])
def test_the_season_of_a_wave_is_found_beside_a_trend(trend):
    assert season([WAVE + trend]) == 12


@pytest.mark.parametrize(
    "values", [np.full(100, 3.0), np.arange(100.0), 1e6 + np.arange(100.0), NOISE, WAVE[:8]], ids=str
)
def test_lines_noise_and_short_series_have_no_season(values):
    assert season([values]) is None


def test_the_longest_series_decides_the_season():
    assert season([NOISE[:50], WAVE]) == 12


def plain(series, n_scored, training):
    """Return the four forecasts by a loop over every value."""
    mean = np.mean(np.concatenate(training))
    found = {"mean": [], "last": [], "ago": [], "change": []}
    for values, n in zip(series, n_scored, strict=True):
        for place in range(len(values) - n, len(values)):
            found["mean"].append(mean)
            found["last"].append(values[place - 1])
            found["ago"].append(values[place - 12] if place >= 12 else values[place - 1])
            moved = values[place - 12] - values[place - 13] if place > 12 else 0
            found["change"].append(values[place - 1] + moved)
    return found


def test_the_forecasts_are_those_of_a_plain_loop():
    training = [WAVE[:100] + 0.1 * NOISE[:100]]
    series, n_scored = [WAVE + np.arange(240) / 9, WAVE[:20] * 2], [40, 19]
    baselines = {each.name: each for each in forecast_baselines(series, n_scored, training)}
    expected = plain(series, n_scored, training)
    names = ["mean of the training rows", "last value", "value 12 steps ago", "last value, and the change 12 steps ago"]
    assert list(baselines) == names
    truth = np.concatenate([values[-n:] for values, n in zip(series, n_scored, strict=True)])
    for name, said in zip(names, expected.values(), strict=True):
        np.testing.assert_allclose(baselines[name].prediction, said, err_msg=name)
        rmse = np.sqrt(np.mean(np.square(truth - np.array(said))))
        assert baselines[name].metrics["rmse"].value == pytest.approx(rmse)


def test_without_a_season_two_forecasts_are_left():
    assert len(forecast_baselines([NOISE], [50], [NOISE])) == 2


def test_bits_are_the_mean_surprise_of_what_came():
    probability = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert bits(probability, np.array([0, 0])) == pytest.approx(1.5)


def test_symbols_are_scored_all_or_a_sample_without_repetition():
    assert choose_scored(100, 0).tolist() == list(range(100))
    some = choose_scored(60_000, 0)
    assert len(some) == len(set(some.tolist())) == 50_000


def test_the_symbol_after_the_one_before_is_learned_from_the_training_text():
    training, test = [np.tile([0, 1, 2], 30)], [np.array([0, 1, 2, 0, 1])]
    often, pairs = symbol_baselines(test, np.arange(4), training, np.array(["a", "b", "c"], dtype=object), 0)
    assert pairs.metrics["accuracy"].value == 1.0
    assert often.metrics["accuracy"].value < 1.0
