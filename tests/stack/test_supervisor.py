"""The process manager with the two storage servers, shared by the tests here; the last ones kill and stop it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from recsys.settings import PostgresSettings, home, load
from recsys.stack import environment, health, postgres_server, supervisor
from recsys.stack.process import free_port
from recsys.stack.settings import StackSettings
from tests.conftest import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home on free ports for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("POSTGRES", "S3"):
            patch.setenv(f"STACK_{name}_PORT", str(free_port()))
        patch.setenv("RECSYS_HOME", str(tmp_path_factory.mktemp("supervised")))
        yield home()


@pytest.fixture(scope="module")
def storage(folder: Path) -> Iterator[StackSettings]:
    """Postgres and S3 running under the supervisor."""
    settings = load(StackSettings)
    environment.write(environment.plan(settings))
    secret = load(PostgresSettings).password.get_secret_value()
    postgres_server.initialise(folder / "postgres", "recsys", secret)
    (folder / "s3").mkdir()
    supervisor.start()
    start(settings)
    yield settings
    supervisor.shutdown()


def start(settings: StackSettings) -> None:
    for name in ("postgres", "s3"):
        supervisor.start_program(name)
    wait_until(lambda: health.postgres(settings) is None and health.object_store(settings) is None)


def family() -> list[psutil.Process]:
    leader = psutil.Process(supervisor.pid())
    return [leader, *leader.children(recursive=True)]


def test_no_secret_is_on_a_command_line_or_in_the_configuration(storage: StackSettings, folder: Path) -> None:
    secrets = [value for name, value in environment.read().items() if "PASSWORD" in name or "SECRET" in name]
    secrets = [secret for secret in secrets if not Path(secret).exists()]
    assert len(secrets) >= 4
    shown = [" ".join(process.cmdline()) for process in family()]
    shown += [path.read_text() for path in (folder / "run").glob("*.conf")]
    assert not [secret for secret in secrets for text in shown if secret in text]


def test_only_its_owner_reaches_the_supervisor(storage: StackSettings, folder: Path) -> None:
    for path in ("run", "run/supervisor.sock", "logs"):
        assert (folder / path).stat().st_mode & 0o077 == 0


def test_a_killed_program_is_back_by_itself(storage: StackSettings) -> None:
    for name, check in (("postgres", health.postgres), ("s3", health.object_store)):
        before = supervisor.states()[name].pid
        os.kill(before, signal.SIGKILL)
        wait_until(lambda name=name, before=before: supervisor.states()[name].pid not in {0, before})
        wait_until(lambda check=check: check(storage) is None)


def test_programs_end_with_a_killed_supervisor_and_can_start_again(storage: StackSettings) -> None:
    processes = family()
    processes[0].kill()
    wait_until(lambda: not [process for process in processes if process.is_running()])
    supervisor.start()
    start(storage)


def test_a_stop_leaves_nothing_running(storage: StackSettings) -> None:
    processes = family()
    assert len(processes) > 5
    supervisor.shutdown()
    assert not [process for process in processes if process.is_running()]
    assert supervisor.pid() is None
    assert supervisor.states() == {}
