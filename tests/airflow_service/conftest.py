"""Airflow for tests: a home and a metadata database of its own, in a file, set up before anything imports Airflow."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[2] / "airflow_service" / "dags"

# Airflow reads its configuration when it is imported, and test modules are imported before any fixture runs.
_folder = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ |= {
    "AIRFLOW_HOME": _folder.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_folder.name}/airflow.db",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}


@pytest.fixture(scope="session")
def airflow_database() -> Iterator[None]:
    """Airflow's metadata tables."""
    from airflow import settings
    from airflow.utils.db import initdb

    initdb()
    yield
    settings.dispose_orm()
    _folder.cleanup()


@pytest.fixture(scope="session")
def dag_bag():
    """All DAG files, as the DAG processor reads them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(DAGS)
