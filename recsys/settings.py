"""One typed settings class per component, read from the environment and from the embedded stack's env file.

A secret has no default: outside the embedded stack (which generates its own at first start) a missing one fails
with the name of the variable to set.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, Field, FilePath, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from recsys.errors import ConfigurationError
from recsys.schema import EVENT_WEIGHTS

PROJECT_ROOT = Path(__file__).resolve().parents[1]


def home() -> Path:
    """The folder that holds all state of the embedded stack: `RECSYS_HOME`, else `.recsys` beside the sources."""
    return Path(os.environ.get("RECSYS_HOME") or PROJECT_ROOT / ".recsys")


def env_file() -> Path:
    """Where the embedded stack writes the settings and secrets it generated."""
    return home() / "env"


WEAK_SECRETS = {"", "password", "postgres", "admin", "changeme", "secret", "minioadmin"}


def _strong(value: SecretStr) -> SecretStr:
    if value.get_secret_value().lower() in WEAK_SECRETS:
        raise ValueError("is a well-known default; choose a generated one")
    return value


class PostgresSettings(BaseSettings):
    """`POSTGRES_*`: the shop's database."""

    model_config = SettingsConfigDict(env_prefix="POSTGRES_", extra="ignore")

    host: str = "127.0.0.1"
    port: int = 5433
    database: str = "recsys"
    user: str = "recsys"
    password: SecretStr
    connect_timeout_s: float = Field(30, gt=0, description="How long a start waits for Postgres before it gives up.")

    _strong_password = field_validator("password")(_strong)

    def dsn(self, database: str | None = None) -> str:
        """A libpq keyword string, for psycopg2; the password is quoted."""
        secret = self.password.get_secret_value().replace("\\", "\\\\").replace("'", "\\'")
        name = database or self.database
        return f"host={self.host} port={self.port} dbname={name} user={self.user} password='{secret}'"


class ObjectStoreSettings(BaseSettings):
    """`S3_*`: the object store for prepared data, models and snapshots."""

    model_config = SettingsConfigDict(env_prefix="S3_", extra="ignore")

    endpoint_url: str | None = Field("http://127.0.0.1:9000", description="None means AWS.")
    access_key: str
    secret_key: SecretStr
    bucket: str = "recsys"
    region: str = "us-east-1"
    connect_timeout_s: float = Field(30, gt=0, description="How long a start waits for the store before it gives up.")

    _strong_secret = field_validator("secret_key")(_strong)


class MlflowSettings(BaseSettings):
    """`MLFLOW_*`: experiment tracking and the model registry."""

    model_config = SettingsConfigDict(env_prefix="MLFLOW_", extra="ignore")

    tracking_uri: str = "http://127.0.0.1:5000"
    experiment: str = "recsys"


_PEERS_PYTHON = PROJECT_ROOT / ".rectools" / "bin" / "python"


class PeerSettings(BaseSettings):
    """Packages that models are measured against but that cannot be installed beside the suite."""

    model_config = SettingsConfigDict(extra="ignore")

    rectools_python: FilePath | None = Field(
        default_factory=lambda: _PEERS_PYTHON if _PEERS_PYTHON.is_file() else None,
        description="The Python of research/peers/requirements.txt; `make peers` makes one.",
    )


class TelegramSettings(BaseSettings):
    """`TELEGRAM_*`: DAG outcome messages; off unless a token is set."""

    model_config = SettingsConfigDict(env_prefix="TELEGRAM_", extra="ignore")

    token: SecretStr | None = None
    chat_id: str | None = None
    api_url: str = "https://api.telegram.org"
    timeout_s: float = 10


class AirflowSettings(BaseSettings):
    """`AIRFLOW_API_*`: Airflow's REST API, through which training is started that somebody asked for."""

    model_config = SettingsConfigDict(env_prefix="AIRFLOW_API_", extra="ignore")

    url: str = "http://127.0.0.1:8080"
    user: str = "admin"
    password: SecretStr

    _strong_password = field_validator("password")(_strong)


class TrainingSettings(BaseSettings):
    """`TRAINING_*`: what asks for training beside the calendar and people."""

    model_config = SettingsConfigDict(env_prefix="TRAINING_", extra="ignore")

    after_events: int | None = Field(None, ge=1, description="New events that ask for training; None: they do not.")
    after_products: int | None = Field(None, ge=1, description="New products that ask for training; None: they do not.")


class ReportSettings(BaseSettings):
    """`REPORTS_*`: what is counted of what recommendations brought, and how long it is kept."""

    model_config = SettingsConfigDict(env_prefix="REPORTS_", extra="ignore")

    k: int = Field(10, ge=1, le=100, description="Hit rates look at the first so many items of an answer.")
    attribution_days: float = Field(
        7, gt=0, description="A purchase counts for what was clicked so long before it at most."
    )
    future_hours: float = Field(24, gt=0, le=24, description="Future hits: what is opened so long after the answer.")
    sample: int = Field(5_000, ge=100, description="Answers of a day that hit rates are estimated from, at most.")
    keep_days: int = Field(400, ge=1, description="Days of reports kept.")


class ScheduleSettings(BaseSettings):
    """`SCHEDULE_*`: the calendar of the DAGs."""

    model_config = SettingsConfigDict(env_prefix="SCHEDULE_", extra="ignore")

    start_date: AwareDatetime = Field(
        datetime(2025, 1, 1, tzinfo=UTC),
        description="Runs due since then start at once; the embedded stack sets its own first start, so that none is.",
    )


class ServiceSettings(BaseSettings):
    """`SERVICE_*`: the recommendation service."""

    model_config = SettingsConfigDict(env_prefix="SERVICE_", extra="ignore")

    host: str = "127.0.0.1"
    port: int = 8081
    workers: int = Field(2, ge=1)
    state_dir: Path = Field(default_factory=lambda: home() / "service", description="Snapshot and recent store.")
    api_keys_file: Path = Field(default_factory=lambda: home() / "api_keys.json", description="Names, scopes, hashes.")
    default_limit: int = Field(10, ge=1, le=100)
    max_body_bytes: int = Field(1_000_000, ge=1_000)
    max_bulk_bytes: int = Field(50_000_000, ge=1_000, description="Of a JSON list of records; NDJSON has no bound.")
    pool_size: int = Field(4, ge=1, description="Postgres connections per worker.")
    tail_interval_s: float = Field(0.1, gt=0, description="Pause between two looks for events of other hosts.")
    refresh_interval_s: float = Field(
        1.0, gt=0, description="Pause between two looks for a new version or stock change."
    )
    recent_events_per_key: int = Field(50, ge=1, description="Events kept per user and per session.")
    recent_store_max_mb: int = Field(1024, ge=16)
    stale_after_hours: float = Field(36, gt=0, description="Older active versions make answers `degraded`.")
    start_timeout_s: float = Field(60, gt=0, description="How long a start waits for Postgres and S3 before it exits.")


class EventsSettings(BaseSettings):
    """`EVENTS_*`: how collected events reach Postgres."""

    model_config = SettingsConfigDict(env_prefix="EVENTS_", extra="ignore")

    queue_url: SecretStr | None = Field(
        None, description="amqp://user:password@host:port/ of a RabbitMQ that events pass through; None: they do not."
    )

    @field_validator("queue_url")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        address = urlsplit(value.get_secret_value())
        if address.scheme not in {"amqp", "amqps"} or not address.hostname:
            raise ValueError("is not an address like amqp://user:password@host:5672/")
        if (address.password or "") in WEAK_SECRETS | {"guest"}:
            raise ValueError("carries a well-known default password; choose a generated one")
        return value


class WorkerSettings(BaseSettings):
    """`WORKER_*`: the worker behind the service, which keeps live what changes within seconds."""

    model_config = SettingsConfigDict(env_prefix="WORKER_", extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(8083, description="Where its metrics are.")


class PrepareSettings(BaseModel):
    """Step 1."""

    min_property_share: float = Field(
        0.2, ge=0, le=1, description="Keep properties present on at least this share of items."
    )
    session_gap_minutes: int = Field(30, ge=1, description="A pause longer than this starts a new session.")
    assume_available: bool = Field(True, description="Items whose availability is never stated count as available.")
    chunk_rows: int = Field(2_000_000, ge=1_000, description="Rows held in memory at a time while reading raw tables.")


class AlsSettings(BaseModel):
    """Step 2. Hu, Koren, Volinsky 2008, as implemented by `implicit`."""

    factors: int = Field(64, ge=1, le=1024, description="Numbers that describe a user and an item.")
    iterations: int = Field(10, ge=1, le=200, description="Alternations between users and items.")
    regularization: float = Field(0.05, ge=0, description="Pulls factors of rarely seen users and items to zero.")
    alpha: float = Field(5.0, gt=0, description="Confidence per unit of weight.")
    half_life_days: float = Field(30.0, gt=0, description="An event's weight halves every so many days.")
    min_user_items: int = Field(
        2, ge=1, description="Users with fewer distinct items are not trained on (they are folded in)."
    )
    min_item_users: int = Field(2, ge=1, description="Items with fewer users are not trained on.")
    seed: int = Field(42, description="Seed of the random start; the same seed and data give the same model.")


class DefaultSettings(BaseModel):
    """Step 3."""

    size: int = Field(100, ge=1, le=1000, description="Items per list.")
    half_life_days: float = Field(7.0, gt=0, description="An event's weight halves every so many days.")


class PersonalizedSettings(BaseModel):
    """Step 4."""

    size: int = Field(100, ge=1, le=1000, description="Items per user.")
    min_items: int = Field(3, ge=1, description="Users with fewer distinct items get no personalized list.")
    drop_seen: bool = Field(False, description="Also leave out items merely viewed or put in the cart.")
    max_memory_mb: int = Field(256, ge=16, description="Bound on the score matrix held at a time.")


class I2ISettings(BaseModel):
    """Step 5."""

    size: int = Field(50, ge=1, le=1000, description="Items per user.")
    min_items: int = Field(
        2, ge=1, description="Users with fewer distinct items get no list; one item's neighbours serve them live."
    )
    history: int = Field(20, ge=1, description="How many of a user's last items count.")
    half_life_days: float = Field(7.0, gt=0, description="The weight of what a user did halves every so many days.")
    drop_seen: bool = Field(True, description="Also leave out items merely viewed or put in the cart.")


class SimilarSettings(BaseModel):
    """Step 6."""

    size: int = Field(50, ge=1, le=1000, description="Neighbours per item.")
    half_life_days: float = Field(60.0, gt=0, description="Old co-occurrences count less.")
    max_history: int = Field(100, ge=2, description="Longest user history that counts; bounds the work per user.")
    popularity_power: float = Field(
        0.2, ge=0, le=1, description="A neighbour's score is divided by its popularity to this power."
    )


class RankerSettings(BaseModel):
    """Step 7."""

    size: int = Field(100, ge=1, le=1000, description="Items per user.")
    candidates_per_source: int = Field(
        100, ge=1, le=1000, description="Items taken from a user's personalized list, and from the i2i list."
    )
    default_candidates: int = Field(20, ge=1, le=1000, description="Items taken from the shop's default list.")
    target_days: float = Field(14.0, gt=0, description="Length of the window that targets are taken from.")
    negatives_per_positive: int = Field(20, ge=1, description="Candidates not acted on, sampled per one acted on.")
    windows: int = Field(4, ge=1, description="Target windows to learn from at most, the newest first.")
    enough_users: int = Field(5_000, ge=1, description="Older windows are added until so many users are learned from.")
    max_train_users: int = Field(20_000, ge=1, description="Users sampled per target window at most.")
    max_train_rows: int = Field(400_000, ge=100, description="Rows trained on at most.")
    iterations: int = Field(100, ge=1, description="Trees.")
    depth: int = Field(4, ge=1, le=12, description="Depth of a tree.")
    learning_rate: float = Field(0.1, gt=0, le=1, description="Share of each tree's correction that is kept.")
    diversity: float = Field(0.0, ge=0, description="Log-odds an item loses for each better one of its category.")
    category_cap: int | None = Field(None, ge=1, description="Items of one category before those of others; None: any.")
    dealt_candidates: int = Field(10, ge=0, le=100, description="Items of the catalogue dealt to each user in turn.")
    discovery: float = Field(
        0.75, ge=0, le=3, description="Places of a list's first ten, on average, that go to what nobody is shown."
    )
    max_memory_mb: int = Field(512, ge=16, description="Bound on the feature frame held at a time.")
    seed: int = Field(42, description="Seed of sampling and training.")


class GateSettings(BaseModel):
    """When a new model may replace the one in service."""

    metric: str = Field("ndcg@10", description="The measurement that decides; higher is better.")
    window_days: float = Field(7.0, gt=0, description="Length of the newest window that both models are evaluated on.")
    max_relative_loss: float = Field(0.02, ge=0, le=1, description="Loss of the metric that is still accepted.")
    min_users: int = Field(50, ge=1, description="With fewer users to judge by, the champion stays.")
    max_users: int = Field(10_000, ge=1, description="Evaluate on a sample of at most this many users.")


class PublishSettings(BaseModel):
    """Versioned tables, snapshots and models."""

    keep_versions: int = Field(3, ge=1, description="Ready versions kept per table, the active one included.")
    keep_models: int = Field(3, ge=1, description="Trained versions kept per model; the one in service always stays.")


class PipelineSettings(BaseSettings):
    """`PIPELINE__<STEP>__<FIELD>`: every size, threshold, weight and window; DAG params override them per run."""

    model_config = SettingsConfigDict(env_prefix="PIPELINE__", env_nested_delimiter="__", extra="ignore")

    dataset: str | None = Field(None, description="Which dataset to work on; None is the active one.")
    now: str | None = Field(None, description="ISO time taken as the present; None is the newest event of the data.")
    event_weights: dict[str, float] = Field(
        default_factory=lambda: {str(kind): weight for kind, weight in EVENT_WEIGHTS.items()},
        description="Rating of each event type.",
    )
    prepare_dataset: PrepareSettings = PrepareSettings()
    train_als: AlsSettings = AlsSettings()
    default: DefaultSettings = DefaultSettings()
    personalized: PersonalizedSettings = PersonalizedSettings()
    i2i: I2ISettings = I2ISettings()
    similar_items: SimilarSettings = SimilarSettings()
    ranker: RankerSettings = RankerSettings()
    gate: GateSettings = GateSettings()
    publish: PublishSettings = PublishSettings()

    def with_tuned(self, tuned: Iterable[tuple[str, str, Any]]) -> "PipelineSettings":
        """A copy in which tuned values (group, field, value) replace what was left at its default.

        What is no longer a setting, or no longer a value for it, is passed over: it was tuned for an earlier release.
        """
        settings = self.model_copy(deep=True)
        for group, field, value in tuned:
            step = getattr(settings, group, None)
            known = type(step).model_fields.get(field) if isinstance(step, BaseModel) else None
            if isinstance(step, BaseModel) and known is not None and getattr(step, field) == known.default:
                try:
                    changed = type(step).model_validate({**step.model_dump(), field: value})
                except ValidationError:
                    continue
                setattr(settings, group, changed)
        return settings


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(kind: type[SettingsT], **overrides: Any) -> SettingsT:
    """Read one settings class; the environment wins over the embedded stack's env file.

    Raises:
        ConfigurationError: naming each variable that is missing or wrong.
    """
    try:
        return kind(_env_file=env_file(), **overrides)  # type: ignore[call-arg]
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        problems = "; ".join(
            f"{prefix}{'__'.join(str(part) for part in item['loc']).upper()}: {item['msg']}" for item in error.errors()
        )
        raise ConfigurationError(
            f"Settings of {kind.__name__} are not usable: {problems}.",
            remedy="Set the variables named above, or start the embedded stack with `recsys up`, which generates them.",
        ) from None


@lru_cache
def pipeline() -> PipelineSettings:
    """The pipeline's settings, read once per process."""
    return load(PipelineSettings)
