"""What must be true before a first start: programs installed, ports free. Each miss is one clear line."""

import socket
import time

import psutil

from recsys.errors import ConfigurationError
from recsys.stack.process import tool
from recsys.stack.services import SERVICES
from recsys.stack.settings import HOST, StackSettings

# After a kill of the supervisor its programs end by themselves, a moment later.
PATIENCE_S = 3.0


def check(settings: StackSettings) -> None:
    """Raise unless a start can succeed.

    Raises:
        ConfigurationError: naming the missing program, or the port, its holder and the setting to change.
    """
    for program in ("supervisord", "rclone", "mlflow", "airflow"):
        tool(program)
    taken: dict[int, str] = {}
    for service in SERVICES:
        if service.port_setting is None:
            continue
        port, setting = service.port(settings), f"STACK_{service.port_setting.upper()}"
        if port in taken:
            raise ConfigurationError(f"{setting} and {taken[port]} are both {port}.", remedy="Give each its own port.")
        taken[port] = setting
        if _in_use(port):
            raise ConfigurationError(
                f"Port {port} for {service.name} is in use{_holder(port)}.",
                remedy=f"Stop what listens there, or choose another port: `export {setting}={port + 1000}`.",
            )


def _in_use(port: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with socket.socket() as probe:
            # A connection that ended a moment ago is no obstacle; a listener is.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return False
            except PermissionError:
                raise ConfigurationError(
                    f"Port {port} may only be used by root.", remedy="Choose one above 1023."
                ) from None
            except OSError:
                if time.monotonic() > deadline:
                    return True
        time.sleep(0.1)


def _holder(port: int) -> str:
    try:
        owners = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
        }
        return "".join(f" by process {pid} ({psutil.Process(pid).name()})" for pid in sorted(owners)[:1])
    except psutil.Error:
        return ""  # other users' processes are not ours to see
