"""`recsys bench pipeline`: a simulated shop of RetailRocket's size through loading and all seven steps.

Every step runs as a process of its own, as it does in production, against servers of the benchmark's own in a
temporary folder. Peak memory is what the operating system reports for that process (`ru_maxrss`).
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys.console import console
from recsys.errors import RecsysError
from recsys.pipeline.run import STEPS
from recsys.stack.temporary import temporary_suite


@dataclass(frozen=True)
class Size:
    """The simulated shop: counts of rows."""

    users: int
    items: int
    events: int

    def tenth(self) -> "Size":
        """A shop a tenth as large."""
        return Size(self.users // 10, self.items // 10, self.events // 10)


# The time that RetailRocket's events span; with it the simulator writes some 85 property rows an item, 20 million here.
DAYS = 137


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds of wall time, and its peak resident memory in MB."""

    wall_s: float
    peak_rss_mb: float


@dataclass
class PipelineResult:
    """One run of the benchmark at one size."""

    size: Size
    load: Cost
    steps: dict[str, Cost] = field(default_factory=dict)

    def flat(self) -> dict[str, object]:
        """The form of `--json`: totals, and seconds and MB by step."""
        return {
            "wall_s": round(sum(cost.wall_s for cost in self.steps.values()), 2),
            "peak_rss_mb": round(max(cost.peak_rss_mb for cost in self.steps.values()), 1),
            "load_s": round(self.load.wall_s, 2),
            "load_rss_mb": round(self.load.peak_rss_mb, 1),
            "steps": {step: round(cost.wall_s, 2) for step, cost in self.steps.items()},
            "steps_rss_mb": {step: round(cost.peak_rss_mb, 1) for step, cost in self.steps.items()},
        }


def _timed(arguments: list[str], environment: Mapping[str, str]) -> Cost:
    """Run `recsys …` as a child and return what it took.

    Raises:
        RecsysError: it failed; its output stands above.
    """
    started = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "recsys", *arguments], env=dict(environment), cwd=environment["RECSYS_HOME"]
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RecsysError(f"`recsys {' '.join(arguments)}` ended with code {child.returncode}; its output is above.")
    return Cost(time.monotonic() - started, _megabytes(usage))


def _megabytes(usage: resource.struct_rusage) -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # macOS reports bytes, Linux KiB
    return usage.ru_maxrss * unit / 2**20


def measure(size: Size, seed: int) -> PipelineResult:
    """Load a simulated shop of `size` and run every step on it once."""
    with temporary_suite() as environment:
        load = ["load", "simulator", "--users", str(size.users), "--items", str(size.items)]
        load += ["--events", str(size.events), "--days", str(DAYS), "--seed", str(seed)]
        console.print(f"A shop of {size.events:,} events, {size.users:,} users and {size.items:,} items")
        result = PipelineResult(size, _timed(load, environment))
        for step in STEPS:
            result.steps[str(step)] = _timed(["run", str(step), "--run-id", "bench"], environment)
    return result


def growth(full: PipelineResult, tenth: PipelineResult) -> dict[str, dict[str, float]]:
    """How many times the time and memory of a tenth the full size took, by step (and for loading)."""
    pairs = {"load": (full.load, tenth.load)}
    pairs |= {step: (full.steps[step], tenth.steps[step]) for step in full.steps}
    return {
        name: {
            "wall": round(large.wall_s / small.wall_s, 2),
            "peak_rss": round(large.peak_rss_mb / small.peak_rss_mb, 2),
        }
        for name, (large, small) in pairs.items()
    }
