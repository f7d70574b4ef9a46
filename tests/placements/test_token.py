"""`recommendation_id` as a self-contained token."""

from hypothesis import given
from hypothesis import strategies as st

from fast_api_service.schemas import unique_id
from recsys.placements import token
from recsys.placements.token import Origin
from recsys.schema import Placement, Source

ITEM_IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=30)
ANSWERS = st.dictionaries(ITEM_IDS, st.tuples(st.sampled_from(Source), st.none() | st.floats(2e-5, 1)), max_size=50)


@given(ANSWERS, st.sampled_from(Placement), st.integers(0, 2**63 - 1))
def test_what_an_answer_showed_can_be_read_from_its_token(
    shown: dict[str, tuple[Source, float | None]], placement: Placement, version: int
) -> None:
    propensities = {item: propensity for item, (_, propensity) in shown.items() if propensity is not None}
    made = token.make(
        unique_id(), placement, version, list(shown), [source for source, _ in shown.values()], propensities
    )
    answer = token.read(made)
    assert answer is not None
    assert (answer.placement, answer.version) == (placement, version)
    if len({token._hash(item) for item in shown}) < len(shown):
        return  # two items of one hash: hypothesis would have to find 24 equal bits
    for item, (source, propensity) in shown.items():
        origin = answer.origin(item)
        assert origin is not None
        assert (origin.placement, origin.source, origin.version) == (placement, source, version)
        assert (origin.propensity is None) == (propensity is None)
        if propensity is not None and origin.propensity is not None:
            assert abs(origin.propensity / propensity - 1) < 0.023


def test_an_item_that_was_not_shown_has_no_origin() -> None:
    made = token.make(unique_id(), "home", 7, ["a", "b"], ["ranked", "online"])
    answer = token.read(made)
    assert answer is not None
    assert answer.origin("b") == Origin("home", "online", 7, None)
    assert answer.origin("c") is None


def test_it_knows_when_it_was_made() -> None:
    made = token.make("0199f7a3-4b1d-7e00-9a2b-3d4e5f607182", "cart", 1, [], [])
    answer = token.read(made)
    assert answer is not None
    assert answer.made_at_ms == 0x0199F7A34B1D


def test_tokens_given_out_before_stay_readable() -> None:
    given_out = "0199f7a3-4b1d-7e00-9a2b-3d4e5f607182.AQECACoAAAAAAAAAAf5j3QOGHLA"
    made = token.make(given_out.partition(".")[0], "home", 42, ["187946", "461686"], ["ranked", "online"])
    assert token.read(made) == token.read(given_out)


def test_the_longest_answer_fits() -> None:
    items = [str(number) for number in range(token.MOST_ITEMS)]
    made = token.make(unique_id(), "email", 2**63 - 1, items, ["exploration"] * len(items), dict.fromkeys(items, 0.1))
    assert len(made) <= token.LONGEST
    assert token.read(made) is not None


@given(st.text(max_size=80))
def test_anything_else_reads_as_nothing(text: str) -> None:
    assert token.read(text) is None


def test_an_id_from_before_there_were_tokens_reads_as_nothing() -> None:
    assert token.read(unique_id()) is None


@given(st.data())
def test_a_damaged_token_never_raises(data: st.DataObject) -> None:
    made = token.make(unique_id(), "home", 3, ["a", "b", "c"], ["ranked", "exploration", "online"], {"b": 0.5})
    place = data.draw(st.integers(0, len(made) - 1))
    token.read(made[:place] + data.draw(st.sampled_from("AZaz09-_.=")) + made[place + 1 :])
    token.read(made[:place])
