"""Messages go to a local stand-in for Telegram by real requests; the token never shows up anywhere else."""

import logging
from types import SimpleNamespace

import pytest

from airflow_service.callbacks import MAX_CHARACTERS, message, notify_failure, notify_success
from recsys.pipeline.context import RunContext, StepSummary
from recsys.pipeline.history import StepOutcome
from recsys.schema import Step
from recsys.settings import MlflowSettings, PipelineSettings

DAG = SimpleNamespace(dag_display_name="2 · Train ALS model", task_ids=["train_als", "als_model"])
CONTEXT = {"dag": DAG, "run_id": "manual__2026-01-01T10:00:00+00:00"}


@pytest.fixture
def run(database, bucket, monkeypatch):
    """A run of one step recorded in a database of its own, reachable by the settings."""
    monkeypatch.setenv("POSTGRES_PORT", str(database.port))
    monkeypatch.setenv("POSTGRES_DATABASE", database.database)
    monkeypatch.setenv("POSTGRES_PASSWORD", database.password.get_secret_value())
    from recsys.storage import postgres

    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source) values ('shop', 'csv')")
    return RunContext(
        "manual__2026-01-01T10-00-00-00-00",
        "shop",
        PipelineSettings(_env_file=None),
        database,
        bucket,
        MlflowSettings(),
    )


def test_success_tells_what_the_step_did_and_that_the_gate_kept_the_champion(telegram, run):
    gate = {"decision": "kept the champion", "reason": "ndcg@10 0.0300 is less than the bar of 0.0392"}
    run.record_start(Step.TRAIN_ALS)
    run.record_end(
        Step.TRAIN_ALS,
        StepSummary(Step.TRAIN_ALS, "models/shop/als/1/", {"users": 1200}, {"gate_challenger": 0.03}, gate),
    )
    notify_success(CONTEXT)
    ((path, body),) = telegram.requests
    assert path == f"/bot{telegram.token}/sendMessage"
    assert body["chat_id"] == "42"
    for part in ("2 · Train ALS model", "succeeded", CONTEXT["run_id"], "users = 1,200", "gate_challenger = 0.03"):
        assert part in body["text"]
    assert "kept the champion" in body["text"]
    assert gate["reason"] in body["text"]


def test_failure_tells_the_error(telegram, run):
    run.record_start(Step.TRAIN_ALS)
    run.record_end(Step.TRAIN_ALS, None, ValueError("no events at all"))
    notify_failure(CONTEXT)
    ((_, body),) = telegram.requests
    assert "failed" in body["text"]
    assert "ValueError: no events at all" in body["text"]


def test_a_failure_of_postgres_itself_is_told_without_details(telegram, monkeypatch):
    monkeypatch.setenv("POSTGRES_PASSWORD", "not-that-one")
    monkeypatch.setenv("POSTGRES_PORT", "1")
    notify_failure(CONTEXT)
    ((_, body),) = telegram.requests
    assert "failed" in body["text"]


def test_nothing_is_sent_without_a_token(telegram, monkeypatch):
    monkeypatch.delenv("TELEGRAM_TOKEN")
    notify_success(CONTEXT)
    assert telegram.requests == []


def test_a_token_without_a_chat_is_said_once_in_the_log(telegram, monkeypatch, caplog):
    monkeypatch.delenv("TELEGRAM_CHAT_ID")
    notify_success(CONTEXT)
    assert telegram.requests == []
    assert "TELEGRAM_CHAT_ID" in caplog.text


def refused(telegram, monkeypatch):
    telegram.status = 401


def unreachable(telegram, monkeypatch):
    monkeypatch.setenv("TELEGRAM_API_URL", "http://127.0.0.1:1")


def not_an_address(telegram, monkeypatch):
    monkeypatch.setenv("TELEGRAM_API_URL", "telegram")


def token_with_a_line_break(telegram, monkeypatch):
    monkeypatch.setenv("TELEGRAM_TOKEN", f"{telegram.token}\n")
    telegram.status = 404


@pytest.mark.parametrize("trouble", [refused, unreachable, not_an_address, token_with_a_line_break])
def test_trouble_is_logged_never_raised_and_never_shows_the_token(telegram, run, monkeypatch, caplog, trouble):
    caplog.set_level(logging.DEBUG)
    trouble(telegram, monkeypatch)
    notify_success(CONTEXT)
    assert "Telegram" in caplog.text
    assert "secret-token" not in caplog.text


def test_a_long_message_is_cut_to_what_telegram_accepts():
    error = StepOutcome("train_als", "failed", {"error": "x" * 10_000})
    assert len(message("title", "run", [error])) == MAX_CHARACTERS
