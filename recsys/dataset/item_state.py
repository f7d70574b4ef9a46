"""`recs.item_state`: what the service knows of an item now. Only changed rows are written, so followers read little."""

import io

import polars as pl

from recsys.schema import Columns
from recsys.storage.postgres import Cursor

_UPSERT = """
insert into recs.item_state as state (dataset, item_id, category_id, is_available, price)
select %s, item_id, category_id, is_available, price from new_item_state
on conflict (dataset, item_id) do update
set category_id = excluded.category_id, is_available = excluded.is_available, price = excluded.price
where (state.category_id, state.is_available, state.price)
      is distinct from (excluded.category_id, excluded.is_available, excluded.price)
"""
# An item that is gone from the catalogue cannot be bought any more.
_WITHDRAW = """
update recs.item_state as state set is_available = false
where dataset = %s and is_available
      and not exists (select from new_item_state as new where new.item_id = state.item_id)
"""


def update_item_state(cursor: Cursor, dataset: str, items: pl.DataFrame) -> int:
    """Bring the table in line with `items` (prepared items); returns how many rows changed."""
    cursor.execute(
        "create temp table new_item_state (item_id text, category_id text, is_available boolean, price real)"
        " on commit drop"
    )
    columns = [Columns.ITEM, Columns.CATEGORY, Columns.IS_AVAILABLE, Columns.PRICE]
    rows = io.BytesIO()
    items.select(columns).write_csv(rows, include_header=False)
    rows.seek(0)
    cursor.copy_expert("copy new_item_state from stdin (format csv)", rows)
    cursor.execute(_UPSERT, (dataset,))
    changed = cursor.rowcount
    cursor.execute(_WITHDRAW, (dataset,))
    return changed + cursor.rowcount
