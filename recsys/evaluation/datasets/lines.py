"""Benchmark files with one user a line: the user's id, then the ids of the items, all separated by blanks."""

from pathlib import Path

import polars as pl

from recsys.errors import BadInputError
from recsys.schema import Columns


def read_lines(path: Path) -> pl.DataFrame:
    """`user_id, item_id, position`: a row an item, in the order of the file; position 0 is a user's first item.

    A user without items has no rows.

    Raises:
        BadInputError: the file is not text of that form, or no user has an item, or a user is there twice.
    """
    try:
        lines = pl.read_csv(path, has_header=False, separator="\n", quote_char=None, schema={"line": pl.String})
    except pl.exceptions.PolarsError as error:
        raise BadInputError(
            f"{path} cannot be read: {error}.", remedy="It must be text with a user and their items a line."
        ) from error
    words = lines.select(pl.col("line").str.strip_chars().str.split(" ").alias("words")).drop_nulls()
    words = words.select(pl.col("words").list.eval(pl.element().filter(pl.element() != ""))).filter(
        pl.col("words").list.len() > 0
    )
    users = words.select(
        pl.col("words").list.first().alias(Columns.USER), pl.col("words").list.slice(1).alias(Columns.ITEM)
    )
    twice = users.filter(pl.col(Columns.USER).is_duplicated())
    if twice.height:
        raise BadInputError(
            f"{path} has more than one line for user {twice[Columns.USER][0]!r}.", remedy="Join the lines of each user."
        )
    rows = users.filter(pl.col(Columns.ITEM).list.len() > 0).with_columns(
        pl.int_ranges(pl.col(Columns.ITEM).list.len()).alias("position")
    )
    if rows.is_empty():
        raise BadInputError(f"{path} names no user with an item.", remedy="Each line is a user and their items.")
    return rows.explode(Columns.ITEM, "position")
