import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from lists import START, interactions, pairs
from scipy import sparse

from recsys.errors import BadInputError, ConfigurationError, NotReadyError, UnavailableError
from recsys.evaluation.compare import evaluate
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.peers.known import PEERS, make
from recsys.evaluation.peers.rectools import SETTING
from recsys.settings import PeerSettings, load

RANDOM = np.random.default_rng(3)
# Two tastes of twelve items each; everybody knows eight of their own taste.
EVENTS = interactions(
    [
        (f"u{user:02}", f"{'xy'[user % 2]}{item:02}", float(day))
        for user in range(40)
        for day, item in enumerate(RANDOM.permutation(12)[:8])
    ]
)
SEEN = EVENTS.select("user_id", "item_id").sort("user_id", "item_id")
NOW = EVENTS["timestamp"].max()
IMPLICIT = {
    "implicit_als": {"factors": 4},
    "implicit_bpr": {"factors": 8, "learning_rate": 0.1},
    "implicit_bm25": {},
    "implicit_cosine": {},
}


def of_own_taste(found: pl.DataFrame) -> float:
    taste = pl.col("user_id").str.slice(1).cast(pl.Int64) % 2
    return float((taste == (pl.col("item_id").str.head(1) == "y").cast(pl.Int64)).pipe(found.select)["user_id"].mean())


@pytest.mark.parametrize("name", IMPLICIT)
def test_lists_are_new_to_the_user_and_of_the_right_taste(name: str) -> None:
    found = make(name, **IMPLICIT[name]).fit(EVENTS, now=NOW).recommend(EVENTS, 3, exclude=SEEN)
    assert found.join(SEEN, on=["user_id", "item_id"]).is_empty()
    assert found["user_id"].n_unique() == 40
    assert found.equals(found.sort("user_id", "rank"))
    assert of_own_taste(found) > 0.95


@pytest.mark.parametrize("name", IMPLICIT)
def test_what_is_not_excluded_may_be_recommended_again(name: str) -> None:
    """As by time, where only what was bought is left out: the lists stay full."""
    bought = SEEN.group_by("user_id", maintain_order=True).head(3)
    found = make(name, **IMPLICIT[name]).fit(EVENTS, now=NOW).recommend(EVENTS, 9, exclude=bought)
    assert found.join(bought, on=["user_id", "item_id"]).is_empty()
    assert not found.join(SEEN, on=["user_id", "item_id"]).is_empty()
    assert (found.group_by("user_id").len()["len"] == 9).all()
    for _, rows in found.group_by("user_id"):
        assert rows["rank"].to_list() == list(range(1, 10))
        assert rows["score"].is_sorted(descending=True)


def test_the_lists_are_those_of_the_package_itself() -> None:
    users, items = sorted(SEEN["user_id"].unique()), sorted(SEEN["item_id"].unique())
    rows = [users.index(user) for user in SEEN["user_id"]], [items.index(item) for item in SEEN["item_id"]]
    weights = sparse.csr_matrix((np.ones(SEEN.height, np.float32), rows))
    model = AlternatingLeastSquares(factors=4, random_state=42)
    model.fit(weights, show_progress=False)
    codes, scores = model.recommend(np.arange(40), weights, N=4)
    found = make("implicit_als", factors=4).fit(EVENTS, now=NOW).recommend(EVENTS, 4, exclude=SEEN)
    assert found["item_id"].to_list() == [items[code] for code in codes.ravel()]
    assert found["score"].to_numpy() == pytest.approx(scores.ravel(), rel=1e-4)


def test_users_who_were_not_there_at_fit_get_nothing() -> None:
    model = make("implicit_cosine").fit(EVENTS, now=NOW)
    assert model.recommend(EVENTS.with_columns(user_id=pl.lit("new")), 3).is_empty()


def test_peers_are_measured_beside_our_models() -> None:
    shop = EvaluationData("shop", ("leave_last_out",), EVENTS, EVENTS.select("item_id").unique().sort("item_id"))
    report = evaluate(shop, ["item_to_item", "implicit_cosine"], [5])
    assert list(report.models) == ["item_to_item", "implicit_cosine"]
    assert report.models["implicit_cosine"].values["user_coverage@5"] > 0.5


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInputError, match="takes K"):
        make("implicit_cosine", neighbours=3)
    with pytest.raises(BadInputError, match=r"implicit_cosine\.K is 'many'"):
        make("implicit_cosine", K="many")
    with pytest.raises(BadInputError, match=r"popularity.*implicit_als"):
        make("implicit_sar")
    with pytest.raises(NotReadyError, match="implicit_bpr"):
        make("implicit_bpr").recommend(EVENTS, 3)
    with pytest.raises(BadInputError, match="later than"):
        make("implicit_als").fit(EVENTS, now=START)


def test_without_its_environment_rectools_says_how_to_make_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr("recsys.settings._PEERS_PYTHON", tmp_path / "python")
    with pytest.raises(ConfigurationError, match="make peers"):
        make("rectools_ease")
    monkeypatch.setenv(SETTING, "/nowhere/python")
    with pytest.raises(ConfigurationError, match=f"{SETTING}: Path does not point to a file"):
        make("rectools_ease")


def test_an_environment_without_rectools_is_reported(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SETTING, sys.executable)
    with pytest.raises(UnavailableError, match="rectools_ease"):
        make("rectools_ease")
    assert "No module named 'rectools'" in capfd.readouterr().err


@pytest.mark.skipif(load(PeerSettings).rectools_python is None, reason="RecTools has a Python of its own: `make peers`")
@pytest.mark.parametrize("name", [name for name in PEERS if name.startswith("rectools")])
def test_rectools_answers_from_its_own_environment(name: str) -> None:
    factors = {"factors": 4} if name in ("rectools_als", "rectools_svd") else {}
    model = make(name, **factors).fit(EVENTS, now=NOW)
    found = model.recommend(EVENTS, 3, exclude=SEEN)
    assert found.join(SEEN, on=["user_id", "item_id"]).is_empty()
    assert of_own_taste(found) > 0.95
    bought = pairs([("u00", SEEN["item_id"][0])])
    again = model.recommend(EVENTS, 8, exclude=bought)
    assert again.join(bought, on=["user_id", "item_id"]).is_empty()
    assert not again.join(SEEN, on=["user_id", "item_id"]).is_empty()
