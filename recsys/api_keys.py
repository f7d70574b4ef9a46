"""API keys of the service: generated here, kept as names, scopes and SHA-256 hashes, never in the clear.

A plain SHA-256 is enough because a key carries 256 random bits: there is no dictionary to try. The file is replaced
whole on every change, so the service, which re-reads it when it changes, never sees half of it.
"""

import fcntl
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from recsys.errors import BadInputError, ConfigurationError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Scope(StrEnum):
    """What a key may do. `admin` includes the others."""

    READ = "read"
    EVENTS = "events"
    CATALOG = "catalog"  # products, categories, customers
    ADMIN = "admin"


@dataclass(frozen=True)
class ApiKey:
    """One entry of the keys file; `sha256` is the hash of the key, in hexadecimal."""

    name: str
    scopes: tuple[Scope, ...]
    sha256: str

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what `scope` names."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def generate() -> str:
    """A new plain key; the prefix lets secret scanners recognise it."""
    return f"rsk_{secrets.token_urlsafe(32)}"


def digest(plain: str) -> str:
    """The hash under which a key is kept."""
    return hashlib.sha256(plain.encode()).hexdigest()


def read(path: Path) -> list[ApiKey]:
    """The keys of a file; none when there is no file yet.

    Raises:
        ConfigurationError: the file is not a list of {name, scopes, sha256}.
    """
    try:
        entries = json.loads(path.read_text())
        return [ApiKey(str(e["name"]), tuple(Scope(s) for s in e["scopes"]), str(e["sha256"])) for e in entries]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"The API keys file {path} is not readable: {error!r}.",
            remedy="Restore it, or remove it and create keys anew with `recsys keys create NAME --scope read`.",
        ) from error


def create(path: Path, name: str, scopes: list[Scope]) -> str:
    """Add a key and return it in the clear, for the only time.

    Raises:
        BadInputError: the name is taken or malformed, or no scope is given.
    """
    if not NAME.fullmatch(name):
        raise BadInputError(
            f"The key name {name!r} is not usable.",
            remedy="Use up to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
        )
    if not scopes:
        raise BadInputError("A key needs a scope.", remedy=f"Choose from {', '.join(Scope)}.")
    plain = generate()
    with _exclusive(path):
        keys = read(path)
        if any(key.name == name for key in keys):
            raise BadInputError(
                f"There is already a key named {name!r}.",
                remedy=f"Revoke it first (`recsys keys revoke {name}`) or choose another name.",
            )
        _write(path, [*keys, ApiKey(name, tuple(dict.fromkeys(scopes)), digest(plain))])
    return plain


def revoke(path: Path, name: str) -> None:
    """Remove a key; running services refuse it within a second.

    Raises:
        BadInputError: there is no such key.
    """
    with _exclusive(path):
        keys = read(path)
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            raise BadInputError(f"There is no key named {name!r}.", remedy="See `recsys keys list`.")
        _write(path, kept)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Two commands at once must not lose each other's key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, keys: list[ApiKey]) -> None:
    part = path.with_name(path.name + ".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps([asdict(key) for key in keys], indent=1) + "\n")
    part.replace(path)
