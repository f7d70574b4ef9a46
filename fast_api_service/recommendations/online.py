"""The reaction to recent events: the pipeline's own formula (`recsys.models.online`) over its similar items."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from fast_api_service.recommendations.blend import Pick
from recsys.models.online import recommend_from_history
from recsys.publishing.codec import RecommendationList
from recsys.schema import Reason, Source
from recsys.settings import I2ISettings

ONLINE, SIMILAR_TO_VIEWED = str(Source.ONLINE), str(Reason.SIMILAR_TO_VIEWED)
# More than any answer holds, because what is bought or unavailable is left out afterwards.
OFFERED = 300
# Neighbours that the items of a basket bring in together; each at least a tenth of it.
IN_BASKET = 300

Row = Callable[[str], Iterable[tuple[str, float]]]


def online_picks(
    events: Iterable[tuple[str, int]], row: Row, settings: I2ISettings, disliked: Iterable[str] = ()
) -> list[Pick]:
    """Neighbours of a history.

    Args:
        events: item id and time in milliseconds, newest first; an item may come more than once.
        row: an item's neighbours with their scores.
        settings: those of the pipeline's step, so that both give the same lists.
        disliked: items that push away what is like them.
    """
    newest: dict[str, int] = {}
    for item_id, timestamp_ms in events:
        if item_id not in newest and len(newest) == settings.history:
            break
        newest.setdefault(item_id, timestamp_ms)
    scored = recommend_from_history(
        list(newest.items()),
        row,
        OFFERED,
        half_life_days=settings.half_life_days,
        exclude=newest if settings.drop_seen else (),
        disliked=disliked,
    )
    return [(item_id, score, ONLINE, SIMILAR_TO_VIEWED, base) for item_id, score, base in scored]


def basket_picks(
    item_ids: Sequence[str], row: Callable[[str], RecommendationList | None], source: str, reason: str
) -> list[Pick]:
    """Neighbours of items that count alike, such as those of a cart; the same formula, for one moment.

    Each item brings its nearest neighbours only, the fewer the more items there are, so that a full cart does not
    take much longer than a small one. `based_on` is the item that a neighbour is nearest to.
    """
    depth = max(IN_BASKET // 10, IN_BASKET // max(1, len(item_ids)))
    totals: dict[str, float] = {}
    nearest: dict[str, tuple[float, str]] = {}
    for base in dict.fromkeys(item_ids):
        found = row(base)
        if found is None:
            continue
        for item_id, score in zip(found.items(depth), found.scores(depth) or (), strict=True):
            if score <= 0:
                break
            if item_id not in totals:
                totals[item_id], nearest[item_id] = score, (score, base)
            else:
                totals[item_id] += score
                if score > nearest[item_id][0]:
                    nearest[item_id] = score, base
    # Sorting keeps the order of equal scores, which is the same for the same basket.
    best = sorted(totals.items(), key=itemgetter(1), reverse=True)[:OFFERED]
    return [(item_id, score, source, reason, nearest[item_id][1]) for item_id, score in best]
