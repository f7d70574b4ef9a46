"""The shop's own rules: what is shown more, less, at a fixed place, never, or alone."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, PrivateAttr, model_validator

from recsys.placements.categories import CategoryTree
from recsys.placements.fields import Id, KnownFields, contradiction
from recsys.publishing.item_facts import Facts
from recsys.schema import Placement

Ids = Annotated[list[Id], Field(max_length=1000)]
Price = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Context = Annotated[dict[Id, Annotated[list[Id], Field(min_length=1, max_length=100)]], Field(max_length=10)]
Stock = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]


class Action(StrEnum):
    """What a rule does to the items that meet its conditions."""

    BOOST = "boost"
    BURY = "bury"
    PIN = "pin"
    EXCLUDE = "exclude"
    INCLUDE_ONLY = "include_only"


class Conditions(KnownFields):
    """All that are given must hold; of a list, one. What is not known of an item meets no condition."""

    item_ids: Ids = Field([])
    category_ids: Ids = Field([], description="With all categories below them.")
    brands: Ids = Field([])
    tags: Ids = Field([])
    price_min: Price | None = None
    price_max: Price | None = None
    stock_min: Stock | None = None
    stock_max: Stock | None = None

    _items: frozenset[str] = PrivateAttr(frozenset())

    def model_post_init(self, context: Any) -> None:
        """Rules may list a thousand items, and are held against many."""
        self._items = frozenset(self.item_ids)

    @model_validator(mode="after")
    def _possible(self) -> "Conditions":
        if self._means_only():
            raise contradiction("No condition is given", "Say which items are meant.")
        for low, high in (("price_min", "price_max"), ("stock_min", "stock_max")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise contradiction(f"{low} {least} is above {high} {most}", "Swap them.")
        return self

    def hold(self, item_id: str, facts: Facts | None, tree: CategoryTree) -> bool:
        """Whether an item meets them."""
        if self._items and item_id not in self._items:
            return False
        if facts is None:
            return self._means_only("item_ids")
        return (
            (not self.category_ids or tree.is_below(facts.category_id, self.category_ids))
            and (not self.brands or facts.brand in self.brands)
            and (not self.tags or any(tag in self.tags for tag in facts.tags))
            and _between(self.price_min, facts.price, self.price_max)
            and _between(self.stock_min, facts.stock, self.stock_max)
        )

    def _means_only(self, *fields: str) -> bool:
        """Whether no condition but these is given."""
        return all(not given and given != 0 for name, given in self if name not in fields)


class Rule(KnownFields):
    """One rule. Where rules meet: exclude and include_only count before pin, pin before boost and bury."""

    action: Action
    conditions: Conditions
    placements: list[Placement] = Field([], description="Where it holds; empty: everywhere.")
    position: Annotated[int, Field(strict=True, ge=1, le=100)] | None = Field(
        None, description="For `pin`: the rank that the item gets."
    )
    places: Annotated[int, Field(strict=True, ge=1, le=50)] | None = Field(
        None,
        description="For `boost` and `bury`: by how many ranks. Of several rules of a kind the strongest counts.",
    )
    context: Context = Field(
        {}, description="Only for requests whose context has for each of these names one of the values; empty: for all."
    )
    starts_at: AwareDatetime | None = Field(None, description="Null: at once.")
    ends_at: AwareDatetime | None = Field(None, description="Null: never.")
    enabled: bool = True
    comment: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def _fits_the_action(self) -> "Rule":
        moves = self.action in (Action.BOOST, Action.BURY)
        if moves != (self.places is not None):
            raise contradiction(
                f"`places` {'is missing' if moves else 'means nothing'} for {self.action}",
                "Say by how many ranks items move." if moves else "Leave it out.",
            )
        pins = self.action is Action.PIN
        if pins != (self.position is not None):
            raise contradiction(
                f"`position` {'is missing' if pins else 'means nothing'} for {self.action}",
                "Give the rank to pin to." if pins else "Leave it out.",
            )
        if pins and len(self.conditions.item_ids) != 1:
            raise contradiction("A pin is of one item", "Give exactly one id in conditions.item_ids.")
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise contradiction("The rule ends before it starts", "Give an ends_at after starts_at.")
        return self

    def holds_at(self, placement: Placement, now: datetime) -> bool:
        """Whether it is in force."""
        return (
            self.enabled
            and (not self.placements or placement in self.placements)
            and (self.starts_at is None or self.starts_at <= now)
            and (self.ends_at is None or now < self.ends_at)
        )

    def fits(self, context: Mapping[str, str]) -> bool:
        """Whether it is for requests with this context."""
        return all(context.get(name) in values for name, values in self.context.items())

    def meets(self, other: "Rule") -> bool:
        """Whether both can be in force at one time in one placement and context."""
        placements = not self.placements or not other.placements or set(self.placements) & set(other.placements)
        return (
            self.enabled
            and other.enabled
            and bool(placements)
            and all(set(values) & set(other.context.get(name, values)) for name, values in self.context.items())
            and not (self.ends_at and other.starts_at and self.ends_at <= other.starts_at)
            and not (other.ends_at and self.starts_at and other.ends_at <= self.starts_at)
        )


def conflicts(
    rule: Rule, others: Mapping[str, Rule], lookup: Callable[[str], Facts | None], tree: CategoryTree
) -> dict[str, str]:
    """Ids of the rules that cannot be kept beside `rule`, and why. What facts may yet bring about is no conflict.

    Args:
        lookup: the facts of an item.
    """
    near = {rule_id: other for rule_id, other in others.items() if rule.meets(other)}
    return {rule_id: why for rule_id, other in near.items() if (why := _conflict(rule, other, near, lookup, tree))}


def _conflict(
    rule: Rule, other: Rule, near: Mapping[str, Rule], lookup: Callable[[str], Facts | None], tree: CategoryTree
) -> str | None:
    if rule.action is Action.PIN and other.action is Action.PIN:
        if rule.conditions.item_ids == other.conditions.item_ids:
            return "both pin the same item"
        return f"both pin to rank {rule.position}" if rule.position == other.position else None
    pin, against = (rule, other) if rule.action is Action.PIN else (other, rule)
    if pin.action is not Action.PIN:
        return None
    [item_id] = pin.conditions.item_ids

    def held(by: Rule) -> bool:
        return by.conditions.hold(item_id, lookup(item_id), tree)

    if against.action is Action.EXCLUDE and (item_id in against.conditions.item_ids or held(against)):
        return f"one pins {item_id!r}, the other excludes it"
    # One of several such rules is enough to let an item in.
    includes = [each for each in (*near.values(), rule) if each.action is Action.INCLUDE_ONLY and pin.meets(each)]
    if against.action is Action.INCLUDE_ONLY and not any(map(held, includes)):
        return f"one pins {item_id!r}, the other includes only items that it is not among"
    return None


def _between(least: float | None, value: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    return value is not None and (least is None or least <= value) and (most is None or value <= most)
