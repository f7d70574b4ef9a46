"""Settings found by `recsys tune`, by dataset."""

from alembic import op

revision = "0002"
down_revision = "0001"

TUNED = """
-- Where a pipeline setting is left at its default, the dataset's tuned value takes its place.
create table ops.tuned_settings (
    dataset  text not null references raw.datasets on delete cascade,
    step     text not null,
    setting  text not null,
    value    jsonb not null,
    metric   text not null,
    before   real not null,
    after    real not null,
    tuned_at timestamptz not null default now(),
    primary key (dataset, step, setting)
);
"""


def upgrade() -> None:
    op.execute(TUNED)
