"""What hinders a start is said in one clear line, and nothing is written or started."""

import os
import socket
from pathlib import Path

import pytest

from recsys.errors import ConfigurationError
from recsys.settings import load
from recsys.stack import preflight, process
from recsys.stack.settings import StackSettings
from tests.stack.conftest import Cli


def test_a_port_in_use_names_its_holder_and_the_setting(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = cli("up", STACK_MLFLOW_PORT=str(port))
    assert done.returncode == 1
    assert f"Port {port} for mlflow is in use by process {os.getpid()}" in done.stderr
    assert "STACK_MLFLOW_PORT" in done.stderr
    assert "Traceback" not in done.stderr
    assert not cli.folder.exists()


def test_one_port_for_two_is_refused(home: Path) -> None:
    port = load(StackSettings).s3_port
    with pytest.raises(ConfigurationError, match=f"STACK_API_PORT and STACK_S3_PORT are both {port}"):
        preflight.check(load(StackSettings, api_port=port))


def test_a_missing_program_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"'supervisord' is missing.*make install"):
        preflight.check(load(StackSettings))


def test_a_port_that_is_none_is_refused(cli: Cli) -> None:
    done = cli("up", STACK_API_PORT="eighty")
    assert done.returncode == 1
    assert "STACK_API_PORT" in done.stderr


def test_a_home_too_deep_for_a_socket_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recsys.stack import supervisor

    monkeypatch.setenv("RECSYS_HOME", str(home / ("deep" * 30)))
    with pytest.raises(ConfigurationError, match=r"RECSYS_HOME.*too deep"):
        supervisor.start()
