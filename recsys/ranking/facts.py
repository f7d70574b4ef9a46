"""What was known of items and users at a moment. Later events and later item states are cut off at the door."""

from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.sums import exact_mean, exact_sum
from recsys.ranking.candidates import pair_codes
from recsys.schema import Columns, EventType

WINDOWS_DAYS = (3, 14, 60)
_MS_PER_DAY = 86_400_000


class ItemFacts:
    """Every item that was known at a moment, by code.

    Attributes:
        available: bool.
        categories: int32 codes of the category and of its parent (itself at the top), as two rows; `UNKNOWN` for none.
        columns: float32 features by name; NaN where nothing is known.
    """

    def __init__(
        self,
        events: pl.DataFrame,
        item_history: pl.DataFrame,
        categories: pl.DataFrame,
        *,
        now: datetime,
        assume_available: bool,
    ) -> None:
        """The frames are those of a prepared dataset; whatever they hold from after `now` is ignored."""
        self.now = now
        activity = _activity(events.filter(pl.col(Columns.TIMESTAMP) <= now), now)
        states = _states(item_history.filter(pl.col(Columns.TIMESTAMP) <= now), now)
        parents = categories.select(Columns.CATEGORY, pl.coalesce("parent_id", Columns.CATEGORY).alias("parent"))
        table = activity.join(states, on=Columns.ITEM, how="full", coalesce=True)
        table = table.join(parents, on=Columns.CATEGORY, how="left").sort(Columns.ITEM)
        self.items = IdMap(table[Columns.ITEM])
        self.available = table[Columns.IS_AVAILABLE].fill_null(assume_available).to_numpy()
        kinds = table.select(Columns.CATEGORY, pl.coalesce("parent", Columns.CATEGORY).alias("parent"))
        self.categories = np.stack([_dense(column) for column in kinds])
        weights = {days: pl.col(f"weight_{days}d").fill_null(0) for days in WINDOWS_DAYS}
        short, long, _ = WINDOWS_DAYS
        features = table.select(
            *(weight.log1p().alias(f"item_weight_{days}d") for days, weight in weights.items()),
            item_trend=(weights[short] / short).log1p() - (weights[long] / long).log1p(),
            item_users=pl.col("users").fill_null(0).log1p(),
            item_conversion=pl.col("purchases") / pl.col("events"),
            item_age_days=pl.max_horizontal("age_days", "known_days"),
            item_idle_days="idle_days",
            item_price=pl.coalesce(Columns.PRICE, "event_price"),
            category_weight=exact_sum(weights[long]).over(Columns.CATEGORY).log1p(),
        )
        self.columns = {column.name: _floats(column) for column in features}


class UserFacts:
    """What the users of a map had done until a moment.

    Users lie in order of code, so any range of them is a slice of the events: a chunk costs what it holds.
    """

    def __init__(self, events: pl.DataFrame, users: IdMap, facts: ItemFacts) -> None:
        """Args: events: prepared events; those after the moment of `facts`, and those of other users, are ignored."""
        self.users, self.facts = users, facts
        past = events.filter(pl.col(Columns.TIMESTAMP) <= facts.now)
        past = past.with_columns(user=pl.Series(users.codes(past[Columns.USER])))
        past = past.filter(pl.col("user") != UNKNOWN)
        item = facts.items.codes(past[Columns.ITEM])
        self._events = past.select(
            "user",
            Columns.RATING,
            item=pl.Series(item),
            category=pl.Series(facts.categories[0][item]),
            parent=pl.Series(facts.categories[1][item]),
            price=pl.Series(facts.columns["item_price"][item]).fill_nan(None),
            days=_age(facts.now),
            bought=pl.col(Columns.EVENT_TYPE) == EventType.PURCHASE,
        ).sort("user", maintain_order=True)
        self._users = self._events["user"].to_numpy()

    def chunk(self, low: int, high: int) -> "ChunkFacts":
        """The users with codes `low` to `high`, the last excluded."""
        start, stop = np.searchsorted(self._users, [low, high])
        return ChunkFacts(self._events[start:stop], self.facts)


class ChunkFacts:
    """What some users had done, looked up by user or by pair."""

    def __init__(self, events: pl.DataFrame, facts: ItemFacts) -> None:
        self._events, self._facts = events, facts

    @cached_property
    def purchased(self) -> np.ndarray:
        """Sorted codes of the pairs that were bought, once or more often; see `candidates.pair_codes`."""
        bought = self._events.filter("bought")
        return np.sort(pair_codes(bought["user"], bought["item"], len(self._facts.items)))

    def of_users(self, users: np.ndarray) -> dict[str, np.ndarray]:
        """Features of users, given by code."""
        return self._look_up(
            ["user"],
            [users],
            user_events=pl.len().log1p(),
            user_items=pl.col("item").n_unique().log1p(),
            user_idle_days=pl.col("days").min(),
            user_known_days=pl.col("days").max(),
            user_purchase_share=pl.col("bought").mean(),
        )

    def of_pairs(self, users: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
        """Features of what users had to do with items, with their categories and their parents."""
        total = exact_sum(pl.col(Columns.RATING))
        category, parent = self._facts.categories[:, items]
        usual = self._look_up(["user"], [users], usual=exact_mean(pl.col("price").log1p()))["usual"]
        return {
            **self._look_up(
                ["user", "item"],
                [users, items],
                pair_weight=total.log1p(),
                pair_idle_days=pl.col("days").min(),
                pair_best_event=pl.col(Columns.RATING).max(),
            ),
            **self._look_up(
                ["user", "category"],
                [users, category],
                category_affinity=total.log1p(),
                category_idle_days=pl.col("days").min(),
            ),
            **self._look_up(["user", "parent"], [users, parent], parent_affinity=total.log1p()),
            "price_to_usual": np.log1p(self._facts.columns["item_price"][items]) - usual,
        }

    def _look_up(self, by: list[str], codes: list[np.ndarray], **features: pl.Expr) -> dict[str, np.ndarray]:
        """Group the events by one or two columns of codes and give each row of `codes` its group's features."""
        groups = self._events.group_by(by).agg(**features)
        keys = _keys(*(groups[column].to_numpy() for column in by))
        order = np.argsort(keys)
        keys, wanted = keys[order], _keys(*codes)
        places = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        found = keys[places] == wanted if len(keys) else np.zeros(len(wanted), bool)
        columns = {}
        for name in features:
            columns[name] = np.full(len(wanted), np.nan, np.float32)
            columns[name][found] = _floats(groups[name])[order][places[found]]
        return columns


def _keys(users: np.ndarray, codes: np.ndarray | None = None) -> np.ndarray:
    """One int64 a row; `UNKNOWN`, which is -1, becomes 0 so that it never reads as another user's code."""
    shifted = users.astype(np.int64) << 32
    return shifted if codes is None else shifted | (codes.astype(np.int64) + 1)


def _age(now: datetime) -> pl.Expr:
    """Days from an event to `now`."""
    return ((pl.lit(now) - pl.col(Columns.TIMESTAMP)).dt.total_milliseconds() / _MS_PER_DAY).cast(pl.Float32)


def _activity(events: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """What happened to each item."""
    rating = pl.col(Columns.RATING)
    return (
        events.with_columns(days=_age(now))
        .group_by(Columns.ITEM)
        .agg(
            *(exact_sum(rating.filter(pl.col("days") < days)).alias(f"weight_{days}d") for days in WINDOWS_DAYS),
            events=pl.len(),
            users=pl.col(Columns.USER).n_unique(),
            purchases=(pl.col(Columns.EVENT_TYPE) == EventType.PURCHASE).sum(),
            age_days=pl.col("days").max(),
            idle_days=pl.col("days").min(),
            event_price=exact_mean(pl.col(Columns.PRICE)),
        )
    )


def _states(item_history: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """What was last said of each item, and since when anything is known of it; rows lie in order of time."""
    last = (pl.col(name).last() for name in (Columns.CATEGORY, Columns.IS_AVAILABLE, Columns.PRICE))
    return item_history.group_by(Columns.ITEM).agg(*last, known_days=_age(now).max())


def _dense(column: pl.Series) -> np.ndarray:
    return IdMap(column).codes(column)


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float32).fill_null(float("nan")).to_numpy()
