from pathlib import Path

import pytest

from recsys.errors import NotReadyError, UnavailableError
from recsys.settings import ObjectStoreSettings
from recsys.stack.process import free_port
from recsys.storage.object_store import ObjectStore, StoredObject


def test_a_file_goes_there_and_comes_back(bucket: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    bucket.upload(tmp_path / "a", "folder/a")
    bucket.put("folder/b", b"small")
    bucket.download("folder/a", tmp_path / "deep" / "back")
    assert (tmp_path / "deep" / "back").read_bytes() == b"x" * 100_000
    assert bucket.get("folder/b") == b"small"
    assert list(bucket.list("folder/")) == [StoredObject("folder/a", 100_000), StoredObject("folder/b", 5)]
    assert bucket.delete("folder/") == 2
    assert list(bucket.list()) == []


def test_a_missing_object_is_named_and_leaves_no_file(bucket: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="nothing/here"):
        bucket.download("nothing/here", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_dead_store_is_named(s3_server_settings: ObjectStoreSettings) -> None:
    dead = s3_server_settings.model_copy(
        update={"endpoint_url": f"http://127.0.0.1:{free_port()}", "connect_timeout_s": 1}
    )
    with pytest.raises(UnavailableError, match=dead.endpoint_url):
        ObjectStore(dead).wait(print)
