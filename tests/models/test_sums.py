import math

import numpy as np
import polars as pl
import pytest

from recsys.models.sums import exact_mean, exact_sum

VALUES = np.random.default_rng(0).pareto(1, 20_000)


def test_a_sum_does_not_depend_on_order_chunks_or_threads() -> None:
    frame = pl.DataFrame({"group": np.arange(len(VALUES)) % 7, "value": VALUES})
    chunked = pl.concat(list(frame.iter_slices(999)), rechunk=False)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    expected = [math.fsum(VALUES[group::7]) for group in range(7)]
    for one in (frame, chunked, shuffled):
        for engine in ("in-memory", "streaming"):
            sums = one.lazy().group_by("group").agg(exact_sum(pl.col("value"))).sort("group").collect(engine=engine)
            assert sums["value"].to_list() == expected


def test_small_decays_count_and_huge_values_do_not_wrap() -> None:
    frame = pl.DataFrame({"small": [2.0**-60, 2.0**-60], "huge": [1e30, 1.0]})
    assert frame.select(exact_sum(pl.all())).row(0) == (2.0**-59, 2.0**40 + 1)


@pytest.mark.parametrize(("values", "mean"), [([1.0, None, 2.0], 1.5), ([None], None), ([], None)])
def test_a_mean_is_of_what_is_there(values: list[float | None], mean: float | None) -> None:
    frame = pl.DataFrame({"value": values}, schema={"value": pl.Float32})
    assert frame.select(exact_mean(pl.col("value"))).item() == mean
