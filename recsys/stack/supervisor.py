"""The process manager: supervisord keeps every program running, restarts what dies and rotates the logs.

It listens on a unix socket in `RECSYS_HOME/run` that only its owner may use.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from recsys.errors import ConfigurationError, UnavailableError
from recsys.settings import PROJECT_ROOT, home
from recsys.stack.environment import write_private
from recsys.stack.process import in_session, tool
from recsys.stack.services import SERVICES, Service

STOP_WAIT_S = 20
START_SECONDS = 5  # a program that ends sooner has failed to start; the next try comes a little later each time
LONGEST_SOCKET_PATH = 95  # of the 107 bytes the kernel allows; supervisord appends its process id for a moment


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor knows of one program; `uptime_s` is 0 unless it runs."""

    name: str
    state: str
    pid: int
    uptime_s: int

    @property
    def running(self) -> bool:
        return self.state == "RUNNING"


def logs() -> Path:
    """The folder of all log files."""
    return home().absolute() / "logs"


def _run() -> Path:
    return home().absolute() / "run"


def _socket() -> Path:
    return _run() / "supervisor.sock"


def _program(service: Service) -> str:
    return f"""
[program:{service.name}]
command={shlex.quote(sys.executable)} -m recsys.stack.launch {service.name}
directory={PROJECT_ROOT}
priority={service.stage}
autostart=false
autorestart=true
startsecs={START_SECONDS}
startretries=20
stopsignal={service.stop_signal}
stopwaitsecs={STOP_WAIT_S}
stopasgroup={str(service.stop_as_group).lower()}
killasgroup=true
redirect_stderr=true
stdout_logfile={logs()}/{service.name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def configuration() -> str:
    """supervisord's configuration file; `lifecycle.up` starts the programs, stage by stage."""
    head = f"""\
[supervisord]
logfile={logs()}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=3
pidfile={_run()}/supervisord.pid
{"" if os.geteuid() else "user=root"}
childlogdir={logs()}
umask=077

[unix_http_server]
file={_socket()}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    # A percent sign starts an expansion in this format.
    return (head + "".join(map(_program, SERVICES))).replace("%", "%%")


def _rpc() -> Any:
    transport = SupervisorTransport(None, None, f"unix://{_socket()}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def pid() -> int | None:
    """The supervisor's process id; None when it does not run."""
    try:
        return int(_rpc().getPID())
    except OSError:
        return None


def start() -> None:
    """Start supervisord, without any program yet.

    Raises:
        ConfigurationError: the path of its socket is too long.
        UnavailableError: it did not come up; its own words are in the message.
    """
    if len(os.fsencode(_socket())) > LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"RECSYS_HOME={home()} is too deep for the unix socket {_socket()}: more than {LONGEST_SOCKET_PATH} bytes.",
            remedy="Set RECSYS_HOME to a folder with a shorter path.",
        )
    for folder in (_run(), logs()):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    write_private(_run() / "supervisord.conf", configuration())
    done = subprocess.run(
        [str(tool("supervisord")), "-c", str(_run() / "supervisord.conf")],
        # Programs look for the state where we do, wherever they are started.
        env=os.environ | {"RECSYS_HOME": str(home().absolute())},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise UnavailableError(f"supervisord did not start: {(done.stderr or done.stdout).strip()}")
    deadline = time.monotonic() + STOP_WAIT_S
    while pid() is None:
        if time.monotonic() > deadline:
            raise UnavailableError(f"supervisord does not answer; see {logs()}/supervisord.log.")
        time.sleep(0.05)


def states() -> dict[str, ProcessState]:
    """The state of each program by name; empty when the supervisor does not run."""
    try:
        known = _rpc().getAllProcessInfo()
    except OSError:
        return {}
    return {
        info["name"]: ProcessState(
            name=info["name"],
            state=info["statename"],
            pid=info["pid"],
            uptime_s=info["now"] - info["start"] if info["pid"] else 0,
        )
        for info in known
    }


def start_program(name: str) -> None:
    """Ask for one program to be started; does nothing when it already is."""
    try:
        _rpc().startProcess(name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != Faults.ALREADY_STARTED:
            raise UnavailableError(f"The supervisor could not start {name}: {fault.faultString}.") from fault


def shutdown() -> None:
    """Stop all programs, last stage first, then the supervisor; whatever outlives it is killed."""
    leader = pid()
    if leader is None:
        return
    # Airflow's tasks lead process groups of their own, and a killed program's children have lost their parent:
    # what all have in common is the session that supervisord opened.
    supervisor, family = psutil.Process(leader), in_session(os.getsid(leader))
    _rpc().shutdown()
    psutil.wait_procs([supervisor], timeout=STOP_WAIT_S * 4)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=STOP_WAIT_S)
