"""The storefront contract's models in our words: which of our sources each stands for, and which can be trained."""

from typing import Any

from starlette.requests import Request

from fast_api_service.auth import key_name
from fast_api_service.configuration import service as configuration
from fast_api_service.configuration.schemas import Proposal
from fast_api_service.contracts.storefront_objects import Config, TrainerQueueItem
from fast_api_service.database import database_errors
from fast_api_service.problems import FieldProblem, invalid
from fast_api_service.training import repository as training
from recsys.placements.configuration import CascadeSource
from recsys.schema import Placement, Source, TrainedModel

SOURCES: dict[str, tuple[Source, ...]] = {
    "dummy": (Source.DEFAULT,),
    "selection": (Source.SELECTION,),
    "popularity": (Source.TRENDING, Source.DEFAULT),
    "similarity": (Source.SIMILAR, Source.CONTENT),
    "gru4rec": (Source.ONLINE,),
    "ease": (Source.RANKED, Source.PERSONALIZED),
}
TITLES = {
    "dummy": "Dummy",
    "selection": "Selection",
    "popularity": "Popularity",
    "similarity": "Similarity",
    "gru4rec": "GRU4Rec",
    "ease": "EASE",
}
TRAINED = {"ease": TrainedModel.ALS, **{str(model): model for model in TrainedModel}}


async def configure(request: Request, told: Config) -> None:
    """Make a version of the configuration with these cascades; placements without one stay as they are.

    Raises:
        ProblemError: 422 for an unknown model, or a cascade without any that is enabled.
    """
    state = request.app.state.service
    cascades = {
        Placement.HOME: [*told.homepage_scoring_cascade, *told.homepage_retrieval_cascade],
        Placement.CATEGORY: told.category_list_scoring_cascade,
        Placement.PRODUCT: [*told.product_detail_scoring_cascade, *told.product_detail_retrieval_cascade],
        Placement.CART: [*told.cart_scoring_cascade, *told.cart_retrieval_cascade],
    }
    with database_errors("Nothing was changed."):
        newest = await configuration.newest(state.pool, state.decisions)
        placements: dict[str, Any] = newest["placements"]
        for placement, models in cascades.items():
            if models:
                placements[placement] = placements[placement] | {"cascade": _cascade(models, told.models_disabled)}
        proposal = Proposal(placements=placements, comment="By the storefront's Config.", replaces=newest["version"])
        await configuration.propose(state.pool, proposal, key_name(request))


async def queue_training(request: Request, told: TrainerQueueItem) -> None:
    """Ask for a model's training.

    Raises:
        ProblemError: 422 for a model that is not trained on demand.
    """
    if told.model_name not in TRAINED:
        raise invalid([_unknown("model_name", told.model_name, TRAINED)])
    with database_errors("Nothing was queued."):
        await training.ask(request.app.state.service.pool, TRAINED[told.model_name], key_name(request))


def _cascade(models: list[str], disabled: dict[str, bool]) -> list[dict[str, Any]]:
    steps: dict[Source, dict[str, Any]] = {}
    for model in models:
        if model not in SOURCES:
            raise invalid([_unknown("models", model, SOURCES)])
        for source in SOURCES[model]:
            step = CascadeSource(source=source, enabled=not disabled.get(model, False))
            steps.setdefault(source, step.model_dump())
    if not any(step["enabled"] for step in steps.values()):
        remedy = "Enable a model of each cascade."
        raise invalid(
            [
                FieldProblem(
                    field="body.models_disabled",
                    value=", ".join(models),
                    message="All models of a cascade are disabled",
                    remedy=remedy,
                    reason="nothing_enabled",
                )
            ]
        )
    return list(steps.values())


def _unknown(field: str, value: str, known: dict[str, Any]) -> FieldProblem:
    remedy = f"Choose from {', '.join(known)}."
    return FieldProblem(field=f"body.{field}", value=value, message="Unknown model", remedy=remedy, reason="enum")
