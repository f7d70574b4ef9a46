"""The env file of the embedded stack: generated secrets, addresses, and whatever its owner adds.

`RECSYS_HOME/env` (mode 0600) is the one place secrets live in. Programs read it through `recsys.settings.load` or are
started by `recsys.stack.launch`, which puts it into their environment; nothing of it appears on a command line.
"""

import base64
import json
import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from dotenv import dotenv_values

from recsys.settings import PROJECT_ROOT, env_file, home
from recsys.stack.settings import HOST, StackSettings

HEADER = """\
# Written by `recsys up`: the secrets and addresses of the embedded stack. Keep it to yourself.
# Lines you add (TELEGRAM_TOKEN=…, PIPELINE__…=…) stay; take effect at the next `recsys down` and `recsys up`.
"""

AIRFLOW_USER = "admin"


def read() -> dict[str, str]:
    """The variables of the env file; empty when the stack was never started."""
    return {key: value or "" for key, value in dotenv_values(env_file(), interpolate=False).items()}


def airflow_password_file() -> Path:
    """JSON of user and password, in the form Airflow's SimpleAuthManager reads."""
    return home().absolute() / "airflow" / "passwords.json"


def _airflow_password() -> str | None:
    """The password that a stack from before `AIRFLOW_API_PASSWORD` chose."""
    path = airflow_password_file()
    return str(json.loads(path.read_text())[AIRFLOW_USER]) if path.exists() else None


def _generated() -> dict[str, str]:
    """What is made once, secrets above all; hexadecimal, so that no reader of the file needs quoting rules."""
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "S3_ACCESS_KEY": secrets.token_hex(10),
        "S3_SECRET_KEY": secrets.token_hex(24),
        "AIRFLOW_API_PASSWORD": _airflow_password() or secrets.token_urlsafe(15),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        # HS512 wants a key of 64 bytes or more.
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        # Not a secret, but made once: without it the calendar's last runs start before there is any data.
        "SCHEDULE_START_DATE": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _derived(settings: StackSettings, password: str) -> dict[str, str]:
    """Everything that follows from ports and folders; written anew at each start."""
    airflow = f"http://{HOST}:{settings.airflow_port}"
    folder = home().absolute() / "airflow"
    return {
        **{f"STACK_{name.upper()}": str(value) for name, value in settings.model_dump().items()},
        "POSTGRES_HOST": HOST,
        "POSTGRES_PORT": str(settings.postgres_port),
        "POSTGRES_DATABASE": "recsys",
        "POSTGRES_USER": "recsys",
        "S3_ENDPOINT_URL": f"http://{HOST}:{settings.s3_port}",
        "S3_BUCKET": "recsys",
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{settings.mlflow_port}",
        "SERVICE_HOST": HOST,
        "SERVICE_PORT": str(settings.api_port),
        "WORKER_HOST": HOST,
        "WORKER_PORT": str(settings.worker_port),
        "AIRFLOW_API_URL": airflow,
        "AIRFLOW_API_USER": AIRFLOW_USER,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "airflow_service" / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # a step uses the cores it finds; more at once only costs memory
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{AIRFLOW_USER}:ADMIN",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow_password_file()),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{airflow}/execution/",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": airflow,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://recsys:{password}@{HOST}:{settings.postgres_port}/airflow"
        ),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
    }


def plan(settings: StackSettings) -> dict[str, str]:
    """All variables as they ought to be: secrets and additions kept, addresses as the settings say."""
    old = read()
    made = {name: old.get(name, value) for name, value in _generated().items()}
    derived = _derived(settings, made["POSTGRES_PASSWORD"])
    own = {name: value for name, value in old.items() if name not in made | derived}
    return made | derived | own


def write(variables: dict[str, str]) -> None:
    """Replace the env file, and the file that tells Airflow the password of its user."""
    home().mkdir(parents=True, exist_ok=True)
    home().chmod(0o711)  # nobody lists it, yet Postgres reaches its own folder when it runs as another user
    write_private(env_file(), HEADER + "".join(f"{name}={_quoted(value)}\n" for name, value in variables.items()))
    write_private(airflow_password_file(), json.dumps({AIRFLOW_USER: variables["AIRFLOW_API_PASSWORD"]}) + "\n")


def _quoted(value: str) -> str:
    """Plain words stay plain; anything else is put in single quotes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return value if re.fullmatch(r"[\w./:@+-]*", value) else f"'{escaped}'"


def write_private(path: Path, text: str) -> None:
    """Replace a file in one move; nobody else can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
