"""`recs.item_state`: what the service knows of an item now. Only changed rows are written, so followers read little."""

import io

import polars as pl

from recsys.schema import Columns
from recsys.storage.postgres import Cursor

_UPSERT = """
insert into recs.item_state as state (dataset, item_id, category_id, is_available, price, title, brand, is_repeatable)
select %(dataset)s, item_id, category_id, is_available, price, title, brand,
       coalesce(category_id = any(%(repeatable)s), false)
from new_item_state
on conflict (dataset, item_id) do update
set category_id = excluded.category_id, is_available = excluded.is_available, price = excluded.price,
    title = excluded.title, brand = excluded.brand, is_repeatable = excluded.is_repeatable
where not state.is_from_api
  and (state.category_id, state.is_available, state.price, state.title, state.brand, state.is_repeatable)
      is distinct from (excluded.category_id, excluded.is_available, excluded.price, excluded.title, excluded.brand,
                        excluded.is_repeatable)
"""
# An item that is gone from the catalogue cannot be bought any more.
_WITHDRAW = """
update recs.item_state as state set is_available = false
where dataset = %(dataset)s and is_available and not is_from_api
      and not exists (select from new_item_state as new where new.item_id = state.item_id)
"""
_REPEATABLE = """
with recursive repeatable as (
    select category_id from shop.categories where dataset = %(dataset)s and is_repeatable
    union
    select child.category_id from shop.categories child join repeatable on child.parent_id = repeatable.category_id
    where child.dataset = %(dataset)s
)
select array_agg(category_id) from repeatable
"""
_BRAND = "property_brand"


def item_facts(items: pl.LazyFrame) -> pl.DataFrame:
    """What the table takes of prepared items: item, category, availability, price, title, brand."""
    has_brand = _BRAND in items.collect_schema()
    brand = (pl.col(_BRAND) if has_brand else pl.lit(None, pl.String)).alias("brand")
    return items.select(
        Columns.ITEM, Columns.CATEGORY, Columns.IS_AVAILABLE, Columns.PRICE, Columns.TITLE, brand
    ).collect()


def update_item_state(cursor: Cursor, dataset: str, items: pl.DataFrame) -> int:
    """Bring the table in line with `items` (`item_facts`); returns how many rows changed.

    Items that the shop keeps through the API stay as they are there: it says now what step 1 learns later.
    """
    cursor.execute(
        "create temp table new_item_state"
        " (item_id text, category_id text, is_available boolean, price real, title text, brand text) on commit drop"
    )
    rows = io.BytesIO()
    items.write_csv(rows, include_header=False)
    rows.seek(0)
    cursor.copy_expert("copy new_item_state from stdin (format csv)", rows)
    cursor.execute(_REPEATABLE, {"dataset": dataset})
    ((repeatable,),) = cursor.fetchall()
    parameters = {"dataset": dataset, "repeatable": repeatable or []}
    cursor.execute(_UPSERT, parameters)
    changed = cursor.rowcount
    cursor.execute(_WITHDRAW, parameters)
    return changed + cursor.rowcount
