import polars as pl
import pytest
from contract import NOW, interactions

from recsys.errors import BadInputError
from recsys.models.content import Content

CATALOGUE = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "new", "bare"],
        "category_id": ["shoe", "shoe", "hat", "hat", "shoe", None],
        "price": [10.0, 11.0, 90.0, 95.0, 10.5, None],
        "attributes": [["red"], ["red"], ["blue"], ["blue", "soft"], ["red"], []],
        "title": ["Running shoe for women", "Light running shoe", "Wool hat", "Warm hat of wool", "Trail shoe", None],
        "is_available": [True, False, True, False, True, False],
    },
    schema_overrides={"attributes": pl.List(pl.String)},
)
EVENTS = interactions([("u", "a", 3), ("u", "c", 2), ("v", "d", 1)])


def near(columns: list[str], item: str, **options: float) -> list[str]:
    model = Content(**options).describe(CATALOGUE.select("item_id", *columns)).fit(EVENTS, now=NOW)  # type: ignore[arg-type]
    return model.similar([item], 5)["similar_item_id"].to_list()


@pytest.mark.parametrize("columns", [["category_id"], ["attributes"], ["title"], CATALOGUE.columns[1:]])
def test_items_alike_in_each_kind_of_attribute_are_near(columns: list[str]) -> None:
    assert set(near(columns, "a")[:2]) == {"b", "new"}
    assert near(columns, "c")[0] == "d"


def test_numbers_are_near_in_the_same_tenth() -> None:
    frame = pl.DataFrame({"item_id": [f"i{n:02}" for n in range(40)], "price": [float(n) for n in range(40)]})
    model = Content().describe(frame).fit(EVENTS, now=NOW)
    found = model.similar(["i00"], 40)["similar_item_id"].to_list()
    assert sorted(found) == ["i01", "i02", "i03", "i04"][: len(found)]
    assert len(found) >= 3


def test_an_item_that_nobody_has_seen_is_recommended() -> None:
    model = Content().describe(CATALOGUE).fit(EVENTS, now=NOW)
    found = model.recommend(interactions([("me", "a", 1)]), 3, exclude=interactions([("me", "a", 1)]))
    assert "new" in found["item_id"].to_list()


def test_of_equally_near_items_the_popular_one_comes_first() -> None:
    events = interactions([(f"u{n}", "new", 1) for n in range(9)])
    found = Content().describe(CATALOGUE.select("item_id", "category_id")).fit(events, now=NOW).similar(["a"], 5)
    assert found["similar_item_id"].to_list() == ["new", "b"]


def test_the_text_weight_decides_between_text_and_the_rest() -> None:
    frame = pl.DataFrame(
        {
            "item_id": ["a", "same words", "same kind", "x", "y"],
            "kind": ["k", "l", "k", "m", "m"],
            "title": ["green garden chair", "green garden chair", "steel lamp", "steel door", "oak door"],
        }
    )
    for weight, first in ((10.0, "same words"), (0.01, "same kind")):
        model = Content(text_weight=weight).describe(frame).fit(EVENTS, now=NOW)
        assert model.similar(["a"], 1)["similar_item_id"].to_list() == [first]


def test_without_attributes_it_says_so() -> None:
    with pytest.raises(BadInputError, match=r"Nothing is known of the items. Call describe\(\)"):
        Content().fit(EVENTS, now=NOW)
