import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from recsys.storage.workspace import PREFIX, workspace

HOLDER = """
import time
from recsys.storage.workspace import workspace
with workspace() as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_folder_left_by_a_killed_process_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)}
    child = subprocess.Popen([sys.executable, "-c", HOLDER], env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    theirs = Path(child.stdout.readline().strip())
    with workspace():
        assert (theirs / "file").exists(), "its owner lives"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    (tmp_path / "not-ours").mkdir()
    with workspace() as ours:
        assert not theirs.exists()
        assert list(ours.iterdir()) == []
        assert ours.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["not-ours"]
    assert PREFIX in theirs.name


def test_a_folder_removed_before_it_is_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps that begin at once: one takes the other's new folder for abandoned."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken: list[Path] = []
    real = os.open

    def remove_the_first(path: Path, *arguments: object, **options: object) -> int:
        if not taken:
            taken.append(path)
            path.rmdir()
        return real(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", remove_the_first)
    with workspace() as folder:
        assert folder.is_dir()
        assert folder not in taken
