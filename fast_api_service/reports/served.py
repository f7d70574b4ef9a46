"""Answers given by this worker, counted in memory and added to `ops.served` every few seconds.

A worker that is killed loses the counts of its last seconds; one that ends in order loses none.
"""

import time
from collections import defaultdict
from collections.abc import Mapping

import asyncpg
import orjson

from fast_api_service import metrics

INTERVAL_S = 5.0
TIMED_ONE_IN = 16  # reading clocks and keeping sums for each answer would cost as much as looking up a list

CHOOSE, WRITE = "choose", "write"
WHOLE_ANSWER = ""  # the source under which answers are counted, not items

# Phases are added up: counts and sums are summed, of maxima the larger one stays.
_ADD = """
insert into ops.served (dataset, day, placement, source, version, shown, phases)
select $1, (clock_timestamp() at time zone 'UTC')::date, counts.*
from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[]) counts
where exists (select from raw.datasets where name = $1)
on conflict (dataset, day, placement, source, version) do update set shown = served.shown + excluded.shown,
    phases = (
        select coalesce(jsonb_object_agg(phase, jsonb_build_object('count', n, 'sum', total, 'max', longest)), '{}')
        from (
            select key as phase, sum((value->>'count')::float8)::bigint as n, sum((value->>'sum')::float8) as total,
                   max((value->>'max')::float8) as longest
            from (select * from jsonb_each(served.phases) union all select * from jsonb_each(excluded.phases)) told
            group by key
        ) phases
    )
"""

Row = tuple[str, str, int]  # placement, source, version


class Served:
    """Counts of one worker."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int, tuple[tuple[str, int], ...]], int] = {}
        self._counts: defaultdict[Row, int] = defaultdict(int)
        self._phases: defaultdict[Row, dict[str, list[float]]] = defaultdict(dict)

    def note(self, placement: str, version: int, shown: Mapping[str, int], started: float, chosen: float) -> None:
        """Count an answer that is written now.

        Args:
            shown: how many items each source gave, the first item's source first.
            started, chosen: when its making began, and when its items were chosen, by `time.perf_counter`.
        """
        key = placement, version, tuple(shown.items())
        number = self._answers[key] = self._answers.get(key, 0) + 1
        if number % TIMED_ONE_IN == 1:
            phases = self._phases[placement, WHOLE_ANSWER, version]
            _time(phases, CHOOSE, chosen - started)
            _time(phases, WRITE, time.perf_counter() - chosen)

    def hand_over(self) -> None:
        """Bring what was counted to the metrics, and add it to what waits for `save`."""
        for (placement, version, shown), answers in self._answers.items():
            metrics.count(metrics.ANSWERS, (placement, shown[0][0] if shown else "none"), answers)
            self._counts[placement, WHOLE_ANSWER, version] += answers
            for source, items in shown:
                metrics.count(metrics.ITEMS, (source,), answers * items)
                self._counts[placement, source, version] += answers * items
        self._answers.clear()

    async def save(self, pool: asyncpg.Pool, dataset: str | None) -> None:
        """Add what waits to `ops.served`; it goes on waiting when that fails."""
        self.hand_over()
        if not self._counts or dataset is None:
            return
        counts, self._counts = self._counts, defaultdict(int)
        phases, self._phases = self._phases, defaultdict(dict)
        # In one order everywhere, so that two workers wait for each other instead of deadlocking.
        keys = sorted(counts)
        placements, sources, versions = zip(*keys, strict=True)
        documents = [_document(phases.get(key, {})) for key in keys]
        shown = [counts[key] for key in keys]
        try:
            await pool.execute(_ADD, dataset, placements, sources, versions, shown, documents)
        except BaseException:
            self._take_back(counts, phases)
            raise

    def _take_back(self, counts: Mapping[Row, int], phases: Mapping[Row, dict[str, list[float]]]) -> None:
        for key, number in counts.items():
            self._counts[key] += number
        for key, told in phases.items():
            for name, (times, total, longest) in told.items():
                _add(self._phases[key], name, times, total, longest)


def _document(phases: Mapping[str, list[float]]) -> str:
    told = {
        name: {"count": int(times), "sum": total, "max": longest} for name, (times, total, longest) in phases.items()
    }
    return orjson.dumps(told).decode()


def _time(phases: dict[str, list[float]], name: str, seconds: float) -> None:
    _add(phases, name, 1, seconds, seconds)


def _add(phases: dict[str, list[float]], name: str, number: float, total: float, longest: float) -> None:
    found = phases.setdefault(name, [0.0, 0.0, 0.0])
    found[0] += number
    found[1] += total
    found[2] = max(found[2], longest)
