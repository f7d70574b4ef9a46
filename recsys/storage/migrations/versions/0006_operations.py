"""Training on demand, and the rollups that reports are made of."""

from alembic import op

revision = "0006"
down_revision = "0005"

OPERATIONS = """
create table ops.training_requests (
    request_id   bigint generated always as identity primary key,
    dataset      text not null references raw.datasets on delete cascade,
    model        text not null,
    trigger      text not null, -- `api`, or the setting of data growth that asked for it
    requested_by text not null,
    state        text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'failed')),
    dag_run_id   text,
    error        text,
    telemetry    jsonb not null default '{}',
    requested_at timestamptz not null default clock_timestamp(),
    started_at   timestamptz,
    finished_at  timestamptz
);
-- One open request a model: asking again while it waits or runs changes nothing.
create unique index one_open_training on ops.training_requests (dataset, model) where state in ('queued', 'running');

-- Answers given, counted by the workers themselves; `phases` are seconds.
create table ops.served (
    dataset   text not null references raw.datasets on delete cascade,
    day       date not null,
    placement text not null,
    source    text not null, -- of an item; '' counts whole answers
    version   bigint not null,
    shown     bigint not null default 0,
    phases    jsonb not null default '{}', -- of whole answers: name -> {count, sum, max}
    primary key (dataset, day, placement, source, version)
);

-- What came of them, rolled up from collected events. Source '' is all of a placement; placement '' the whole day.
create table ops.performance (
    dataset     text not null references raw.datasets on delete cascade,
    day         date not null,
    placement   text not null,
    source      text not null,
    version     bigint not null,
    figures     jsonb not null,
    made_at     timestamptz not null default clock_timestamp(),
    primary key (dataset, day, placement, source, version)
);

-- What the storefront contract was last told, class by class: a product is put together from several of them.
create table shop.storefront_objects (
    dataset text not null references raw.datasets on delete cascade,
    class   text not null,
    id      text not null,
    body    jsonb not null,
    primary key (dataset, class, id)
);
create index storefront_variants_of_products on shop.storefront_objects using gin ((body->'product_variants'))
    where class = 'Product';
create index storefront_attributes_of_variants on shop.storefront_objects using gin ((body->'attributes'))
    where class = 'ProductVariant';
create index storefront_prices_of_variants on shop.storefront_objects (dataset, (body->>'product_variant_sku'))
    where class = 'ProductPrice';
create index storefront_attributes_of_types on shop.storefront_objects (dataset, (body->>'type'))
    where class = 'Attribute';

-- The events that reports are made of, by arrival (which days have news?) and by time (what happened that day?).
create index collected_events_told_by_arrival on raw.collected_events (dataset, ingested_at)
    where placement is not null or event_type = 'purchase';
create index collected_events_told_by_time on raw.collected_events (dataset, timestamp_ms)
    where placement is not null or event_type = 'purchase';
"""


def upgrade() -> None:
    op.execute(OPERATIONS)
