"""A change of a product's variants is one of its item's state, so that who follows that learns of both."""

from alembic import op

revision = "0007"
down_revision = "0006"

TELL = """
-- Whoever writes; once a transaction is enough.
create function shop.tell_variants() returns trigger language plpgsql as $$
begin
    update recs.item_state state set item_id = state.item_id
    where (state.dataset, state.item_id) in (select dataset, product_id from changed)
      and state.txid <> pg_current_xact_id();
    return null;
end $$;
create trigger variants_made after insert on shop.variants referencing new table as changed
for each statement execute function shop.tell_variants();
create trigger variants_changed after update on shop.variants referencing new table as changed
for each statement execute function shop.tell_variants();
create trigger variants_moved after update on shop.variants referencing old table as changed
for each statement execute function shop.tell_variants();
create trigger variants_gone after delete on shop.variants referencing old table as changed
for each statement execute function shop.tell_variants();
"""


def upgrade() -> None:
    op.execute(TELL)
