"""The models by name, for commands and notebooks that let a person choose."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from recsys.errors import BadInputError
from recsys.models.als import Als
from recsys.models.base import Recommender
from recsys.models.blend import Blend
from recsys.models.content import Content
from recsys.models.dummy import Dummy
from recsys.models.ease import Ease
from recsys.models.graph_filter import GraphFilter
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import Popularity
from recsys.models.selection import Selection
from recsys.settings import AlsSettings

MODELS: dict[str, type[Recommender]] = {
    model.name: model for model in (Popularity, Dummy, Selection, Als, ItemToItem, Ease, GraphFilter, Content, Blend)
}
_BLENDED = {ItemToItem.name: 1.0, Ease.name: 1.0}


def make(name: str, **parameters: Any) -> Recommender:
    """An unfitted model.

    Args:
        parameters: what its constructor takes; those of `als` are the fields of `AlsSettings`. `blend` takes `weights`
            (by the names of its parts), `depth`, and `parts`: the parameters of those parts that need any.

    Raises:
        BadInputError: no model has that name, or it has no such parameter or not with such a value.
    """
    if name not in MODELS:
        raise BadInputError(
            f"There is no model {name!r}.", remedy=f"The known models are: {', '.join(sorted(MODELS))}."
        )
    try:
        if name == Als.name:
            return Als(AlsSettings.model_validate(parameters, extra="forbid"))
        return _blend(**parameters) if name == Blend.name else MODELS[name](**parameters)
    except (TypeError, ValidationError) as error:
        raise BadInputError(
            f"The model {name!r} does not take these parameters: {error}.",
            remedy=f"See the constructor of {name!r} for what it takes.",
        ) from None


def _blend(
    weights: Mapping[str, float] | None = None, parts: Mapping[str, Mapping[str, Any]] | None = None, depth: int = 200
) -> Blend:
    weights = _BLENDED if weights is None else weights
    return Blend({name: make(name, **(parts or {}).get(name, {})) for name in weights}, weights, depth=depth)
