"""The models by name, for commands and notebooks that let a person choose."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from recsys.errors import BadInputError
from recsys.models.als import Als
from recsys.models.base import Recommender
from recsys.models.ease import Ease
from recsys.models.graph_filter import GraphFilter
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import Popularity
from recsys.settings import AlsSettings

MODELS: dict[str, Callable[..., Recommender]] = {
    Popularity.name: Popularity,
    Als.name: lambda **parameters: Als(AlsSettings.model_validate(parameters, extra="forbid")),
    ItemToItem.name: ItemToItem,
    Ease.name: Ease,
    GraphFilter.name: GraphFilter,
}


def make(name: str, **parameters: Any) -> Recommender:
    """An unfitted model.

    Args:
        parameters: what its constructor takes; those of `als` are the fields of `AlsSettings`.

    Raises:
        BadInputError: no model has that name, or it has no such parameter or not with such a value.
    """
    if name not in MODELS:
        raise BadInputError(
            f"There is no model {name!r}.", remedy=f"The known models are: {', '.join(sorted(MODELS))}."
        )
    try:
        return MODELS[name](**parameters)
    except (TypeError, ValidationError) as error:
        raise BadInputError(
            f"The model {name!r} does not take these parameters: {error}.",
            remedy=f"See the constructor of {name!r} for what it takes.",
        ) from None
