from hypothesis import given
from hypothesis import strategies as st

from recsys.publishing.codec import (
    MAX_KEY_BYTES,
    META_KEY,
    RecommendationList,
    original_key,
    pack,
    storage_key,
    unpack,
)

keys = st.text(st.characters(codec="utf-8"), max_size=20) | st.text(min_size=500, max_size=600)


@given(keys, keys)
def test_keys_never_collide_and_fit_lmdb(one: str, other: str) -> None:
    assert (storage_key(one) == storage_key(other)) == (one == other)
    assert 0 < len(storage_key(one)) <= MAX_KEY_BYTES
    assert storage_key(one) != META_KEY


@given(keys)
def test_a_key_comes_back_from_its_record(key: str) -> None:
    assert original_key(storage_key(key), pack(1, b"i", b"", b"", None, key)) == key


def test_a_key_that_is_no_unicode_merely_misses() -> None:
    assert storage_key("\ud800") == b"\xed\xa0\x80"


def test_only_the_first_entries_are_given() -> None:
    value = pack(3, b"a\0b\0c", bytes(12), b"\0\1\0", b"x\0\0", "k")
    stored = RecommendationList(value, ("r", "s"))
    assert len(stored) == 3
    assert stored.items(2) == ["a", "b"]
    assert stored.items() == stored.items(3) == stored.items(99) == ["a", "b", "c"]
    assert stored.scores(2) == (0.0, 0.0)
    assert stored.scores(9) == (0.0, 0.0, 0.0)
    assert stored.reasons(2) == ["r", "s"]
    assert stored.based_on(1) == ["x"]
    assert stored.based_on() == ["x", None, None]
    assert stored.items(0) == []


def test_absent_parts_are_none() -> None:
    stored = RecommendationList(pack(1, b"a", b"", b"", None, "k"), ())
    assert (stored.items(), stored.scores(), stored.reasons(), stored.based_on()) == (["a"], None, None, None)


def test_unpacking_gives_what_was_packed() -> None:
    long = "k" * 600
    assert unpack(pack(2, b"a\0b", bytes(8), b"\0\1", b"\0x", long)) == (
        2,
        b"a\0b",
        bytes(8),
        b"\0\1",
        b"\0x",
        long.encode(),
    )
