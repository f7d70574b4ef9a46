"""`python -m airflow_service.initialise`: what must be there before the containers of Airflow and the service start.

Brings the shop's and Airflow's schemas to the installed version, creates the bucket, and writes the password of
Airflow's user where Airflow looks for it. Running it again changes nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from recsys.errors import ConfigurationError, RecsysError
from recsys.settings import ObjectStoreSettings, PostgresSettings, load
from recsys.stack.environment import AIRFLOW_USER, write_private
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore


def main() -> int:
    """Returns the exit code: 1 when something could not be prepared, with the reason on standard error."""
    try:
        database = load(PostgresSettings)
        postgres.wait(database, _say)
        postgres.migrate(database)
        ObjectStore(load(ObjectStoreSettings)).wait(_say)
        # The form that Airflow's SimpleAuthManager reads.
        passwords = json.dumps({AIRFLOW_USER: _required("AIRFLOW_ADMIN_PASSWORD")})
        write_private(Path(_required("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE")), passwords)
    except RecsysError as error:
        _say(str(error))
        return 1
    return subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"]).returncode


def _required(name: str) -> str:
    if not (value := os.environ.get(name)):
        raise ConfigurationError(f"{name} is not set.", remedy="Set it in .env; `make env` generates it.")
    return value


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
