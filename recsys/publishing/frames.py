"""The frames a step hands to `publish`: one row a key, its list best first; and the checks nothing gets past."""

from itertools import pairwise

import polars as pl
import pyarrow as pa

from recsys.errors import BadInputError
from recsys.publishing.codec import SEPARATOR
from recsys.schema import Columns, PublishedTable, SnapshotTable

_LISTS = {
    Columns.ITEMS: pl.List(pl.String),
    Columns.SCORES: pl.List(pl.Float32),
    Columns.REASONS: pl.List(pl.String),
    Columns.BASED_ON: pl.List(pl.String),
}
# The long form's name of each list column.
LONG_NAMES = {
    Columns.ITEMS: Columns.ITEM,
    Columns.SCORES: Columns.SCORE,
    Columns.REASONS: "reason",
    Columns.BASED_ON: Columns.BASED_ON,
}


def to_lists(long: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row a key from one row an item.

    Args:
        long: columns `key` (any name, given), `item_id`, `rank`, and of `score`, `reason`, `based_on` those that apply.

    Returns:
        `key, item_ids, scores?, reasons?, based_on?`, sorted by key, each list in order of rank.
    """
    # Sorted rows are lists already: only the places where the key changes are needed, no hashing, no copying.
    long = long.sort(key, Columns.RANK)
    runs = long[key].rle().struct.unnest()
    offsets = pa.array([0, *runs["len"].cum_sum().to_list()], pa.int64())
    columns = {Columns.KEY: runs["value"].cast(pl.String)}
    for plural, single in LONG_NAMES.items():
        if single in long.columns:
            values = long[single].cast(_LISTS[plural].inner).to_arrow()
            columns[plural] = pl.Series(plural, pa.LargeListArray.from_arrays(offsets, values))
    return pl.DataFrame(columns)


def checked(frame: pl.DataFrame, table: PublishedTable) -> pl.DataFrame:
    """The frame with exactly the published columns and types.

    Raises:
        BadInputError: naming the table, the rule broken and the first key that breaks it.
    """
    required = {Columns.KEY, Columns.ITEMS} | (set() if isinstance(table, SnapshotTable) else {Columns.SCORES})
    missing = sorted(required - set(frame.columns))
    unknown = sorted(set(frame.columns) - {Columns.KEY, *_LISTS})
    if missing or unknown:
        raise BadInputError(
            f"A frame for {table} misses columns {missing} and has unknown columns {unknown}.",
            remedy="Build it with recsys.publishing.frames.to_lists.",
        )
    present = [name for name in _LISTS if name in frame.columns]
    frame = frame.select(
        pl.col(Columns.KEY).cast(pl.String), *(pl.col(name).cast(_LISTS[name]) for name in present)
    ).rechunk()
    lengths = pl.col(Columns.ITEMS).list.len()
    nul = pl.lit(SEPARATOR)
    rules: dict[str, pl.Expr] = {
        "the key is null": pl.col(Columns.KEY).is_null(),
        "the key holds a NUL character": pl.col(Columns.KEY).str.contains(nul, literal=True),
        "the list is null or empty": lengths.fill_null(0) == 0,
        "lists differ in length": pl.any_horizontal(
            pl.lit(False), *(pl.col(name).list.len().ne_missing(lengths) for name in present)
        ),
    }
    _refuse(frame, table, rules)
    # From here on every list has the same length, so positions in the flattened columns tell the row.
    flat_rules = {
        "an item id is null or empty": (Columns.ITEMS, lambda s: s.is_null() | (s == "")),
        "an item id holds a NUL character": (Columns.ITEMS, lambda s: s.str.contains(SEPARATOR, literal=True)),
        "a score is null, NaN or infinite": (Columns.SCORES, lambda s: ~s.is_finite().fill_null(False)),
        "a reason is null or empty": (Columns.REASONS, lambda s: s.is_null() | (s == "")),
        "based_on holds an empty text or a NUL character": (
            Columns.BASED_ON,
            lambda s: ((s == "") | s.str.contains(SEPARATOR, literal=True)).fill_null(False),
        ),
    }
    for rule, (name, broken) in flat_rules.items():
        if name in present and (where := broken(frame[name].explode())).any():
            row = int(frame[name].list.len().cum_sum().search_sorted(where.arg_max(), side="right"))
            raise _broken(table, rule, frame[Columns.KEY][row])
    _refuse(frame, table, {"an item is twice in the list": pl.col(Columns.ITEMS).list.n_unique() != lengths})
    if duplicates := frame.height - frame[Columns.KEY].n_unique():
        key = frame.filter(pl.col(Columns.KEY).is_duplicated())[Columns.KEY][0]
        raise _broken(table, f"the key comes more than once ({duplicates} rows too many)", key)
    return frame


def _refuse(frame: pl.DataFrame, table: PublishedTable, rules: dict[str, pl.Expr]) -> None:
    found = frame.select(expression.fill_null(False).any().alias(rule) for rule, expression in rules.items()).row(0)
    for (rule, expression), broken in zip(rules.items(), found, strict=True):
        if broken:
            raise _broken(table, rule, frame.filter(expression.fill_null(False))[Columns.KEY][0])


def _broken(table: PublishedTable, rule: str, key: str | None) -> BadInputError:
    return BadInputError(
        f"{table}, key {key!r}: {rule}.",
        remedy="Nothing was published; correct the step that built this list.",
    )


def slices(frame: pl.DataFrame, items: int) -> list[pl.DataFrame]:
    """The frame in pieces of about `items` list entries, so that memory does not depend on the caller's chunks."""
    total = int(frame[Columns.ITEMS].list.len().sum())
    pieces = max(1, -(-total // items))
    cuts = [round(piece * frame.height / pieces) for piece in range(pieces + 1)]
    return [frame.slice(start, stop - start) for start, stop in pairwise(cuts)]
