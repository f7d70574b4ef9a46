"""All seven DAGs run for real, in the order their assets start them, on a small simulated shop with real servers."""

import secrets
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel
from airflow.models.dag import DagModel
from airflow.sdk.exceptions import AirflowSkipException
from airflow.utils.session import create_session

from airflow_service.runs import skip_unless_due
from recsys.pipeline.context import RunContext
from recsys.schema import RecommendationTable, Step
from recsys.settings import ObjectStoreSettings, PipelineSettings, load
from recsys.sources.loader import load_source
from recsys.sources.simulator import Simulator, Sizes
from recsys.stack import temporary
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore
from tests.conftest import execute

DAGS = Path(__file__).parents[2] / "airflow_service" / "dags"
NOW = datetime(2026, 1, 1, 10, tzinfo=UTC)
# Small and quick, and enough users in the window for the gate to decide.
CONF = {
    "train_als__factors": 8,
    "train_als__iterations": 2,
    "ranker__iterations": 5,
    "gate__min_users": 1,
    "default__size": 40,
}
ORDER = {
    "prepare_datasets": [Step.PREPARE_DATASET],
    "train_als_model": [Step.TRAIN_ALS],
    "prepare_default_recommendations": [Step.DEFAULT],
    "prepare_personalized_recommendations": [Step.PERSONALIZED],
    "prepare_similar_items_recommendations": [Step.SIMILAR_ITEMS],
    "prepare_i2i_recommendations": [Step.I2I],
    "train_ranking_model_and_rank_recommendations": [Step.TRAIN_RANKER, Step.RANK],
}


@pytest.fixture(scope="module")
def shop(isolated_home, postgres_server_settings, s3_server_settings, mlflow_template, tmp_path_factory):
    """A loaded shop that every setting in the environment points to, as in an Airflow worker."""
    name = f"test_{secrets.token_hex(6)}"
    admin = postgres_server_settings.model_copy(update={"database": "postgres"})
    execute(admin, f"create database {name} template template_recsys")
    database = postgres_server_settings.model_copy(update={"database": name})
    load_source(Simulator(Sizes(300, 80, 5_000, 30, property_rows=2_000)), database, dataset="shop")
    registry = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    shutil.copy(mlflow_template, registry)
    bucket = s3_server_settings.model_copy(update={"bucket": f"airflow-{secrets.token_hex(4)}"})
    variables = temporary.variables(isolated_home, database, bucket) | {"MLFLOW_TRACKING_URI": f"sqlite:///{registry}"}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in variables.items():
            patch.setenv(variable, value)
        ObjectStore(load(ObjectStoreSettings)).wait(print)
        yield database
    execute(admin, f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def run(shop, airflow_database):
    """Runs one DAG to its end: `run(dag_id, conf, minute)`; the same minute means the same run again."""
    files = {dag_id: dag.fileloc for dag_id, dag in DagBag(DAGS).dags.items()}

    def run(dag_id, conf=None, minute=0, retries=0):
        # Read anew each time, as a worker does: a run's params stay in the DAG object otherwise.
        dag = DagBag(files[dag_id]).dags[dag_id]
        for task in dag.tasks:
            task.retries, task.retry_delay = retries, timedelta(0)
        when = NOW + timedelta(minutes=minute)
        return dag.test(run_after=when, logical_date=when, run_conf=CONF | (conf or {}))

    return run


@pytest.fixture(scope="module")
def seven(run):
    """The first run of each DAG on an empty shop."""
    return {dag_id: run(dag_id) for dag_id in ORDER}


def rows(database, statement, *values):
    with postgres.transaction(database) as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def states(dag_run):
    return {task.task_id: task.state for task in dag_run.get_task_instances()}


def asset_extra(name):
    """What the newest event of an asset carries."""
    with create_session() as session:
        query = session.query(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        return query.filter(AssetModel.name == name).order_by(AssetEvent.id.desc()).first().extra


def test_all_seven_succeed_on_an_empty_shop(seven):
    assert {dag_id: run.state for dag_id, run in seven.items()} == dict.fromkeys(ORDER, "success")
    for run in seven.values():
        assert set(states(run).values()) == {"success"}


def test_every_table_has_an_active_version(seven, shop):
    found = rows(shop, "select table_name from recs.active_versions")
    assert {table for (table,) in found} >= {table.value for table in RecommendationTable}


def test_asset_events_carry_the_summary_that_the_step_recorded(seven, shop):
    recorded = dict(rows(shop, "select step, summary from ops.step_runs"))
    for asset, step in {
        "prepared_dataset": Step.PREPARE_DATASET,
        "als_model": Step.TRAIN_ALS,
        "default_recommendations": Step.DEFAULT,
        "personalized_recommendations": Step.PERSONALIZED,
        "i2i_recommendations": Step.I2I,
        "similar_items": Step.SIMILAR_ITEMS,
        "ranker": Step.TRAIN_RANKER,
        "ranked_recommendations": Step.RANK,
    }.items():
        extra = asset_extra(asset)
        assert extra["output"], asset
        assert extra == recorded[step], asset


def test_the_scheduler_would_have_started_each_dag_when_its_assets_were_there(seven):
    """The queue that Airflow's scheduler works off, filled by the events of these runs."""
    with create_session() as session:
        queued = {row.target_dag_id for row in session.query(AssetDagRunQueue)}
        _, due = DagModel.dags_needing_dagruns(session)
    started_by_assets = set(ORDER) - {"prepare_datasets"}
    assert queued == started_by_assets
    assert set(due) == started_by_assets


def test_params_reach_the_step(seven, run, shop):
    run("prepare_default_recommendations", {"default__size": 7}, minute=1)
    ((longest,),) = rows(shop, "select max(rank) from recs.current_default_recommendations")
    assert longest == 7


def test_running_a_run_again_replaces_its_results(seven, run, shop):
    def published():
        return (
            rows(shop, "select count(*) from ops.step_runs where step = 'similar_items'"),
            rows(shop, "select count(*) from recs.current_similar_items"),
        )

    before = published()
    assert run("prepare_similar_items_recommendations").state == "success"
    assert published() == before


def test_an_unticked_training_is_skipped_and_ranking_goes_on(seven, run):
    found = states(run("train_ranking_model_and_rank_recommendations", {"train": False}, minute=2))
    assert found == {"wait_for_lists": "success", "train_ranker": "skipped", "rank": "success"}


def test_a_second_training_goes_through_the_gate_and_its_numbers_are_in_the_event(seven, run):
    assert run("train_als_model", minute=3).state == "success"
    extra = asset_extra("als_model")
    assert extra["decision"] in {"kept the champion", "published the challenger"}
    assert {"gate_champion", "gate_challenger"} <= set(extra["metrics"])


def test_runs_started_by_assets_train_only_the_first_model_of_a_dataset(seven, shop):
    with postgres.transaction(shop) as cursor:
        cursor.execute("insert into raw.datasets (name, source) values ('fresh', 'csv') on conflict do nothing")
    trained = RunContext.create("any")
    fresh = RunContext.create("any", load(PipelineSettings, dataset="fresh"))
    for step in (Step.TRAIN_ALS, Step.TRAIN_RANKER):
        with pytest.raises(AirflowSkipException, match="stays in service"):
            skip_unless_due(step, trained, "asset_triggered", wanted=True)
        for run_type in ("scheduled", "manual"):
            skip_unless_due(step, trained, run_type, wanted=True)
        skip_unless_due(step, fresh, "asset_triggered", wanted=True)


def test_a_missing_input_fails_at_once_without_retries_and_is_told(seven, run, telegram):
    dag_run = run("prepare_default_recommendations", {"dataset": "nothing"}, minute=4, retries=2)
    (task,) = dag_run.get_task_instances()
    assert (dag_run.state, task.state, task.try_number) == ("failed", "failed", 1)
    ((_, body),) = telegram.requests
    assert "3 · Default recommendations failed" in body["text"]


def test_a_server_that_is_away_is_tried_again(seven, run, monkeypatch):
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:1")
    (task,) = run("prepare_default_recommendations", minute=5, retries=1).get_task_instances()
    assert (task.state, task.try_number) == ("failed", 2)
