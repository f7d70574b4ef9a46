"""RabbitMQ from the system's package, run from a folder of its own: nothing below /var, no account needed."""

import os
from pathlib import Path

from recsys.errors import ConfigurationError

# Not /usr/sbin/rabbitmq-server: that one insists on being root or the package's own user.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER = "recsys"


def name_server_command(port: int) -> list[str]:
    """Erlang's name server, which a node looks for at its start; it would start one that outlives it."""
    return ["epmd", "-address", "127.0.0.1", "-port", str(port)]


def command() -> list[str]:
    """The server in the foreground.

    Raises:
        ConfigurationError: it is not installed.
    """
    if not PROGRAM.exists():
        raise ConfigurationError(
            "RabbitMQ is missing.", remedy="Install it: `apt-get install rabbitmq-server` (Debian, Ubuntu)."
        )
    return [str(PROGRAM)]


def initialise(folder: Path, port: int, password: str) -> None:
    """Write the configuration; the folder belongs to the account that the server runs as."""
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\n"
        f"default_user = {USER}\n"
        f"default_pass = {password}\n"
        # A test machine's disk may be nearly full; the package's default of 50 MB would stop publishers.
        "disk_free_limit.absolute = 10MB\n"
    )
    (folder / "rabbitmq.conf").chmod(0o640)
    (folder / "enabled_plugins").write_text("[].\n")


def environment(folder: Path, port: int, node_port: int, name_server_port: int) -> dict[str, str]:
    """Where everything is; `node_port` and `name_server_port` are Erlang's own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # of the Erlang cookie
        "RABBITMQ_NODENAME": f"recsys-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(node_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(name_server_port),
    }
