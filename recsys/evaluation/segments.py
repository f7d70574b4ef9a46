"""Kinds of users and of items that are looked at apart, because a mean over all hides them."""

import polars as pl

from recsys.evaluation.protocols.base import Split
from recsys.schema import Columns

HEAVY_SHARE = 0.2
NEW_ITEM_USERS = 5

HEAVY, WARM, COLD, NEW_ITEMS = "heavy", "warm", "cold", "new_items"


def users_by_segment(split: Split) -> pl.DataFrame:
    """`user_id, segment` of the users to be judged.

    *heavy* are those with more distinct items in their past than four fifths of the judged have, *warm* are the others.
    *cold* users have no past, so they are not among these.
    """
    items = split.past.group_by(Columns.USER).agg(items=pl.col(Columns.ITEM).n_unique())
    judged = split.truth.select(Columns.USER).unique().join(items, on=Columns.USER)
    heavy = pl.col("items") > pl.col("items").quantile(1 - HEAVY_SHARE, "nearest")
    segment = pl.when(heavy).then(pl.lit(HEAVY)).otherwise(pl.lit(WARM))
    return judged.select(Columns.USER, segment.alias("segment"))


def new_items(split: Split) -> pl.DataFrame:
    """The pairs of the truth whose item at most `NEW_ITEM_USERS` users of the history know, nobody included."""
    known = split.history.group_by(Columns.ITEM).agg(users=pl.col(Columns.USER).n_unique())
    established = known.filter(pl.col("users") > NEW_ITEM_USERS)
    return split.truth.join(established, on=Columns.ITEM, how="anti")
