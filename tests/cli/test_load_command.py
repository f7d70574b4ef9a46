"""`recsys load`, `recsys datasets`, `recsys use`, as typed."""

from pathlib import Path

import pytest

from recsys.cli import app

EVENTS = "timestamp,visitorid,event,itemid,transactionid\n1430623510000,1,view,7,\n1430623510000,1,wishlist,7,\n"


@pytest.fixture(autouse=True)
def settings_of_the_shell(suite_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands read: the test's own database, and a folder for rejected rows."""
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        app(list(arguments))
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out + said.err


def test_a_load_reports_rows_and_reasons(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS)
    code, said = run(capsys, "load", "retailrocket", str(tmp_path), "--dataset", "mine")
    assert code == 0
    assert "1 for unknown_event" in said
    assert "mine-1-events.csv" in said
    assert "'mine' is the active dataset" in said
    code, said = run(capsys, "load", "retailrocket", str(tmp_path), "--dataset", "mine")
    assert (code, "Nothing changed" in said) == (0, True)


def test_the_simulator_takes_its_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--users", "30", "--items", "20", "--events", "90", "--days", "8", "--seed", "3", "--property-rows", "400"]
    code, said = run(capsys, "load", "simulator", *sizes, "--end", "2025-03-01")
    assert code == 0
    assert "90" in said


def test_datasets_are_listed_and_switched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS)
    for name in ("first", "second"):
        run(capsys, "load", "retailrocket", str(tmp_path), "--dataset", name)

    def active() -> list[str]:
        _, said = run(capsys, "datasets")
        return [line.split()[1] for line in said.splitlines() if " yes " in line]

    assert active() == ["second"]
    assert run(capsys, "use", "first")[0] == 0
    assert active() == ["first"]
    code, said = run(capsys, "use", "third")
    assert code == 1
    assert "There is no dataset 'third'" in said
    assert "first, second" in said
    assert active() == ["first"]


def test_a_refused_file_ends_with_one_clear_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS.replace("510000", "510"))
    code, said = run(capsys, "load", "retailrocket", str(tmp_path))
    assert code == 1
    assert "Error: events.csv: most values of the column 'timestamp' are impossible" in said
    assert "looks like seconds since 1970" in said
    assert "--timestamp-unit s" in said
    assert "Traceback" not in said
    assert run(capsys, "load", "retailrocket", str(tmp_path), "--timestamp-unit", "s")[0] == 0


def test_a_shop_begins_with_nothing_or_with_one_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said = run(capsys, "create", "mine")
    assert (code, "'mine' is the active dataset" in said) == (0, True)
    assert run(capsys, "create", "No Name")[0] == 1
    path = tmp_path / "dataset.csv"
    path.write_text("user_id,name,product_id,product_name\n1,Ada,101,Tea\n1,Ada,,Tea\n")
    code, said = run(capsys, "load", "shop", str(path), "--dataset", "mine")
    assert code == 0
    assert "1 for missing_product_id" in said
    assert "mine-products-dataset.csv" in said
