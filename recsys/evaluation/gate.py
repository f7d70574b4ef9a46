"""The gate: a new model goes live only if it is not worse than the one in service, both judged on the newest window."""

import math
from dataclasses import dataclass
from typing import Any

from recsys.evaluation.metrics import Evaluation
from recsys.settings import GateSettings


@dataclass(frozen=True)
class Decision:
    """What the gate decided, with all it went by.

    Attributes:
        champion: the metric of the model in service; None when there was none to compare with.
        difference: challenger minus champion as a 95 % interval over users (paired, normal approximation).
    """

    accepted: bool
    reason: str
    metric: str
    users: int
    challenger: float
    champion: float | None = None
    difference: tuple[float, float] | None = None
    max_relative_loss: float = 0.0

    @property
    def outcome(self) -> str:
        """The decision in words."""
        return "published the challenger" if self.accepted else "kept the champion"

    def numbers(self) -> dict[str, float]:
        """What MLflow and the step's summary record."""
        numbers = {"gate_accepted": float(self.accepted), "gate_users": float(self.users)}
        numbers["gate_challenger"] = self.challenger
        if self.champion is not None:
            numbers["gate_champion"] = self.champion
        return numbers

    def report(self) -> dict[str, Any]:
        """The whole decision as plain JSON."""
        return {
            "decision": self.outcome,
            "reason": self.reason,
            "metric": self.metric,
            "challenger": self.challenger,
            "champion": self.champion,
            "difference_95": list(self.difference) if self.difference else None,
            "max_relative_loss": self.max_relative_loss,
            "users": self.users,
        }


def decide(challenger: Evaluation, champion: Evaluation | None, settings: GateSettings) -> Decision:
    """Compare two evaluations of one truth by `settings.metric`.

    The first model goes live whatever its value: shoppers would otherwise get default lists only. A later one may lose
    at most `max_relative_loss` of the champion's value; with fewer than `min_users` users chance would decide, so the
    champion stays.
    """
    value = challenger.values[settings.metric]
    facts: dict[str, Any] = {
        "metric": settings.metric,
        "users": challenger.users,
        "challenger": value,
        "max_relative_loss": settings.max_relative_loss,
    }
    if champion is None:
        return Decision(True, "there was no champion to compare with", **facts)
    bar = champion.values[settings.metric] * (1 - settings.max_relative_loss)
    facts |= {
        "champion": champion.values[settings.metric],
        "difference": _interval(challenger, champion, settings.metric),
    }
    if challenger.users < settings.min_users:
        return Decision(
            False, f"{challenger.users} users are too few to decide; {settings.min_users} are needed", **facts
        )
    relation = "at least" if value >= bar else "less than"
    return Decision(value >= bar, f"{settings.metric} {value:.4f} is {relation} the bar of {bar:.4f}", **facts)


def _interval(challenger: Evaluation, champion: Evaluation, metric: str) -> tuple[float, float] | None:
    difference = challenger.per_user[metric] - champion.per_user[metric]
    if len(difference) < 2:
        return None
    mean, deviation = float(difference.mean()), float(difference.std())  # type: ignore[arg-type]
    margin = 1.96 * deviation / math.sqrt(len(difference))
    return mean - margin, mean + margin
