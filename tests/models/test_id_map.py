from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recsys.models.id_map import UNKNOWN, IdMap


@given(st.lists(st.text()), st.lists(st.text()))
def test_known_ids_go_there_and_back_and_new_ones_are_unknown(known: list[str], asked: list[str]) -> None:
    """Of the reference: label encoders that break on new ids."""
    ids = IdMap(pl.Series(known, dtype=pl.String))
    assert len(ids) == len(set(known))
    codes = ids.codes(pl.Series([*asked, None], dtype=pl.String))
    assert [code != UNKNOWN for code in codes] == [id_ in set(known) for id_ in asked] + [False]
    found = codes[codes != UNKNOWN]
    assert ids.names(found).to_list() == [id_ for id_ in asked if id_ in set(known)]
    assert np.flatnonzero(ids.mask(pl.Series(asked, dtype=pl.String))).tolist() == sorted(set(found.tolist()))


def test_codes_do_not_depend_on_the_order_and_survive_saving(tmp_path: Path) -> None:
    ids = IdMap(pl.Series(["b", "a", "c", "a"]))
    ids.save(tmp_path / "ids.parquet")
    for other in (IdMap(pl.Series(["c", "b", "a"])), IdMap.load(tmp_path / "ids.parquet")):
        assert other.codes(pl.Series(["a", "b", "c"])).tolist() == [0, 1, 2]
