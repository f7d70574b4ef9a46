import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from raw_rows import collect, write_rows

from recsys.dataset.prepared import CATEGORIES, EVENTS, FILES, ITEM_HISTORY, ITEMS, PreparedDataset
from recsys.errors import BadInputError, ConfigurationError, NotReadyError
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import run_step
from recsys.publishing.active import read_active
from recsys.schema import RawTable, SnapshotTable, Step
from recsys.settings import MlflowSettings, PipelineSettings, PostgresSettings
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

DAY = 86_400_000


@pytest.fixture
def context(
    database: PostgresSettings,
    bucket: ObjectStore,
    mlflow_settings: MlflowSettings,
    pipeline_settings: PipelineSettings,
) -> RunContext:
    write_rows(
        database,
        "shop",
        RawTable.EVENTS,
        [
            (1 * DAY, "u", "a", "view"),
            (2 * DAY, "u", "a", "purchase"),
            (3 * DAY, "u", "b", "purchase"),
            (3 * DAY, "u", "b", "purchase"),
            (4 * DAY, "v", "a", "add_to_cart"),
            (5 * DAY, "v", "unknown", "view"),
        ],
    )
    write_rows(
        database,
        "shop",
        RawTable.ITEM_PROPERTIES,
        [
            (0, "a", "categoryid", "2"),
            (0, "b", "categoryid", "9"),
            (0, "b", "available", "1"),
            (3 * DAY, "b", "available", "0"),
            (9 * DAY, "b", "available", "1"),
        ],
    )
    write_rows(database, "shop", RawTable.CATEGORY_TREE, [("1", None), ("2", "1")])
    return RunContext("run-1", "shop", pipeline_settings, database, bucket, mlflow_settings)


def prepared(context: RunContext, folder: Path) -> PreparedDataset:
    summary = run_step(Step.PREPARE_DATASET, context)
    return PreparedDataset.fetch(context.store, summary.output, folder)


def at(context: RunContext, now: str) -> RunContext:
    return replace(context, settings=context.settings.model_copy(update={"now": now}))


def test_files_hold_what_the_architecture_promises(context: RunContext, tmp_path: Path) -> None:
    dataset = prepared(context, tmp_path)
    assert dataset.events().collect_schema() == EVENTS
    assert dict(list(dataset.items().collect_schema().items())[: len(ITEMS)]) == dict(ITEMS)
    assert dataset.item_history().collect_schema() == ITEM_HISTORY
    assert dataset.categories().collect_schema() == CATEGORIES
    items = dataset.items().select("item_id", "category_id", "parent_category_id", "is_available").collect()
    assert items.rows() == [("a", "2", "1", True), ("b", "9", None, False), ("unknown", None, None, True)]
    assert dataset.categories().select("category_id", "depth", "root_id").collect().rows() == [
        ("1", 0, "1"),
        ("2", 1, "1"),
        ("9", 0, "9"),
    ]
    events = dataset.events().select("user_id", "timestamp").collect()
    assert events.equals(events.sort("user_id", "timestamp"))


def test_the_profile_counts_everything_that_was_left_out(context: RunContext, tmp_path: Path) -> None:
    profile = prepared(context, tmp_path).profile
    assert profile["counts"] == {
        "events": 5,
        "users": 2,
        "sessions": 5,
        "items": 3,
        "items_without_properties": 1,
        "events_of_items_without_properties": 1,
        "categories": 3,
    }
    assert profile["rejected"] == {
        "events": {"duplicate": 1},
        "item_properties": {"after_now": 1},
        "category_tree": {},
    }
    assert profile["now"] == "1970-01-06T00:00:00.000+00:00"


def test_now_can_be_set_and_cuts_the_data(context: RunContext, tmp_path: Path) -> None:
    dataset = prepared(at(context, "1970-01-03T12:00:00"), tmp_path)
    assert dataset.now == datetime(1970, 1, 3, 12, tzinfo=UTC)
    assert dataset.profile["counts"]["events"] == 2
    assert dataset.items().collect().filter(item_id="b")["is_available"].item() is True


@pytest.mark.parametrize(("now", "error"), [("soon", ConfigurationError), ("1969-01-01", NotReadyError)])
def test_an_impossible_now_is_refused(context: RunContext, now: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"PIPELINE__NOW|no event"):
        run_step(Step.PREPARE_DATASET, at(context, now))


def test_a_dataset_without_usable_events_says_why(context: RunContext) -> None:
    settings = context.settings.model_copy(update={"event_weights": {"wink": 1.0}})
    with pytest.raises(BadInputError, match=r"no_interest': 6"):
        run_step(Step.PREPARE_DATASET, replace(context, settings=settings))


def test_an_event_from_the_future_does_not_become_the_present(context: RunContext, tmp_path: Path) -> None:
    write_rows(context.postgres, "shop", RawTable.EVENTS, [(10**14, "u", "a", "view")])
    dataset = prepared(context, tmp_path)
    assert dataset.profile["now"] == "1970-01-06T00:00:00.000+00:00"
    assert dataset.profile["rejected"]["events"]["after_now"] == 1


def test_purchases_and_stock_reach_the_service(context: RunContext) -> None:
    run_step(Step.PREPARE_DATASET, context)
    (bought,) = read_active(context, SnapshotTable.PURCHASES)
    assert bought.select("key", "item_id").rows() == [("u", "b"), ("u", "a")]
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute("select item_id, is_available from recs.item_state where dataset = 'shop' order by 1")
        assert cursor.fetchall() == [("a", True), ("b", False), ("unknown", True)]


def test_dislikes_reach_the_service_and_no_model(context: RunContext, tmp_path: Path) -> None:
    said = [
        ("dislike", "a", None),
        ("dislike", "b", None),
        ("like", "a", None),
        ("rating", "c", 1.0),
        ("rating", "d", 5.0),
        ("rating", "e", 3.0),
        ("remove_from_cart", "f", None),
        ("impression", "g", None),
        ("click", "g", None),
        ("detail_leave", "g", 30.0),
    ]
    for at, (kind, item, value) in enumerate(said):
        event = {"event_type": kind, "item_id": item, "value": value, "session_id": "s"}
        collect(context.postgres, "shop", event_id=f"{at}", timestamp_ms=at, **event)
    dataset = prepared(context, tmp_path)
    learned = dataset.events().filter(user_id="session:s").collect()
    assert learned.select("item_id", "event_type", "rating").rows() == [
        ("a", "like", 3.0),
        ("d", "like", 3.0),
        ("e", "rating", 1.0),
    ]
    assert dataset.profile["rejected"]["events"] == {"duplicate": 1, "no_interest": 5}
    (disliked,) = read_active(context, SnapshotTable.DISLIKES)
    assert disliked.select("key", "item_id").rows() == [("session:s", "c"), ("session:s", "b")]


def test_erasures_are_settled_by_data_that_were_read_after_them(context: RunContext) -> None:
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute(
            "insert into shop.erasures (dataset, user_hash, erased_at)"
            " values ('shop', 'long ago', now() - interval '1 hour'), ('shop', 'a moment ago', now())"
        )
    run_step(Step.PREPARE_DATASET, context)
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute("select user_hash from shop.erasures where settled_at is not null")
        assert cursor.fetchall() == [("long ago",)]


def test_the_same_run_again_replaces_its_own_files(context: RunContext) -> None:
    first = run_step(Step.PREPARE_DATASET, context)
    second = run_step(Step.PREPARE_DATASET, context)
    assert second.output == first.output == "prepared/shop/run-1"
    assert second.rows["item_states_changed"] == 0
    assert sorted(entry.key for entry in context.store.list("prepared/")) == sorted(
        f"{first.output}/{name}" for name in FILES
    )
    assert json.loads(context.store.get(f"{first.output}/profile.json"))["counts"]["events"] == 5


def test_small_chunks_give_the_same_files(context: RunContext, tmp_path: Path) -> None:
    """Of the reference: whole tables in memory. Here a setting bounds the rows held, and changes nothing else."""
    frames = []
    for rows in (1, 1_000):
        step = context.settings.prepare_dataset.model_copy(update={"chunk_rows": rows})
        small = replace(context, settings=context.settings.model_copy(update={"prepare_dataset": step}))
        (tmp_path / str(rows)).mkdir()
        dataset = prepared(small, tmp_path / str(rows))
        frames.append([dataset.events().collect(), dataset.items().collect(), dataset.item_history().collect()])
    for one, other in zip(*frames, strict=True):
        assert one.equals(other)
