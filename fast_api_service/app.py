"""Puts the service together: state, routers, problems, metrics, OpenAPI."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fast_api_service import metrics, problems
from fast_api_service.auth import KeyRing
from fast_api_service.catalog.endpoints import categories, products, skus
from fast_api_service.configuration.endpoints import router as configuration
from fast_api_service.contracts.catalogue import router as catalogue_contract
from fast_api_service.contracts.like_dislike import router as like_dislike_contract
from fast_api_service.contracts.storefront import router as storefront_contract
from fast_api_service.customers.endpoints import customers, purchases
from fast_api_service.database import create_pool
from fast_api_service.events.endpoints import router as events
from fast_api_service.events.queue import EventQueue
from fast_api_service.events.service import EventCollector
from fast_api_service.health.endpoints import router as health
from fast_api_service.items.endpoints import router as items
from fast_api_service.openapi import document
from fast_api_service.recommendations.endpoints import router as recommendations
from fast_api_service.recommendations.service import Recommender
from fast_api_service.reports.endpoints import router as reports
from fast_api_service.rules.endpoints import router as rules
from fast_api_service.state import ServiceState
from fast_api_service.training.endpoints import router as training
from fast_api_service.users.endpoints import router as users
from recsys.settings import EventsSettings, ObjectStoreSettings, PostgresSettings, ServiceSettings, load
from recsys.storage.object_store import ObjectStore


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open this worker's state, and let go of it at the end."""
    settings: ServiceSettings = app.state.settings
    pool = await create_pool(load(PostgresSettings), settings.pool_size)
    service = ServiceState(settings, pool, ObjectStore(load(ObjectStoreSettings)))
    await service.start()
    app.state.service = service
    app.state.recommender = Recommender(service)
    url = load(EventsSettings).queue_url
    queue = EventQueue(url.get_secret_value()) if url else None
    if queue:
        queue.watch()
    app.state.collector = EventCollector(service, queue)
    # What is loaded by now lives as long as the process; leaving it out of collections shortens the longest pauses.
    gc.collect()
    gc.freeze()
    yield
    if queue:
        await queue.close()
    await service.stop()


def create_app() -> FastAPI:
    """The service as an ASGI application; settings come from the environment and the embedded stack's env file."""
    # Brings Swagger's files along, so that /docs works in a closed network too and no third party sees who looks.
    app = FastAPIOffline(title="Recommendation service", lifespan=lifespan, redoc_url=None)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.state.settings = load(ServiceSettings)
    app.state.keys = KeyRing(app.state.settings.api_keys_file)
    problems.install(app)
    documentation = list(app.router.routes)
    app.router.routes.clear()
    decided = (configuration, rules)
    shop = (products, skus, categories, customers, purchases)
    contracts = (storefront_contract, like_dislike_contract, catalogue_contract)
    # Routes are tried in order: the busy ones come first, and health, which benchmarks compare with, is not held back.
    for router in (recommendations, health, events, items, users, *decided, training, reports, *shop, *contracts):
        app.include_router(router)
    metrics.install(app)
    app.router.routes.extend(documentation)

    @app.get("/", include_in_schema=False, response_model=None)
    async def root(request: Request) -> Response:
        # The storefront contract's health check is here; people come with a browser.
        wants_page = "text/html" in request.headers.get("accept", "")
        return RedirectResponse("/docs") if wants_page else Response()

    return app
