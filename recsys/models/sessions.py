"""Sessions as models see them: in the place of users, as sequences of turns from one item to another."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl
from scipy import sparse

from recsys.models.base import check_interactions
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.schema import Columns


def by_session(interactions: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Interactions of sessions in the place of users; see `check_interactions`.

    Sessions are those of the column `session_id` if there is one; else a user's whole history is one.
    """
    frame = check_interactions(interactions, until=now)
    if Columns.SESSION not in interactions.columns:
        return frame
    named = interactions[Columns.SESSION].cast(pl.String).fill_null(frame[Columns.USER])
    return frame.with_columns(named.alias(Columns.USER))


def sequence_matrix(events: pl.DataFrame, users: IdMap, items: IdMap, seed: int | None = None) -> sparse.csr_matrix:
    """A row a user, whose entries are the items turned to, oldest first: not sorted, an item as often as it was.

    Seeing, carting and buying one item is one turn. Unknown ids go.

    Args:
        seed: what came at one moment, as a basket does, is in a random order, or in order of item id if None.
    """
    coded = events.select(
        pl.Series("user", users.codes(events[Columns.USER])),
        pl.Series("item", items.codes(events[Columns.ITEM])),
        Columns.TIMESTAMP,
    )
    coded = coded.filter((pl.col("user") != UNKNOWN) & (pl.col("item") != UNKNOWN))
    coded = coded.sort("user", Columns.TIMESTAMP, "item")
    if seed is not None:
        lot = pl.Series("lot", np.random.default_rng(seed).random(coded.height))
        coded = coded.with_columns(lot).sort("user", Columns.TIMESTAMP, "lot")
    turned = pl.col("item").ne_missing(pl.col("item").shift().over("user"))
    coded = coded.filter(turned)
    user, item = coded["user"].to_numpy(), coded["item"].to_numpy()
    starts = np.searchsorted(user, np.arange(len(users) + 1))
    return sparse.csr_matrix((np.ones(len(item), np.float32), item, starts), shape=(len(users), len(items)))


def session_parallel(
    starts: np.ndarray, lengths: np.ndarray, lanes: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sessions side by side, the next one taking the lane of one that ends (Hidasi et al., ICLR 2016, section 3.1.1).

    Args:
        starts: where each session begins in the array of all events, in the order in which they shall come.
        lengths: events of each session, at least 2.
        lanes: sessions side by side.

    Yields:
        For each lane the place of an event whose successor is to be foretold; whether it begins a session; and, for
        each lane of the step before, whether it is still there: towards the end there are fewer.
    """
    waiting = min(lanes, len(starts))
    place, last = starts[:waiting].copy(), (starts + lengths - 1)[:waiting]
    begins, stays = np.ones(waiting, bool), np.ones(waiting, bool)
    while len(place):
        yield place, begins, stays
        place = place + 1
        ended = np.flatnonzero(place == last)
        refilled = ended[: len(starts) - waiting]
        following = np.arange(waiting, waiting + len(refilled))
        place[refilled], last[refilled] = starts[following], (starts + lengths - 1)[following]
        waiting += len(refilled)
        begins, stays = np.zeros(len(place), bool), np.ones(len(place), bool)
        begins[refilled], stays[ended[len(refilled) :]] = True, False
        place, last, begins = place[stays], last[stays], begins[stays]
