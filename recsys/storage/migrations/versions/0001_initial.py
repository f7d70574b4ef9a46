"""Raw data, versioned recommendations, item state, and the log of pipeline steps."""

from alembic import op

revision = "0001"
down_revision = None

RAW = """
create schema raw;

-- A dataset is one shop's data; the active one is what the pipelines work on and the service serves.
create table raw.datasets (
    name       text primary key check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    source     text not null,
    is_active  boolean not null default false,
    created_at timestamptz not null default now()
);
create unique index one_active_dataset on raw.datasets (is_active) where is_active;

create table raw.loads (
    load_id            bigint generated always as identity primary key,
    dataset            text not null references raw.datasets on delete cascade,
    table_name         text not null check (table_name in ('events', 'item_properties', 'category_tree')),
    file_name          text not null,
    content_sha256     text not null,
    rows_read          bigint not null,
    rows_accepted      bigint not null,
    rows_rejected      bigint not null,
    rejected_by_reason jsonb not null default '{}',
    loaded_at          timestamptz not null default now(),
    unique (dataset, table_name, content_sha256)
);

-- One partition per load: filled by COPY before it is attached, so readers see a whole load or none of it.
create table raw.events (
    load_id      bigint not null,
    timestamp_ms bigint not null,
    user_id      text not null,
    item_id      text not null,
    event_type   text not null,
    order_id     text,
    price        real,
    quantity     real
) partition by list (load_id);

create table raw.item_properties (
    load_id      bigint not null,
    timestamp_ms bigint not null,
    item_id      text not null,
    property     text not null,
    value        text not null
) partition by list (load_id);

create table raw.category_tree (
    load_id     bigint not null,
    category_id text not null,
    parent_id   text
) partition by list (load_id);

-- Events that came through the API. The client's event_id makes a retry harmless.
create table raw.collected_events (
    dataset           text not null references raw.datasets on delete cascade,
    event_id          text not null,
    timestamp_ms      bigint not null,
    user_id           text,
    session_id        text,
    item_id           text not null,
    event_type        text not null,
    order_id          text,
    price             real,
    quantity          real,
    recommendation_id text,
    ingested_at       timestamptz not null default clock_timestamp(),
    txid              xid8 not null default pg_current_xact_id(), -- lets a follower ask for what it has not seen yet
    primary key (dataset, event_id),
    check (user_id is not null or session_id is not null)
);
create index collected_events_by_arrival on raw.collected_events (ingested_at);
create index collected_events_by_user on raw.collected_events (dataset, user_id, timestamp_ms desc);
"""

# All five have one shape, so that publishing, snapshots and the service have one code path.
RECS = """
create schema recs;

create table recs.versions (
    version       bigint generated always as identity primary key,
    dataset       text not null references raw.datasets on delete cascade,
    table_name    text not null,
    run_id        text not null,
    status        text not null default 'building' check (status in ('building', 'ready', 'retired')),
    keys          bigint,
    items         bigint,
    object_key    text,
    object_sha256 text,
    object_bytes  bigint,
    metadata      jsonb not null default '{}',
    created_at    timestamptz not null default now(),
    published_at  timestamptz
);

-- The pointer: one row per table, flipped in a transaction. `generation` grows with every flip of any table.
create sequence recs.generation;
create table recs.active_versions (
    dataset    text not null references raw.datasets on delete cascade,
    table_name text not null,
    version    bigint not null references recs.versions,
    generation bigint not null default nextval('recs.generation'),
    flipped_at timestamptz not null default now(),
    primary key (dataset, table_name)
);
"""

TABLES = {
    "default_recommendations": "category_id",
    "personalized_recommendations": "user_id",
    "i2i_recommendations": "user_id",
    "similar_items": "item_id",
    "ranked_recommendations": "user_id",
}

TABLE = """
create table recs.{table} (
    version  bigint not null,
    key      text not null,
    item_ids text[] not null,
    scores   real[] not null,
    reasons  text[],
    based_on text[]
) partition by list (version);

-- For analysts: one row per item, the active version of the active dataset only.
create view recs.current_{table} as
select t.key as {key}, i.rank::int as rank, t.item_ids[i.rank] as {item}, t.scores[i.rank] as score,
       t.reasons[i.rank] as reason, t.based_on[i.rank] as based_on
from recs.active_versions a
join raw.datasets d on d.name = a.dataset and d.is_active
join recs.{table} t on t.version = a.version
cross join lateral generate_subscripts(t.item_ids, 1) as i(rank)
where a.table_name = '{table}';
"""

STATE = """
-- What is known of an item now; the service keeps a copy and follows changed_at.
create table recs.item_state (
    dataset      text not null references raw.datasets on delete cascade,
    item_id      text not null,
    category_id  text,
    is_available boolean not null,
    price        real,
    changed_at   timestamptz not null default clock_timestamp(),
    txid         xid8 not null default pg_current_xact_id(), -- lets a follower ask for what it has not seen yet
    primary key (dataset, item_id)
);
create index item_state_by_change on recs.item_state (txid);

create function recs.touch_item_state() returns trigger language plpgsql as $$
begin
    new.changed_at := clock_timestamp();
    new.txid := pg_current_xact_id();
    return new;
end $$;
create trigger item_state_touched before update on recs.item_state
for each row execute function recs.touch_item_state();

create schema ops;

-- One row per step of a pipeline run; the newest success of a step is where the next step finds its input.
create table ops.step_runs (
    dataset     text not null references raw.datasets on delete cascade,
    run_id      text not null,
    step        text not null,
    status      text not null check (status in ('running', 'succeeded', 'failed')),
    started_at  timestamptz not null default now(),
    finished_at timestamptz,
    output      text,
    summary     jsonb not null default '{}',
    primary key (dataset, run_id, step)
);
create index step_runs_newest on ops.step_runs (dataset, step, finished_at desc) where status = 'succeeded';
"""


def upgrade() -> None:
    op.execute(RAW)
    op.execute(RECS)
    for table, key in TABLES.items():
        # The names are this file's own constants, never input.
        op.execute(TABLE.format(table=table, key=key, item="similar_item_id" if key == "item_id" else "item_id"))
    op.execute(STATE)
