from collections.abc import Callable
from pathlib import Path

import pytest
from contract import CONTRACT, Make

from recsys.models.als import Als
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import Popularity
from recsys.settings import AlsSettings

MODELS: dict[str, Make] = {
    "popularity": Popularity,
    "item_to_item": ItemToItem,
    "als": lambda: Als(AlsSettings(factors=8, iterations=5)),
}


@pytest.mark.parametrize("rule", CONTRACT, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_model(make: Make, rule: Callable[[Make, Path], None], tmp_path: Path) -> None:
    rule(make, tmp_path)
