"""The contract of a like/dislike service: `/interact`, `/add_items`, `/recs/{user_id}`, `/healthcheck`, `/cleanup`."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import orjson
from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.catalog.products import PRODUCT
from fast_api_service.catalog.records import Change
from fast_api_service.catalog.routes import records_of
from fast_api_service.database import database_errors
from fast_api_service.health.endpoints import Readiness, ready
from fast_api_service.problems import ProblemError, responses
from fast_api_service.recommendations.view import Question
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Identifier, UserPath
from recsys.api_keys import Scope
from recsys.schema import Placement

router = APIRouter(tags=["contract: like/dislike"], route_class=DirectRoute)
ERRORS = responses(401, 403, 422, 500)
BODY_ERRORS = ERRORS | responses(400, 413, 503)
TOP_K = 10
EXPLORED = 0.05  # share of the places for unseen items, whatever the shop has configured; more where it wants more
DONE = b"200"  # the original's body
ITEMS_AT_ONCE = 1000  # a transaction of the service lasts a few seconds at most

_ACTIVE = "select name, source from raw.datasets where is_active for update"
_REST = "update raw.datasets set is_active = false where is_active"
_BEGIN = "insert into raw.datasets (name, source, is_active) values ($1, $2, true)"


class Interaction(BaseModel):
    """What a user thinks of some items."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "257597", "item_ids": ["187946", "461686"], "actions": ["like", "dislike"]}]
        }
    )

    user_id: Identifier
    item_ids: Annotated[list[Identifier], Field(min_length=1, max_length=1000)]
    actions: Annotated[list[Literal["like", "dislike"]], Field(description="One for each item, in the same order.")]
    timestamp: Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False)] | None = Field(
        None, description="Seconds since the epoch; left out: now."
    )

    @model_validator(mode="after")
    def _one_action_an_item(self) -> Self:
        if len(self.actions) != len(self.item_ids):
            raise PydanticCustomError(
                "not_paired",
                "There are {items} item_ids and {actions} actions",
                {
                    "items": len(self.item_ids),
                    "actions": len(self.actions),
                    "remedy": "Give one action for each item.",
                },
            )
        return self


class NewItems(BaseModel):
    """Items that may be shown from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_ids": ["187946", "461686"]}]})

    item_ids: Annotated[list[Identifier], Field(min_length=1, max_length=10_000)]


class Recommended(BaseModel):
    """What to show."""

    item_ids: list[str]


@router.post(
    "/interact",
    response_model=Literal[200],
    responses=BODY_ERRORS,
    summary="Store likes and dislikes",
    operation_id="contractInteract",
    dependencies=[needs(Scope.EVENTS)],
)
async def interact(request: Request, interaction: Annotated[Interaction, Body()]) -> Response:
    """Stored once this is answered; the next list of this user reacts, and never holds what was disliked."""
    rows = []
    for item_id, action in zip(interaction.item_ids, interaction.actions, strict=True):
        row: dict[str, Any] = {"event_type": action, "user_id": interaction.user_id, "item_id": item_id}
        if interaction.timestamp is not None:
            row["timestamp_ms"] = round(interaction.timestamp * 1000)
        rows.append(row)
    await request.app.state.collector.collect(rows)
    return _json(DONE)


@router.post(
    "/add_items",
    response_model=Literal[200],
    responses=BODY_ERRORS,
    summary="Add items",
    operation_id="contractAddItems",
    dependencies=[needs(Scope.CATALOG)],
)
async def add_items(request: Request, items: Annotated[NewItems, Body()]) -> Response:
    """Items that are there already stay as they are."""
    changes = [Change(item_id, {}) for item_id in dict.fromkeys(items.item_ids)]
    for start in range(0, len(changes), ITEMS_AT_ONCE):
        await records_of(request, PRODUCT).change_many(changes[start : start + ITEMS_AT_ONCE])
    return _json(DONE)


@router.get(
    "/recs/{user_id:path}",
    response_model=Recommended,
    responses=ERRORS,
    summary="Ten items for a user",
    operation_id="contractRecs",
    dependencies=[needs(Scope.READ)],
)
async def recs(request: Request, user_id: UserPath) -> Response:
    """The user's own list, as for the home page, without what the user has seen, and with a share of unseen items.

    Fewer than ten only when the catalogue has no more to show.
    """
    state = request.app.state.service
    history = state.recent.user(state.follower.current.dataset or "", user_id)
    seen = tuple({event.item_id for event in history.events()})
    question = Question(user_id, TOP_K, exclude=seen, exploration=EXPLORED)
    answer = orjson.loads(request.app.state.recommender.recommend(str(Placement.HOME), question))
    return _json(orjson.dumps({"item_ids": [item["item_id"] for item in answer["items"]]}))


@router.get(
    "/healthcheck",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "There is nothing to recommend yet."}},
    summary="Is everything well?",
    operation_id="contractHealthcheck",
)
async def healthcheck(request: Request) -> Response:
    """Each dependency with its state, as `/health/ready`."""
    return await ready(request)


@router.get(
    "/cleanup",
    response_model=Literal[200],
    responses=ERRORS | responses(409, 503),
    summary="Begin anew with an empty dataset",
    operation_id="contractCleanup",
    dependencies=[needs(Scope.ADMIN)],
)
async def cleanup(
    request: Request, confirm: Annotated[Identifier, Query(description="Name of the dataset that is put aside.")]
) -> Response:
    """A new, empty dataset becomes the active one, on every host within seconds; events, items and lists begin anew.

    Nothing is deleted: `recsys use NAME` brings the dataset back that is active now.
    """
    with database_errors("Everything stays as it is."):
        async with request.app.state.service.pool.acquire() as connection, connection.transaction():
            active = await connection.fetchrow(_ACTIVE)
            if active is None or active["name"] != confirm:
                raise ProblemError(
                    409,
                    "not-confirmed",
                    f"The active dataset is {active['name']!r}, not {confirm!r}." if active else "There is no dataset.",
                    remedy="Give the name of the active dataset as `confirm`.",
                )
            base = re.sub(r"-\d{14,}$", "", confirm)[:40]
            await connection.execute(_REST)
            await connection.execute(_BEGIN, f"{base}-{datetime.now(UTC):%Y%m%d%H%M%S%f}", active["source"])
    return _json(DONE)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
