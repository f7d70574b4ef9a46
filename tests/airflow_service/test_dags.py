"""The seven DAGs as Airflow reads them: names, schedules, who starts whom, and what every DAG and task promises."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.assets.evaluation import AssetEvaluator
from airflow.sdk import TriggerRule
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

from recsys.settings import PipelineSettings

PROJECT = Path(__file__).parents[2]
FILES = {
    "1_prepare_dataset.py": "prepare_datasets",
    "2_train_als.py": "train_als_model",
    "3_default_recommendations.py": "prepare_default_recommendations",
    "4_personalized_recommendations.py": "prepare_personalized_recommendations",
    "5_i2i_recommendations_for_users.py": "prepare_i2i_recommendations",
    "6_similar_items.py": "prepare_similar_items_recommendations",
    "7_train_ranking_model_and_rank_recommendations.py": "train_ranking_model_and_rank_recommendations",
}
SCHEDULES = {
    "prepare_datasets": ("0 22 * * *", set()),
    "train_als_model": ("15 22 25 * *", {"prepared_dataset"}),
    "prepare_default_recommendations": (None, {"prepared_dataset"}),
    "prepare_personalized_recommendations": (None, {"als_model"}),
    "prepare_i2i_recommendations": (None, {"similar_items"}),
    "prepare_similar_items_recommendations": (None, {"prepared_dataset"}),
    "train_ranking_model_and_rank_recommendations": (
        "45 23 25 * *",
        {"default_recommendations", "personalized_recommendations", "i2i_recommendations"},
    ),
}
TASKS = {
    "prepare_datasets": {"prepare_dataset": {"prepared_dataset"}},
    "train_als_model": {"train_als": set(), "als_model": {"als_model"}},
    "prepare_default_recommendations": {"default": {"default_recommendations"}},
    "prepare_personalized_recommendations": {"personalized": {"personalized_recommendations"}},
    "prepare_i2i_recommendations": {"i2i": {"i2i_recommendations"}},
    "prepare_similar_items_recommendations": {"similar_items": {"similar_items"}},
    "train_ranking_model_and_rank_recommendations": {
        "wait_for_lists": set(),
        "train_ranker": {"ranker"},
        "rank": {"ranked_recommendations"},
    },
}


@pytest.fixture(scope="module")
def stored(dag_bag):
    """The DAGs after their way through the metadata database, as the scheduler and the user interface see them."""
    return {
        dag_id: DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        for dag_id, dag in dag_bag.dags.items()
    }


def test_every_file_holds_its_dag_and_nothing_fails_to_import(dag_bag):
    assert dag_bag.import_errors == {}
    assert {Path(dag.fileloc).name: dag_id for dag_id, dag in dag_bag.dags.items()} == FILES


def test_the_user_interface_lists_them_in_order(dag_bag):
    names = {Path(dag.fileloc).name: dag.dag_display_name for dag in dag_bag.dags.values()}
    assert [name[0] for _, name in sorted(names.items())] == list("1234567")


def test_schedules(stored):
    found = {}
    for dag_id, dag in stored.items():
        assets = {key.name for key, _ in dag.timetable.asset_condition.iter_assets()}
        clock = dag.timetable.timetable if isinstance(dag.timetable, AssetOrTimeSchedule) else dag.timetable
        found[dag_id] = (clock.summary if isinstance(clock, CronTriggerTimetable) else None, assets)
    assert found == SCHEDULES


def test_the_daily_ranking_waits_for_all_three_lists(stored):
    condition = stored["train_ranking_model_and_rank_recommendations"].timetable.asset_condition
    two_of_three = {key: key.name != "i2i_recommendations" for key, _ in condition.iter_assets()}
    evaluator = AssetEvaluator(session=None)
    assert not evaluator.run(condition, two_of_three)
    assert evaluator.run(condition, dict.fromkeys(two_of_three, True))


def test_tasks_and_what_they_write(dag_bag):
    found = {
        dag_id: {task.task_id: {asset.name for asset in task.outlets} for task in dag.tasks}
        for dag_id, dag in dag_bag.dags.items()
    }
    assert found == TASKS


def test_the_first_dataset_sets_off_all_seven(dag_bag):
    """Start 1 alone: following the assets from DAG to DAG reaches the other six."""
    written, started = set(), {"prepare_datasets"}
    while True:
        for dag_id in started:
            written |= {name for names in TASKS[dag_id].values() for name in names}
        more = {dag_id for dag_id, (_, needs) in SCHEDULES.items() if needs and needs <= written} - started
        if not more:
            break
        started |= more
    assert started == set(dag_bag.dags)


def test_training_may_be_skipped_without_stopping_what_follows(dag_bag):
    for dag_id, follower in (("train_als_model", "als_model"), (FILES[max(FILES)], "rank")):
        assert dag_bag.dags[dag_id].get_task(follower).trigger_rule == TriggerRule.NONE_FAILED
    ranking = dag_bag.dags[FILES[max(FILES)]]
    assert ranking.get_task("train_ranker").upstream_task_ids == {"wait_for_lists"}
    assert ranking.get_task("rank").upstream_task_ids == {"train_ranker"}


@pytest.mark.parametrize("dag_id", FILES.values())
def test_every_dag_runs_once_at_a_time_is_documented_and_tells_its_outcome(dag_bag, dag_id):
    dag = dag_bag.dags[dag_id]
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    assert dag.is_paused_upon_creation is False
    assert dag.dagrun_timeout
    assert dag.tags
    assert len(dag.doc_md) > 80
    assert dag.description
    assert dag.on_success_callback
    assert dag.on_failure_callback


@pytest.mark.parametrize("dag_id", FILES.values())
def test_every_task_is_bounded_retried_with_backoff_owned_and_documented(dag_bag, dag_id):
    for task in dag_bag.dags[dag_id].tasks:
        assert task.execution_timeout, task.task_id
        assert task.execution_timeout < dag_bag.dags[dag_id].dagrun_timeout
        assert task.retries >= 2
        assert task.retry_exponential_backoff > 1
        assert task.max_retry_delay == timedelta(minutes=15)
        assert task.owner == "recsys"
        assert task.doc_md


@pytest.mark.parametrize("dag_id", FILES.values())
def test_every_param_is_titled_documented_typed_and_has_a_valid_default(stored, dag_id):
    assert {"dataset", "now"} <= set(stored[dag_id].params)
    for name, param in stored[dag_id].params.items():
        assert param.schema["type"], name
        assert param.schema["title"], name
        assert param.schema["section"], name
        assert param.description, name
        param.resolve(raises=True)


def test_every_setting_of_the_pipeline_can_be_overridden_in_some_dag(dag_bag):
    offered = {name for dag in dag_bag.dags.values() for name in dag.params}
    settings = PipelineSettings(_env_file=None).model_dump()
    wanted = {
        f"{group}__{field}" if isinstance(value, dict) else group
        for group, value in settings.items()
        for field in (value if isinstance(value, dict) else [None])
    }
    assert wanted <= offered


def test_reading_the_dags_imports_nothing_heavy():
    """The DAG processor reads every file again every few seconds."""
    heavy = ["catboost", "implicit", "mlflow", "polars", "pandas", "numpy", "scipy", "boto3", "recsys.pipeline"]
    code = (
        "import runpy, sys, pathlib\n"
        f"for file in sorted(pathlib.Path({str(PROJECT / 'airflow_service' / 'dags')!r}).glob('*.py')):\n"
        "    runpy.run_path(str(file))\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
