"""The admin commands on the bucket, as processes against a real S3 server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.settings import PROJECT_ROOT
from recsys.storage.object_store import ObjectStore


@pytest.fixture
def script(suite_environment: None):
    """Runs one of the scripts on `bucket`."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROJECT_ROOT / "s3_scripts" / f"{name}.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd="/")

    return run


def test_contents_lists_every_key(script, bucket: ObjectStore) -> None:
    for key in ("models/a.npz", "models/b.npz", "prepared/events.parquet"):
        bucket.put(key, b"x")
    done = script("check_storage", "--option=contents")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["models/a.npz", "models/b.npz", "prepared/events.parquet"]


def test_space_gives_sizes_and_their_sum(script, bucket: ObjectStore) -> None:
    bucket.put("a", b"x" * 1000)
    bucket.put("b", b"x" * 500)
    lines = script("check_storage", "--option=space").stdout.splitlines()
    assert lines[0].split() == ["1,000", "bytes", "a"]
    assert lines[-1].strip() == f"1,500 bytes (0.00 GiB) in 2 objects of bucket {bucket.bucket}"


def test_an_empty_bucket_is_no_error(script, bucket: ObjectStore) -> None:
    assert script("check_storage", "--option=contents").stdout == ""
    assert "0 objects" in script("check_storage", "--option=space").stdout


@pytest.mark.parametrize("arguments", [[], ["--option=size"]])
def test_a_wrong_option_names_the_right_ones(script, arguments: list[str]) -> None:
    done = script("check_storage", *arguments)
    assert done.returncode == 2
    assert "--option" in done.stderr


def test_push_stores_the_file_under_its_key(script, bucket: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    done = script("push_file", "--local-file-path", str(tmp_path / "a.txt"), "--s3-file-path", "notes/a.txt")
    assert done.returncode == 0, done.stderr
    assert bucket.get("notes/a.txt") == b"hello"


@pytest.mark.parametrize("key", ["", "/a", "a/"])
def test_push_refuses_what_is_no_key(script, key: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    done = script("push_file", "--local-file-path", str(tmp_path / "a.txt"), "--s3-file-path", key)
    assert done.returncode == 1
    assert f"--s3-file-path {key!r} is not a key" in done.stderr


@pytest.mark.parametrize("path", ["/nowhere", "/"])
def test_push_refuses_what_is_no_file(script, path: str) -> None:
    done = script("push_file", "--local-file-path", path, "--s3-file-path", "a")
    assert done.returncode == 2
    assert "--local-file-path" in done.stderr


def test_a_store_that_is_down_ends_with_one_clear_line() -> None:
    environment = os.environ | {
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "S3_ACCESS_KEY": "a",
        "S3_SECRET_KEY": "a-long-secret",
    }
    command = [sys.executable, str(PROJECT_ROOT / "s3_scripts" / "check_storage.py"), "--option=contents"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "could not be reached" in done.stderr
    assert "Traceback" not in done.stderr
