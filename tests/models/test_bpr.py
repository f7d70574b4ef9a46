import numpy as np
import polars as pl
import pytest
from contract import NOW, interactions

from recsys.errors import BadInputError
from recsys.models.bpr import Bpr


def two_tastes(users: int = 60) -> pl.DataFrame:
    """Even users like even items, odd users odd ones: 20 items, each user 6 of their 10."""
    random = np.random.default_rng(0)
    return interactions(
        [
            (f"u{user}", f"i{2 * item + user % 2:02}", 1)
            for user in range(users)
            for item in random.choice(10, 6, replace=False)
        ]
    )


def test_tastes_are_told_apart() -> None:
    model = Bpr(factors=8, epochs=60).fit(two_tastes(), now=NOW)
    past = interactions([("new", "i02", 2), ("new", "i04", 1)])
    best = model.recommend(past, 6, exclude=past)
    assert all(int(item[1:]) % 2 == 0 for item in best["item_id"])


def test_what_is_disliked_sinks() -> None:
    """All like i00 … i07 and dislike i08; nobody says anything of i09, and it comes before i08 all the same."""
    random = np.random.default_rng(1)
    liked = interactions([(f"u{user}", f"i{item:02}", 1) for user in range(80) for item in random.choice(8, 5, False)])
    disliked = interactions([(f"u{user}", "i08", 1) for user in range(80)]).with_columns(
        rating=pl.lit(-1.0, pl.Float32)
    )
    unknown = interactions([("other", "i09", 1)])
    model = Bpr(factors=8, epochs=60).fit(pl.concat([liked, disliked, unknown]), now=NOW)
    order = model.recommend(liked.filter(user_id="u1"), 10)["item_id"].to_list()
    assert order.index("i08") == 9


def test_seeds_repeat() -> None:
    one, two, other = (Bpr(factors=4, seed=seed).fit(two_tastes(), now=NOW) for seed in (1, 1, 2))
    assert one.recommend(two_tastes(), 5).equals(two.recommend(two_tastes(), 5))
    assert not one.recommend(two_tastes(), 5)["score"].equals(other.recommend(two_tastes(), 5)["score"])


def test_only_dislikes_are_refused() -> None:
    with pytest.raises(BadInputError, match="No interaction is a like"):
        Bpr(disliked_below=2.0).fit(two_tastes(), now=NOW)


def test_of_long_histories_the_newest_items_are_learnt_from() -> None:
    bot = interactions([("bot", f"i{n:03}", 500 - n) for n in range(500)])
    model = Bpr(max_history=3)
    assert model._newest(bot)["item_id"].to_list() == ["i499", "i498", "i497"]
    shoppers = pl.concat([two_tastes(), bot])
    assert model.fit(shoppers, now=NOW).size == 520  # none is forgotten, most are only not learnt
