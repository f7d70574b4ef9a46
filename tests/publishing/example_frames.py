"""Hypothesis: any frame that may be published."""

import polars as pl
from hypothesis import strategies as st

# Any id Postgres can hold: quotes, backslashes, braces, commas, "NULL", line ends, every plane of Unicode.
awkward = st.sampled_from(["NULL", '"', "\\", "{}", ",", "\t", "\n", "\\N", "\r\n", " ", "'", "%s", "𐍈", "é", "\x01"])
texts = awkward | st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=8)
keys = st.just("") | texts | st.text("k", min_size=505, max_size=520)
scores = st.floats(width=32, allow_nan=False, allow_infinity=False)

SCHEMA = {
    "key": pl.String,
    "item_ids": pl.List(pl.String),
    "scores": pl.List(pl.Float32),
    "reasons": pl.List(pl.String),
    "based_on": pl.List(pl.String),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """A valid frame of up to five lists, with or without the optional columns."""
    rows = []
    for key in draw(st.lists(keys, unique=True, max_size=5)):
        items = draw(st.lists(texts, unique=True, min_size=1, max_size=6))
        n = len(items)
        rows.append(
            {
                "key": key,
                "item_ids": items,
                "scores": draw(st.lists(scores, min_size=n, max_size=n)),
                "reasons": draw(st.lists(texts, min_size=n, max_size=n)),
                "based_on": draw(st.lists(st.none() | texts, min_size=n, max_size=n)),
            }
        )
    optional = draw(st.sets(st.sampled_from(["reasons", "based_on"])))
    return pl.DataFrame(rows, schema=SCHEMA).drop(optional)
