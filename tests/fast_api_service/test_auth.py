from pathlib import Path

import pytest

from fast_api_service import auth
from fast_api_service.auth import KeyRing
from fast_api_service.problems import ProblemError
from recsys import api_keys
from recsys.api_keys import Scope


@pytest.fixture(autouse=True)
def look_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "RECHECK_S", 0)


def status(ring: KeyRing, plain: str | None, scope: Scope = Scope.READ) -> int:
    try:
        ring.authorize(None if plain is None else plain.encode(), scope)
    except ProblemError as problem:
        return problem.status
    return 200


def test_keys_by_scope(tmp_path: Path) -> None:
    read = api_keys.create(tmp_path / "keys", "reader", [Scope.READ])
    admin = api_keys.create(tmp_path / "keys", "boss", [Scope.ADMIN])
    ring = KeyRing(tmp_path / "keys")
    assert status(ring, read) == 200
    assert status(ring, read, Scope.EVENTS) == 403
    assert status(ring, admin, Scope.EVENTS) == 200
    assert status(ring, None) == status(ring, "wrong") == status(ring, api_keys.digest(read)) == 401


def test_a_change_of_the_file_counts_at_once(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    assert status(ring, "any") == 401
    plain = api_keys.create(tmp_path / "keys", "shop", [Scope.READ])
    assert status(ring, plain) == 200
    api_keys.revoke(tmp_path / "keys", "shop")
    assert status(ring, plain) == 401


def test_a_damaged_file_keeps_the_last_good_keys_and_says_so(tmp_path: Path) -> None:
    plain = api_keys.create(tmp_path / "keys", "shop", [Scope.READ])
    ring = KeyRing(tmp_path / "keys")
    assert status(ring, plain) == 200
    (tmp_path / "keys").write_text("{")
    assert status(ring, plain) == 200
    assert "not readable" in str(ring.problem)
