import sys
from pathlib import Path

import polars as pl
import pytest
from contract import NOW, interactions
from neural import needs_torch

from recsys.errors import BadInputError, NotReadyError
from recsys.models.gru4rec import Gru4Rec

# What follows c depends on what came before it, and on nothing that single items tell.
TRAILS = [("a", "b", "c", "x"), ("d", "e", "c", "y")]


def sessions(trails: list[tuple[str, ...]], times: int, prefix: str = "u") -> pl.DataFrame:
    return interactions(
        [
            (f"{prefix}{number} {count}", item, 20 - place)
            for number, trail in enumerate(trails)
            for count in range(times)
            for place, item in enumerate(trail)
        ]
    )


def made(**parameters: float | str) -> Gru4Rec:
    return Gru4Rec(**({"loss": "cross_entropy", "units": 16, "epochs": 20, "samples": 8, "lanes": 8} | parameters))


def next_items(model: Gru4Rec, *past: str) -> list[str]:
    rows = [("me", item, 9 - place) for place, item in enumerate(past)]
    found = model.recommend(interactions(rows), 3, exclude=pl.DataFrame({"user_id": ["me"], "item_id": [past[-1]]}))
    return found["item_id"].to_list()


@needs_torch
@pytest.mark.parametrize("loss", ["cross_entropy", "bpr_max"])
def test_the_order_of_a_session_decides(loss: str) -> None:
    model = made(loss=loss).fit(sessions(TRAILS, 20), now=NOW)
    assert next_items(model, "a", "b", "c")[0] == "x"
    assert next_items(model, "d", "e", "c")[0] == "y"
    assert next_items(model, "a")[0] == "b"


@needs_torch
def test_scores_are_probabilities() -> None:
    model = made().fit(sessions(TRAILS, 20), now=NOW)
    scores = model.recommend(interactions([("me", "a", 1)]), 100)["score"]
    assert scores.sum() == pytest.approx(1, abs=1e-4)


@needs_torch
def test_a_saved_model_goes_on_learning_and_keeps_what_it_knows(tmp_path: Path) -> None:
    made().fit(sessions(TRAILS, 20), now=NOW).save(tmp_path)
    loaded = Gru4Rec.load(tmp_path)
    before = next_items(loaded, "d", "e", "c")
    # The new ids come between the old ones in order of id, so everything moves.
    newer = sessions([("a", "b2", "c2"), ("a", "b2", "c2")], 20, prefix="later")
    loaded.update(newer, now=NOW)
    assert next_items(loaded, "a")[0] == "b2"
    assert next_items(loaded, "b2")[0] == "c2"
    assert next_items(loaded, "d", "e", "c")[0] == before[0] == "y"
    assert loaded.size == 9


@needs_torch
def test_going_on_without_new_items_is_one_more_pass(tmp_path: Path) -> None:
    shop = sessions(TRAILS, 20)
    model = made(epochs=1).fit(shop, now=NOW)
    first = model.recommend(interactions([("me", "a", 1)]), 1)["score"][0]
    for _ in range(10):
        model.update(shop, now=NOW)
    assert model.recommend(interactions([("me", "a", 1)]), 1)["score"][0] > first


@needs_torch
def test_items_only_seen_alone_stay_unknown() -> None:
    alone = interactions([("single", "z", 1), ("twice", "z", 2), ("twice", "z", 1)])
    model = made().fit(pl.concat([sessions(TRAILS, 20), alone]), now=NOW)
    assert "z" not in model.recommend(interactions([("me", "a", 1)]), 100)["item_id"]
    with pytest.raises(BadInputError, match="No session goes from one item to another"):
        made().fit(alone, now=NOW)


@needs_torch
def test_learning_leaves_the_random_numbers_of_others_alone() -> None:
    import torch

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    made(epochs=1).fit(sessions(TRAILS, 2), now=NOW)
    assert torch.equal(torch.rand(3), expected)


def test_without_pytorch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "recsys.models.gru4rec_network", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NotReadyError, match=r"needs PyTorch.*extra 'neural'"):
        made().fit(sessions(TRAILS, 2), now=NOW)
    with pytest.raises(NotReadyError, match="needs PyTorch"):
        Gru4Rec.load(tmp_path)


def test_an_unknown_loss_lists_those_known() -> None:
    with pytest.raises(BadInputError, match="cross_entropy, bpr_max"):
        Gru4Rec(loss="top1")


def test_the_default_set_up_does_not_install_pytorch() -> None:
    assert "\ntorch==" not in (Path(__file__).parents[2] / "requirements.txt").read_text()
