from pathlib import Path

import polars as pl
import psycopg2
import pytest
from shop_lists import lists, objects, partitions, rows, run

from recsys.errors import BadInputError, ConflictError, NotReadyError
from recsys.pipeline.context import RunContext
from recsys.publishing import pointer
from recsys.publishing.active import open_active, read_active
from recsys.publishing.frames import to_lists
from recsys.publishing.versions import publish
from recsys.schema import RecommendationTable, SnapshotTable

TABLE = RecommendationTable.PERSONALIZED
VIEW = "select user_id, item_id, rank, score from recs.current_personalized_recommendations order by 1, 3"


def served(context: RunContext) -> set[str]:
    """The marks of all items in service, as Postgres and as the snapshot have them, which must agree."""
    in_postgres = rows(context, VIEW)
    in_snapshot = pl.concat(read_active(context, TABLE)).select("key", "item_id", "rank", "score").rows()
    assert in_postgres == in_snapshot
    return {item.split("-")[0] for _, item, _, _ in in_postgres}


def test_a_published_version_is_what_both_readers_see(context: RunContext) -> None:
    published = publish(context, TABLE, [lists("a", 2), lists("a", 5)[2:]], {"model": "als"})
    assert (published.keys, published.items) == (5, 20)
    assert served(context) == {"a"}
    assert rows(context, VIEW)[:2] == [("u0", "a-0", 1, 4.0), ("u0", "a-1", 2, 3.0)]
    assert rows(context, "select status, metadata from recs.versions") == [("ready", {"model": "als"})]
    assert rows(context, f"select count(*) from recs.{TABLE}_{published.version} where version <> 1") == [(0,)]


def test_frames_in_any_order_and_size_give_the_same_table(context: RunContext) -> None:
    shuffled = lists("a", 50).sample(fraction=1, shuffle=True, seed=1)
    publish(context, TABLE, [shuffled[:7], shuffled[7:8], shuffled[8:8], shuffled[8:]])
    assert pl.concat(read_active(context, TABLE))["key"].n_unique() == 50
    assert served(context) == {"a"}


def test_lists_of_chosen_keys_come_in_their_order(context: RunContext, tmp_path: Path) -> None:
    publish(context, TABLE, [lists("a", 5)])
    reader = open_active(context, TABLE, tmp_path)
    assert reader.lists(["u3", "nobody", "u1"])["key"].unique(maintain_order=True).to_list() == ["u3", "u1"]
    assert reader.lists(["nobody"]).is_empty()
    assert list(reader.keys()) == ["u0", "u1", "u2", "u3", "u4"]
    assert to_lists(reader.lists(reader.keys()), "key").equals(lists("a", 5))


def test_reasons_and_based_on_reach_both_readers(context: RunContext) -> None:
    table = RecommendationTable.I2I
    frame = lists("a", 2, 2).with_columns(
        reasons=pl.Series([["x", "y"], ["y", "z"]]), based_on=pl.Series([["b", None], [None, None]])
    )
    publish(context, table, [frame])
    view = "select item_id, reason, based_on from recs.current_i2i_recommendations order by user_id, rank"
    assert rows(context, view) == [("a-0", "x", "b"), ("a-1", "y", None), ("a-0", "y", None), ("a-1", "z", None)]
    assert pl.concat(read_active(context, table)).select("item_id", "reason", "based_on").rows() == rows(context, view)


def test_a_version_without_lists_is_a_version(context: RunContext) -> None:
    publish(context, TABLE, [lists("a")])
    assert publish(run(context, "run-2"), TABLE, []).keys == 0
    assert rows(context, VIEW) == []
    assert list(read_active(context, TABLE)) == []


def test_purchases_have_a_snapshot_and_no_partition(context: RunContext) -> None:
    publish(context, SnapshotTable.PURCHASES, [lists("a").drop("scores")])
    assert partitions(context) == []
    assert pl.concat(read_active(context, SnapshotTable.PURCHASES)).columns == ["key", "item_id", "rank"]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([lists("b"), lists("b", 1)], "'u0'.*earlier frame"),
        ([lists("b"), lists("b").with_columns(key=pl.lit("u9"))], "more than once"),
    ],
)
def test_a_broken_rule_publishes_nothing(context: RunContext, frames: list[pl.DataFrame], message: str) -> None:
    publish(context, TABLE, [lists("a")])
    with pytest.raises(BadInputError, match=message):
        publish(run(context, "run-2"), TABLE, frames)
    assert served(context) == {"a"}
    assert len(partitions(context)) == 1


def test_publishing_a_run_again_replaces_its_version(context: RunContext) -> None:
    first = publish(context, TABLE, [lists("a")])
    again = publish(context, TABLE, [lists("b")])
    assert served(context) == {"b"}
    assert [info.version for info in pointer.list_versions(context.postgres, "shop")] == [again.version]
    assert partitions(context) == [f"{TABLE}_{again.version}"]
    assert objects(context) == [f"{again.version}.lmdb"]
    assert first.version != again.version


def test_retention_keeps_the_last_versions(context: RunContext) -> None:
    published = [publish(run(context, f"run-{number}"), TABLE, [lists(f"m{number}")]).version for number in range(5)]
    kept = published[-context.settings.publish.keep_versions :]
    assert [info.version for info in pointer.list_versions(context.postgres, "shop")] == kept[::-1]
    assert partitions(context) == [f"{TABLE}_{version}" for version in kept]
    assert objects(context) == [f"{version}.lmdb" for version in kept]


def test_retention_waits_for_readers_and_catches_up(context: RunContext) -> None:
    context.settings.publish.keep_versions = 1
    publish(context, TABLE, [lists("a")])
    with psycopg2.connect(context.postgres.dsn()) as reader, reader.cursor() as cursor:
        cursor.execute(VIEW)  # holds its locks until the transaction ends
        publish(run(context, "run-2"), TABLE, [lists("b")])
        assert len(partitions(context)) == 2
        assert served(context) == {"b"}
    reader.close()
    publish(run(context, "run-3"), TABLE, [lists("c")])
    assert len(partitions(context)) == len(objects(context)) == 1


def test_a_second_publisher_of_the_table_is_refused(context: RunContext) -> None:
    def frames():  # type: ignore[no-untyped-def]
        with pytest.raises(ConflictError, match=r"personalized_recommendations of dataset 'shop' is being published"):
            publish(run(context, "run-2"), TABLE, [lists("b")])
        publish(run(context, "run-3"), RecommendationTable.I2I, [lists("c")])  # another table does not mind
        yield lists("a")

    publish(context, TABLE, frames())
    assert served(context) == {"a"}


def test_rolling_back_is_a_flip(context: RunContext) -> None:
    versions = [publish(run(context, f"run-{mark}"), TABLE, [lists(mark)]).version for mark in "abc"]
    assert [step.to_version for step in pointer.rollback(context.postgres, "shop", TABLE)] == [versions[1]]
    assert served(context) == {"b"}
    pointer.rollback(context.postgres, "shop", TABLE, versions[2])
    assert served(context) == {"c"}
    active = [info.version for info in pointer.list_versions(context.postgres, "shop") if info.is_active]
    assert active == [versions[2]]


def test_rolling_back_all_tables_leaves_those_without_an_earlier_version(context: RunContext) -> None:
    for mark in "ab":
        publish(run(context, mark), TABLE, [lists(mark)])
        publish(run(context, mark), RecommendationTable.I2I, [lists(mark)])
        publish(run(context, mark), SnapshotTable.PURCHASES, [lists(mark)])
    publish(context, RecommendationTable.SIMILAR, [lists("a")])
    steps = pointer.rollback(context.postgres, "shop")
    assert {step.table for step in steps} == {TABLE, RecommendationTable.I2I}
    assert served(context) == {"a"}


def test_a_version_that_is_not_there_cannot_be_rolled_back_to(context: RunContext) -> None:
    with pytest.raises(NotReadyError, match="before the active one"):
        pointer.rollback(context.postgres, "shop")
    similar = publish(context, RecommendationTable.SIMILAR, [lists("a")]).version
    publish(context, TABLE, [lists("a")])
    for version in (99, similar):
        with pytest.raises(NotReadyError, match=f"no version {version}"):
            pointer.rollback(context.postgres, "shop", TABLE, version)
    with pytest.raises(BadInputError, match="Name it"):
        pointer.rollback(context.postgres, "shop", None, similar)


def test_the_active_version_is_never_retired(context: RunContext) -> None:
    context.settings.publish.keep_versions = 2
    for mark in "ab":
        publish(run(context, mark), TABLE, [lists(mark)])
    pointer.rollback(context.postgres, "shop", TABLE)
    with pytest.raises(BadInputError):
        publish(run(context, "c"), TABLE, [lists("c"), lists("c")])
    assert served(context) == {"a"}


def test_bytes_stay_within_a_fixed_bound_per_item(context: RunContext) -> None:
    keys, k = 2_000, 100
    frame = lists("m", keys, k).with_columns(
        reasons=pl.Series([["personalized,i2i"] * k] * keys), based_on=pl.Series([["i-1234567"] * k] * keys)
    )
    publish(context, TABLE, [frame])
    size = f"select pg_total_relation_size('recs.{TABLE}_1'), object_bytes from recs.versions"
    ((in_postgres, in_snapshot),) = rows(context, size)
    assert in_postgres <= keys * k * 80
    assert in_snapshot <= keys * k * 40
