"""Places for what nobody has seen enough of to judge: new and little-shown items, drawn at random."""

import random
from collections.abc import Callable, Sequence

from fast_api_service.recommendations.blend import Pick
from recsys.schema import Reason, Source

EXPLORED = str(Source.EXPLORATION), str(Reason.NEW_TO_EXPLORE)
LIGHTEST = 1e-9  # less cannot be told from never
LIST = "exploration"  # the live list: items with the weights that they are drawn by


def explore(
    picks: Sequence[Pick],
    candidates: Sequence[tuple[str, float]],
    share: float,
    may_show: Callable[[str], bool],
    limit: int,
    chance: Callable[[], float] = random.random,
) -> tuple[list[Pick], dict[str, float]]:
    """Give each place with probability `share` to a candidate instead of the next pick.

    Args:
        candidates: item id and weight; the larger, the likelier it is drawn.
        chance: gives numbers from 0 up to, and without, 1.

    Returns:
        `limit` picks, and of the explored items the probability with which each came to its place: `share` times its
        part of the weights of all that could have come there.
    """
    left = {item_id: weight for item_id, weight in candidates if weight >= LIGHTEST and may_show(item_id)}
    shown: list[Pick] = []
    propensities: dict[str, float] = {}
    rest = iter(picks)
    while len(shown) < limit:
        if left and chance() < share:
            item_id = _drawn(left, chance())
            propensities[item_id] = share * left[item_id] / sum(left.values())
            shown.append((item_id, left.pop(item_id), *EXPLORED, None))
            continue
        pick = next((pick for pick in rest if pick[0] not in propensities), None)
        if pick is None:
            break
        left.pop(pick[0], None)
        shown.append(pick)
    return shown, propensities


def _drawn(weights: dict[str, float], at: float) -> str:
    at *= sum(weights.values())
    for item_id, weight in weights.items():
        at -= weight
        if at < 0:
            return item_id
    return item_id
