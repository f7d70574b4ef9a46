"""Amazon Beauty as S3-Rec prepared it (Zhou et al., CIKM 2020): `Beauty.txt`, a user a line, items in order of time.

`Beauty_item2attributes.json`, if it is there, names the attributes (categories and brand) of each item.
"""

import json
from pathlib import Path

import polars as pl

from recsys.errors import BadInputError
from recsys.evaluation.datasets.base import ATTRIBUTES, EPOCH, EvaluationData, interactions_of
from recsys.evaluation.datasets.lines import read_lines
from recsys.schema import Columns

FILES = ("Beauty.txt",)
ATTRIBUTE_FILE = "Beauty_item2attributes.json"


def read(folder: Path) -> EvaluationData:
    """Sequences; a user's last item is at `EPOCH`, the one before it a day earlier, and so on."""
    rows = read_lines(folder / FILES[0])
    days_before = pl.col("position").max().over(Columns.USER) - pl.col("position")
    items = rows.select(Columns.ITEM).unique().sort(Columns.ITEM)
    attributes = _attributes(folder / ATTRIBUTE_FILE)
    described = attributes.group_by(Columns.ITEM).agg(pl.col("attribute").alias("attributes"))
    return EvaluationData(
        "beauty",
        ("leave_last_out",),
        interactions_of(rows, pl.lit(EPOCH) - pl.duration(days=days_before)),
        items=items.join(described, on=Columns.ITEM, how="left", maintain_order="left"),
        attributes=attributes,
    )


def _attributes(path: Path) -> pl.DataFrame:
    if not path.exists():
        return ATTRIBUTES.to_frame()
    try:
        named = {str(item): [str(value) for value in values] for item, values in json.loads(path.read_text()).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.", remedy="It maps item ids to lists of ids.") from error
    frame = pl.DataFrame(
        {Columns.ITEM: list(named), "attribute": list(named.values())},
        schema={Columns.ITEM: pl.String, "attribute": pl.List(pl.String)},
    )
    return frame.explode("attribute", empty_as_null=False).drop_nulls().unique().sort(Columns.ITEM, "attribute")
