"""Placements: immutable versions of their configuration, rules of the shop, and who changed what."""

from alembic import op

revision = "0004"
down_revision = "0003"

PLACEMENTS = """
-- Never updated: a change, and a roll back, is a new version. The newest one counts.
create table shop.configurations (
    dataset    text not null references raw.datasets on delete cascade,
    version    bigint generated always as identity,
    body       jsonb not null,
    author     text not null, -- name of the API key
    comment    text,
    restores   bigint, -- the version that a roll back brought back
    created_at timestamptz not null default clock_timestamp(),
    primary key (dataset, version)
);

create table shop.rules (
    dataset    text not null references raw.datasets on delete cascade,
    rule_id    text not null,
    body       jsonb not null,
    revision   bigint not null default 1,
    updated_at timestamptz not null default clock_timestamp(),
    txid       xid8 not null default pg_current_xact_id(), -- lets a follower ask for what it has not seen yet
    primary key (dataset, rule_id)
);

create table shop.rule_audit (
    audit_id   bigint generated always as identity primary key,
    dataset    text not null references raw.datasets on delete cascade,
    rule_id    text not null,
    action     text not null check (action in ('created', 'changed', 'deleted')),
    before     jsonb,
    after      jsonb,
    author     text not null,
    created_at timestamptz not null default clock_timestamp()
);
create index rule_audit_of_rule on shop.rule_audit (dataset, rule_id, audit_id desc);
"""


def upgrade() -> None:
    op.execute(PLACEMENTS)
