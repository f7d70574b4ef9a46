"""The tables of docs/quality.md: what they are made from is usable, and making one puts it into the page."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from recsys.evaluation.bench import metric_names
from recsys.evaluation.datasets.known import DATASETS
from recsys.evaluation.peers.known import PEERS, make
from recsys.evaluation.protocols.known import WITH_WINDOW, WITHOUT_WINDOW
from recsys.models.known import MODELS
from recsys.ranking.ranked_list import RANKED_LISTS
from recsys.settings import PROJECT_ROOT

TABLES = tomllib.loads((PROJECT_ROOT / "research" / "quality.toml").read_text())
PAGE = "<!-- table beauty -->\n{beauty}<!-- end -->\nbetween\n<!-- table other -->\nothers\n<!-- end -->\n"


@pytest.fixture
def quality(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a table and a page of its own."""
    spec = importlib.util.spec_from_file_location("quality", PROJECT_ROOT / "research" / "quality.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "quality.toml").write_text(
        '[beauty]\nmetrics = ["ndcg@5"]\nleft_out = "als: no."\n[beauty.models]\npopularity = {}\nitem_to_item = {}\n'
    )
    (tmp_path / "page.md").write_text(PAGE.format(beauty="old\n"))
    (tmp_path / "Beauty.txt").write_text(
        "\n".join(f"{user} " + " ".join(str((user + step) % 17) for step in range(6)) for user in range(40))
    )
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    return module


@pytest.mark.parametrize("before", ["old\n", ""])
def test_a_table_goes_into_its_place_in_the_page(
    quality: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    (tmp_path / "page.md").write_text(PAGE.format(beauty=before))
    monkeypatch.setattr("sys.argv", ["quality.py", "--data", str(tmp_path), "--json", str(tmp_path), "beauty"])
    quality.main()
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("<!-- table beauty -->\n40 judged, ")
    assert page.endswith("\nNot measured: als: no.\n" + PAGE.partition("{beauty}")[2])
    assert "old" not in page
    assert page.index("| item_to_item | ") < page.index("| popularity | ")  # users follow one order, the best is first
    assert (tmp_path / "beauty.json").exists()


def test_an_unknown_table_is_refused_with_those_there_are(
    quality: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["quality.py", "--data", str(tmp_path), "books"])
    with pytest.raises(SystemExit):
        quality.main()
    assert "there is no table books; there are beauty" in capsys.readouterr().err


@pytest.mark.parametrize("name", TABLES)
def test_every_table_can_be_made_and_has_its_place(name: str) -> None:
    table = TABLES[name]
    assert table.get("dataset", name) in DATASETS
    assert table.get("protocol", "time") in WITH_WINDOW | WITHOUT_WINDOW
    assert set(table["metrics"]) <= set(metric_names([10, 20]))
    for model, parameters in table["models"].items():
        assert model in MODELS or model in PEERS or model in RANKED_LISTS
        if model in MODELS:
            make(model, **parameters)
    assert f"<!-- table {name} -->" in (PROJECT_ROOT / "docs" / "quality.md").read_text()
