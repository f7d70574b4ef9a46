"""What each user disliked and has not liked since, for the service, which must not show it."""

from collections.abc import Iterator

import polars as pl

from recsys.schema import BAD_RATING, GOOD_RATING, Columns, EventType
from recsys.storage.postgres import Cursor

_ROWS_AT_A_TIME = 50_000
_OPINION = f"""
case when event_type = '{EventType.DISLIKE}' or event_type = '{EventType.RATING}' and value <= {BAD_RATING} then 1
     when event_type = '{EventType.LIKE}' or event_type = '{EventType.RATING}' and value >= {GOOD_RATING} then 0 end
"""
# One moment's likes win, as in the recent store.
_DISLIKES = f"""
select user_id, array_agg(item_id order by timestamp_ms desc, item_id) from (
    select distinct on (user_id, item_id) user_id, item_id, timestamp_ms, disliked from (
        select coalesce(user_id, 'session:' || session_id) as user_id, item_id, timestamp_ms, {_OPINION} as disliked
        from raw.collected_events
        where dataset = %s and event_type in ('{EventType.LIKE}', '{EventType.DISLIKE}', '{EventType.RATING}')
    ) as said
    where disliked is not null
    order by user_id, item_id, timestamp_ms desc, disliked
) as newest
where disliked = 1 group by user_id
"""


def dislikes(cursor: Cursor, dataset: str) -> Iterator[pl.DataFrame]:
    """Frames of `key` (user id) and `item_ids`, the last disliked first."""
    cursor.execute(_DISLIKES, (dataset,))
    while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
        yield pl.DataFrame(rows, schema={Columns.KEY: pl.String(), Columns.ITEMS: pl.List(pl.String())}, orient="row")
