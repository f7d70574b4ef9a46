"""What the worker and the event endpoints keep between two pipeline runs."""

from alembic import op

revision = "0005"
down_revision = "0004"

LIVE = """
alter table raw.collected_events
    add column value      real, -- a rating's stars, a detail_leave's seconds
    add column placement  text, -- where the answer named by recommendation_id was shown
    add column source     text, -- what had put the item there
    add column version    bigint, -- generation of the tables it came from
    add column propensity real, -- probability with which an explored item was shown
    add column is_merged  boolean not null default false; -- a guest's, whose session merged into the user's account
create index collected_events_by_session on raw.collected_events (dataset, session_id, timestamp_ms desc)
    where user_id is null;

-- Short lists that change within seconds, such as `trending` and `newest`; the service keeps copies.
create table shop.live_lists (
    dataset  text not null references raw.datasets on delete cascade,
    name     text not null,
    key      text not null default '', -- a category id, an item id, or nothing
    item_ids text[] not null,
    scores   real[] not null,
    made_at  timestamptz not null default clock_timestamp(),
    txid     xid8 not null default pg_current_xact_id(),
    primary key (dataset, name, key)
);
create index live_lists_by_change on shop.live_lists (txid);

-- How often an item that recommendations showed was seen and opened, and up to where events were counted.
create table shop.item_feedback (
    dataset     text not null references raw.datasets on delete cascade,
    item_id     text not null,
    impressions bigint not null,
    clicks      bigint not null,
    primary key (dataset, item_id)
);
create table shop.feedback_position (
    dataset text primary key references raw.datasets on delete cascade,
    seen    text not null, -- a Postgres snapshot
    at      timestamptz not null
);

-- Whose a session was when it merged into an account: its events until then that come in later are theirs too.
create table shop.session_owners (
    dataset    text not null references raw.datasets on delete cascade,
    session_id text not null,
    user_id    text not null,
    merged_at  timestamptz not null default clock_timestamp(),
    primary key (dataset, session_id, merged_at)
);
-- Not by dataset first: a planner that knows no better would read a whole shop's sessions by it.
create index session_owners_by_user on shop.session_owners (user_id);

create function shop.user_hash(user_id text) returns text language sql immutable strict parallel safe
return encode(sha256(convert_to(user_id, 'UTF8')), 'hex');

-- Users, and as `session:…` guests, whose data were erased: lists published before are not theirs any more, and older
-- events that come in later are dropped. Their ids are kept hashed.
create table shop.erasures (
    dataset    text not null references raw.datasets on delete cascade,
    user_hash  text not null,
    erased_at  timestamptz not null default clock_timestamp(),
    settled_at timestamptz, -- when step 1 had read data without this user
    txid       xid8 not null default pg_current_xact_id(),
    primary key (dataset, user_hash)
);
create index erasures_by_change on shop.erasures (txid);
"""


def upgrade() -> None:
    op.execute(LIVE)
