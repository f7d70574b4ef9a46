"""Fills `.env` for `docker compose` with generated secrets, so that nobody has to invent any."""

import base64
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from dotenv import dotenv_values

from recsys.errors import NotReadyError
from recsys.settings import PROJECT_ROOT
from recsys.stack.environment import write_private

COMPOSE_FILE = PROJECT_ROOT / "docker-compose.yaml"
ENV_FILE = PROJECT_ROOT / ".env"

# `${NAME:?…}` in the compose file: without a value nothing starts.
REQUIRED = re.compile(r"\$\{(\w+):\?")


def required(compose_file: Path = COMPOSE_FILE) -> list[str]:
    """The variables the compose file cannot do without, in the order it first names them.

    Raises:
        NotReadyError: there is no compose file, as when the package is installed without its sources.
    """
    if not compose_file.exists():
        raise NotReadyError(f"{compose_file} does not exist.", remedy="Run this from the sources of the project.")
    return list(dict.fromkeys(REQUIRED.findall(compose_file.read_text())))


def fill(env_file: Path = ENV_FILE, compose_file: Path = COMPOSE_FILE) -> list[str]:
    """Add what is missing to `env_file` (mode 0600); what is there stays as it is.

    Returns:
        The names that were added.
    """
    text = env_file.read_text() if env_file.exists() else ""
    there = dotenv_values(env_file) if text else {}
    missing = [name for name in required(compose_file) if not there.get(name)]
    if missing:
        if text and not text.endswith("\n"):
            text += "\n"
        write_private(env_file, text + "".join(f"{name}={_made(name)}\n" for name in missing))
    return missing


def _made(name: str) -> str:
    """A secret: hexadecimal, so that it needs no quoting in addresses and files; 64 characters, as HS512 wants."""
    if name == "SCHEDULE_START_DATE":
        return datetime.now(UTC).isoformat(timespec="seconds")
    if name.endswith("FERNET_KEY"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)
