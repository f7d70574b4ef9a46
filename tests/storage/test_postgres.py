import pytest

from recsys.errors import UnavailableError
from recsys.settings import PostgresSettings
from recsys.stack.process import free_port
from recsys.storage import postgres


def test_a_transaction_rolls_back_on_error(database: PostgresSettings) -> None:
    with pytest.raises(RuntimeError, match="stop"), postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source) values ('shop', 'csv')")
        raise RuntimeError("stop")
    with postgres.transaction(database) as cursor:
        cursor.execute("select count(*) from raw.datasets")
        assert cursor.fetchone() == (0,)


def test_migrating_again_changes_nothing(database: PostgresSettings) -> None:
    postgres.migrate(database)
    postgres.migrate(database)


def test_waiting_for_a_dead_server_says_so_once_and_gives_up(database: PostgresSettings) -> None:
    said: list[str] = []
    dead = database.model_copy(update={"port": free_port(), "connect_timeout_s": 1.2})
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{dead.port}"):
        postgres.wait(dead, said.append)
    assert len(said) == 1
