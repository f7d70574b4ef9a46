"""The reaction to recent events: the pipeline's own formula (`recsys.models.online`) over its similar items."""

from collections.abc import Callable, Iterable

from fast_api_service.recommendations.blend import Pick
from recsys.models.online import recommend_from_history
from recsys.publishing.codec import RecommendationList
from recsys.schema import Reason, Source
from recsys.settings import I2ISettings

ONLINE, SIMILAR_TO_VIEWED = str(Source.ONLINE), str(Reason.SIMILAR_TO_VIEWED)
# More than any answer holds, because what is bought or unavailable is left out afterwards.
OFFERED = 300


def online_picks(
    events: Iterable[tuple[str, int]],
    neighbours: Callable[[str], RecommendationList | None],
    settings: I2ISettings,
) -> list[Pick]:
    """Neighbours of a history.

    Args:
        events: item id and time in milliseconds, newest first; an item may come more than once.
        neighbours: an item's row of the similar-items table.
        settings: those of the pipeline's step, so that both give the same lists.
    """
    newest: dict[str, int] = {}
    for item_id, timestamp_ms in events:
        if item_id not in newest and len(newest) == settings.history:
            break
        newest.setdefault(item_id, timestamp_ms)

    def similar(item_id: str) -> Iterable[tuple[str, float]]:
        row = neighbours(item_id)
        return () if row is None else zip(row.items(), row.scores() or (), strict=True)

    scored = recommend_from_history(
        list(newest.items()),
        similar,
        OFFERED,
        half_life_days=settings.half_life_days,
        exclude=newest if settings.drop_seen else (),
    )
    return [(item_id, score, ONLINE, SIMILAR_TO_VIEWED, base) for item_id, score, base in scored]
