"""What answers call items, titles and article numbers: beside the facts of a host's items, and written with them.

Apart from the facts, because every request looks at those and hardly any at these.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import lmdb
import orjson

from recsys.publishing.changes import Row
from recsys.publishing.codec import storage_key


class Label(NamedTuple):
    """`skus` are the item's variants, the one to show first at the front; the first `in_stock` of them are in stock."""

    title: str | None = None
    skus: Sequence[str] = ()
    in_stock: int = 0


NO_LABEL = Label()


class ItemLabels:
    """Two parts of the file of `ItemFacts`: labels by item, and items by article number."""

    def __init__(self, env: lmdb.Environment) -> None:
        self._env = env
        self._labels = env.open_db(b"labels")
        self._owners = env.open_db(b"owners")

    def of(self, item_ids: Iterable[str]) -> dict[str, Label]:
        """Labels of these items, in their order; `NO_LABEL` where nothing is known."""
        with self._env.begin(db=self._labels) as txn:
            return {item_id: _label(txn.get(storage_key(item_id))) for item_id in item_ids}

    def owners(self, skus: Iterable[str]) -> list[str]:
        """The items that have variants with these article numbers, each once."""
        with self._env.begin(db=self._owners) as txn:
            found = (txn.get(storage_key(sku)) for sku in skus)
            return list(dict.fromkeys(bytes(owner).decode() for owner in found if owner is not None))

    def put(self, txn: lmdb.Transaction, row: Row) -> None:
        """An item as it is now; `row` has its id and the fields of a label."""
        key, item = storage_key(row["item_id"]), row["item_id"].encode()
        for sku in _label(txn.get(key, db=self._labels)).skus:
            # An article that moved may have come in with its new product already.
            if txn.get(storage_key(sku), db=self._owners) == item:
                txn.delete(storage_key(sku), db=self._owners)
        label = Label(row["title"], row["skus"] or (), row["in_stock"])
        if label == NO_LABEL:
            txn.delete(key, db=self._labels)
        else:
            txn.put(key, orjson.dumps(list(label)), db=self._labels)
        for sku in label.skus:
            txn.put(storage_key(sku), item, db=self._owners)

    def clear(self, txn: lmdb.Transaction) -> None:
        """Forget all."""
        for part in (self._labels, self._owners):
            txn.drop(part, delete=False)


def _label(stored: bytes | memoryview | None) -> Label:
    return NO_LABEL if stored is None else Label(*orjson.loads(stored))
