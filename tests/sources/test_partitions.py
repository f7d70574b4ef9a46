"""Whatever text a row holds, it arrives as it left."""

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.schema import RawTable
from recsys.settings import PostgresSettings
from recsys.sources import partitions
from recsys.storage import postgres

# All of Unicode that Postgres can hold, with more than its share of what CSV and COPY treat specially.
TEXT = st.text(st.one_of(st.sampled_from('",\\\n\r\t. N'), st.characters(codec="utf-8", exclude_characters="\0")))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(TEXT, st.one_of(st.none(), TEXT)), min_size=1))
def test_rows_survive_copy(database: PostgresSettings, values: list[tuple[str, str | None]]) -> None:
    frame = pl.DataFrame(values, schema={"category_id": pl.String, "parent_id": pl.String}, orient="row")
    connection = postgres.connect(database)
    with connection.cursor() as cursor:
        partitions.create(cursor, RawTable.CATEGORY_TREE, 7)
        partitions.copy(cursor, RawTable.CATEGORY_TREE, 7, frame.columns, partitions.encode(frame))
        partitions.attach(cursor, RawTable.CATEGORY_TREE, 7)
        cursor.execute("select load_id, category_id, parent_id from raw.category_tree")
        assert cursor.fetchall() == [(7, *row) for row in values]
    connection.close()
