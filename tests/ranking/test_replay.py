"""Nothing in candidates or features may depend on what happened after the moment they stand for."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recsys.dataset.prepared import CATEGORIES, ITEM_HISTORY
from recsys.errors import BadInputError
from recsys.ranking.candidates import SOURCES
from recsys.ranking.comparison import CANDIDATES, CEILING, compare
from recsys.ranking.examples import examples
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay, Shop
from recsys.ranking.scenes import Scene
from recsys.schema import Columns, RecommendationTable
from recsys.settings import AlsSettings, PipelineSettings, RankerSettings

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=10)
ITEMS = 40


def shop(seed: int = 1, users: int = 60) -> Shop:
    """Sixty users who stay in one of two halves of the items, thirty days before START and ten after."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        half = user % 2 * ITEMS // 2
        for _ in range(12):
            age = random.uniform(-10, 30)
            kind = random.choice(["view", "view", "view", "add_to_cart", "purchase"])
            rating = {"view": 1.0, "add_to_cart": 3.0, "purchase": 5.0}[kind]
            item = half + int(random.integers(ITEMS // 2))
            rows.append((f"u{user:02}", f"i{item:02}", START - timedelta(days=age), kind, rating, 10.0 + item))
    names = [Columns.USER, Columns.ITEM, Columns.TIMESTAMP, Columns.EVENT_TYPE, Columns.RATING, Columns.PRICE]
    kinds = {Columns.TIMESTAMP: pl.Datetime("ms", "UTC"), Columns.RATING: pl.Float32, Columns.PRICE: pl.Float32}
    events = pl.DataFrame(rows, schema=names, orient="row", schema_overrides=kinds)
    history = [(f"i{i:02}", START - timedelta(days=40), f"c{i // 5}", i % 10 != 9, 10.0 + i) for i in range(ITEMS)]
    tree = [(f"c{i}", "root", 1, "root", [f"c{i}", "root"]) for i in range(ITEMS // 5)]
    return Shop(
        events.sort(Columns.USER, Columns.TIMESTAMP),
        pl.DataFrame(history, schema=ITEM_HISTORY, orient="row"),
        pl.DataFrame(tree, schema=CATEGORIES, orient="row"),
    )


def settings(**ranker: float) -> PipelineSettings:
    small = RankerSettings(**{"candidates_per_source": 20, "iterations": 20, "depth": 3} | ranker)  # type: ignore[arg-type]
    return PipelineSettings(_env_file=None, ranker=small, train_als=AlsSettings(factors=4, iterations=3))  # type: ignore[call-arg]


def replay(of: Shop, using: PipelineSettings | None = None) -> Replay:
    return Replay.of(of, START, END, using or settings(), max_users=1_000)


def together(scenes: list[Scene]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(scene.matrix, schema=scene.features, orient="row").with_columns(
            pair=pl.Series(scene.candidates.pairs)
        )
        for scene in scenes
    )


def after(moment: datetime) -> pl.Expr:
    return pl.col(Columns.TIMESTAMP) > moment


def test_candidates_and_features_do_not_change_with_the_future() -> None:
    known = shop()
    # Another future for the same users: everything they do, and all that is said of items, is about other things.
    changed = known.events.with_columns(
        pl.when(after(START)).then(pl.lit("i00")).otherwise(Columns.ITEM).alias(Columns.ITEM),
        pl.when(after(START)).then(pl.lit("purchase")).otherwise(Columns.EVENT_TYPE).alias(Columns.EVENT_TYPE),
        pl.when(after(START)).then(pl.lit(999, pl.Float32)).otherwise(Columns.PRICE).alias(Columns.PRICE),
    )
    said_later = known.item_history.with_columns(
        pl.lit(START + timedelta(hours=1)).cast(pl.Datetime("ms", "UTC")).alias(Columns.TIMESTAMP),
        pl.lit("c0").alias(Columns.CATEGORY),
        pl.lit(False).alias(Columns.IS_AVAILABLE),
        pl.lit(1, pl.Float32).alias(Columns.PRICE),
    )
    other = Shop(changed, pl.concat([known.item_history, said_later]), known.categories)
    # A sane test needs futures that differ, and users who are the same: only those are replayed.
    assert not changed.equals(known.events)
    one, two = replay(known), replay(other)
    users = one.users.names(np.arange(len(one.users)))
    assert set(two.users.names(np.arange(len(two.users)))) <= set(users)
    shared = two.users.names(np.arange(len(two.users)))
    first, second = together(list(one.scenes())), together(list(two.scenes()))
    kept = pl.Series(one.users.codes(shared))
    first = first.filter((pl.col("pair") // len(one.items.items)).is_in(kept.to_list()))
    assert first.drop("pair").equals(second.drop("pair"))
    assert first.height > 500


def test_a_signal_of_the_future_is_not_in_the_features() -> None:
    """Everyone's next action is on the item that nobody touched before: nothing may point to it."""
    known = shop()
    untouched = f"i{ITEMS - 2:02}"
    past = known.events.filter(~after(START) & (pl.col(Columns.ITEM) != untouched))
    planted = (
        past.unique(Columns.USER, keep="first", maintain_order=True)
        .with_columns(
            pl.lit(untouched).alias(Columns.ITEM),
            pl.lit(START + timedelta(days=1)).cast(pl.Datetime("ms", "UTC")).alias(Columns.TIMESTAMP),
        )
        .select(past.columns)
    )
    of = Shop(pl.concat([past, planted]).sort(Columns.USER, Columns.TIMESTAMP), known.item_history, known.categories)
    at = replay(of, settings(dealt_candidates=0))
    assert at.truth[Columns.ITEM].unique().to_list() == [untouched]
    code = at.items.items.codes(pl.Series([untouched]))[0]
    for scene in at.scenes():
        assert code not in scene.candidates.items
    with pytest.raises(BadInputError, match="Nobody acted on any of their candidates"):
        examples([at], settings().ranker)


def test_targets_come_from_the_window_after_the_features() -> None:
    known = shop()
    at = replay(known)
    window = known.events.filter(after(START))
    assert set(at.truth[Columns.ITEM]) <= set(window[Columns.ITEM])
    bought_before = known.events.filter(~after(START) & (pl.col(Columns.EVENT_TYPE) == "purchase"))
    assert at.truth.join(bought_before, on=[Columns.USER, Columns.ITEM], how="inner").is_empty()
    rated = window.group_by(Columns.USER, Columns.ITEM).agg(pl.col(Columns.RATING).sum().alias("sum"))
    checked = at.truth.join(rated, on=[Columns.USER, Columns.ITEM])
    assert (checked[Columns.RATING] == checked["sum"]).all()


def test_candidates_hold_nothing_bought_or_unavailable() -> None:
    known = shop()
    at = replay(known)
    bought = known.events.filter(~after(START) & (pl.col(Columns.EVENT_TYPE) == "purchase"))
    pairs = set(zip(at.users.codes(bought[Columns.USER]), at.items.items.codes(bought[Columns.ITEM]), strict=True))
    for scene in at.scenes():
        assert not pairs & set(zip(scene.candidates.users, scene.candidates.items, strict=True))
        assert all(int(name[1:]) % 10 != 9 for name in at.items.items.names(scene.candidates.items))


def test_everything_that_can_be_had_is_dealt_to_somebody() -> None:
    alone = replay(shop(), settings(candidates_per_source=1, default_candidates=1, dealt_candidates=0))
    at = replay(shop(), settings(candidates_per_source=1, default_candidates=1))
    had, without = ({item for scene in part.scenes() for item in scene.candidates.items} for part in (at, alone))
    assert had == set(np.flatnonzero(at.items.available))
    assert len(without) < len(had)
    for scene in at.scenes():
        named = np.isin(scene.candidates.pairs, np.concatenate([part.candidates.pairs for part in alone.scenes()]))
        assert (scene.candidates.without_source() == ~named).all()
        assert (scene.candidates.best_source()[~named] == len(SOURCES)).all()
        assert np.bincount(scene.candidates.users[~named]).max() <= settings().ranker.dealt_candidates


def test_chunks_do_not_change_the_result() -> None:
    known, one_user_at_a_time = shop(), settings()
    one_user_at_a_time.ranker.max_memory_mb = 0
    pieces = list(replay(known, one_user_at_a_time).scenes())
    assert len(pieces) > 20
    # Sums of products of one row round differently from those of many.
    assert_frame_equal(together(pieces), together(list(replay(known).scenes())), rel_tol=1e-4)


def test_the_same_seed_gives_the_same_examples_and_ranker() -> None:
    first, second = (examples([replay(shop())], settings(negatives_per_positive=2).ranker) for _ in range(2))
    assert np.array_equal(first.matrix, second.matrix, equal_nan=True)
    assert np.array_equal(first.ratings, second.ratings)
    positives = int(first.labels.sum())
    assert positives > 0
    assert len(first.labels) <= 3 * positives
    scores = [
        Ranker(settings().ranker)
        .fit(part.features, part.matrix, part.labels, part.weights)
        .score(part.features, part.matrix)
        for part in (first, second)
    ]
    assert np.array_equal(*scores)


def test_purchases_weigh_more_than_views() -> None:
    part = examples([replay(shop())], settings().ranker)
    assert part.weights[part.ratings == 1].tolist() == [1.0] * int((part.ratings == 1).sum())
    assert part.weights[part.ratings >= 5].min() > 2.5
    assert part.weights[part.ratings == 0].max() == 1


def test_older_windows_are_used_only_while_users_are_few() -> None:
    taken = []

    def windows():  # type: ignore[no-untyped-def]
        for number in range(3):
            taken.append(number)
            yield replay(shop(seed=number))

    examples(windows(), settings(enough_users=1).ranker)
    assert taken == [0]
    examples(windows(), settings(enough_users=100_000).ranker)
    assert taken == [0, 0, 1, 2]


def test_rankers_and_sources_are_judged_on_the_same_users() -> None:
    at = replay(shop())
    part = examples([at], settings().ranker)
    ranker = Ranker(settings().ranker).fit(part.features, part.matrix, part.labels, part.weights)
    results = compare({"ranked": ranker}, at, ("ndcg@10", "recall@10"))
    assert set(results) == {"ranked", *SOURCES.values(), CANDIDATES}
    assert {result.users for result in results.values()} == {at.truth[Columns.USER].n_unique()}
    # Judged on its own training window, it must beat each single list.
    best = max(results[source].values["ndcg@10"] for source in SOURCES.values())
    assert results["ranked"].values["ndcg@10"] > best
    assert results["ranked"].values["recall@10"] <= results[CANDIDATES].values[CEILING]
    assert RecommendationTable.RANKED not in SOURCES
