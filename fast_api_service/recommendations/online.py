"""The reaction to recent events: the pipeline's own formula (`recsys.models.online`) over its similar items."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from fast_api_service.recommendations.blend import Pick
from recsys.models.online import recommend_from_history
from recsys.publishing.codec import RecommendationList
from recsys.schema import Reason, Source
from recsys.settings import I2ISettings

ONLINE, SIMILAR_TO_VIEWED = str(Source.ONLINE), str(Reason.SIMILAR_TO_VIEWED)
# More than any answer holds, because what is bought or unavailable is left out afterwards.
OFFERED = 300
# Neighbours that the items of a basket bring in together, and each of them at least.
IN_BASKET, LEAST_OF_EACH = 200, 20

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
    item_ids: Iterable[str],
    rows: Callable[[Sequence[str]], Iterable[RecommendationList | None]],
    source: str,
    reason: str,
) -> Iterator[Pick]:
    """Neighbours of items that count alike, such as those of a cart; the same formula, for one moment.

    Each item brings its nearest neighbours only, the fewer the more items there are, so that a full cart does not
    take much longer than a small one. `based_on` is the item that a neighbour is nearest to.
    """
    bases = list(dict.fromkeys(item_ids))
    depth = max(LEAST_OF_EACH, IN_BASKET // max(1, len(bases)))
    totals: dict[str, float] = {}
    near: list[tuple[str, dict[str, float]]] = []
    for base, found in zip(bases, rows(bases), strict=True):
        if found is None:
            continue
        scores = found.scores(depth) or ()
        alike = dict(zip(found.items(depth), scores, strict=True))
        if scores[-1] <= 0:  # what only fills the row
            alike = {item_id: score for item_id, score in alike.items() if score > 0}
        near.append((base, alike))
        # Few are in two rows, and whole dictionaries are joined faster than entry by entry.
        both = {item_id: totals[item_id] + alike[item_id] for item_id in totals.keys() & alike.keys()}
        totals.update(alike)
        totals.update(both)
    # Sorting keeps the order of equal scores, which is the same for the same basket.
    for item_id in sorted(totals, key=totals.__getitem__, reverse=True):
        nearest, most = "", 0.0
        for base, alike in near:
            if alike.get(item_id, 0.0) > most:
                nearest, most = base, alike[item_id]
        yield item_id, totals[item_id], source, reason, nearest
