"""`/dashboard` of the storefront contract: our reports in its words, its models standing for our sources."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from starlette.requests import Request

from fast_api_service.configuration import service as configuration
from fast_api_service.contracts.storefront_models import SOURCES, TITLES, TRAINED
from fast_api_service.reports.performance import Grouping, performance
from fast_api_service.reports.training import training
from recsys.live.training import TRAINED_BY
from recsys.schema import Placement
from recsys.settings import ReportSettings, load

_CASCADES = {
    Placement.HOME: "homepageScoringCascade",
    Placement.CATEGORY: "categoryListScoringCascade",
    Placement.PRODUCT: "productDetailScoringCascade",
    Placement.CART: "cartScoringCascade",
}
_PLACEMENTS = set(map(str, _CASCADES))

Row = Mapping[str, Any]


async def dashboard(request: Request, dataset: str, start: date, end: date) -> dict[str, Any]:
    """Models, performance, training and configuration."""
    state = request.app.state.service
    report = await performance(state.pool, dataset, start, end, Grouping.TOTAL, None)
    rows = [row for row in report["rows"] if row["placement"] in _PLACEMENTS]
    trained = (await training(state.pool, dataset, start, end))["steps"]
    steps = {name: str(TRAINED_BY[model][0]) for name, model in TRAINED.items() if name in TITLES}
    newest = await configuration.newest(state.pool, state.decisions)
    return {
        "models": [{"name": name, "title": title} for name, title in TITLES.items()],
        "performance": {
            "general": _performance([row for row in rows if row["source"] is None]),
            "modelSpecific": {
                name: _performance([row for row in rows if row["source"] in sources])
                for name, sources in SOURCES.items()
            },
        },
        "training": {
            "general": _training([step for step in trained if step["step"] in steps.values()]),
            "modelSpecific": {
                name: _training([step for step in trained if step["step"] == steps.get(name)]) for name in TITLES
            },
        },
        "config": _configuration(newest["placements"]),
    }


def _performance(rows: list[Row]) -> dict[str, Any]:
    judged = sum(row["judged"] for row in rows)
    return {
        "k": load(ReportSettings).k,
        "data": {
            "hitRate": sum(row["hits"] for row in rows) / judged if judged else None,
            "futureHitRate": sum(row["future_hits"] for row in rows) / judged if judged else None,
            "coverage": max((row["coverage"] for row in rows if row["coverage"] is not None), default=None),
            "predictions": sum(row["predictions"] or row["items_shown"] or 0 for row in rows),
            # Our answers have no phase of scoring: lists are scored before anybody asks.
            "retrievalDuration": _duration(rows, "choose"),
            "scoringDuration": {"avg": 0.0, "max": 0.0},
            "orderingDuration": _duration(rows, "write"),
        },
    }


def _duration(rows: Iterable[Row], name: str) -> dict[str, float | None]:
    """In seconds; the average is that of all answers, not of placements."""
    told = [(row["predictions"], row["phases"][name]) for row in rows if name in row["phases"]]
    if not told:
        return {"avg": None, "max": None}
    average = sum(answers * phase["average_ms"] for answers, phase in told) / sum(answers for answers, _ in told)
    return {"avg": average / 1000, "max": max(phase["longest_ms"] for _, phase in told) / 1000}


def _training(steps: list[Row]) -> dict[str, Any]:
    return {
        "data": {
            "trainings": {name: sum(step[name] for step in steps) for name in ("started", "completed", "failed")},
            "duration": _spread([step["duration_s"] for step in steps]),
            "peakMemory": _spread([step["peak_memory_mb"] for step in steps]),
        }
    }


def _spread(spreads: list[Mapping[str, float | None]]) -> dict[str, float | None]:
    averages = [each["average"] for each in spreads if each["average"] is not None]
    most = [each["most"] for each in spreads if each["most"] is not None]
    return {"avg": sum(averages) / len(averages) if averages else None, "max": max(most, default=None)}


def _configuration(placements: Mapping[str, Any]) -> dict[str, Any]:
    """Our cascades by the contract's models; a model is disabled when no placement uses any of its sources."""
    cascades: dict[str, list[str]] = {}
    used = set()
    for placement, field in _CASCADES.items():
        steps = {step["source"]: step["enabled"] for step in placements[placement]["cascade"]}
        used |= {source for source, enabled in steps.items() if enabled}
        cascades[field] = list(
            dict.fromkeys(model for source in steps for model in SOURCES if source in SOURCES[model])
        )
    disabled = {model: not used & set(map(str, sources)) for model, sources in SOURCES.items()}
    return cascades | {"modelsDisabled": disabled}
