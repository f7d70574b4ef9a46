"""Start, stop and look at the whole embedded stack."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from recsys.errors import ConfigurationError, UnavailableError
from recsys.settings import PostgresSettings, home, load
from recsys.stack import databases, environment, keys, postgres_server, preflight, supervisor
from recsys.stack.services import SERVICES, Service
from recsys.stack.settings import StackSettings

Say = Callable[[str], None]


def up(say: Say) -> StackSettings:
    """Start whatever does not run yet, in order, and return when everything answers.

    Args:
        say: told what is being done.

    Raises:
        ConfigurationError: a port is taken, a program missing, or the running stack has other settings.
        UnavailableError: a program did not start; the end of its log is in the message.
    """
    settings = load(StackSettings)
    variables = environment.plan(settings)
    if supervisor.pid() is None:
        preflight.check(settings)
        environment.write(variables)
        keys.ensure()
        secret = load(PostgresSettings).password.get_secret_value()
        postgres_server.initialise(home().absolute() / "postgres", "recsys", secret)
        (home() / "s3").mkdir(exist_ok=True)
        supervisor.start()
    elif changed := [name for name, value in environment.read().items() if variables[name] != value]:
        raise ConfigurationError(
            f"The stack runs with other settings than asked for now: {', '.join(changed)}.",
            remedy="Stop it first: `recsys down`.",
        )
    elif not any(problem(service, settings) for service in SERVICES):
        say("Everything runs already.")
        return settings
    stages = {stage: list(members) for stage, members in groupby(SERVICES, key=lambda service: service.stage)}
    _start(stages[1], settings, say)
    say("databases …")
    databases.create()
    with ThreadPoolExecutor(1) as background:
        # The slowest part of a first start; nothing before stage 3 needs it.
        airflow = background.submit(databases.migrate_airflow)
        _start(stages[2], settings, say)
        say("Airflow's database …")
        airflow.result()
    _start(stages[3], settings, say)
    return settings


def _start(services: list[Service], settings: StackSettings, say: Say) -> None:
    for service in services:
        supervisor.start_program(service.name)
    for service in services:
        started = time.monotonic()
        say(f"{service.name} …")
        while (trouble := service.check(settings)) is not None:
            state = supervisor.states()[service.name].state
            if state in {"BACKOFF", "FATAL", "EXITED"} or time.monotonic() > started + settings.start_timeout_s:
                raise UnavailableError(
                    f"{service.name} did not start ({trouble}; {state}). The end of its log:\n{log_tail(service.name)}",
                    remedy=f"Read {supervisor.logs()}/{service.name}.log; `recsys down` stops the rest.",
                )
            time.sleep(0.25)


def problem(service: Service, settings: StackSettings) -> str | None:
    """What is wrong with a program now, by the supervisor's word and its own; None when it works."""
    state = supervisor.states().get(service.name)
    if state is None:
        return "stopped"
    if state.state not in {"RUNNING", "STARTING"}:
        return state.state.lower()
    return service.check(settings)


def log_tail(name: str, lines: int = 15) -> str:
    """The last lines of a program's log."""
    path = supervisor.logs() / f"{name}.log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(empty)"


def down(say: Say) -> None:
    """Stop everything; nothing is left running, no data is lost."""
    if supervisor.pid() is not None:
        say("stopping …")
        supervisor.shutdown()
