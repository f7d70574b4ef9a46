"""Kinds of users and of items that are looked at apart, because a mean over all hides them."""

from collections.abc import Sequence

import polars as pl

from recsys.evaluation.judging import USERS_AT_A_TIME
from recsys.evaluation.metrics import evaluate
from recsys.evaluation.protocols.base import Split
from recsys.models.base import INTERACTIONS
from recsys.models.popularity import Popularity
from recsys.schema import Columns

HEAVY_SHARE = 0.2
NEW_ITEM_USERS = 5

HEAVY, WARM, COLD, NEW_ITEMS = "heavy", "warm", "cold", "new_items"


def users_by_segment(split: Split) -> pl.DataFrame:
    """`user_id, segment` of the users to be judged.

    *heavy* are those with more distinct items in their past than four fifths of the judged have, *warm* are the others.
    *cold* users have no past, so they are not among these; see `judge_cold`.
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


def judge_cold(split: Split, metrics: Sequence[str], depth: int) -> pl.DataFrame:
    """The metrics of each cold user, who gets the shop's default list whatever the model: `user_id` and a column each.

    No model knows anything of them, so what they do is measured once, as the level that any model falls back to.
    """
    model = Popularity().fit(split.history, now=split.cut)
    users = split.cold.select(Columns.USER).unique().sort(Columns.USER)
    # One list for all: asked for by a user whom nothing is known of.
    nobody = pl.DataFrame([["", "", split.cut, 0.0]], schema=INTERACTIONS, orient="row")
    default = model.recommend(nobody, depth + 1).drop(Columns.USER)
    parts = [
        evaluate(chunk.join(default, how="cross"), split.cold.join(chunk, on=Columns.USER, how="semi"), metrics)
        for chunk in users.iter_slices(USERS_AT_A_TIME)
    ]
    return pl.concat([part.per_user for part in parts])
