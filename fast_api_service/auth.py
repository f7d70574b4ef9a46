"""API keys on the way in: the header `X-API-Key`, compared by hash in constant time, with scopes."""

import hashlib
import hmac
import logging
import time
from pathlib import Path
from typing import Any

from fastapi import Security
from fastapi.security import APIKeyHeader
from starlette.requests import Request

from fast_api_service.problems import ProblemError
from recsys import api_keys
from recsys.api_keys import ApiKey, Scope
from recsys.errors import ConfigurationError

HEADER = "X-API-Key"
RECHECK_S = 1.0
SCOPE_KEY = "recsys.api_key"  # where a request's ASGI scope holds its key

log = logging.getLogger(__name__)

_declared = APIKeyHeader(name=HEADER, auto_error=False, description="Created by `recsys keys create`.")


def needs(scope: Scope) -> Any:
    """Declares the scope that a router's routes need; `DirectRoute` checks it."""
    return Security(_declared, scopes=[str(scope)])


def key_name(request: Request) -> str:
    """The name of the key that a request came with: who changed something."""
    key: ApiKey = request.scope[SCOPE_KEY]
    return key.name


def check_scope(request: Request, scope: Scope) -> None:
    """See that a request's key has a scope beyond those of its route, because of what the request holds.

    Raises:
        ProblemError: 403.
    """
    _check(request.scope[SCOPE_KEY], scope)


class KeyRing:
    """The keys of a file, re-read within a second of a change; a damaged file leaves the last good keys in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: list[ApiKey] = []
        self.problem: str | None = None
        self._stamp: tuple[int, int] | None = None
        self._next_look = 0.0

    def authorize(self, plain: bytes | None, scope: Scope) -> ApiKey:
        """The key, if it may do what `scope` names.

        Raises:
            ProblemError: 401 without a known key, 403 when it lacks the scope.
        """
        if time.monotonic() >= self._next_look:
            self._look()
        if plain is None:
            raise _unauthorized("The header X-API-Key is missing.")
        digest = hashlib.sha256(plain).hexdigest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        if found is None:
            raise _unauthorized("The key in the header X-API-Key is not known.")
        _check(found, scope)
        return found

    def _look(self) -> None:
        self._next_look = time.monotonic() + RECHECK_S
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            stamp = (0, 0)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.keys, self.problem = api_keys.read(self.path), None
        except (ConfigurationError, OSError) as error:
            self.problem = str(error)
            log.error("Keeping the last good keys: %s", error)


def _check(key: ApiKey, scope: Scope) -> None:
    if not key.allows(scope):
        raise ProblemError(
            403,
            "missing-scope",
            f"The key {key.name!r} lacks the scope {scope!s}.",
            remedy=f"Use a key with that scope: `recsys keys create NAME --scope {scope}`.",
        )


def _unauthorized(message: str) -> ProblemError:
    remedy = "Send a valid key in X-API-Key; create one with `recsys keys create NAME --scope read`."
    # RFC 9110 wants the header on every 401; there is no registered scheme for API keys.
    return ProblemError(401, "unauthorized", message, remedy=remedy, headers={"WWW-Authenticate": "ApiKey"})
