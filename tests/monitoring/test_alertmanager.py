"""Alertmanager's start script writes the receivers that the environment asks for, and no secret into arguments."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.promql import MONITORING, rules

FOLDER = MONITORING / "alertmanager"


@pytest.fixture
def start(tmp_path: Path):
    """Runs the script with a program named `alertmanager` that writes down how it was called."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "alertmanager"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nenv > {tmp_path}/environment\n')
    program.chmod(0o755)

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": f"{program.parent}:{os.environ['PATH']}", "ALERTMANAGER_STATE": str(tmp_path), **environment}
        return subprocess.run([str(FOLDER / "start.sh"), "--log.level=info"], env=given, capture_output=True, text=True)

    return run


def receiver(tmp_path: Path) -> dict[str, Any]:
    (found,) = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())["receivers"]
    return found


def test_without_settings_alerts_are_only_shown(start, tmp_path: Path) -> None:
    assert start().returncode == 0
    assert receiver(tmp_path) == {"name": "operators"}
    arguments = (tmp_path / "arguments").read_text()
    assert arguments == f"--config.file={tmp_path}/alertmanager.yml --log.level=info\n"


def test_telegram_and_webhook_are_added_with_their_secrets_in_files(start, tmp_path: Path) -> None:
    done = start(TELEGRAM_TOKEN="12:secret", TELEGRAM_CHAT_ID="-100", ALERT_WEBHOOK_URL="https://hooks.test/x")
    assert done.returncode == 0, done.stderr
    found = receiver(tmp_path)
    assert found["telegram_configs"][0]["chat_id"] == -100
    assert found["webhook_configs"][0]["url_file"] == f"{tmp_path}/webhook_url"
    token = Path(found["telegram_configs"][0]["bot_token_file"])
    assert token.read_text() == "12:secret"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    for place in ("arguments", "environment", "alertmanager.yml"):
        assert "secret" not in (tmp_path / place).read_text()
        assert "hooks.test" not in (tmp_path / place).read_text()


def test_a_token_without_a_chat_is_refused(start, tmp_path: Path) -> None:
    done = start(TELEGRAM_TOKEN="12:secret")
    assert done.returncode != 0
    assert "TELEGRAM_CHAT_ID" in done.stderr


def test_routes_and_inhibitions_name_what_exists() -> None:
    config = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    assert config["route"]["receiver"] in {entry["name"] for entry in config["receivers"]}
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    for inhibition in config["inhibit_rules"]:
        for matcher in inhibition["source_matchers"] + inhibition["target_matchers"]:
            assert set(matcher.split(" ")[-1].strip('"').split("|")) <= alerts
