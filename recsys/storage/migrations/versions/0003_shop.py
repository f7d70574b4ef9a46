"""The shop as its API keeps it: categories, products with variants, customers, and their content vectors."""

from alembic import op

revision = "0003"
down_revision = "0002"

SHOP = """
create extension if not exists vector;
create schema shop;

-- `revision` grows with every change of a row: it is the row's ETag.
create table shop.categories (
    dataset       text not null references raw.datasets on delete cascade,
    category_id   text not null,
    parent_id     text,
    title         text,
    is_repeatable boolean not null default false, -- what was bought of it may be recommended again
    revision      bigint not null default 1,
    updated_at    timestamptz not null default clock_timestamp(),
    primary key (dataset, category_id)
);

create table shop.products (
    dataset               text not null references raw.datasets on delete cascade,
    product_id            text not null, -- the item_id of events and recommendations
    title                 text,
    description           text,
    brand                 text,
    category_id           text,
    price                 real,
    stock                 integer, -- null: not counted; with variants: their sum
    is_available          boolean not null default true,
    is_hidden             boolean not null default false,
    recommendation_weight real not null default 1, -- the shop's own, what `selection` picks by
    tags                  text[] not null default '{}',
    attributes            jsonb not null default '{}', -- name -> number or text
    revision              bigint not null default 1,
    created_at            timestamptz not null default clock_timestamp(),
    updated_at            timestamptz not null default clock_timestamp(),
    primary key (dataset, product_id)
);

create table shop.variants (
    dataset               text not null,
    sku                   text not null,
    product_id            text not null,
    stock                 integer not null default 0,
    price                 real,
    recommendation_weight real not null default 1,
    attributes            jsonb not null default '{}',
    primary key (dataset, sku),
    foreign key (dataset, product_id) references shop.products on delete cascade
);
create index variants_of_product on shop.variants (dataset, product_id);

create table shop.customers (
    dataset     text not null references raw.datasets on delete cascade,
    customer_id text not null, -- the user_id of events and recommendations
    title       text,
    gender      text,
    age         smallint,
    location    text,
    preference  text,
    attributes  jsonb not null default '{}',
    revision    bigint not null default 1,
    created_at  timestamptz not null default clock_timestamp(),
    updated_at  timestamptz not null default clock_timestamp(),
    primary key (dataset, customer_id)
);
"""

# Facts that rules and filters go by, beside those that step 1 keeps there.
ITEM_STATE = """
alter table recs.item_state
    add column title         text,
    add column brand         text,
    add column stock         integer,
    add column tags          text[] not null default '{}',
    add column is_hidden     boolean not null default false,
    add column is_repeatable boolean not null default false,
    add column weight        real not null default 1;
"""


def upgrade() -> None:
    op.execute(SHOP)
    op.execute(ITEM_STATE)
