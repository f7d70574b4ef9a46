"""Gowalla check-ins as LightGCN split them (He et al., SIGIR 2020): `train.txt` and `test.txt`, a user a line.

The files promise no order, so all interactions have one and the same time: a model that reads an order into the
numbering of ids or into the lines would learn something that published results did not have. Rows keep the order of the
lines all the same, for the validation side of `FixedSplit`.
"""

from pathlib import Path

import polars as pl

from recsys.evaluation.datasets.base import EPOCH, EvaluationData, interactions_of
from recsys.evaluation.datasets.lines import read_lines
from recsys.schema import Columns

FILES = ("train.txt", "test.txt")


def read(folder: Path) -> EvaluationData:
    """The training pairs as interactions, and the test pairs held out."""
    train, test = (_pairs(folder / name) for name in FILES)
    return EvaluationData(
        "gowalla",
        ("fixed",),
        interactions_of(train, pl.lit(EPOCH)),
        items=pl.concat([train, test]).select(Columns.ITEM).unique().sort(Columns.ITEM),
        held_out=test.sort(Columns.USER, Columns.ITEM),
    )


def _pairs(path: Path) -> pl.DataFrame:
    return read_lines(path).select(Columns.USER, Columns.ITEM).unique(maintain_order=True)
