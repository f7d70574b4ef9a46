"""A home of the stack's own on free ports, and the command line as a person uses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.stack.process import free_port

PORTS = ("API", "AIRFLOW", "MLFLOW", "POSTGRES", "S3", "WORKER")


class Cli:
    """`recsys …` in a process of its own, with a given home and ports."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.environment = os.environ | {"RECSYS_HOME": str(folder), "COLUMNS": "300", **settings}

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "recsys", *arguments]
        return subprocess.run(command, env=self.environment | settings, capture_output=True, text=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home on free ports, for code that runs in this process."""
    for name in PORTS:
        monkeypatch.setenv(f"STACK_{name}_PORT", str(free_port()))
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def cli(home: Path) -> Cli:
    """The command line with that empty home."""
    return Cli(home)
