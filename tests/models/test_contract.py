from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from contract import CONTRACT, ITEMS, Make
from neural import needs_torch

from recsys.models.als import Als
from recsys.models.blend import Blend
from recsys.models.bpr import Bpr
from recsys.models.content import Content
from recsys.models.dummy import Dummy
from recsys.models.ease import Ease
from recsys.models.graph_filter import GraphFilter
from recsys.models.gru4rec import Gru4Rec
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import Popularity
from recsys.models.selection import Selection
from recsys.models.session_knn import SessionKnn
from recsys.models.stack import Stack
from recsys.settings import AlsSettings

CATALOGUE = pl.DataFrame({"item_id": ITEMS, "category_id": [item[0] for item in ITEMS], "price": range(len(ITEMS))})

MODELS: dict[str, Make] = {
    "popularity": Popularity,
    "item_to_item": ItemToItem,
    "als": lambda: Als(AlsSettings(factors=8, iterations=5)),
    "ease": lambda: Ease(regularization=1.0),
    "sparse ease": lambda: Ease(regularization=1.0, max_dense_items=1, support=3),
    "blend": lambda: Blend(
        {"ease": Ease(regularization=1.0), "item_to_item": ItemToItem()}, {"ease": 1.0, "item_to_item": 0.5}
    ),
    "dummy": Dummy,
    "selection": lambda: Selection(dict.fromkeys(ITEMS, 1.0)),
    "content": lambda: Content().describe(CATALOGUE),
    "bpr": lambda: Bpr(factors=8),
    "session_knn": SessionKnn,
    "stack": lambda: Stack({"item_to_item": ItemToItem(), "ease": Ease(regularization=1.0)}, iterations=5),
    "graph_filter": lambda: GraphFilter(factors=4),
}


def neural() -> Gru4Rec:
    return Gru4Rec(units=8, epochs=2, samples=8)


@pytest.mark.parametrize("rule", CONTRACT, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "make",
    [
        *(pytest.param(make, id=name) for name, make in MODELS.items()),
        pytest.param(neural, id="gru4rec", marks=needs_torch),
    ],
)
def test_model(make: Make, rule: Callable[[Make, Path], None], tmp_path: Path) -> None:
    rule(make, tmp_path)
