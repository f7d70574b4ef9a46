import polars as pl
import pytest

from recsys.evaluation.gate import decide
from recsys.evaluation.metrics import Evaluation
from recsys.settings import GateSettings

GATE = GateSettings(min_users=4, max_relative_loss=0.1)


def judged(*values: float) -> Evaluation:
    per_user = pl.DataFrame({"user_id": [str(n) for n in range(len(values))], "ndcg@10": values})
    return Evaluation(len(values), {"ndcg@10": sum(values) / len(values)}, per_user)


@pytest.mark.parametrize(
    ("challenger", "accepted"), [(0.60, True), (0.50, True), (0.46, True), (0.44, False), (0.0, False)]
)
def test_a_loss_within_the_margin_is_accepted(challenger: float, accepted: bool) -> None:
    decision = decide(judged(*[challenger] * 4), judged(*[0.5] * 4), GATE)
    assert decision.accepted is accepted
    assert decision.outcome == ("published the challenger" if accepted else "kept the champion")
    assert decision.numbers() == {
        "gate_accepted": float(accepted),
        "gate_users": 4.0,
        "gate_challenger": challenger,
        "gate_champion": 0.5,
    }
    assert "0.4500" in decision.reason


def test_too_few_users_keep_the_champion_and_say_so() -> None:
    decision = decide(judged(0.9, 0.9, 0.9), judged(0.1, 0.1, 0.1), GATE)
    assert not decision.accepted
    assert decision.reason == "3 users are too few to decide; 4 are needed"


def test_without_a_champion_the_challenger_goes_live() -> None:
    decision = decide(judged(0.0), None, GATE)
    assert decision.accepted
    assert decision.report()["champion"] is None
    assert "gate_champion" not in decision.numbers()


def test_the_difference_is_paired_by_user() -> None:
    # Users differ much, the models by exactly 0.1 for each: the interval is narrow all the same.
    decision = decide(judged(0.1, 0.4, 0.7, 1.0), judged(0.0, 0.3, 0.6, 0.9), GATE)
    assert decision.difference == pytest.approx((0.1, 0.1))
    # By hand for differences 0, 0, 0.2, 0.2: mean 0.1, deviation 0.11547, over the root of 4, times 1.96.
    decision = decide(judged(0.5, 0.5, 0.7, 0.7), judged(0.5, 0.5, 0.5, 0.5), GATE)
    assert decision.difference == pytest.approx((0.1 - 0.11316, 0.1 + 0.11316), abs=1e-5)
