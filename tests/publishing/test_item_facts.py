"""Facts of items in a file of the host: complete, current, telling what changed, and there without Postgres."""

from pathlib import Path

import asyncpg
import pytest

from recsys.pipeline.context import RunContext
from recsys.publishing import item_facts
from recsys.publishing.changes import Fetch
from recsys.publishing.item_facts import Facts, ItemFacts
from recsys.publishing.item_labels import NO_LABEL, Label
from recsys.publishing.leader import HostLeader
from recsys.storage import postgres

UPSERT = """
insert into recs.item_state (dataset, item_id, is_available, category_id, price) values ('shop', $1, true, $2, $3)
on conflict (dataset, item_id) do update set category_id = excluded.category_id, price = excluded.price
"""


@pytest.fixture
def leader(context: RunContext, tmp_path: Path) -> HostLeader:
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute("insert into raw.datasets (name, source) values ('other', 'csv')")
        cursor.execute(
            "insert into recs.item_state (dataset, item_id, is_available, category_id, brand, price, stock, tags,"
            " is_hidden, is_repeatable, weight) values"
            " ('shop', 'boot', true, 'shoes', 'acme', 12.99, 3, '{new,red}', false, true, 2),"
            " ('shop', 'hat', false, null, null, null, null, '{}', true, false, 1),"
            " ('other', 'gone', true, 'shoes', null, 1, null, '{}', false, false, 1)"
        )
    return HostLeader(tmp_path / "leader.lock")


async def test_every_process_of_a_host_sees_what_its_leader_read(
    leader: HostLeader, tmp_path: Path, fetch: Fetch
) -> None:
    leading, other = ItemFacts(tmp_path / "facts", leader), HostLeader(tmp_path / "leader.lock")
    assert leading.dataset is None
    await leading.refresh(fetch, "shop")
    assert leading.dataset == "shop"
    assert leading.get("boot") == Facts("shoes", "acme", 12.99, 3, ["new", "red"], True, False, True, 2.0)
    assert leading.get("hat") == Facts(None, None, None, None, [], False, True, False, 1.0)
    assert leading.get("gone") is None
    leading.close()
    following = ItemFacts(tmp_path / "facts", other)  # a start without Postgres
    assert following.get("boot") is not None
    assert dict(following.all()).keys() == {"boot", "hat"}
    following.close()


async def test_changes_arrive_and_are_named_once(
    leader: HostLeader, tmp_path: Path, pool: asyncpg.Pool, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_facts, "_PAGE_ROWS", 2)
    facts = ItemFacts(tmp_path / "facts", leader)
    await facts.refresh(fetch, "shop")
    assert facts.changed() is None  # all of them are new
    assert facts.of_categories(["shoes", "hats"]) == ["boot"]
    await pool.execute(UPSERT, "boot", "hats", 5)
    await pool.executemany(UPSERT, [(f"n{number}", "shoes", number) for number in range(5)])
    await facts.refresh(fetch, "shop")
    assert facts.changed() == {"boot", *(f"n{number}" for number in range(5))}
    assert facts.changed() == set()
    assert facts.of_categories(["hats", "none", "shoes"]) == ["boot", "n0", "n1", "n2", "n3", "n4"]
    found = facts.get("boot")
    assert found is not None
    assert (found.category_id, found.price, found.brand) == ("hats", 5.0, "acme")
    facts.close()


async def test_who_looks_too_late_is_told_to_forget_everything(
    leader: HostLeader, tmp_path: Path, pool: asyncpg.Pool, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_facts, "_JOURNAL_ENTRIES", 3)
    facts = ItemFacts(tmp_path / "facts", leader)
    await facts.refresh(fetch, "shop")
    facts.changed()
    await pool.executemany(UPSERT, [(f"n{number}", None, 1) for number in range(5)])
    await facts.refresh(fetch, "shop")
    assert facts.changed() is None
    await pool.execute(UPSERT, "n0", None, 2)
    await facts.refresh(fetch, "shop")
    assert facts.changed() == {"n0"}
    facts.close()


async def test_another_dataset_takes_the_place_of_the_first(leader: HostLeader, tmp_path: Path, fetch: Fetch) -> None:
    facts = ItemFacts(tmp_path / "facts", leader)
    await facts.refresh(fetch, "shop")
    await facts.refresh(fetch, "other")
    assert (facts.dataset, [item for item, _ in facts.all()]) == ("other", ["gone"])
    assert facts.of_categories(["shoes"]) == ["gone"]
    facts.close()


async def test_titles_and_article_numbers_follow_whoever_changes_them(
    leader: HostLeader, tmp_path: Path, pool: asyncpg.Pool, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_facts, "_PAGE_ROWS", 2)
    facts = ItemFacts(tmp_path / "facts", leader)

    async def after(statement: str) -> dict[str, Label]:
        await pool.execute(statement)
        await facts.refresh(fetch, "shop")
        return facts.labels.of(["mug", "cup", "boot"])

    found = await after(
        "insert into shop.products (dataset, product_id, title)"
        " values ('shop', 'mug', 'Mug'), ('shop', 'cup', 'Cup'), ('shop', 'tray', 'Tray');"
        "insert into shop.variants (dataset, product_id, sku, stock, recommendation_weight) values"
        " ('shop', 'mug', 'm-1', 0, 9), ('shop', 'mug', 'm-2', 2, 1), ('shop', 'mug', 'm-3', 1, 3),"
        " ('shop', 'cup', 'c', 1, 1)"
    )
    assert found == {"mug": Label("Mug", ["m-3", "m-2", "m-1"], 2), "cup": Label("Cup", ["c"], 1), "boot": NO_LABEL}
    assert facts.labels.owners(["c", "none", "m-1", "m-2"]) == ["cup", "mug"]
    found = await after("update shop.variants set sku = 'm-0', stock = 1 where sku = 'm-2'")
    assert found["mug"] == Label("Mug", ["m-3", "m-0", "m-1"], 2), "though nothing else of the product changed"
    assert facts.labels.owners(["m-2"]) == []
    found = await after("update shop.variants set product_id = 'cup' where sku = 'm-3'")
    assert (found["mug"].skus, found["cup"].skus) == (["m-0", "m-1"], ["m-3", "c"])
    assert facts.labels.owners(["m-3"]) == ["cup"]
    found = await after("delete from shop.products where product_id = 'cup'")
    assert found["cup"] == Label("Cup", [])
    assert facts.labels.owners(["m-3", "c"]) == []
    await facts.refresh(fetch, "other")
    assert facts.labels.of(["mug"]) == {"mug": NO_LABEL}
    assert facts.labels.owners(["m-0"]) == []
    facts.close()


async def test_only_the_leader_asks_postgres(leader: HostLeader, tmp_path: Path, fetch: Fetch) -> None:
    leader.acquire()
    facts = ItemFacts(tmp_path / "facts", HostLeader(tmp_path / "leader.lock"))
    await facts.refresh(fetch, "shop")
    assert facts.get("boot") is None
    facts.close()


async def test_a_damaged_file_is_read_anew(leader: HostLeader, tmp_path: Path, fetch: Fetch) -> None:
    folder = tmp_path / "facts"
    folder.mkdir()
    folder.joinpath("data.mdb").write_bytes(b"no such thing" * 4096)
    facts = ItemFacts(folder, leader)
    await facts.refresh(fetch, "shop")
    assert facts.get("boot") is not None
    facts.close()
