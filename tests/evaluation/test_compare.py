import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from lists import START, interactions, pairs
from polars.testing import assert_frame_equal

from recsys.errors import BadInputError, IntegrityError, NotReadyError
from recsys.evaluation import judging
from recsys.evaluation.bootstrap import Bootstrap
from recsys.evaluation.compare import evaluate
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.judging import judge
from recsys.evaluation.protocols.leave_last_out import LeaveLastOut
from recsys.evaluation.protocols.next_in_session import NextInSession
from recsys.evaluation.protocols.time_window import TimeWindow
from recsys.models.popularity import Popularity

RANDOM = np.random.default_rng(5)
# Users of two tastes who come back every few days; new ones come in the last days.
ROWS = [
    (f"u{user}", f"{'xy'[user % 2]}{item}", float(day))
    for user in range(60)
    for day, item in enumerate(RANDOM.permutation(15)[:8])
] + [(f"cold{user}", "x1", 7.0) for user in range(5)]
FRAME = interactions(ROWS).with_columns(event_type=pl.lit("view"), session_id=pl.col("user_id"))
ITEMS = FRAME.select("item_id").unique().sort("item_id")
ATTRIBUTES = ITEMS.with_columns(attribute=pl.col("item_id").str.head(1))
SHOP = EvaluationData("shop", ("leave_last_out", "time"), FRAME, ITEMS, attributes=ATTRIBUTES)


class Broken(Popularity):
    """Its scores are not numbers."""

    def recommend(self, *args: Any, **kwargs: Any) -> pl.DataFrame:
        return super().recommend(*args, **kwargs).with_columns(score=pl.lit(math.nan, pl.Float32))


class Silent(Popularity):
    """Never has anything to say."""

    def recommend(self, *args: Any, **kwargs: Any) -> pl.DataFrame:
        return super().recommend(*args, **kwargs).clear()


class Unfitted(Popularity):
    """Forgets what it learned."""

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> "Unfitted":
        return self


def test_models_are_compared_on_the_same_users() -> None:
    report = evaluate(SHOP, ["popularity", "item_to_item"], [3, 5])
    table = report.table()
    assert table["model"].to_list() == ["popularity", "item_to_item"]
    assert report.users == 60
    for result in report.models.values():
        assert result.per_user.height == 60
        low, high = result.intervals["ndcg@5"]
        assert low <= result.values["ndcg@5"] <= high
    # Two tastes: co-occurrence knows them, popularity does not.
    assert report.best("diversity@5") == "popularity"
    difference = report.differences("diversity@5").row(0, named=True)
    assert difference["reference"] == "popularity"
    assert difference["low"] <= difference["difference"] <= difference["high"] < 0


def test_the_means_are_those_of_the_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many users are scored at a time."""
    at_once = evaluate(SHOP, ["item_to_item"], [5]).models["item_to_item"]
    monkeypatch.setattr(judging, "USERS_AT_A_TIME", 7)
    in_chunks = evaluate(SHOP, ["item_to_item"], [5]).models["item_to_item"]
    assert_frame_equal(in_chunks.per_user, at_once.per_user)  # but for the last bits of sums in another order
    assert in_chunks.values == pytest.approx(at_once.values)
    assert in_chunks.intervals["ndcg@5"] == pytest.approx(at_once.intervals["ndcg@5"])
    split = LeaveLastOut().split(SHOP)
    model = Popularity().fit(split.history, now=split.cut)
    lists = model.recommend(split.past, 5, exclude=split.exclude)
    coverage = evaluate(SHOP, ["popularity"], [5]).models["popularity"].values["item_coverage@5"]
    assert coverage == lists["item_id"].n_unique() / ITEMS.height


def test_json_has_the_promised_form(tmp_path: Path) -> None:
    report = evaluate(SHOP, {"mine": Popularity(), "silent": Silent()}, [1, 5], protocol=TimeWindow(window_days=1))
    report.to_json(tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text())
    assert set(found) == {"dataset", "models"}
    assert found["dataset"] == "shop"
    mine = found["models"]["mine"]
    assert {"recall@5", "ndcg@5", "hit_rate@1", "item_coverage@5", "fit_s", "score_s"} <= mine.keys()
    assert mine["intervals"]["recall@5"][0] <= mine["recall@5"] <= mine["intervals"]["recall@5"][1]
    assert mine["differences"]["silent"]["recall@5"]["mean"] == mine["recall@5"]
    assert set(mine["segments"]) == {"warm", "cold", "new_items"} | ({"heavy"} & set(mine["segments"]))
    assert mine["segments"]["cold"]["users"] == 5
    silent = found["models"]["silent"]
    assert (silent["recall@5"], silent["user_coverage@5"], silent["item_coverage@5"]) == (0, 0, 0)
    assert silent["novelty@5"] is None
    assert silent["intervals"]["novelty@5"] == [None, None]


def test_cold_users_are_judged_by_the_default_list() -> None:
    report = evaluate(SHOP, ["popularity", "item_to_item"], [10], protocol=TimeWindow(window_days=1))
    cold = [result.segments["cold"] for result in report.models.values()]
    assert cold[0].equals(cold[1])
    split = TimeWindow(window_days=1).split(SHOP)
    best = Popularity().fit(split.history, now=split.cut).recommend(split.past, 10)
    assert cold[0]["hit_rate@10"].to_list() == [float("x1" in best["item_id"].head(10))] * 5
    assert "cold0" not in report.models["popularity"].per_user["user_id"]


def test_heavy_users_and_new_items_are_apart() -> None:
    rows = [(f"u{user}", f"i{item}", float(item)) for user in range(10) for item in range(3 + 4 * (user >= 8))]
    rows += [(f"u{user}", "fresh", 99.0) for user in range(4)]
    items = pl.DataFrame({"item_id": [*(f"i{n}" for n in range(7)), "fresh"]})
    data = EvaluationData("shop", ("leave_last_out",), interactions(rows), items)
    segments = evaluate(data, ["popularity"], [5]).models["popularity"].segments
    assert segments["heavy"]["user_id"].to_list() == ["u8", "u9"]
    assert segments["warm"].height == 8
    # Nobody knows `fresh` before, and i6 is known by nobody but those who are asked for it.
    assert segments["new_items"]["user_id"].to_list() == ["u0", "u1", "u2", "u3", "u8", "u9"]


def test_intervals_are_by_session_where_sessions_are_judged() -> None:
    rows = [(f"s{n}", f"i{(n + step) % 9}", n / 2 + step / 100) for n in range(80) for step in range(5)]
    frame = interactions(rows).with_columns(event_type=pl.lit("view"), session_id=pl.col("user_id"))
    data = EvaluationData("shop", ("session",), frame, frame.select("item_id").unique())
    result = evaluate(data, ["item_to_item"], [2]).models["item_to_item"]
    groups = NextInSession().split(data).groups
    users, values = result.per_user.select("user_id"), result.per_user.drop("user_id").to_numpy()
    assert groups is not None
    assert groups["group"].n_unique() * 4 == users.height
    assert np.array_equal(result.resampled, Bootstrap(users, groups).means(values), equal_nan=True)
    assert not np.array_equal(result.resampled, Bootstrap(users).means(values), equal_nan=True)


def test_plots_are_pictures(tmp_path: Path) -> None:
    report = evaluate(SHOP, ["popularity", "item_to_item"], [5])
    written = report.save_plots(tmp_path / "plots", "ndcg@5")
    assert [path.name for path in written] == ["shop_leave_last_out_coverage.png", "shop_leave_last_out_segments.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    axes = report.plot_coverage("ndcg@5")
    assert {text.get_text() for text in axes.texts} == {"popularity", "item_to_item"}
    with pytest.raises(BadInputError, match=r"'fame@5' was not measured.*ndcg@5"):
        report.plot_segments("fame@5")


def test_one_model_that_fails_does_not_lose_the_others() -> None:
    report = evaluate(SHOP, {"broken": Broken(), "sound": Popularity()}, [5])
    assert list(report.models) == ["sound"]
    assert "NaN" in str(report.failed["broken"])


def test_models_are_told_what_was_known_of_items_at_the_cut() -> None:
    told = []

    class Curious(Popularity):
        def describe(self, items: pl.DataFrame) -> "Curious":
            told.append(items)
            return self

    evaluate(SHOP, {"curious": Curious()}, [5])
    assert told[0].equals(ITEMS)


def test_what_is_wrong_with_a_model_is_named() -> None:
    with pytest.raises(IntegrityError, match="'popularity' gave scores that are NaN"):
        evaluate(SHOP, {"broken": Broken()}, [5])
    with pytest.raises(NotReadyError, match="has not been fitted"):
        evaluate(SHOP, {"unfitted": Unfitted()}, [5])
    with pytest.raises(BadInputError, match=r"no model 'nonsense'.*popularity"):
        evaluate(SHOP, ["nonsense"])
    with pytest.raises(BadInputError, match="No model is named"):
        evaluate(SHOP, [])
    with pytest.raises(BadInputError, match="parameters for als"):
        evaluate(SHOP, ["popularity"], parameters={"als": {"factors": 8}})
    with pytest.raises(BadInputError, match="whole number from 1"):
        evaluate(SHOP, ["popularity"], [0])


def test_users_whom_nothing_useful_is_known_of_get_the_default_list() -> None:
    known = interactions([(f"u{n}", f"i{n % 3}", 0.0) for n in range(9)] + [(f"u{n}", "i9", 1.0) for n in range(9)])
    split = LeaveLastOut().split(EvaluationData("shop", ("leave_last_out",), known, known.select("item_id").unique()))
    strangers = interactions([("stranger", "unheard of", 0.0)])
    model = Popularity().fit(split.history, now=START)
    lost = type(split)(START, split.history, strangers, pairs([("stranger", "i1")]), pairs([]))
    # The default list, of three items that tie: it is nobody's merit which comes first.
    assert judge(model, lost, ["recall@2", "recall@1"]).values == {"recall@2": 0.0, "recall@1": 0.0}
    assert judge(model, lost, ["recall@3"]).values == {"recall@3": 1.0}
