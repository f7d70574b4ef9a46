import json
import stat
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys import api_keys
from recsys.api_keys import Scope
from recsys.cli import app
from recsys.errors import BadInputError, ConfigurationError


def test_a_created_key_is_kept_only_as_a_hash_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "api_keys.json"
    plain = api_keys.create(path, "shop", [Scope.READ, Scope.EVENTS])
    assert plain not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert api_keys.read(path) == [api_keys.ApiKey("shop", (Scope.READ, Scope.EVENTS), api_keys.digest(plain))]


def test_admin_includes_the_other_scopes() -> None:
    assert api_keys.ApiKey("a", (Scope.ADMIN,), "").allows(Scope.EVENTS)
    assert not api_keys.ApiKey("a", (Scope.READ,), "").allows(Scope.EVENTS)


@pytest.mark.parametrize("name", ["", "two words", "../x", "a" * 64, "-dash"])
def test_unusable_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="not usable"):
        api_keys.create(tmp_path / "keys", name, [Scope.READ])


def test_a_name_is_used_once_and_revoked_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    api_keys.create(path, "shop", [Scope.READ])
    with pytest.raises(BadInputError, match="already a key named 'shop'"):
        api_keys.create(path, "shop", [Scope.READ])
    api_keys.revoke(path, "shop")
    with pytest.raises(BadInputError, match="no key named 'shop'"):
        api_keys.revoke(path, "shop")


def test_keys_created_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    threads = [threading.Thread(target=api_keys.create, args=(path, f"k{n}", [Scope.READ])) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in api_keys.read(path)} == {f"k{n}" for n in range(8)}


@pytest.mark.parametrize(
    "text", ["", "{}x", '[{"name": "a"}]', '[{"name": "a", "scopes": ["all"], "sha256": ""}]', "3"]
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ConfigurationError, match=str(tmp_path / "keys")):
        api_keys.read(tmp_path / "keys")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEYS_FILE", str(tmp_path / "keys.json"))
    run = CliRunner().invoke
    created = run(app, ["keys", "create", "shop", "--scope", "read", "--scope", "events"])
    plain = created.stdout.splitlines()[-1]
    [entry] = json.loads((tmp_path / "keys.json").read_text())
    assert entry == {"name": "shop", "scopes": ["read", "events"], "sha256": api_keys.digest(plain)}
    listed = run(app, ["keys", "list"]).stdout
    assert "shop" in listed
    assert "read, events" in listed
    assert run(app, ["keys", "revoke", "shop"]).exit_code == 0
    assert api_keys.read(tmp_path / "keys.json") == []
