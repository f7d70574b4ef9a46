"""A step's outcome in lines for people: the same in the task's log and in the message about the run."""

from collections.abc import Mapping
from typing import Any


def lines(summary: Mapping[str, Any]) -> list[str]:
    """Where the result is, counts, metrics, the gate's decision, or the error."""
    found = [f"output = {summary['output']}"] if summary.get("output") else []
    found += [f"{name} = {count:,}" for name, count in summary.get("rows", {}).items()]
    found += [f"{name} = {value:.4g}" for name, value in summary.get("metrics", {}).items()]
    if decision := summary.get("decision"):
        found.append(f"gate: {decision} ({summary.get('reason')})")
    if error := summary.get("error"):
        found.append(str(error))
    return found
