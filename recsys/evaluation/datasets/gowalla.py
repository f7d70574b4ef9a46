"""Gowalla check-ins as LightGCN split them (He et al., SIGIR 2020): `train.txt` and `test.txt`, a user a line.

The split is random and says nothing about order, so all interactions have one and the same time: a model that reads an
order into the numbering of ids or into the lines would learn something that published results did not have.
"""

from pathlib import Path

import polars as pl

from recsys.evaluation.datasets.base import EPOCH, EvaluationData, interactions_of
from recsys.evaluation.datasets.lines import read_lines
from recsys.schema import Columns

FILES = ("train.txt", "test.txt")


def read(folder: Path) -> EvaluationData:
    """The training pairs as interactions, and the test pairs held out."""
    train, test = (read_lines(folder / name).select(Columns.USER, Columns.ITEM).unique() for name in FILES)
    return EvaluationData(
        "gowalla",
        ("fixed",),
        interactions_of(train.sort(Columns.USER, Columns.ITEM), pl.lit(EPOCH)),
        items=pl.concat([train, test]).select(Columns.ITEM).unique().sort(Columns.ITEM),
        held_out=test.sort(Columns.USER, Columns.ITEM),
    )
