import polars as pl
import pytest
from contract import NOW, SHOP, interactions
from polars.testing import assert_frame_equal

from recsys.models import item_to_item, neighbours
from recsys.models.item_to_item import ItemToItem
from recsys.models.online import recommend_from_history


def scores(rows: list[tuple[str, str, float]], **options: float) -> dict[tuple[str, str], float]:
    model = ItemToItem(**options).fit(interactions(rows), now=NOW)  # type: ignore[arg-type]
    found = model.similar(sorted({item for _, item, _ in rows}), 50)
    return {(item, other): score for item, other, score, _ in found.iter_rows()}


def test_what_follows_counts_more_than_what_came_before() -> None:
    found = scores([("u", "a", 2), ("u", "b", 1)], half_life_days=1e9)  # so that age makes no difference
    assert found["a", "b"] > found["b", "a"] > 0


def test_close_in_the_sequence_counts_more_and_a_basket_is_close() -> None:
    found = scores([("u", "a", 3), ("u", "b", 2), ("u", "c", 1), ("v", "p", 1), ("v", "q", 1), ("v", "r", 1)])
    assert found["a", "b"] > found["a", "c"]
    assert found["p", "q"] == found["q", "p"] == found["p", "r"] > found["a", "b"]


def test_lately_counts_more() -> None:
    found = scores([("u", "a", 91), ("u", "b", 90), ("v", "a", 2), ("v", "c", 1)], half_life_days=30)
    assert found["a", "c"] > found["a", "b"]


def test_what_is_seen_once_counts_little() -> None:
    often = [(f"u{n}", item, 1) for n in range(20) for item in ("a", "b")]
    once = [("once", "a", 1), ("once", "z", 1)]
    found = scores([*often, *once])
    assert found["a", "b"] > 3 * found["a", "z"]
    # Beside an item that much is known of, one seen once must not decide a shopper's list.
    assert found["a", "b"] > 3 * found["z", "a"]


def test_the_popularity_power_lets_the_rarer_neighbour_win() -> None:
    rows = [(f"u{n}", item, 1) for n in range(3) for item in ("a", "hit")]
    rows += [(f"v{n}", item, 1) for n in range(2) for item in ("a", "niche")]
    rows += [(f"w{n}", item, 1) for n in range(50) for item in ("hit", "other")]
    plain, fair = (scores(rows, popularity_power=power) for power in (0.0, 1.0))
    assert plain["a", "hit"] > plain["a", "niche"]
    assert fair["a", "hit"] < fair["a", "niche"]


def test_long_histories_say_less_about_each_pair() -> None:
    found = scores([(f"u{n}", item, 1) for n in range(2) for item in "ab"]
                   + [(f"v{n}", item, 1) for n in range(2) for item in "acdefgh"])  # fmt: skip
    assert found["a", "b"] > found["a", "c"]


def test_only_targets_become_neighbours_and_lists_stay_full() -> None:
    model = ItemToItem(size=2).fit(SHOP, now=NOW, targets=pl.Series(["x1", "x2", "x3", "nobody knows"]))
    found = model.similar(["x0", "x1"], 50)
    assert set(found["similar_item_id"]) <= {"x1", "x2", "x3"}
    assert found.filter(item_id="x0").height == 2


def test_long_histories_are_cut_to_the_newest_items() -> None:
    rows = [("bot", f"i{n:03}", 500 - n) for n in range(500)]
    found = scores(rows, max_history=10, size=100)  # type: ignore[arg-type]
    assert {item for pair in found for item in pair} == {f"i{n}" for n in range(490, 500)}


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is cut into many parts, as on data that does not fit at once."""
    monkeypatch.setattr(item_to_item, "_PAIRS_AT_A_TIME", 7)
    monkeypatch.setattr(neighbours, "_PRODUCTS_AT_A_TIME", 7)


def test_parts_give_what_the_whole_gives(request: pytest.FixtureRequest) -> None:
    whole = ItemToItem().fit(SHOP, now=NOW)
    lists, similar = whole.recommend(SHOP, 5), whole.similar(["x0", "y3"], 5)
    request.getfixturevalue("tiny_blocks")
    parts = ItemToItem().fit(SHOP, now=NOW)
    assert_frame_equal(parts.recommend(SHOP, 5), lists)
    assert_frame_equal(parts.similar(["x0", "y3"], 5), similar)


@pytest.mark.usefixtures("tiny_blocks")
def test_every_user_gets_a_list_not_only_the_last() -> None:
    """Of the reference: the result was appended outside the loop, so only the last user's list was kept."""
    found = ItemToItem().fit(SHOP, now=NOW).recommend(SHOP, 5)
    assert found["user_id"].n_unique() == SHOP["user_id"].n_unique()


def test_batch_and_live_agree() -> None:
    """The service's formula on one user's history gives the batch step's list, reasons included."""
    strange = interactions([("a1", "unheard of", 0.5), ("guest", "x1", 1), ("guest", "y2", 1), ("guest", "x4", 30)])
    basket = interactions([("basket", "x1", 2), ("basket", "y2", 2), ("basket", "x3", 1)])
    histories = pl.concat([SHOP, strange, basket])
    rows = ItemToItem().fit(SHOP, now=NOW).neighbours
    exclude = pl.DataFrame({"user_id": ["a1", "guest"], "item_id": ["x5", "x2"]})
    batch = pl.concat(rows.recommend(histories, 4, length=3, half_life_days=7.0, exclude=exclude))
    similar = rows.rows(rows.items.codes(pl.Series(sorted(SHOP["item_id"].unique()))), 50)
    table = {item: part.select("similar_item_id", "score").rows() for (item,), part in similar.group_by("item_id")}
    for (user,), events in histories.group_by("user_id"):
        newest = (
            events.group_by("item_id").agg(pl.col("timestamp").max().dt.epoch("ms"))
            .sort("timestamp", "item_id", descending=[True, False]).head(3)
        )  # fmt: skip
        live = recommend_from_history(
            newest.rows(),
            lambda item: table.get(item, []),
            4,
            half_life_days=7.0,
            exclude=set(exclude.filter(user_id=user)["item_id"]),
        )
        mine = batch.filter(user_id=user)
        assert [(found.item_id, found.based_on) for found in live] == mine.select("item_id", "based_on").rows()
        assert [found.score for found in live] == pytest.approx(mine["score"].to_list(), rel=1e-5)


def test_recent_history_counts_more_and_based_on_names_the_strongest() -> None:
    rows = [(f"u{n}", item, 1) for n in range(5) for item in ("old", "from old")]
    rows += [(f"v{n}", item, 1) for n in range(5) for item in ("new", "from new")]
    table = ItemToItem().fit(interactions(rows), now=NOW).neighbours
    me = interactions([("me", "old", 20), ("me", "new", 1)])
    found = pl.concat(table.recommend(me, 5, length=20, half_life_days=7.0))
    assert found.select("item_id", "based_on").rows() == [("from new", "new"), ("from old", "old")]
