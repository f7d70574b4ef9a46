"""What each placement shows: from which sources, in which order, and how mixed.

A cascade is tried from the top. The first source that is enabled and has something answers; those after it top up. One
with a `weight` does not wait for its turn: it also gets that share of the places while sources before it still give.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from recsys.placements.fields import KnownFields, contradiction
from recsys.schema import Placement, Source


class CascadeSource(KnownFields):
    """One source of a cascade."""

    source: Source
    enabled: bool = True
    size: Annotated[int, Field(strict=True, ge=1, le=100)] | None = Field(
        None, description="Items of an answer that it may give at most; null: as many as it has."
    )
    weight: float = Field(
        0,
        ge=0,
        lt=1,
        description="Share of the places it gets while sources before it still have items; 0: it only tops up."
        " `online` then stands for neighbours of events that the lists of the pipeline do not know yet.",
    )

    @field_validator("source")
    @classmethod
    def _not_explored(cls, source: Source) -> Source:
        if source is Source.EXPLORATION:
            known = ", ".join(str(each) for each in Source if each is not Source.EXPLORATION)
            raise contradiction(
                "Explored items have places of their own and are no part of a cascade",
                f"Set `exploration` of the placement, and choose from {known} here.",
            )
        return source


class PlacementConfiguration(KnownFields):
    """How one placement puts its answers together."""

    cascade: Annotated[list[CascadeSource], Field(min_length=1, max_length=20)]
    exploration: float = Field(
        0, ge=0, le=0.5, description="Share of the places given to new or little-shown items, chosen at random."
    )
    diversity: float = Field(
        0,
        ge=0,
        le=1,
        description="How far an item steps back for each better one of its category; at 1 by ten places.",
    )
    category_cap: Annotated[int, Field(strict=True, ge=1, le=100)] | None = Field(
        None, description="Items of one category before those of others come; null: any number."
    )

    @model_validator(mode="after")
    def _each_once(self) -> "PlacementConfiguration":
        sources = [step.source for step in self.cascade]
        twice = sorted({source for source in sources if sources.count(source) > 1})
        if twice:
            raise contradiction(f"{', '.join(twice)} stands in the cascade more than once", "Name each source once.")
        if not any(step.enabled for step in self.cascade):
            raise contradiction("No source of the cascade is enabled", "Enable one.")
        return self


def _cascade(*sources: Source, **weights: float) -> PlacementConfiguration:
    """Of these sources, with the weights given."""
    cascade = [CascadeSource(source=source, weight=weights.get(source, 0)) for source in sources]
    return PlacementConfiguration(cascade=cascade)


DEFAULTS: dict[Placement, PlacementConfiguration] = {
    # Events newer than a list are answered at once: every second item then is a neighbour of what was just done.
    Placement.HOME: _cascade(
        Source.RANKED, Source.PERSONALIZED, Source.ONLINE, Source.CONTENT, Source.DEFAULT, online=0.5
    ),
    Placement.PRODUCT: _cascade(Source.SIMILAR, Source.CONTENT, Source.ONLINE, Source.DEFAULT),
    Placement.CATEGORY: _cascade(Source.RANKED, Source.PERSONALIZED, Source.ONLINE, Source.DEFAULT, online=0.5),
    Placement.CART: _cascade(Source.SIMILAR, Source.CONTENT, Source.ONLINE, Source.DEFAULT),
    Placement.SEARCH_EMPTY: _cascade(
        Source.ONLINE, Source.RANKED, Source.PERSONALIZED, Source.TRENDING, Source.DEFAULT
    ),
    Placement.EMAIL: _cascade(Source.RANKED, Source.PERSONALIZED, Source.ONLINE, Source.NEWEST, Source.DEFAULT),
}


class Configuration(KnownFields):
    """The whole configuration of a shop; a placement left out is as built in."""

    placements: dict[Placement, PlacementConfiguration] = Field(default_factory=dict)

    def of(self, placement: Placement) -> PlacementConfiguration:
        """What counts for a placement."""
        return self.placements.get(placement, DEFAULTS[placement])

    def complete(self) -> "Configuration":
        """With what is built in written out."""
        return Configuration(placements={placement: self.of(placement) for placement in Placement})


def differences(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """Where two JSON documents differ: `path` like `placements.home.cascade.0.weight`, and the value on each side."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        keys = list(before | after)
        pairs = [(str(key), before.get(key), after.get(key)) for key in keys]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(str(place), *pair) for place, pair in enumerate(zip(before, after, strict=True))]
    else:
        yield {"path": path, "before": before, "after": after}
        return
    for key, old, new in pairs:
        yield from differences(old, new, f"{path}.{key}" if path else key)
