"""What else is on sale: the last resort when a shopper bought, or the shop sold out, most of what is popular."""

from collections.abc import Iterator
from itertools import chain, islice

from recsys.publishing.availability import Availability
from recsys.publishing.snapshot import Snapshot
from recsys.schema import RecommendationTable

SIZE = 1000


class Reserve:
    """Up to a thousand available items: the categories' popular ones, then any other of the catalogue.

    Built when first needed after a change of version or stock, because hardly any request needs it.
    """

    def __init__(self, stock: Availability) -> None:
        self.stock = stock
        self._made_of: tuple[Snapshot | None, int] = (None, 0)
        self._items: tuple[str, ...] = ()

    def items(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Different item ids, available when the reserve was built."""
        made_of = (snapshot, len(self.stock.unavailable))
        if self._made_of != made_of:
            candidates = chain(_popular_by_category(snapshot), _catalogue(snapshot))
            available = (item_id for item_id in candidates if item_id not in self.stock.unavailable)
            self._items, self._made_of = tuple(islice(_unique(available), SIZE)), made_of
        return self._items


def _popular_by_category(snapshot: Snapshot) -> Iterator[str]:
    table = snapshot.tables.get(RecommendationTable.DEFAULT)
    for category_id in table.file.keys() if table else ():
        found = snapshot.get(RecommendationTable.DEFAULT, category_id)
        yield from found.items() if found else ()


def _catalogue(snapshot: Snapshot) -> Iterator[str]:
    # Every item has similar ones, so this table's keys are the catalogue.
    table = snapshot.tables.get(RecommendationTable.SIMILAR)
    yield from table.file.keys() if table else ()


def _unique(items: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for item in items:
        if item not in seen:
            seen.add(item)
            yield item
