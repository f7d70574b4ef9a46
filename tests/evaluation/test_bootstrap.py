import numpy as np
import polars as pl
import pytest

from recsys.evaluation import bootstrap
from recsys.evaluation.bootstrap import Bootstrap, interval


def users(count: int) -> pl.DataFrame:
    return pl.DataFrame({"user_id": [f"u{n}" for n in range(count)]})


def test_bounds_are_those_of_the_normal_approximation() -> None:
    values = np.random.default_rng(1).exponential(size=(2_000, 1))
    low, high = interval(Bootstrap(users(2_000)).means(values))[:, 0]
    margin = 1.96 * values.std(ddof=1) / np.sqrt(2_000)
    assert (low, high) == pytest.approx((values.mean() - margin, values.mean() + margin), rel=0.01)


def test_models_meet_the_same_resamples_so_that_a_constant_difference_is_certain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "_CELLS_AT_A_TIME", 7_000)
    values = np.random.default_rng(1).random((500, 1))
    one, other = Bootstrap(users(500)), Bootstrap(users(500))
    assert interval(one.means(values + 0.1) - other.means(values))[:, 0] == pytest.approx([0.1, 0.1])
    assert np.array_equal(one.means(values), other.means(values))


def test_the_cases_of_a_group_are_drawn_together() -> None:
    """Copies of the same case make no one more certain."""
    frame = users(1_000)
    groups = frame.with_columns(group=pl.Series(np.arange(1_000) // 10).cast(pl.String))
    values = np.repeat(np.random.default_rng(1).random((100, 1)), 10, axis=0)
    apart = np.ptp(interval(Bootstrap(frame).means(values)))
    together = np.ptp(interval(Bootstrap(frame, groups).means(values)))
    assert together / apart == pytest.approx(np.sqrt(10), rel=0.1)


def test_missing_values_do_not_count() -> None:
    values = np.array([[1.0, np.nan], [1.0, 2.0], [np.nan, 2.0], [1.0, np.nan]] * 50)
    found = interval(Bootstrap(users(200)).means(values))
    assert found.tolist() == [[1.0, 2.0], [1.0, 2.0]]
