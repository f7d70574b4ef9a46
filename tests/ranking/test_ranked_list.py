"""The ranked list beside the models it joins: fitted on interactions alone, judged as they are."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recsys.dataset.preparation import write_prepared
from recsys.dataset.source_rows import SourceRows
from recsys.errors import BadInputError, NotReadyError
from recsys.evaluation.compare import evaluate
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.datasets.shops import from_prepared
from recsys.evaluation.protocols.base import Split
from recsys.evaluation.protocols.time_window import TimeWindow
from recsys.models.base import RECOMMENDATIONS
from recsys.models.known import make
from recsys.ranking.ranked_list import RankedList, make_ranked
from recsys.settings import PipelineSettings
from recsys.sources.simulator import Simulator, Sizes

SMALL = {"iterations": 20, "windows": 1, "candidates_per_source": 30}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> EvaluationData:
    sizes = Sizes(users=400, items=100, events=8_000, days=60, property_rows=500)
    settings = PipelineSettings(_env_file=None)  # type: ignore[call-arg]
    rows = SourceRows(Simulator(sizes, datetime(2026, 1, 1, tzinfo=UTC)))
    return from_prepared("shop", write_prepared(rows, tmp_path_factory.mktemp("shop"), settings, "shop"))


@pytest.fixture(scope="module")
def split(data: EvaluationData) -> Split:
    return TimeWindow(window_days=7).split(data)


@pytest.fixture(scope="module")
def ranked(data: EvaluationData, split: Split) -> RankedList:
    return make_ranked("ranked", data, **SMALL).fit(split.history, now=split.cut)


def test_it_stands_in_one_report_with_what_it_joins(data: EvaluationData) -> None:
    models = {name: make_ranked(name, data, **SMALL) for name in ("ranked", "candidates")} | {"als": make("als")}
    report = evaluate(data, models, [10, 300], protocol=TimeWindow(window_days=7))
    assert list(report.models) == ["ranked", "candidates", "als"]
    values = {name: result.values for name, result in report.models.items()}
    assert 0 < values["ranked"]["recall@10"] <= values["candidates"]["recall@300"] <= 1
    assert report.differences("ndcg@10").height == 2


def test_lists_hold_nothing_bought_excluded_or_not_allowed(ranked: RankedList, split: Split) -> None:
    exclude = split.past.select("user_id", "item_id").unique().sort("user_id", "item_id").gather_every(2)
    allowed = [f"{item}" for item in split.history["item_id"].unique().sort()][:70]
    found = ranked.recommend(split.past, 10, exclude=exclude, allowed_items=allowed)
    assert found.schema == RECOMMENDATIONS
    assert found.equals(found.sort("user_id", "rank"))
    assert found["rank"].max() == 10
    assert found.with_columns(step=pl.col("score").diff().over("user_id"))["step"].drop_nulls().max() <= 0  # type: ignore[operator]
    assert set(found["item_id"]) <= set(allowed)
    bought = split.past.filter(event_type="purchase").select("user_id", "item_id")
    for banned in (exclude, bought):
        assert banned.height > 0
        assert found.join(banned, on=["user_id", "item_id"]).is_empty()


def test_somebody_new_gets_the_list_of_who_did_the_same(ranked: RankedList, split: Split) -> None:
    old = split.past.filter(user_id=split.past["user_id"][0])
    settings = ranked.settings.model_copy(deep=True)
    # Cards are dealt by a user's id, so without them.
    ranked.settings.ranker.dealt_candidates = 0
    lists = [ranked.recommend(rows, 10) for rows in (old, old.with_columns(user_id=pl.lit("new")))]
    ranked.settings = settings
    assert_frame_equal(*(found.drop("user_id") for found in lists), rel_tol=1e-4)
    assert ranked.recommend(old.clear(), 10).is_empty()


def test_what_is_said_of_items_later_is_not_known(data: EvaluationData, split: Split, ranked: RankedList) -> None:
    assert data.item_history is not None
    later = data.item_history.with_columns(
        pl.lit(split.cut + timedelta(seconds=1)).cast(pl.Datetime("ms", "UTC")).alias("timestamp"),
        pl.lit(False).alias("is_available"),
    )
    informed = RankedList(pl.concat([data.item_history, later]), ranked._categories, ranked.settings)
    found = informed.fit(split.history, now=split.cut).recommend(split.past, 10)
    assert_frame_equal(found, ranked.recommend(split.past, 10), rel_tol=1e-4)
    with pytest.raises(BadInputError, match="interactions are later than"):
        informed.fit(data.interactions, now=split.cut)


def test_what_it_cannot_work_with_is_refused(data: EvaluationData, split: Split) -> None:
    with pytest.raises(NotReadyError, match="'ranked' has not been fitted"):
        make_ranked("ranked", data).recommend(split.past, 10)
    with pytest.raises(BadInputError, match="no column event_type"):
        make_ranked("ranked", data).fit(split.history.drop("event_type"), now=split.cut)
    with pytest.raises(BadInputError, match="'candidates' does not take these parameters"):
        make_ranked("candidates", data, trees=3)
