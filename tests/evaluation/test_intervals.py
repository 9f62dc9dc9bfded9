import numpy as np
import pytest
from sklearn.metrics import f1_score

from nnzoo.evaluation.intervals import Bootstrap, mean_f1_draws, paired_interval, wilson


def test_wilson_of_all_right_is_n_over_n_plus_z_squared():
    # p = 1: (1 + z2/2n - z2/2n) / (1 + z2/n) = n / (n + z2), with z2 = 3.8415
    assert wilson(10, 10) == pytest.approx((10 / 13.8415, 1), abs=1e-5)
    assert wilson(0, 10) == pytest.approx((0, 3.8415 / 13.8415), abs=1e-5)


def test_wilson_covers_the_true_share_in_about_95_of_100_cases():
    drawn = np.random.default_rng(0).binomial(50, 0.9, size=4000)
    ends = np.array([wilson(n_right, 50) for n_right in drawn])
    assert np.mean((ends[:, 0] <= 0.9) & (ends[:, 1] >= 0.9)) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("n_rows", [400, 2000, 2001, 30_000])
def test_bootstrap_spread_of_a_mean_is_its_standard_error_with_and_without_blocks(n_rows):
    values = np.random.default_rng(1).normal(3, 2, size=n_rows)
    sums = Bootstrap(n_rows, 0).sums(np.stack([values, np.ones(n_rows)], axis=1))
    means = sums[:, 0] / sums[:, 1]
    # The spread of 1000 draws is known to about 1 / sqrt(2000) = 2.2 %; five of these.
    assert means.std() == pytest.approx(values.std() / np.sqrt(n_rows), rel=0.11)


def test_counts_equal_sums_of_indicators():
    codes = np.random.default_rng(0).integers(0, 4, size=3000)
    bootstrap = Bootstrap(3000, 7)
    assert np.allclose(bootstrap.counts(codes, 4), bootstrap.sums(np.eye(4)[codes]))


def test_same_seed_and_rows_give_the_same_draws_and_another_seed_others():
    parts = np.arange(30.0)[:, None]
    assert np.array_equal(Bootstrap(30, 1).sums(parts), Bootstrap(30, 1).sums(parts))
    assert not np.array_equal(Bootstrap(30, 1).sums(parts), Bootstrap(30, 2).sums(parts))


def test_one_row_has_no_interval():
    assert Bootstrap(1, 0).interval(np.ones(5), 1.0) == (None, None)


def test_f1_draws_in_slices_of_classes_equal_scikit_learn_on_the_drawn_rows(monkeypatch):
    monkeypatch.setattr("nnzoo.evaluation.intervals.CLASSES_AT_ONCE", 2)
    generator = np.random.default_rng(0)
    truth, prediction = generator.integers(0, 5, size=(2, 40))
    bootstrap = Bootstrap(40, 0)
    draws = mean_f1_draws(bootstrap, truth, prediction, 5)
    for draw in range(5):
        rows = np.repeat(np.arange(40), bootstrap.times_drawn[draw].astype(int)[bootstrap.block])
        assert draws[draw] == pytest.approx(f1_score(truth[rows], prediction[rows], average="macro"))


def test_paired_interval_is_narrower_than_the_unpaired_one_when_both_err_on_the_same_rows():
    generator = np.random.default_rng(0)
    shared = generator.normal(size=500)
    both = np.stack([shared + 0.1 + 0.01 * generator.normal(size=500), shared, np.ones(500)], axis=1)
    value, low, high = paired_interval(both, lambda sums: (sums[:, 0] - sums[:, 1]) / sums[:, 2], 0)
    assert low < value < high
    assert value == pytest.approx(0.1, abs=0.005)
    assert high - low < 0.01
