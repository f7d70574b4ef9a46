"""`python -m recsys.stack.launch NAME`: becomes one program of the stack.

The supervisor starts every program through here, so that secrets go from the env file straight into the program's
environment, and neither the supervisor's configuration nor the process list shows them.
"""

import contextlib
import ctypes
import os
import pwd
import signal
import sys

import psutil

from recsys.settings import load
from recsys.stack.process import in_session
from recsys.stack.services import BY_NAME, Service
from recsys.stack.settings import StackSettings

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(name: str) -> None:
    """Replace this process by the program called `name`."""
    _end_leftovers()
    service = BY_NAME[name]
    settings = load(StackSettings)
    command = service.command(settings)
    variables = os.environ | service.environment(settings)
    # One thread for BLAS: implicit brings its own threads, and the two multiply.
    variables.setdefault("OPENBLAS_NUM_THREADS", "1")
    _become(service.user())
    _die_with_supervisor(service)
    os.execve(command[0], command, variables)  # noqa: S606


def _end_leftovers() -> None:
    """A program killed outright leaves children that hold its port, in a process group that has lost its leader."""
    for process in in_session(os.getsid(0)):
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if not psutil.pid_exists(os.getpgid(process.pid)):
                process.kill()


def _become(user: str | None) -> None:
    if user:
        account = pwd.getpwnam(user)
        os.initgroups(user, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


def _die_with_supervisor(service: Service) -> None:
    """Linux ends us when the supervisor is killed, so that the next start finds its ports free."""
    if sys.platform == "linux":
        number = getattr(signal, f"SIG{service.stop_signal}")
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    main(sys.argv[1])
