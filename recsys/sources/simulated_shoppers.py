"""What simulated shoppers do: long-tailed activity, sessions, tastes, and the funnel from view to cart to purchase."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from recsys.schema import EventType
from recsys.sources.simulated_catalogue import DAY_MS, STYLES, WEEK_DAYS, Array, Catalogue

CART_SHARE, PURCHASE_SHARE = 0.025, 0.008
NEW_SESSION, REPEATED_VIEW = 0.35, 0.15
CHUNK_EVENTS = 250_000
SECOND_MS = 1_000
# Shoppers sleep: the share of a day's sessions that have begun by each hour.
HOURS = np.cumsum([0, 3, 2, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 6, 7, 8, 8, 8, 7, 6, 5, 4]) / 111


@dataclass(frozen=True)
class Visits:
    """Sessions of some users, and their events in order.

    Attributes:
        user, start_ms, cell: per session; cell is -1 where the shopper just looks around.
        session: per event, its session.
    """

    user: Array
    start_ms: Array
    cell: Array
    session: Array


class Shoppers:
    """A population with tastes."""

    def __init__(self, catalogue: Catalogue, users: int, events: int, seed: int) -> None:
        self.catalogue, self.seed = catalogue, seed
        rng = np.random.default_rng([seed, 3])
        self.counts = long_tailed_counts(users, events, rng)
        self.ids = pl.Series(rng.permutation(users)).cast(pl.String)
        # A third is there from the first day, the others arrive over time.
        self.arrival = np.maximum(rng.random(users) * 1.5 - 0.5, 0) * catalogue.days
        # A taste is a cell as popular as its items are many, and its sister categories in the same style.
        self.taste = catalogue.cell[rng.integers(0, catalogue.items, users)]
        self.sister = (self.taste + STYLES * catalogue.middles * rng.integers(1, 3, users)) % (
            catalogue.leaves * STYLES
        )

    def events(self) -> Iterator[pl.DataFrame]:
        """Events by shopper and time, some hundred thousand at a time."""
        rng = np.random.default_rng([self.seed, 4])
        ends = np.cumsum(self.counts)
        sessions, owed = 0, np.zeros(2)
        first = 0
        while first < len(ends):
            done = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, done + CHUNK_EVENTS)), first + 1)
            visits = self._visits(np.arange(first, last), rng)
            yield self._act(visits, sessions, owed, rng)
            sessions += len(visits.user)
            first = last

    def _visits(self, users: Array, rng: np.random.Generator) -> Visits:
        owner = np.repeat(users, self.counts[users])
        starts = rng.random(len(owner)) < NEW_SESSION
        starts[0] = True
        starts[1:] |= owner[1:] != owner[:-1]
        session = np.cumsum(starts) - 1
        user = owner[starts]
        # Most return soon or not at all: the square leans towards the arrival.
        day = self.arrival[user] + rng.random(len(user)) ** 2 * (self.catalogue.days - self.arrival[user])
        day = np.sort(user * float(self.catalogue.days + 1) + day) - user * float(self.catalogue.days + 1)
        day = np.clip(day, 0, self.catalogue.days - 0.01)
        hour = np.interp(day % 1, HOURS, np.arange(25)) / 24
        mood = rng.random(len(user))
        cell = np.where(mood < 0.6, self.taste[user], np.where(mood < 0.85, self.sister[user], -1))
        return Visits(user, ((day // 1 + hour) * DAY_MS).astype(np.int64), cell, session)

    def _act(self, visits: Visits, sessions_before: int, owed: Array, rng: np.random.Generator) -> pl.DataFrame:
        session, size = visits.session, len(visits.session)
        follows = np.zeros(size, bool)
        follows[1:] = session[1:] == session[:-1]
        times = self._times(visits, follows, rng)
        week = np.minimum(times // (WEEK_DAYS * DAY_MS), self.catalogue.weeks - 1)
        item = self._choose(visits.cell[session], times / DAY_MS, rng)
        item = _carry(item, follows & (rng.random(size) < REPEATED_VIEW))
        in_stock = self.catalogue.available[week, item]
        tasteful = visits.cell[session] >= 0

        owed += size * np.array([CART_SHARE, PURCHASE_SHARE])
        may_cart = follows & tasteful & np.roll(in_stock, 1)
        cart = _pick(may_cart, owed[0], rng)
        cart[1:] &= ~cart[:-1]
        bought = _pick(np.roll(cart, 1) & follows & ~cart & ~np.roll(cart, -1), owed[1], rng)
        owed -= [cart.sum(), bought.sum()]
        item = _carry(item, cart | bought)

        price = np.where(bought, self.catalogue.price[week, item], np.nan)
        quantity = np.where(bought, rng.geometric(0.8, size), np.nan)
        kind = pl.Series(list(EventType), dtype=pl.String).gather(cart + 2 * bought)
        return pl.DataFrame(
            {
                "timestamp_ms": self.catalogue.start_ms + times,
                "user_id": self.ids.gather(visits.user[session]),
                "item_id": self.catalogue.ids.gather(item),
                "event_type": kind,
                "order_id": pl.Series(sessions_before + session).cast(pl.String),
                "price": pl.Series(price, nan_to_null=True),
                "quantity": pl.Series(quantity, nan_to_null=True),
            }
        ).with_columns(pl.when(pl.Series(bought)).then("order_id").alias("order_id"))

    def _times(self, visits: Visits, follows: Array, rng: np.random.Generator) -> Array:
        """Milliseconds since the simulation's start; within a session, some seconds to minutes apart."""
        pause = np.where(follows, rng.exponential(50 * SECOND_MS, len(follows)), 0).astype(np.int64)
        elapsed = np.cumsum(pause)
        elapsed -= elapsed[np.flatnonzero(~follows)][visits.session]
        return np.minimum(visits.start_ms[visits.session] + elapsed, self.catalogue.days * DAY_MS - 1)

    def _choose(self, cell: Array, day: Array, rng: np.random.Generator) -> Array:
        """An item that exists by then, from the cell (-1: from the whole shop), the more appealing the likelier."""
        catalogue = self.catalogue
        span = catalogue.days + 1.0
        place = catalogue.cell * span + catalogue.birth
        low = np.where(cell < 0, 0, np.searchsorted(place, cell * span))
        high = np.where(cell < 0, catalogue.items, np.searchsorted(place, cell * span + day, side="right"))
        item = _draw(catalogue.reach, low, high, rng)
        # A cell without items by then, or a passer-by who met an item too early: something that was always there.
        early = (high <= low) | (catalogue.birth[item] > day)
        always = np.flatnonzero(catalogue.birth == 0)
        item[early] = always[rng.integers(0, len(always), int(early.sum()))]
        return item


def long_tailed_counts(users: int, events: int, rng: np.random.Generator) -> Array:
    """Events per user: a discretised Pareto law, at least 1 each, adding up to `events`.

    With RetailRocket's mean of 1.96 it gives 70 % of visitors a single event.
    """
    quantile = (np.arange(users) + 0.5) / users
    cap = max(events // 300, 20 * events // users)

    def counts(exponent: float) -> Array:
        return np.minimum(quantile ** (-1 / exponent), cap).astype(np.int64)

    low, high = 0.05, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if counts(middle).sum() > events else (low, middle)
    result = rng.permutation(counts(high))
    # The law is now at most `events`; the rest goes to users who come back anyway.
    missing = events - int(result.sum())
    regulars = np.flatnonzero(result > 1) if (result > 1).any() else np.arange(users)
    result += np.bincount(rng.choice(regulars, missing), minlength=users)
    return result


def _draw(reach: Array, low: Array, high: Array, rng: np.random.Generator) -> Array:
    """One index from each range [low, high), by weight; `reach` is the running sum of the weights."""
    before = np.where(low > 0, reach[np.minimum(low, len(reach)) - 1], 0.0)
    upto = np.where(high > 0, reach[high - 1], 0.0)
    target = before + rng.random(len(low)) * (upto - before)
    return np.clip(np.searchsorted(reach, target, side="right"), low, np.maximum(high - 1, low)).clip(0, len(reach) - 1)


def _carry(item: Array, repeats: Array) -> Array:
    """Where an event repeats, the item of the event before it."""
    origin = np.where(repeats, 0, np.arange(len(item)))
    return item[np.maximum.accumulate(origin)]


def _pick(allowed: Array, wanted: float, rng: np.random.Generator) -> Array:
    """A random subset of the allowed positions, of the wanted size as far as they suffice."""
    positions = np.flatnonzero(allowed)
    picked = np.zeros(len(allowed), bool)
    picked[rng.choice(positions, min(max(round(wanted), 0), len(positions)), replace=False)] = True
    return picked
