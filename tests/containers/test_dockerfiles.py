"""The images: linted, without root, without secrets, and able to import what they run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
DOCKERFILES = [PROJECT / "airflow_service" / "Dockerfile", PROJECT / "fast_api_service" / "Dockerfile"]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing(file):
    tool = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([tool, "--failure-threshold", "style", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_it_ends_without_root_and_holds_no_secret(file):
    lines = file.read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users, "runs as root"
    assert users[-1] not in {"root", "0"}
    assert not re.search(r"(PASSWORD|SECRET|TOKEN)\s*=", file.read_text())


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_what_it_copies_exists_and_reaches_the_build(file):
    allowed = [line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in file.read_text().splitlines():
        if line.startswith("COPY "):
            *sources, _ = line.split()[1:]
            for source in sources:
                assert (PROJECT / source).exists(), source
                assert Path(source).parts[0] in allowed, source


def test_both_images_use_one_user_because_they_share_a_volume():
    found = {match for file in DOCKERFILES for match in re.findall(r"--uid (\d+)", file.read_text())}
    assert len(found) == 1


def test_the_batch_image_installs_every_package_at_its_locked_version():
    """The lock file is used as constraints, so each package of the extras must stand in it."""
    import tomllib

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    locked = {re.split(r"[=\s\[]", line)[0] for line in (PROJECT / "requirements.txt").read_text().splitlines()}
    text = DOCKERFILES[0].read_text()
    extras = re.findall(r"--extra (\w+)", text)
    assert {"airflow", "pipeline"} <= set(extras)
    wanted = project["dependencies"] + [name for extra in extras for name in project["optional-dependencies"][extra]]
    assert {re.split(r"[><=\[ ]", requirement)[0].lower() for requirement in wanted} <= locked
