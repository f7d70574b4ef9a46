"""What is known of an item, as weighted words: those of its texts, and `name=value` for its attributes.

Free of numpy, because the service, which has none, reads a shopper's search by the same words.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

_WORD = re.compile(r"\w{2,64}")  # what is longer is no word, and more than an index holds; it counts in pieces
_MOST_WORDS = 500  # of one text

# A title says more of an item than its description does.
TITLE_WEIGHT, TEXT_WEIGHT, CATEGORY_WEIGHT, ATTRIBUTE_WEIGHT, PRICE_WEIGHT = 2.0, 1.0, 2.0, 1.0, 0.5


def words(text: str | None) -> list[str]:
    """The words of a text in lower case, without single characters."""
    return _WORD.findall(text.lower())[:_MOST_WORDS] if text else []


def text_words(text: str, weight: float = TEXT_WEIGHT) -> dict[str, float]:
    """The words of one text; what is repeated counts by the logarithm (Salton & Buckley 1988)."""
    return {word: weight * (1 + math.log(count)) for word, count in Counter(words(text)).items()}


def item_words(
    *,
    title: str | None = None,
    description: str | None = None,
    brand: str | None = None,
    tags: Iterable[str] = (),
    category_id: str | None = None,
    category_title: str | None = None,
    price: float | None = None,
    attributes: str | Mapping[str, float | str] | None = None,
) -> dict[str, float]:
    """The words of an item; empty when there is nothing but a category and a price, which too many items share.

    Args:
        attributes: as a mapping, or its JSON.
    """
    found: defaultdict[str, float] = defaultdict(float)
    told = json.loads(attributes) if isinstance(attributes, str) else attributes or {}
    texts = [(title, TITLE_WEIGHT), (" ".join(tags), TITLE_WEIGHT), (brand, TITLE_WEIGHT), (description, TEXT_WEIGHT)]
    texts += [(value, TEXT_WEIGHT) for value in told.values() if isinstance(value, str)]
    for text, weight in texts:
        _add(found, text, weight)
    for name, value in told.items():
        if isinstance(value, str):
            found[f"{name}={value}"] += ATTRIBUTE_WEIGHT
        else:
            found[f"{name}~{_size(value)}"] += ATTRIBUTE_WEIGHT
    if not found:
        return {}
    _add(found, category_title, TEXT_WEIGHT)
    if category_id:
        found[f"category={category_id}"] += CATEGORY_WEIGHT
    if price is not None:
        found[f"price~{_size(price)}"] += PRICE_WEIGHT
    return dict(found)


def _add(found: defaultdict[str, float], text: str | None, weight: float) -> None:
    for word, amount in text_words(text or "", weight).items():
        found[word] += amount


def _size(number: float) -> int:
    """Numbers that differ by less than about a third are one word."""
    return round(math.copysign(2 * math.log2(1 + abs(number)), number))
