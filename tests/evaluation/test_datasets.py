import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import BadInputError
from recsys.evaluation.datasets.base import EPOCH, EvaluationData
from recsys.evaluation.datasets.known import DATASETS, read
from recsys.evaluation.datasets.lines import read_lines
from recsys.models.base import INTERACTIONS

ids = st.text("abc019_", min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(lines=st.dictionaries(ids, st.lists(ids, max_size=5), min_size=1), blank=st.sampled_from(["\n", " \n", "\r\n"]))
def test_lines_are_read_as_they_were_written(
    lines: dict[str, list[str]], blank: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "file.txt"
    path.write_bytes("".join(" ".join([user, *items]) + blank for user, items in lines.items()).encode())
    rows = [(user, item, place) for user, items in lines.items() for place, item in enumerate(items)]
    if rows:
        assert read_lines(path).rows() == rows
    else:
        with pytest.raises(BadInputError, match="no user with an item"):
            read_lines(path)


def test_a_user_on_two_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("a x y\nb x\na z\n")
    with pytest.raises(BadInputError, match="more than one line for user 'a'"):
        read_lines(tmp_path / "file.txt")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00\x01 2\n"])
def test_what_is_no_text_of_that_form_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_bytes(content)
    with pytest.raises(BadInputError, match=r"file\.txt"):
        read_lines(tmp_path / "file.txt")


def test_gowalla_has_no_times_but_keeps_the_order_of_lines(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 5 3 5\n1 3\n")
    (tmp_path / "test.txt").write_text("0 7\n1\n")
    data = read("gowalla", tmp_path)
    assert data.interactions.schema == INTERACTIONS
    assert data.interactions.select("user_id", "item_id").rows() == [("0", "5"), ("0", "3"), ("1", "3")]
    assert data.interactions["timestamp"].unique().to_list() == [EPOCH]
    assert data.held_out.rows() == [("0", "7")]
    assert data.items["item_id"].to_list() == ["3", "5", "7"]


def test_beauty_is_in_order_and_users_end_together(tmp_path: Path) -> None:
    folder = tmp_path / "beauty"
    folder.mkdir()
    (folder / "Beauty.txt").write_text("1 30 10 20\n2 10\n")
    (folder / "Beauty_item2attributes.json").write_text(json.dumps({"10": [1, 2], "20": [], "99": [3]}))
    data = read("beauty", tmp_path)
    days = [(user, item, (EPOCH - time) / timedelta(days=1)) for user, item, time, _ in data.interactions.rows()]
    assert days == [("1", "30", 2.0), ("1", "10", 1.0), ("1", "20", 0.0), ("2", "10", 0.0)]
    assert data.attributes.rows() == [("10", "1"), ("10", "2"), ("99", "3")]
    assert data.items.rows() == [("10", ["1", "2"]), ("20", None), ("30", None)]
    (folder / "Beauty_item2attributes.json").write_text("[1]")
    with pytest.raises(BadInputError, match="item2attributes"):
        read("beauty", folder)


def test_the_real_benchmarks_have_their_published_sizes(shared_data: Callable[[str], Path]) -> None:
    gowalla = read("gowalla", shared_data("gowalla"))
    assert (gowalla.interactions["user_id"].n_unique(), gowalla.items.height) == (29_858, 40_981)
    assert gowalla.interactions.height + gowalla.held_out.height == 1_027_370
    beauty = read("beauty", shared_data("beauty"))
    assert (beauty.interactions["user_id"].n_unique(), beauty.items.height) == (22_363, 12_101)
    assert beauty.interactions.height == 198_502


def test_a_shop_is_read_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1430000000000,1,view,10,\n1430000060000,1,transaction,10,5\n1430099999000,2,addtocart,11,\n"
    )
    (tmp_path / "category_tree.csv").write_text("categoryid,parentid\n7,3\n3,\n")
    (tmp_path / "item_properties_part1.csv").write_text(
        "timestamp,itemid,property,value\n1430000000000,10,categoryid,7\n1430050000000,10,categoryid,3\n"
    )
    with zipfile.ZipFile(tmp_path / "events.csv.zip", "w") as archive:
        archive.write(tmp_path / "events.csv", "events.csv")
    (tmp_path / "events.csv").unlink()
    data = read("retailrocket", tmp_path)
    assert data.protocols == ("time", "session")
    assert data.interactions.select("user_id", "item_id", "event_type", "rating").rows() == [
        ("1", "10", "view", 1.0),
        ("1", "10", "purchase", 5.0),
        ("2", "11", "add_to_cart", 3.0),
    ]
    assert data.attributes.rows() == [("10", "3")]
    category = [
        data.items_at(datetime.fromtimestamp(second, UTC)).filter(item_id="10")["category_id"].item()
        for second in (1_429_999_999, 1_430_000_001, 1_430_060_000)
    ]
    assert category == [None, "7", "3"]


def test_the_simulated_shop_needs_no_files_and_is_always_the_same() -> None:
    one, other = read("simulator"), read("simulator")
    assert one.interactions.height == 200_000
    assert one.interactions.equals(other.interactions)
    assert one.items.equals(other.items)
    assert not one.attributes.is_empty()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as unknown:
        read("movies", tmp_path)
    assert all(name in str(unknown.value) for name in (*DATASETS, "current"))
    (tmp_path / "train.txt").touch()
    with pytest.raises(BadInputError, match=r"missing: test\.txt"):
        read("gowalla", tmp_path)
    with pytest.raises(BadInputError, match=r"missing: transactions\.parquet, products\.parquet"):
        read("complete_journey", tmp_path)
    with pytest.raises(BadInputError, match=r"missing: online_retail\.csv"):
        read("online_retail", tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="read from files"):
        read("beauty")


def test_items_without_a_history_are_as_they_are() -> None:
    items = pl.DataFrame({"item_id": ["a"]})
    assert EvaluationData("x", ("fixed",), INTERACTIONS.to_frame(), items).items_at(EPOCH) is items
