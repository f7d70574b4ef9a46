"""The simulated shop's categories and items, and how their properties change from week to week."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys.schema import Property

DAY_MS = 86_400_000
WEEK_DAYS = 7
STYLES = 4
ATTRIBUTES = 24
CHUNK_ROWS = 1_000_000

STYLE_WORDS = ("Classic", "Modern", "Rustic", "Playful")
MATERIALS = ("Oak", "Linen", "Steel", "Glass", "Cotton", "Leather", "Bamboo", "Ceramic", "Wool", "Marble", "Cork")
NOUNS = (
    "Lamp",
    "Chair",
    "Mug",
    "Shirt",
    "Bag",
    "Clock",
    "Table",
    "Vase",
    "Boots",
    "Watch",
    "Pillow",
    "Knife",
    "Mirror",
)

Array = npt.NDArray[Any]


class Catalogue:
    """Items in *cells*: a leaf category in one style. Shoppers have tastes for cells; attributes let a model see them.

    Items are numbered by cell and, in a cell, by birth, so that "what this cell offered at that time" is a range.

    Attributes:
        cell, birth: per item, its cell and the day it arrived (0: there from the beginning).
        reach: running sum of the items' long-tailed appeal.
        price, available: by week and item.
        ids: item ids, as text.
    """

    def __init__(self, items: int, days: int, start_ms: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.items, self.days, self.start_ms, self.seed = items, days, start_ms, seed
        self.weeks = -(-days // WEEK_DAYS)
        self.leaves = int(np.clip(items // 40, 4, 1_400))
        self._grow_tree(rng)
        share = 1 / (np.arange(self.leaves) + 5.0) ** 0.8
        leaf = rng.choice(self.leaves, items, p=share / share.sum())
        cell = leaf * STYLES + rng.integers(0, STYLES, items)
        birth = np.where(rng.random(items) < 0.8, 0.0, rng.random(items) * days)
        order = np.lexsort((birth, cell))
        self.cell, self.birth = cell[order], birth[order]
        self.birth_week = (self.birth // WEEK_DAYS).astype(np.int32)
        self.reach = np.cumsum(np.minimum(1 / (1 - rng.random(items)), 5_000.0))
        self.ids = pl.Series(rng.permutation(items * 2)[:items]).cast(pl.String)
        self._live_through_weeks(rng)

    def _grow_tree(self, rng: np.random.Generator) -> None:
        """Leaves below middle categories below roots; numbers below `leaves` are the leaves."""
        self.middles = max(self.leaves // 6, 2)
        roots = max(self.middles // 8, 1)
        total = self.leaves + self.middles + roots
        self.category_ids = pl.Series(rng.permutation(total) + 1).cast(pl.String)
        middle_of_leaf = self.leaves + np.arange(self.leaves) % self.middles
        root_of_middle = self.leaves + self.middles + np.arange(self.middles) % roots
        self._parents = np.concatenate([middle_of_leaf, root_of_middle, np.full(roots, -1)])

    def _live_through_weeks(self, rng: np.random.Generator) -> None:
        price = np.round(np.exp(rng.normal(3, 0.9, self.items)) + 0.5, 2)
        base, available = price, rng.random(self.items) < 0.9
        self.price = np.empty((self.weeks, self.items), np.float32)
        self.available = np.empty((self.weeks, self.items), bool)
        for week in range(self.weeks):
            self.price[week], self.available[week] = price, available
            moves = rng.random(self.items) < 0.1
            price = np.where(moves, np.round(base * rng.uniform(0.7, 1.1, self.items), 2), price)
            available = np.where(available, rng.random(self.items) >= 0.06, rng.random(self.items) < 0.5)

    def categories(self) -> pl.DataFrame:
        """The category tree."""
        parents = pl.Series(np.where(self._parents < 0, 0, self._parents))
        return pl.DataFrame({"category_id": self.category_ids, "parent_id": self.category_ids.gather(parents)}).select(
            "category_id",
            pl.when(pl.Series(self._parents >= 0)).then("parent_id").alias("parent_id"),
        )

    def properties(self, rows: int) -> Iterator[pl.DataFrame]:
        """About `rows` rows: all of an item when it arrives, then what changes at the start of each week."""
        rng = np.random.default_rng([self.seed, 2])
        attributes = int(np.clip((rows // self.items - 4) // 2, 1, ATTRIBUTES))
        names = pl.Series(rng.permutation(1_100)[:attributes]).cast(pl.String)
        # Shared by most items or by few, so that preparing has something to leave out.
        shares = np.where(np.arange(attributes) % 3 < 2, 1.0, rng.uniform(0.05, 0.9, attributes))
        budget = rows
        for week in range(self.weeks):
            for frame in self._weekly(week, names, shares, rng):
                budget -= frame.height
                yield frame
            # What is left to spend goes to attributes that keep changing, evenly over the weeks to come.
            restated = max(budget // (self.weeks - week), 0)
            budget -= restated
            born = np.flatnonzero(self.birth_week <= week)
            for size in _parts(restated, CHUNK_ROWS):
                item = rng.choice(born, size)
                attribute = rng.integers(0, attributes, size)
                value = pl.Series(rng.integers(0, 1_000, size)).cast(pl.String)
                yield self._rows(self._week_ms(week), item, names.gather(attribute), value)

    def _weekly(self, week: int, names: pl.Series, shares: Array, rng: np.random.Generator) -> Iterator[pl.DataFrame]:
        """Arrivals with all they have, and changes of price, stock and title of the others."""
        arrived = np.flatnonzero(self.birth_week == week)
        for start in range(0, len(arrived), CHUNK_ROWS // len(names)):
            item = arrived[start : start + CHUNK_ROWS // len(names)]
            times = self.start_ms + (self.birth[item] * DAY_MS).astype(np.int64)
            category = self.category_ids.gather(self.cell[item] // STYLES)
            yield self._rows(times, item, Property.CATEGORY, category)
            yield self._rows(times, item, Property.AVAILABLE, self._stock(week, item))
            yield self._rows(times, item, Property.PRICE, self._prices(week, item))
            yield self._rows(times, item, Property.TITLE, self._titles(item))
            for number, (name, share) in enumerate(zip(names, shares, strict=True)):
                has = rng.random(len(item)) < share
                yield self._rows(times[has], item[has], name, self._attribute(number, item[has], rng))
        if week == 0:
            return
        others = self.birth_week < week
        for name, states, values in (
            (Property.AVAILABLE, self.available, self._stock),
            (Property.PRICE, self.price, self._prices),
        ):
            item = np.flatnonzero(others & (states[week] != states[week - 1]))
            yield self._rows(self._week_ms(week), item, name, values(week, item))
        item = np.flatnonzero(others & (rng.random(self.items) < 0.003))
        yield self._rows(self._week_ms(week), item, Property.TITLE, "New " + self._titles(item))

    def _week_ms(self, week: int) -> int:
        return self.start_ms + week * WEEK_DAYS * DAY_MS

    def _rows(self, times: Array | int, item: Array, name: str | pl.Series, value: pl.Series) -> pl.DataFrame:
        return pl.select(
            timestamp_ms=pl.lit(pl.Series(times) if isinstance(times, np.ndarray) else times, pl.Int64),
            item_id=self.ids.gather(item),
            property=pl.lit(name),
            value=value,
        )

    def _stock(self, week: int, item: Array) -> pl.Series:
        return pl.Series(self.available[week, item].astype(np.int8)).cast(pl.String)

    def _prices(self, week: int, item: Array) -> pl.Series:
        return pl.Series(np.round(self.price[week, item].astype(np.float64), 2)).cast(pl.String)

    def _titles(self, item: Array) -> pl.Series:
        leaf = self.cell[item] // STYLES
        words = (
            (STYLE_WORDS, self.cell[item] % STYLES),
            (MATERIALS, leaf % len(MATERIALS)),
            (NOUNS, leaf % len(NOUNS)),
        )
        parts = [pl.Series(choices, dtype=pl.String).gather(which) for choices, which in words]
        return pl.select(pl.concat_str(*parts, pl.Series(item).cast(pl.String), separator=" ")).to_series()

    def _attribute(self, number: int, item: Array, rng: np.random.Generator) -> pl.Series:
        """Attributes carry, in turn, the cell, the category, the style, and nothing; one value in ten is wrong."""
        meaning = (
            self.cell[item],
            self.cell[item] // STYLES,
            self.cell[item] % STYLES,
            rng.integers(0, 200, len(item)),
        )
        true = meaning[number % len(meaning)]
        noisy = np.where(rng.random(len(item)) < 0.1, rng.integers(0, 1_000, len(item)), true)
        return pl.Series((noisy * 7_919 + number * 104_729) % 1_000_003).cast(pl.String)


def _parts(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
