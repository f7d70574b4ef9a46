"""A shop that does not exist, with RetailRocket's shape: any size, the same for the same seed, made as it is loaded.

The original's 4.5 months of 2015: 2.76 M events, 1.41 M visitors of whom 71 % come once, 235 k items with events,
1,669 categories, 20 M property rows; 96.7 % views, 2.5 % carts, 0.8 % purchases.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources.base import Chunk, Input, Source
from recsys.sources.simulated_catalogue import Catalogue
from recsys.sources.simulated_shoppers import Shoppers

# Part of the digest: raise it whenever the same seed gives another shop.
REVISION = 1
PROPERTY_ROWS_PER_ITEM = 85


@dataclass(frozen=True)
class Sizes:
    """What to simulate. `property_rows` is met within a few percent; None is RetailRocket's 85 an item.

    Raises:
        BadInputError: a size is out of its range.
    """

    users: int = 2_000
    items: int = 500
    events: int = 30_000
    days: int = 60
    seed: int = 42
    property_rows: int | None = None

    def __post_init__(self) -> None:
        ranges = {
            "users": (1, 20_000_000),
            "items": (20, 2_000_000),
            "events": (self.users, 1_000_000_000),
            "days": (1, 730),
            "seed": (0, 2**63 - 1),
            "property_rows": (1, 10_000_000_000),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                because = " (every user has at least one event)" if name == "events" else ""
                raise BadInputError(
                    f"--{name.replace('_', '-')} {value} is out of range.",
                    remedy=f"Choose from {low:,} to {high:,}{because}.",
                )


class Simulator(Source):
    """The simulated shop.

    Args:
        end: the midnight its events lead up to; by default the last one (UTC). It shifts the calendar and nothing else.
    """

    name = "simulator"
    is_whole = True

    def __init__(self, sizes: Sizes = Sizes(), end: datetime | None = None) -> None:
        self.sizes = sizes
        self.end = end or datetime.combine(datetime.now(UTC), time.min, UTC)

    def inputs(self) -> list[Input]:
        """One stream that feeds all three tables."""
        return [SimulatedShop(self.sizes, self.end - timedelta(days=self.sizes.days))]


class SimulatedShop(Input):
    """The stream of categories, item properties and events."""

    name = "simulation"
    tables = (RawTable.EVENTS, RawTable.ITEM_PROPERTIES, RawTable.CATEGORY_TREE)

    def __init__(self, sizes: Sizes, start: datetime) -> None:
        self.sizes = sizes
        self.start_ms = int(start.timestamp() * 1000)
        self.property_rows = sizes.property_rows or PROPERTY_ROWS_PER_ITEM * sizes.items

    def digest(self) -> str:
        """Of the sizes and the seed, without the calendar."""
        return hashlib.sha256(f"simulation {REVISION} {self.sizes}".encode()).hexdigest()

    def size(self) -> int:
        """In rows."""
        return self.sizes.events + self.property_rows

    def chunks(self) -> Iterator[Chunk]:
        """Categories, properties, then events."""
        sizes = self.sizes
        catalogue = Catalogue(sizes.items, sizes.days, self.start_ms, sizes.seed)
        shoppers = Shoppers(catalogue, sizes.users, sizes.events, sizes.seed)
        position = 0
        yield Chunk({RawTable.CATEGORY_TREE: catalogue.categories()}, None, position)
        for table, frames in (
            (RawTable.ITEM_PROPERTIES, catalogue.properties(self.property_rows)),
            (RawTable.EVENTS, shoppers.events()),
        ):
            for frame in frames:
                position += frame.height
                yield Chunk({table: frame}, None, position)
