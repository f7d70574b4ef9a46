"""Collected events that were changed or taken back, for those who follow events: a row that is gone tells nobody."""

from alembic import op

revision = "0008"
down_revision = "0007"

RETRACTIONS = """
-- Whose the event was, and of when. The event itself is gone, or has a new arrival.
create table raw.retractions (
    retraction_id bigint generated always as identity primary key,
    dataset       text not null references raw.datasets on delete cascade,
    user_id       text,
    session_id    text,
    timestamp_ms  bigint not null,
    retracted_at  timestamptz not null default clock_timestamp(),
    txid          xid8 not null default pg_current_xact_id() -- lets a follower ask for what it has not seen yet
);
create index retractions_by_change on raw.retractions (txid);
"""


def upgrade() -> None:
    op.execute(RETRACTIONS)
