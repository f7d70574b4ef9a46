"""Telegram messages about the outcome of a DAG run, sent when `TELEGRAM_TOKEN` is set.

Nothing that goes wrong here touches the run. The token is part of the request's address, so neither the address nor
an exception that may quote it is ever logged.
"""

import http.client
import json
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_service.report import lines
from airflow_service.runs import step_run_id
from recsys.errors import RecsysError
from recsys.schema import Step
from recsys.settings import PostgresSettings, TelegramSettings, load

if TYPE_CHECKING:
    from recsys.pipeline.history import StepOutcome

log = logging.getLogger(__name__)

MAX_CHARACTERS = 4096  # Telegram refuses longer texts


def notify_success(context: Mapping[str, Any]) -> None:
    """DAG callback: the run succeeded."""
    _notify(context, "succeeded ✅")


def notify_failure(context: Mapping[str, Any]) -> None:
    """DAG callback: the run failed."""
    _notify(context, "failed ❌")


def _notify(context: Mapping[str, Any], outcome: str) -> None:
    try:
        settings = load(TelegramSettings)
        token = settings.token.get_secret_value() if settings.token else ""
        if not token:
            return
        if not settings.chat_id:
            log.warning("TELEGRAM_TOKEN is set but TELEGRAM_CHAT_ID is not: no message sent.")
            return
        dag, run_id = context["dag"], context["run_id"]
        title = f"{dag.dag_display_name} {outcome}"
        send(settings, token, message(title, run_id, _recorded(run_id, dag.task_ids)))
    except RecsysError as error:
        log.warning("No Telegram message sent: %s", error)


def _recorded(run_id: str, task_ids: Sequence[str]) -> "list[StepOutcome]":
    """What the run's steps left in Postgres; nothing when Postgres is the very thing that failed."""
    import psycopg2

    from recsys.pipeline import history

    try:
        return history.outcomes(
            load(PostgresSettings), step_run_id(run_id), [step for step in Step if step in task_ids]
        )
    except (RecsysError, psycopg2.Error) as error:
        log.warning("The message goes out without details: %s", error)
        return []


def message(title: str, run_id: str, outcomes: "Sequence[StepOutcome]") -> str:
    """The text: outcome, run, and for each step its counts and metrics, its gate's decision, or its error."""
    text_lines = [title, f"run {run_id}"]
    for outcome in outcomes:
        text_lines += ["", f"{outcome.step}: {outcome.status}", *(f"  {line}" for line in lines(outcome.summary))]
    text = "\n".join(text_lines)
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def send(settings: TelegramSettings, token: str, text: str) -> None:
    """Send one message; what goes wrong is logged without the address."""
    url = f"{settings.api_url}/bot{urllib.parse.quote(token, safe=':')}/sendMessage"
    body = json.dumps({"chat_id": settings.chat_id, "text": text}).encode()
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - a setting
        with urllib.request.urlopen(request, timeout=settings.timeout_s) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as error:
        log.warning("Telegram refused the message with status %s: see TELEGRAM_TOKEN and TELEGRAM_CHAT_ID.", error.code)
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.warning("Telegram was not reached (%s); the message is lost.", type(error).__name__)
