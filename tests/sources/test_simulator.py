"""The simulated shop has the promised sizes and RetailRocket's shape."""

from datetime import UTC, datetime
from functools import cache

import polars as pl
import pytest

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources import simulated_catalogue, simulated_shoppers
from recsys.sources.simulator import SimulatedShop, Simulator, Sizes

START = datetime(2025, 1, 1, tzinfo=UTC)
# A hundredth of RetailRocket, with as many events and property rows for each user and item.
SIZES = Sizes(users=14_000, items=2_350, events=27_500, days=137, seed=7)
START_MS = int(START.timestamp() * 1000)
WEEK_MS = 7 * 86_400_000


@cache
def simulate(sizes: Sizes) -> dict[RawTable, pl.DataFrame]:
    parts: dict[RawTable, list[pl.DataFrame]] = {}
    for chunk in SimulatedShop(sizes, START).chunks():
        for table, frame in chunk.accepted.items():
            parts.setdefault(table, []).append(frame)
    return {table: pl.concat(frames) for table, frames in parts.items()}


@pytest.fixture
def events() -> pl.DataFrame:
    return simulate(SIZES)[RawTable.EVENTS]


@pytest.fixture
def properties() -> pl.DataFrame:
    return simulate(SIZES)[RawTable.ITEM_PROPERTIES]


def test_sizes_are_met(events: pl.DataFrame, properties: pl.DataFrame) -> None:
    assert events.height == SIZES.events
    assert events.get_column("user_id").n_unique() == SIZES.users
    assert properties.get_column("item_id").n_unique() == SIZES.items
    assert properties.height == pytest.approx(85 * SIZES.items, rel=0.03)
    assert set(events.get_column("item_id")) <= set(properties.get_column("item_id"))


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(users=1, items=20, events=1, days=1),
        Sizes(users=50, items=20, events=5_000, days=3, property_rows=100),
        Sizes(users=500, items=100, events=500, days=400, property_rows=50_000),
    ],
)
def test_odd_sizes_are_met_too(sizes: Sizes) -> None:
    tables = simulate(sizes)
    assert tables[RawTable.EVENTS].height == sizes.events
    assert tables[RawTable.EVENTS].get_column("user_id").n_unique() == sizes.users
    end = START_MS + sizes.days * 86_400_000
    assert tables[RawTable.EVENTS].get_column("timestamp_ms").is_between(START_MS, end, closed="left").all()


def test_the_funnel(events: pl.DataFrame) -> None:
    shares = dict(events.get_column("event_type").value_counts(normalize=True).iter_rows())
    assert shares["view"] == pytest.approx(0.967, abs=0.003)
    assert shares["add_to_cart"] == pytest.approx(0.025, abs=0.002)
    assert shares["purchase"] == pytest.approx(0.008, abs=0.001)


def test_visitors_and_items_are_long_tailed(events: pl.DataFrame) -> None:
    counts = events.group_by("user_id").len().get_column("len")
    assert (counts == 1).mean() == pytest.approx(0.71, abs=0.03)
    items = events.get_column("item_id").value_counts(sort=True).get_column("count")
    assert items.head(len(items) // 100).sum() > 0.1 * SIZES.events
    assert items.median() < 0.6 * items.mean()


def test_purchases_follow_carts_and_carts_follow_views_of_the_item(events: pl.DataFrame) -> None:
    before = events.with_columns(pl.all().shift(1).name.prefix("last_"))
    for later, earlier in (("add_to_cart", "view"), ("purchase", "add_to_cart")):
        followed = before.filter(event_type=later)
        assert followed.height > 0
        assert (followed.get_column("last_event_type") == earlier).all()
        assert (followed.get_column("last_item_id") == followed.get_column("item_id")).all()
        assert (followed.get_column("last_user_id") == followed.get_column("user_id")).all()
        assert (followed.get_column("timestamp_ms") - followed.get_column("last_timestamp_ms")).max() < 1_800_000


def test_only_purchases_carry_order_price_and_quantity(events: pl.DataFrame) -> None:
    known = events.select("order_id", "price", "quantity").select(pl.all().is_not_null()).unique()
    assert sorted(known.rows()) == [(False, False, False), (True, True, True)]
    assert events.filter(pl.col("order_id").is_not_null()).get_column("event_type").unique().to_list() == ["purchase"]


def as_of(events: pl.DataFrame, properties: pl.DataFrame, name: str) -> pl.DataFrame:
    """Events with the property's value known at their time."""
    told = properties.filter(property=name).select("item_id", "timestamp_ms", value="value").sort("timestamp_ms")
    return events.sort("timestamp_ms").join_asof(told, on="timestamp_ms", by="item_id", check_sortedness=False)


def test_nobody_sees_an_item_before_it_arrives(events: pl.DataFrame, properties: pl.DataFrame) -> None:
    assert as_of(events, properties, "categoryid").get_column("value").null_count() == 0
    first = properties.group_by("item_id").agg(pl.col("timestamp_ms").min())
    assert (first.get_column("timestamp_ms") > START_MS).mean() == pytest.approx(0.2, abs=0.05)


def test_carts_hold_available_items_and_purchases_cost_what_the_item_cost(
    events: pl.DataFrame, properties: pl.DataFrame
) -> None:
    carts = as_of(events.filter(event_type="add_to_cart"), properties, "available")
    assert set(carts.get_column("value")) == {"1"}
    bought = as_of(events.filter(event_type="purchase"), properties, "price")
    difference = bought.select((pl.col("price") - pl.col("value").cast(pl.Float64)).abs().max()).item()
    assert difference < 0.01


def test_price_stock_and_title_change_over_time(properties: pl.DataFrame) -> None:
    for name in ("price", "available", "title"):
        values = properties.filter(property=name).group_by("item_id").agg(pl.col("value").n_unique())
        assert (values.get_column("value") > 1).any()
    times = properties.filter(property="price").get_column("timestamp_ms")
    assert times.n_unique() > 137 // 7


def test_tastes_can_be_learnt(events: pl.DataFrame, properties: pl.DataFrame) -> None:
    """A user's next event lies in the category of the one before far more often than a stranger's does."""
    category = properties.filter(property="categoryid").select("item_id", category="value").unique("item_id")
    seen = events.join(category, on="item_id").sort("user_id", "timestamp_ms")
    own = seen.select(
        (pl.col("category") == pl.col("category").shift(1))
        .filter(pl.col("user_id") == pl.col("user_id").shift(1))
        .mean()
    ).item()
    shuffled = seen.get_column("category").shuffle(seed=1)
    stranger = (shuffled == seen.get_column("category")).mean()
    assert own > 3 * stranger


def test_attributes_tell_the_category(properties: pl.DataFrame) -> None:
    category = properties.filter(property="categoryid").select("item_id", category="value").unique("item_id")
    others = ~pl.col("property").is_in(["categoryid", "available", "price", "title"])
    first = properties.filter(others).unique(["item_id", "property"], keep="first").join(category, on="item_id")
    usual = first.group_by("property", "category").agg(
        share=pl.col("value").unique_counts().max() / pl.len(), size=pl.len()
    )
    told = usual.filter(pl.col("size") >= 20).group_by("property").agg(pl.col("share").mean())
    assert (told.get_column("share") > 0.8).sum() >= 3
    assert (told.get_column("share") < 0.4).sum() >= 3


def test_the_tree_has_three_levels_and_items_stand_on_the_lowest(properties: pl.DataFrame) -> None:
    tree = dict(simulate(SIZES)[RawTable.CATEGORY_TREE].iter_rows())
    used = properties.filter(property="categoryid").get_column("value").unique().to_list()
    for category in used:
        middle = tree[category]
        assert tree[tree[middle]] is None
    assert not set(used) & {parent for parent in tree.values() if parent}


def test_the_seed_decides(events: pl.DataFrame) -> None:
    simulate.cache_clear()
    assert simulate(SIZES)[RawTable.EVENTS].equals(events)
    other = Sizes(**(vars(SIZES) | {"seed": 8}))
    assert not simulate(other)[RawTable.EVENTS].equals(events)
    assert SimulatedShop(SIZES, START).digest() != SimulatedShop(other, START).digest()


def test_the_end_shifts_the_calendar_only(events: pl.DataFrame) -> None:
    later = SimulatedShop(SIZES, datetime(2026, 1, 1, tzinfo=UTC))
    assert later.digest() == SimulatedShop(SIZES, START).digest()
    (entry,) = Simulator(SIZES, datetime(2025, 1, 1, tzinfo=UTC)).inputs()
    shifted = pl.concat(
        chunk.accepted[RawTable.EVENTS] for chunk in entry.chunks() if RawTable.EVENTS in chunk.accepted
    )
    assert shifted.drop("timestamp_ms").equals(events.drop("timestamp_ms"))
    assert (events.get_column("timestamp_ms") - shifted.get_column("timestamp_ms")).unique().to_list() == [
        137 * 86_400_000
    ]


def test_chunks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_catalogue, "CHUNK_ROWS", 5_000)
    monkeypatch.setattr(simulated_shoppers, "CHUNK_EVENTS", 2_000)
    longest = max(frame.height for c in SimulatedShop(SIZES, START).chunks() for frame in c.accepted.values())
    assert longest <= 5_000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"users": 0}, "--users 0"),
        ({"items": 3}, "--items 3"),
        ({"users": 10, "events": 9}, "--events 9 is out of range"),
        ({"days": 0}, "--days 0"),
        ({"seed": -1}, "--seed -1"),
        ({"property_rows": 0}, "--property-rows 0"),
    ],
)
def test_sizes_out_of_range_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        Sizes(**wrong)
