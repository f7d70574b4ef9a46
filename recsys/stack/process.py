"""Small facts about processes and ports that the embedded servers share."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from recsys.errors import ConfigurationError

# Postgres refuses to run as root, as in a container; then it runs as this user.
UNPRIVILEGED_USER = "recsys"


def tool(name: str) -> Path:
    """The path of a program that one of our wheels installed beside the interpreter, or that the system has.

    Raises:
        ConfigurationError: it is in neither place.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ConfigurationError(
            f"The program {name!r} is missing.", remedy="Install the requirements: `make install`."
        )
    return Path(found)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def unprivileged() -> str | None:
    """The user to run Postgres as when we are root (created if need be); None when we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", UNPRIVILEGED_USER],
            check=True,
        )
    return UNPRIVILEGED_USER


def open_path_for(path: Path) -> None:
    """Let other users walk through the parents of `path` (they still cannot list them)."""
    for parent in path.resolve().parents:
        status = parent.stat()
        if not status.st_mode & 0o001 and status.st_uid == os.geteuid():
            parent.chmod(status.st_mode | 0o001)


def in_session(session: int) -> list[psutil.Process]:
    """The processes of a session: for the supervisor's, itself and all that came from it, orphans included."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session:
                members.append(process)
    return members
