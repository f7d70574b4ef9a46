"""Reports as they are given back."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from fast_api_service.configuration.schemas import Version


class Phase(BaseModel):
    """How long one part of answering took; one answer in sixteen is timed."""

    average_ms: float
    longest_ms: float


class PerformanceRow(BaseModel):
    """A placement as a whole (`source` is null), or the part of it that one source gave."""

    day: date | None = Field(description="UTC; only when grouped by day.")
    version: int | None = Field(description="Generation of the published tables; only when grouped by version.")
    placement: str
    source: str | None
    predictions: int | None = Field(description="Answers given; of a placement as a whole only.")
    items_shown: int | None = Field(description="Items in these answers; of a source only.")
    impressions: int = Field(description="Items that were reported as seen, each once an answer.")
    clicks: int = Field(description="Items that were opened from an answer, each once an answer.")
    ctr: float | None = Field(description="Clicks per impression; null without impressions.")
    judged: int = Field(description="Answers that hit rates are estimated from: a sample of those reported back.")
    hits: int = Field(description="Of these, answers of which one of the first k items was opened.")
    future_hits: int = Field(description="Of these, answers of which one of them was opened, or bought, afterwards.")
    hit_rate: float | None
    future_hit_rate: float | None
    coverage: float | None = Field(
        description="Share of the available catalogue that was seen; of several days or versions, that of the widest."
    )
    conversions: int = Field(description="Purchases attributed to it.")
    revenue: float = Field(description="What these came to, in the shop's currency.")
    phases: dict[str, Phase] = Field(description="`choose` finds the items, `write` makes the document.")


class Performance(BaseModel):
    """What recommendations brought. Answers are counted at once, all else within about a minute."""

    start: date = Field(alias="from")
    end: date = Field(alias="to")
    rolled_up_at: datetime | None = Field(description="Until when events have been looked at.")
    purchases: int = Field(description="All purchases, whatever led to them.")
    turnover: float
    rows: list[PerformanceRow]


class Spread(BaseModel):
    """Average and largest; null when nothing was measured."""

    average: float | None
    most: float | None


class StepRuns(BaseModel):
    """Runs of a step that began in the time asked for."""

    step: str
    started: int
    completed: int
    failed: int
    duration_s: Spread
    peak_memory_mb: Spread


class RequestCount(BaseModel):
    """Requests for training by their state."""

    model: str
    state: str
    requests: int


class ModelState(BaseModel):
    """What the newest training of a model came to."""

    model: str
    trained_at: datetime
    outcome: str | None = Field(description="What the gate decided.")
    reason: str | None
    in_service: str | None = Field(description="The version in service, as MLflow's registry counts.")
    hyperparameters: dict[str, Any]
    metrics: dict[str, Any]


class TrainingReport(BaseModel):
    """How training went."""

    start: date = Field(alias="from")
    end: date = Field(alias="to")
    steps: list[StepRuns]
    requests: list[RequestCount]
    models: list[ModelState]


class TunedSetting(BaseModel):
    """A setting that `recsys tune` found, with the metric before and after."""

    step: str
    setting: str
    value: Any
    metric: str
    before: float
    after: float
    tuned_at: datetime


class ConfigurationReport(BaseModel):
    """What is configured now."""

    dataset: str
    configuration: Version = Field(description="Each placement's cascade and shares, written out.")
    sources: list[str] = Field(description="Sources that a cascade may name.")
    rules: int
    tuned: list[TunedSetting]
    models: list[ModelState]
