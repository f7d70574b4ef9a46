"""The models by name, for commands and notebooks that let a person choose."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from recsys.errors import BadInputError
from recsys.models.als import Als
from recsys.models.base import Recommender
from recsys.models.blend import Blend
from recsys.models.bpr import Bpr
from recsys.models.content import Content
from recsys.models.dummy import Dummy
from recsys.models.ease import Ease
from recsys.models.graph_filter import GraphFilter
from recsys.models.gru4rec import Gru4Rec
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import Popularity
from recsys.models.selection import Selection
from recsys.models.session_knn import SessionKnn
from recsys.models.stack import Stack
from recsys.settings import AlsSettings

MODELS: dict[str, type[Recommender]] = {
    model.name: model
    for model in (
        Popularity,
        Dummy,
        Selection,
        Als,
        Bpr,
        ItemToItem,
        Ease,
        GraphFilter,
        SessionKnn,
        Gru4Rec,
        Content,
        Blend,
        Stack,
    )
}
Parts = Mapping[str, Mapping[str, Any]]

_BLENDED = {ItemToItem.name: 1.0, Ease.name: 1.0}
_STACKED: Parts = {ItemToItem.name: {}, Ease.name: {}, GraphFilter.name: {"factors": 256, "history_decay": 0.8}}


def make(name: str, **parameters: Any) -> Recommender:
    """An unfitted model.

    Args:
        parameters: what its constructor takes; those of `als` are the fields of `AlsSettings`. `blend` and `stack` take
            `parts`, the parameters of each part by its name; a part that does not go by its model's name names that as
            `model`. Parts of a blend that need no parameters are named by its `weights` alone.

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
        if name in (Blend.name, Stack.name):
            return (_blend if name == Blend.name else _stack)(**parameters)
        return MODELS[name](**parameters)
    except (TypeError, ValidationError) as error:
        raise BadInputError(
            f"The model {name!r} does not take these parameters: {error}.",
            remedy=f"See the constructor of {name!r} for what it takes.",
        ) from None


def _blend(weights: Mapping[str, float] | None = None, parts: Parts | None = None, depth: int = 200) -> Blend:
    weights = _BLENDED if weights is None else weights
    return Blend({name: _part(name, (parts or {}).get(name, {})) for name in weights}, weights, depth=depth)


def _stack(parts: Parts | None = None, **parameters: Any) -> Stack:
    return Stack({name: _part(name, given) for name, given in (parts or _STACKED).items()}, **parameters)


def _part(name: str, given: Mapping[str, Any]) -> Recommender:
    options = dict(given)
    return make(options.pop("model", name), **options)
