import io

import polars as pl
import psycopg2
import pytest
from example_frames import frames
from hypothesis import HealthCheck, given, settings

from recsys.publishing import copy_binary
from recsys.settings import PostgresSettings


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames())
def test_postgres_reads_back_any_frame(database: PostgresSettings, frame: pl.DataFrame) -> None:
    with psycopg2.connect(database.dsn()) as connection, connection.cursor() as cursor:
        cursor.execute("create temp table t (like recs.similar_items) on commit drop")
        cursor.execute("alter table t alter version drop not null")
        body = io.BytesIO(copy_binary.HEADER + copy_binary.rows(frame) + copy_binary.TRAILER)
        cursor.copy_expert(f"copy t ({', '.join(copy_binary.COLUMNS)}) from stdin (format binary)", body)
        cursor.execute("select key, item_ids, scores, reasons, based_on from t")
        found = {row[0]: row[1:] for row in cursor}
    connection.close()
    assert len(found) == frame.height
    for row in frame.to_dicts():
        items, scores, reasons, based_on = found[row["key"]]
        assert items == row["item_ids"]
        assert scores == pytest.approx(row["scores"], rel=1e-5, abs=1e-44)
        assert reasons == row.get("reasons")
        assert based_on == row.get("based_on")
