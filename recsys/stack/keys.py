"""The first API keys of the embedded stack, so that the printed requests work at once."""

from pathlib import Path

from recsys import api_keys
from recsys.api_keys import Scope
from recsys.settings import ServiceSettings, home, load
from recsys.stack.environment import write_private

# What the shop itself needs, and what its operator needs.
FIRST_KEYS = {"shop": [Scope.READ, Scope.EVENTS, Scope.CATALOG], "admin": [Scope.ADMIN]}


def plain_file() -> Path:
    """Where the plain keys are: lines a shell can source, readable by their owner alone."""
    return home().absolute() / "api_keys.txt"


def ensure() -> None:
    """Create the first keys unless there are keys already."""
    hashes = load(ServiceSettings).api_keys_file
    if api_keys.read(hashes):
        return
    lines = [f"{name.upper()}_API_KEY={api_keys.create(hashes, name, scopes)}\n" for name, scopes in FIRST_KEYS.items()]
    write_private(plain_file(), "".join(lines))
