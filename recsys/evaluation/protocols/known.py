"""The protocols by name."""

from recsys.evaluation.protocols.base import Protocol
from recsys.evaluation.protocols.fixed_split import FixedSplit
from recsys.evaluation.protocols.leave_last_out import LeaveLastOut
from recsys.evaluation.protocols.next_in_session import NextInSession
from recsys.evaluation.protocols.time_window import TimeWindow

PROTOCOLS: dict[str, type[Protocol]] = {
    kind.name: kind for kind in (FixedSplit, LeaveLastOut, TimeWindow, NextInSession)
}
