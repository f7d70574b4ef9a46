"""Places of hits when scores tie: the worst they could have, as the order of a tie is nobody's merit.

A model that gives all items one score would else be as good as the numbering of ids happens to be.
"""

import polars as pl

from recsys.schema import Columns


def worst_hits(lists: pl.DataFrame, truth: pl.DataFrame, depth: int) -> pl.DataFrame:
    """The hits of lists with their worst ranks.

    Of items with one score, those that are no hits come first. A tie that reaches below `depth` counts as missed, for
    nobody knows how far it goes on; so ask a model for one item more than the deepest cutoff.

    Args:
        lists: `user_id, item_id, score, rank`; scores never rise with the rank.
        truth: `user_id, item_id`, a pair once.
        depth: the deepest cutoff that is measured.

    Returns:
        `user_id, rank`, in no order.
    """
    found = lists.join(truth, on=[Columns.USER, Columns.ITEM], how="semi")
    # Only the ties that hold a hit matter; most lists hold none.
    tie = [Columns.USER, Columns.SCORE]
    ends = lists.join(found, on=tie, how="semi").group_by(tie).agg(end=pl.col(Columns.RANK).max())
    hits_below = pl.col(Columns.RANK).rank("ordinal", descending=True).over(tie) - 1
    return (
        found.join(ends, on=tie)
        .filter(pl.col("end") <= depth)
        .select(Columns.USER, (pl.col("end") - hits_below).cast(pl.UInt32).alias(Columns.RANK))
    )
