from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from recsys.models.id_map import IdMap
from recsys.models.matrices import history_matrix

START = datetime(2026, 1, 1, tzinfo=UTC)
ITEMS = IdMap(pl.Series(["a", "b", "c"]))
USERS = IdMap(pl.Series(["u"]))


def history(*events: tuple[str, float, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [("u", item, rating, START + timedelta(days=day)) for item, rating, day in events],
        schema=["user_id", "item_id", "rating", "timestamp"],
        orient="row",
    )


def test_an_item_counts_once_and_less_for_every_newer_moment() -> None:
    events = history(("a", 1, 0), ("a", 5, 1), ("b", 1, 2), ("c", 1, 2))
    np.testing.assert_allclose(history_matrix(events, USERS, ITEMS, decay=0.5).toarray(), [[0.5, 1, 1]])


def test_ratings_and_repetitions_count_with_a_power() -> None:
    events = history(("a", 1, 0), ("b", 1, 0), ("b", 2, 0), ("c", -1, 0))
    np.testing.assert_allclose(history_matrix(events, USERS, ITEMS, rating_power=1).toarray(), [[1, 2, 0]])
    np.testing.assert_allclose(history_matrix(events, USERS, ITEMS, rating_power=0.5).toarray(), [[1, 2**0.5, 0]])
