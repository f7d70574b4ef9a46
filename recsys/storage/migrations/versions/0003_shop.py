"""The shop as its API keeps it: categories, products with variants, customers, and their content vectors."""

from alembic import op

revision = "0003"
down_revision = "0002"

SHOP = """
create extension if not exists vector;
create schema shop;

-- A row's revision is its ETag. It comes from one sequence, so that a row made anew never repeats an old one's.
create sequence shop.revisions;

create function shop.touch() returns trigger language plpgsql as $$
begin
    new.revision := nextval('shop.revisions');
    new.updated_at := clock_timestamp();
    new.txid := pg_current_xact_id();
    return new;
end $$;

create table shop.categories (
    dataset       text not null references raw.datasets on delete cascade,
    category_id   text not null,
    parent_id     text,
    title         text,
    is_repeatable boolean not null default false, -- what was bought of it, or below it, may be recommended again
    revision      bigint not null default nextval('shop.revisions'),
    created_at    timestamptz not null default clock_timestamp(),
    updated_at    timestamptz not null default clock_timestamp(),
    txid          xid8 not null default pg_current_xact_id(),
    primary key (dataset, category_id)
);
create trigger category_touched before update on shop.categories for each row execute function shop.touch();

create table shop.products (
    dataset               text not null references raw.datasets on delete cascade,
    product_id            text not null, -- the item_id of events and recommendations
    title                 text,
    description           text,
    brand                 text,
    category_id           text,
    price                 double precision,
    stock                 integer, -- null: not counted; with variants: their sum
    is_available          boolean not null default true,
    is_hidden             boolean not null default false,
    recommendation_weight double precision not null default 1, -- the shop's own, what `selection` picks by
    tags                  text[] not null default '{}',
    attributes            jsonb not null default '{}', -- name -> number or text
    revision              bigint not null default nextval('shop.revisions'),
    created_at            timestamptz not null default clock_timestamp(),
    updated_at            timestamptz not null default clock_timestamp(),
    txid                  xid8 not null default pg_current_xact_id(), -- lets a follower ask for what it has not seen
    primary key (dataset, product_id)
);
create index products_by_change on shop.products (txid);
create index products_of_category on shop.products (dataset, category_id, product_id);
create index products_by_creation on shop.products (dataset, created_at);
create trigger product_touched before update on shop.products for each row execute function shop.touch();

create table shop.variants (
    dataset               text not null,
    sku                   text not null,
    product_id            text not null,
    stock                 integer not null default 0,
    price                 double precision,
    recommendation_weight double precision not null default 1,
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
    revision    bigint not null default nextval('shop.revisions'),
    created_at  timestamptz not null default clock_timestamp(),
    updated_at  timestamptz not null default clock_timestamp(),
    txid        xid8 not null default pg_current_xact_id(),
    primary key (dataset, customer_id)
);
create index customers_by_change on shop.customers (txid);
create index customers_by_update on shop.customers (dataset, updated_at);
create trigger customer_touched before update on shop.customers for each row execute function shop.touch();

-- What products were when: step 1 reads it beside the loaded properties, so that features know only what was known.
-- An empty value takes back what was said before.
create table raw.collected_item_properties (
    change_id    bigint generated always as identity primary key,
    dataset      text not null references raw.datasets on delete cascade,
    item_id      text not null,
    timestamp_ms bigint not null,
    property     text not null,
    value        text not null
);
create index collected_item_properties_of_item on raw.collected_item_properties (dataset, item_id, timestamp_ms);
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
    add column weight        real not null default 1,
    add column is_from_api   boolean not null default false; -- the API knows better than the last pipeline run
"""

# What the API says of products reaches the service and the pipeline in the transaction that says it, whoever writes.
REPEATABLE = """
with recursive above as (
    select distinct dataset, category_id as below, category_id from {categories} where category_id is not null
    union
    select above.dataset, above.below, parent.parent_id
    from above join shop.categories parent using (dataset, category_id) where parent.parent_id is not null
), repeatable as (
    select distinct above.dataset, above.below
    from above join shop.categories category using (dataset, category_id) where category.is_repeatable
)"""
FACTS = "category_id, is_available, price, title, brand, stock, tags, is_hidden, is_repeatable, weight, is_from_api"
SAID = """
    cross join lateral (
        select 'categoryid' as property, product.category_id as value
        union all select 'available', (product.is_available and coalesce(product.stock, 1) > 0)::int::text
        union all select 'price', product.price::text
        union all select 'title', product.title
        union all select 'brand', product.brand
        union all select 'tags', nullif(array_to_string(product.tags, ' '), '')
        union all select key, value from jsonb_each_text(product.attributes)
    ) said"""
# A first load says since when its products have been as they are.
NOW_MS = """coalesce(nullif(current_setting('recsys.told_at_ms', true), '')::bigint,
        (extract(epoch from clock_timestamp()) * 1000)::bigint)"""
FOLLOW_UP = f"""
create function shop.tell_item_state() returns trigger language plpgsql as $$
begin
    {REPEATABLE.format(categories="changed")}
    insert into recs.item_state as state (dataset, item_id, {FACTS})
    select product.dataset, product.product_id, product.category_id,
           product.is_available and coalesce(product.stock, 1) > 0, product.price, product.title, product.brand,
           product.stock, product.tags, product.is_hidden, repeatable.below is not null,
           product.recommendation_weight, true
    from changed product
    left join repeatable on (repeatable.dataset, repeatable.below) = (product.dataset, product.category_id)
    order by product.product_id
    on conflict (dataset, item_id) do update
    set ({FACTS}) = row ({", ".join(f"excluded.{name}" for name in FACTS.split(", "))})
    where ({", ".join(f"state.{name}" for name in FACTS.split(", "))})
          is distinct from ({", ".join(f"excluded.{name}" for name in FACTS.split(", "))});
    return null;
end $$;

create function shop.tell_new_properties() returns trigger language plpgsql as $$
begin
    insert into raw.collected_item_properties (dataset, item_id, timestamp_ms, property, value)
    select product.dataset, product.product_id, {NOW_MS}, said.property, said.value
    from changed product {SAID}
    where said.value is not null;
    return null;
end $$;

create function shop.tell_changed_properties() returns trigger language plpgsql as $$
begin
    insert into raw.collected_item_properties (dataset, item_id, timestamp_ms, property, value)
    select product.dataset, product.product_id, {NOW_MS}, said.property,
           coalesce(max(said.value) filter (where product.is_new), '')
    from (select true as is_new, * from changed union all select false, * from before) product {SAID}
    where said.value is not null
    group by product.dataset, product.product_id, said.property
    having max(said.value) filter (where product.is_new) is distinct from
           max(said.value) filter (where not product.is_new);
    return null;
end $$;

create function shop.tell_withdrawn() returns trigger language plpgsql as $$
begin
    update recs.item_state state set is_available = false
    from gone where (state.dataset, state.item_id) = (gone.dataset, gone.product_id);
    insert into raw.collected_item_properties (dataset, item_id, timestamp_ms, property, value)
    select gone.dataset, gone.product_id, {NOW_MS}, 'available', '0'
    from gone where exists (select from raw.datasets where name = gone.dataset); -- else all of it goes
    return null;
end $$;

create function shop.tell_repeatable() returns trigger language plpgsql as $$
begin
    {REPEATABLE.format(categories="recs.item_state")}
    update recs.item_state state set is_repeatable = not state.is_repeatable
    where state.is_repeatable <> exists (
        select from repeatable where (repeatable.dataset, repeatable.below) = (state.dataset, state.category_id)
    );
    return null;
end $$;

create trigger products_made after insert on shop.products referencing new table as changed
for each statement execute function shop.tell_item_state();
create trigger products_changed after update on shop.products referencing new table as changed
for each statement execute function shop.tell_item_state();
create trigger properties_made after insert on shop.products referencing new table as changed
for each statement execute function shop.tell_new_properties();
create trigger properties_changed after update on shop.products referencing old table as before new table as changed
for each statement execute function shop.tell_changed_properties();
create trigger products_gone after delete on shop.products referencing old table as gone
for each statement execute function shop.tell_withdrawn();
create trigger categories_changed after insert or update of parent_id, is_repeatable or delete on shop.categories
for each statement execute function shop.tell_repeatable();
"""

# One partition a dataset, each with an index of its own: a search never has to filter other shops' items out.
VECTORS = """
create table shop.item_vectors (
    dataset   text not null references raw.datasets on delete cascade,
    item_id   text not null,
    embedding vector(64) not null,
    primary key (dataset, item_id)
) partition by list (dataset);
create index item_vectors_by_nearness on shop.item_vectors using hnsw (embedding vector_cosine_ops)
    with (m = 16, ef_construction = 100);

-- What each word of the catalogue adds to a vector; a search by text adds up its words.
create table shop.words (
    dataset   text not null references raw.datasets on delete cascade,
    word      text not null,
    embedding vector(64) not null,
    primary key (dataset, word)
);

create table shop.customer_vectors (
    dataset     text not null,
    customer_id text not null,
    embedding   vector(64) not null,
    primary key (dataset, customer_id),
    foreign key (dataset, customer_id) references shop.customers on delete cascade
);

-- How far the worker has come.
create table shop.vector_progress (
    dataset  text primary key references raw.datasets on delete cascade,
    fitted   integer not null, -- items that the words' vectors were learned from
    length   real not null,    -- of the vector of a word that was not learned
    seen     text not null     -- the Postgres snapshot up to which changes are in
);
"""


def upgrade() -> None:
    op.execute(SHOP)
    op.execute(ITEM_STATE)
    op.execute(FOLLOW_UP)
    op.execute(VECTORS)
