"""What the OpenAPI document says beside the routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fast_api_service.problems import Problem
from recsys import __version__

DESCRIPTION = """\
What to show to a shopper now, and a place to send what the shopper does.

* Every answer carries a `recommendation_id`; send it back with events, so that clicks and orders are counted.
* `degraded: true` means: served from the last good state, because something behind the service is down or stale.
* Errors are RFC 9457 problem documents that name the field, the value and the remedy.
* Send your key in the header `X-API-Key`; reading needs the scope `read`, sending events needs `events`.
"""

TAGS = [
    {"name": "recommendations", "description": "Lists for a user, a guest or a category."},
    {"name": "items", "description": "Neighbours of an item."},
    {"name": "events", "description": "What shoppers do. Acknowledged means stored."},
    {"name": "users", "description": "What is known of a user."},
    {"name": "configuration", "description": "What placements show, in versions; needs the scope `admin`."},
    {"name": "rules", "description": "The shop's own: boost, bury, pin, exclude, include only; needs `admin`."},
    {"name": "training", "description": "Models trained on demand; needs the scope `admin`."},
    {"name": "reports", "description": "What recommendations brought; needs the scope `admin`."},
    {"name": "catalogue", "description": "Products, variants and categories as the shop keeps them."},
    {"name": "customers", "description": "Customers, and what they bought."},
    {"name": "contract: storefront", "description": "The endpoints of a storefront recommender, for its clients."},
    {"name": "contract: like/dislike", "description": "The endpoints of a like/dislike service, for its clients."},
    {"name": "contract: catalogue", "description": "The endpoints of a catalogue with vectors, for its clients."},
    {"name": "health", "description": "For operators; no key needed."},
]


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once; problem documents are described although no route returns their class."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title="Recommendation service",
            version=__version__,
            description=DESCRIPTION,
            tags=TAGS,
            routes=app.routes,
        )
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        components |= problem.pop("$defs")
        components["Problem"] = problem
        app.openapi_schema = schema
    return app.openapi_schema
