"""The protocols by name."""

from recsys.errors import BadInputError
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols.base import Protocol
from recsys.evaluation.protocols.fixed_split import FixedSplit
from recsys.evaluation.protocols.leave_last_out import LeaveLastOut
from recsys.evaluation.protocols.next_in_session import NextInSession
from recsys.evaluation.protocols.time_window import TimeWindow

WITHOUT_WINDOW: dict[str, type[FixedSplit | LeaveLastOut]] = {kind.name: kind for kind in (FixedSplit, LeaveLastOut)}
WITH_WINDOW: dict[str, type[TimeWindow | NextInSession]] = {kind.name: kind for kind in (TimeWindow, NextInSession)}


def choose(data: EvaluationData, name: str | None = None, window_days: float | None = None) -> Protocol:
    """A protocol for a dataset; without a name the dataset's own.

    Raises:
        BadInputError: the dataset cannot be cut that way, or the protocol has no window to choose the length of.
    """
    name = name or data.protocols[0]
    if name not in data.protocols:
        raise BadInputError(
            f"{data.name!r} cannot be cut by protocol {name!r}.",
            remedy=f"The protocols for it are: {', '.join(data.protocols)}.",
        )
    if name in WITH_WINDOW:
        return WITH_WINDOW[name]() if window_days is None else WITH_WINDOW[name](window_days=window_days)
    if window_days is not None:
        raise BadInputError(f"Protocol {name!r} has no window.", remedy="Leave --window-days out.")
    return WITHOUT_WINDOW[name]()
