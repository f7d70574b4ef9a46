"""Electing the one process of a host that does what needs doing once: downloading snapshots, following Postgres."""

import fcntl
import os
from pathlib import Path


class HostLeader:
    """A lock file. The kernel frees it when its holder ends, however it ends, and the next to ask takes over."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._held: int | None = None

    def acquire(self) -> bool:
        """Whether this process is the leader now; cheap, made to be asked at every tick."""
        if self._held is None:
            lock = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._held = lock
        return True

    def release(self) -> None:
        """Let another process lead."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
