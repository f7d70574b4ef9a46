"""A bulk request that is cut off in the middle says how far it came."""

import pytest

from fast_api_service.catalog.bulk import BATCH_ROWS, Upserter
from fast_api_service.catalog.products import PRODUCT
from fast_api_service.catalog.records import Records
from fast_api_service.database import create_pool
from fast_api_service.problems import ProblemError
from recsys.settings import PostgresSettings
from recsys.storage import postgres


async def test_rows_before_postgres_went_away_are_stored_and_counted(database: PostgresSettings) -> None:
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'api', true)")
    pool = await create_pool(database, 1)
    upserter = Upserter(Records(PRODUCT, pool))
    rows = [{"product_id": f"p{number}"} for number in range(2 * BATCH_ROWS)]
    await upserter.write(rows[:BATCH_ROWS])
    pool.terminate()
    with pytest.raises(ProblemError) as refused:
        await upserter.write(rows[BATCH_ROWS:])
    assert (refused.value.status, refused.value.extra["stored_rows"]) == (503, BATCH_ROWS)
    assert "Only its first 500 rows were stored" in refused.value.message
    with postgres.transaction(database) as cursor:
        cursor.execute("select count(*) from shop.products")
        assert cursor.fetchone() == (BATCH_ROWS,)


async def test_without_a_dataset_the_remedy_says_how_to_begin(database: PostgresSettings) -> None:
    pool = await create_pool(database, 1)
    with pytest.raises(ProblemError) as refused:
        await Upserter(Records(PRODUCT, pool)).write([{"product_id": "p"}])
    assert refused.value.status == 503
    assert "recsys create NAME" in refused.value.remedy
    await pool.close()
