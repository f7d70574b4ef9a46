"""Rules a row must keep: expressions that are true where the rule is broken. The first broken one is the reason."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl

from recsys.errors import BadInputError
from recsys.schema import EventType, Property
from recsys.sources.base import LINE, REASON, SURPLUS

Rules = dict[str, pl.Expr]

MAX_ID_CHARS = 256
MAX_TEXT_CHARS = 10_000
MAX_NUMBER = 1e12
EARLIEST_MS = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp() * 1000)
# Postgres text cannot hold NUL; the other control characters in an id are always an accident.
CONTROL_CHARACTERS = r"\p{Cc}"


class TimestampUnit(StrEnum):
    """How a file writes its times."""

    MILLISECONDS = "ms"
    SECONDS = "s"
    ISO = "iso"  # 2024-05-31 17:02:11, taken as UTC unless it carries an offset


def split(frame: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Rows that keep all rules; and those that do not, with `_line` and `_reason` in front (None if there are none)."""
    reason = pl.coalesce(pl.when(broken).then(pl.lit(name)) for name, broken in rules.items())
    marked = frame.with_columns(reason.alias(REASON))
    good = marked.filter(pl.col(REASON).is_null()).drop(REASON)
    if good.height == frame.height:
        return good, None
    return good, marked.filter(pl.col(REASON).is_not_null()).select(LINE, REASON, pl.exclude(LINE, REASON))


def shape_rules() -> Rules:
    """For every CSV file."""
    return {"too_many_fields": pl.col(SURPLUS).is_not_null()}


def id_rules(column: str) -> Rules:
    """An id is text of 1 to 256 characters, without control characters, and not a negative number."""
    value = pl.col(column)
    return {
        f"missing_{column}": value.is_null() | (value.str.strip_chars() == ""),
        f"too_long_{column}": value.str.len_chars() > MAX_ID_CHARS,
        f"control_characters_in_{column}": value.str.contains(CONTROL_CHARACTERS),
        f"negative_{column}": value.str.starts_with("-") & value.str.contains(r"^-[0-9]+(\.[0-9]*)?$"),
    }


def whole_number_id_rules(column: str) -> Rules:
    """An id is a whole number below 10^18."""
    value = pl.col(column)
    return {
        f"missing_{column}": value.is_null(),
        f"negative_{column}": value.str.contains(r"^-[0-9]+$"),
        f"huge_{column}": value.str.contains(r"^[0-9]{19,}$"),
        f"not_a_number_{column}": ~value.str.contains(r"^[0-9]{1,18}$"),
    }


def optional(column_rules: Rules) -> Rules:
    """The same, but the column may be empty."""
    return {name: broken for name, broken in column_rules.items() if not name.startswith("missing_")}


def property_rules(name: str, column: str) -> Rules:
    """A property's value may be empty; those that mean something to us must make sense."""
    if name == Property.PRICE:
        return number_rules(column, required=False)
    if name == Property.AVAILABLE:
        return {f"not_0_or_1_{column}": ~pl.col(column).is_in(["0", "1"])}
    if name == Property.CATEGORY:
        return optional(id_rules(column))
    return text_rules(column)


def text_rules(column: str) -> Rules:
    """Text that may be empty, but that Postgres can hold, and not without bound."""
    value = pl.col(column)
    return {
        f"nul_character_in_{column}": value.str.contains("\0", literal=True),
        f"too_long_{column}": value.str.len_chars() > MAX_TEXT_CHARS,
    }


def event_type_rules(column: str, words: dict[str, EventType]) -> Rules:
    """The event must be one of `words`."""
    return {
        f"missing_{column}": pl.col(column).is_null(),
        f"unknown_{column}": ~pl.col(column).is_in(list(words)),
    }


def number_rules(column: str, *, required: bool, positive: bool = False) -> Rules:
    """A finite decimal number, at least 0 (above 0 if `positive`), at most 10^12; empty only if not `required`."""
    number = pl.col(column).cast(pl.Float64, strict=False)
    low = number <= 0 if positive else number < 0
    return {
        **({f"missing_{column}": pl.col(column).is_null()} if required else {}),
        f"not_a_number_{column}": pl.col(column).is_not_null() & ~(number.is_finite().fill_null(False)),
        f"{'not_positive' if positive else 'negative'}_{column}": low,
        f"huge_{column}": number > MAX_NUMBER,
    }


def timestamp_ms(column: str, unit: TimestampUnit) -> pl.Expr:
    """Milliseconds since the epoch; null where the text is not a time."""
    text = pl.col(column)
    if unit is TimestampUnit.ISO:
        return iso_ms(text)
    number = text.cast(pl.Int64, strict=False)
    # A number that would overflow is no time either.
    return number if unit is TimestampUnit.MILLISECONDS else pl.when(number.abs() < 10**15).then(number * 1000)


def iso_ms(text: pl.Expr, *formats: str) -> pl.Expr:
    """Milliseconds of dates written as text, by ISO 8601 or one of `formats`; without an offset they are UTC."""
    offset = text.str.contains(r"(Z|[+-]\d\d:?\d\d)$")
    zoned = pl.when(offset).then(text).str.replace("Z$", "+00:00")
    naive = pl.when(~offset).then(text).str.replace("T", " ", literal=True)
    plain = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", *formats)
    readings = [naive.str.to_datetime(f, time_unit="ms", strict=False).dt.epoch("ms") for f in plain]
    readings.append(naive.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms")).dt.epoch("ms"))
    readings += [
        zoned.str.to_datetime(f, time_unit="ms", time_zone="UTC", strict=False).dt.epoch("ms")
        for f in ("%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f%:z")
    ]
    return pl.coalesce(readings)


def timestamp_rules(column: str, time_ms: pl.Expr) -> Rules:
    """A time from 1990 to tomorrow: one row from the far future would become the "now" of all recommendations."""
    return {
        f"missing_{column}": pl.col(column).is_null(),
        f"not_a_time_{column}": time_ms.is_null(),
        f"impossible_{column}": ~time_ms.is_between(EARLIEST_MS, _latest_ms()),
    }


def _latest_ms() -> int:
    return int((datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000)


def refuse_wrong_timestamps(frame: pl.DataFrame, column: str, time_ms: pl.Expr, file: str) -> None:
    """Refuse a file in which most timestamps are impossible: rejecting its rows one by one would hide the cause.

    Raises:
        BadInputError: naming the column, a sample value, what it looks like, and the remedy.
    """
    possible = frame.select(time_ms.is_between(EARLIEST_MS, _latest_ms()).fill_null(False)).to_series()
    if possible.sum() * 2 >= frame.height:
        return
    bad = frame.filter(~possible).get_column(column)
    sample = next((value for value in bad if value is not None), None)
    raise BadInputError(
        f"{file}: most values of the column {column!r} are impossible as timestamps; for example {sample!r}"
        f"{_looks_like(bad)}.",
        remedy="If only the unit differs, say so (`--timestamp-unit s`, or `timestamp_unit` in the mapping of `csv`);"
        " if columns are swapped, correct the header.",
    )


def _looks_like(values: pl.Series) -> str:
    number = values.cast(pl.Float64, strict=False).median()
    if number is None:
        dates = values.to_frame("value").select(iso_ms(pl.col("value"))).to_series().null_count() < len(values)
        return ", which looks like a date (`iso`)" if dates else ""
    seconds = float(number)  # type: ignore[arg-type]
    low, high = EARLIEST_MS // 1000, _latest_ms() // 1000
    for factor, unit in ((1, "seconds"), (1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")):
        if low <= seconds / factor <= high:
            return f", which looks like {unit} since 1970"
    return ", which looks like an id rather than a time" if seconds >= 0 else ""
