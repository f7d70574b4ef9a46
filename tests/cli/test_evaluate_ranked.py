"""`recsys evaluate --models ranked,…`: the ranked list needs the dataset's items, so it is made once that is read."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from recsys.cli import app
from recsys.errors import BadInputError

DAY_MS = 86_400_000


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Forty days of users who stay in one of two halves of thirty items, as RetailRocket's file has them."""
    random = np.random.default_rng(3)
    rows = ["timestamp,visitorid,event,itemid,transactionid"]
    for step in range(2_000):
        user = int(random.integers(60))
        event = str(random.choice(["view", "view", "view", "addtocart", "transaction"]))
        order = str(step) if event == "transaction" else ""
        time = 1_430_000_000_000 + step * DAY_MS // 50
        rows.append(f"{time},{user},{event},{user % 2 * 15 + int(random.integers(15))},{order}")
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--no-mlflow"])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_it_is_compared_with_what_it_joins(shop: Path) -> None:
    out = shop / "out.json"
    given = ("retailrocket", "--data", str(shop), "--window-days", "5", "--k", "5,300", "--json", str(out))
    run(*given, "--models", "als, ranked, candidates", "--param", "ranked.iterations=5", "--param", "als.factors=4")
    found = json.loads(out.read_text())["models"]
    assert list(found) == ["als", "ranked", "candidates"]
    assert found["ranked"]["ndcg@5"] > 0
    assert found["ranked"]["recall@5"] <= found["candidates"]["recall@300"] <= 1
    assert found["ranked"]["differences"].keys() == {"als", "candidates"}
    with pytest.raises(BadInputError, match="parameters for ranked, which is not evaluated"):
        run(*given, "--models", "als", "--param", "ranked.iterations=5")


def test_it_needs_the_events_of_a_shop(tmp_path: Path) -> None:
    (tmp_path / "Beauty.txt").write_text("\n".join(f"{user} 1 2 3 {user}" for user in range(10, 20)))
    with pytest.raises(BadInputError, match=r"no column event_type.*"):
        run("beauty", "--data", str(tmp_path), "--models", "ranked")
