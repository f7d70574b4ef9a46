import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys.cli import app
from recsys.dataset.preparation import write_prepared
from recsys.dataset.source_rows import SourceRows
from recsys.errors import BadInputError
from recsys.evaluation.report import EvaluationReport
from recsys.pipeline.backtest import BY_SCORE, CANDIDATES_RECALL, ITEMS_SHOWN, METRICS, RANKED, backtest, gains
from recsys.pipeline.train_ranker import load_shop
from recsys.ranking.candidates import SOURCES
from recsys.ranking.replay import Shop
from recsys.settings import AlsSettings, PipelineSettings, RankerSettings
from recsys.sources.simulator import Simulator, Sizes


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, datetime]:
    small = Sizes(users=400, items=600, events=8_000, days=60, property_rows=2_000)
    settings = PipelineSettings(_env_file=None)  # type: ignore[call-arg]
    rows = SourceRows(Simulator(small, datetime(2026, 1, 1, tzinfo=UTC)))
    prepared = write_prepared(rows, tmp_path_factory.mktemp("shop"), settings, "shop")
    return load_shop(prepared), prepared.now


def run(shop: tuple[Shop, datetime], windows: int, skip: int = 0, **ranker: float) -> EvaluationReport:
    settings = PipelineSettings(
        _env_file=None,  # type: ignore[call-arg]
        train_als=AlsSettings(factors=8, iterations=3),
        ranker=RankerSettings(**{"iterations": 20, "windows": 2} | ranker),  # type: ignore[arg-type]
    )
    return backtest("shop", *shop, settings, windows, skip=skip)


def test_windows_are_judged_together_and_each_apart_from_its_future(shop: tuple[Shop, datetime]) -> None:
    both, newest, older = run(shop, 2), run(shop, 1), run(shop, 1, skip=1)
    assert both.users == newest.users + older.users
    for name in (RANKED, BY_SCORE, *SOURCES.values()):
        for metric in METRICS:
            one, two = (part.models[name].values[metric] * part.users for part in (newest, older))
            assert both.models[name].values[metric] == pytest.approx((one + two) / both.users)
    best, relative, low, high = gains(both, "ndcg@10")
    ranked, source = (both.models[name].values["ndcg@10"] for name in (RANKED, best))
    assert relative == pytest.approx(ranked / source - 1)
    assert low < ranked - source < high
    assert both.models[RANKED].values["recall@10"] < both.models[RANKED].values[CANDIDATES_RECALL] <= 1
    assert newest.side == "test"
    assert older.side == "validation"


def test_discovery_shows_more_items(shop: tuple[Shop, datetime]) -> None:
    found = run(shop, 1, discovery=2.0, diversity=0.1).models
    assert found[RANKED].values[ITEMS_SHOWN] > found[BY_SCORE].values[ITEMS_SHOWN]
    assert found["default"].values[ITEMS_SHOWN] <= 20


def test_the_command_says_what_it_needs(tmp_path: Path) -> None:
    runner = CliRunner()
    for arguments, said in (
        (["nowhere"], "Choose one of retailrocket, online_retail"),
        (["retailrocket"], "Give their place with --data"),
    ):
        error = runner.invoke(app, ["backtest", *arguments]).exception
        assert isinstance(error, BadInputError)
        assert said in str(error)


def test_the_command_writes_its_figures(shared_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "figures.json"
    given = ["backtest", "retailrocket", "--data", str(shared_data("retailrocket")), "--windows", "1"]
    result = CliRunner().invoke(app, [*given, "--json", str(file)])
    assert result.exception is None, result.exception
    figures = json.loads(file.read_text())
    ranked = figures["models"]["ranked"]
    assert (figures["dataset"], ranked["protocol"]) == ("retailrocket", "1 windows")
    low, high = ranked["intervals"]["ndcg@10"]
    assert 0 < low < ranked["ndcg@10"] < high
    assert ranked["differences"]["i2i"]["ndcg@10"]["mean"] > 0
    assert "the best source" in result.output
