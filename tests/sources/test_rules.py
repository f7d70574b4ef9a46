"""Row rules and the reading of times."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import BadInputError
from recsys.sources import rules
from recsys.sources.base import LINE, REASON
from recsys.sources.rules import TimestampUnit

MOMENTS = st.datetimes(datetime(1990, 1, 2), datetime(2024, 12, 31), timezones=st.just(UTC))


def reasons(values: list[str | None], applied: rules.Rules) -> list[str | None]:
    frame = pl.DataFrame({LINE: range(len(values)), "x": values}, schema_overrides={"x": pl.String})
    _, rejected = rules.split(frame, applied)
    if rejected is None:
        return [None] * len(values)
    found = dict(rejected.select(LINE, REASON).iter_rows())
    return [found.get(line) for line in range(len(values))]


def read_ms(values: list[str], unit: TimestampUnit) -> list[int | None]:
    return pl.DataFrame({"x": values}).select(rules.timestamp_ms("x", unit)).to_series().to_list()


def test_ids() -> None:
    values = ["a-1", "", None, " ", "x" * 256, "x" * 257, "a\0b", "a\nb", "-5", "-x", "caf\u00e9"]
    assert reasons(values, rules.id_rules("x")) == [
        None,
        "missing_x",
        "missing_x",
        "missing_x",
        None,
        "too_long_x",
        "control_characters_in_x",
        "control_characters_in_x",
        "negative_x",
        None,
        None,
    ]


def test_whole_number_ids() -> None:
    values = ["0", "007", "9" * 18, "9" * 19, "-1", "1.5", "1e9", "\u0663", None]
    assert reasons(values, rules.whole_number_id_rules("x")) == [
        None,
        None,
        None,
        "huge_x",
        "negative_x",
        "not_a_number_x",
        "not_a_number_x",
        "not_a_number_x",
        "missing_x",
    ]


def test_numbers() -> None:
    values = ["1.5", "0", "-1", "nan", "inf", "1e300", "x", None]
    assert reasons(values, rules.number_rules("x", required=True, positive=True)) == [
        None,
        "not_positive_x",
        "not_positive_x",
        "not_a_number_x",
        "not_a_number_x",
        "huge_x",
        "not_a_number_x",
        "missing_x",
    ]
    assert reasons([None, "0", "-1"], rules.number_rules("x", required=False)) == [None, None, "negative_x"]


def test_text_may_be_anything_that_postgres_can_hold() -> None:
    assert reasons(["a\tb", "a\0b", "x" * 10_001, None], rules.text_rules("x")) == [
        None,
        "nul_character_in_x",
        "too_long_x",
        None,
    ]


@given(MOMENTS)
def test_units_agree(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    seconds = int(moment.timestamp())
    assert read_ms([str(seconds)], TimestampUnit.SECONDS) == [seconds * 1000]
    assert read_ms([str(seconds * 1000)], TimestampUnit.MILLISECONDS) == [seconds * 1000]
    assert read_ms([moment.isoformat()], TimestampUnit.ISO) == [seconds * 1000]


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_iso_times_are_utc_unless_they_carry_an_offset(moment: datetime, minutes: int) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    naive = moment.replace(tzinfo=None)
    forms = [local.isoformat(), local.isoformat(" "), naive.isoformat(), naive.isoformat(" ") + "Z"]
    assert read_ms(forms, TimestampUnit.ISO) == [expected] * len(forms)


@pytest.mark.parametrize("text", ["", "x", "2024-13-01", "2024-02-30 10:00:00", "99999999999999999999", "1.5"])
def test_what_is_no_time_is_null(text: str) -> None:
    assert [read_ms([text], unit) for unit in TimestampUnit] == [[None]] * 3


def test_times_before_1990_and_after_tomorrow_are_impossible() -> None:
    now = datetime.now(UTC)
    moments = [datetime(1989, 12, 31, tzinfo=UTC), now, now + timedelta(days=2)]
    values = [str(int(moment.timestamp() * 1000)) for moment in moments]
    time_ms = rules.timestamp_ms("x", TimestampUnit.MILLISECONDS)
    assert reasons([*values, None, "soon"], rules.timestamp_rules("x", time_ms)) == [
        "impossible_x",
        None,
        "impossible_x",
        "missing_x",
        "not_a_time_x",
    ]


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        (["1430623510", "1430623535"], "looks like seconds since 1970"),
        (["1430623510000000", "1430623535000000"], "looks like microseconds since 1970"),
        (["257597", "992329"], "looks like an id"),
        (["2015-05-03 03:25:10", "2015-05-03 03:25:35"], "looks like a date"),
        (["view", "addtocart"], "'view'"),
    ],
)
def test_a_file_of_impossible_times_is_refused_with_the_likely_cause(values: list[str], looks: str) -> None:
    frame = pl.DataFrame({"when": values})
    time_ms = rules.timestamp_ms("when", TimestampUnit.MILLISECONDS)
    with pytest.raises(BadInputError, match=rf"shop.csv: .*'when'.*{looks}") as refusal:
        rules.refuse_wrong_timestamps(frame, "when", time_ms, "shop.csv")
    assert "--timestamp-unit s" in refusal.value.remedy


def test_a_file_with_a_few_impossible_times_is_not_refused() -> None:
    frame = pl.DataFrame({"when": ["1430623510000", "1430623510000", "5"]})
    time_ms = rules.timestamp_ms("when", TimestampUnit.MILLISECONDS)
    rules.refuse_wrong_timestamps(frame, "when", time_ms, "shop.csv")
