"""Sums that are the same every time.

Threads add what they happen to be given, and floating-point sums in another order differ in their last bits: enough for
two trainings on the same data to come out as two models. Whole numbers add exactly, in any order.
"""

import polars as pl

# Numbers are counted in units of 2^-64. The decay of an event fades out after 64 half-lives.
_UNITS = 2.0**64
# With 128 bits, eight million values of this size have room.
_LARGEST = 2.0**40


def exact_sum(values: pl.Expr) -> pl.Expr:
    """The sum as float64, whatever the order, the chunks and the threads; values beyond ±2^40 count as that much."""
    units = values.cast(pl.Float64).clip(-_LARGEST, _LARGEST) * _UNITS
    return units.cast(pl.Int128).sum().cast(pl.Float64) / _UNITS


def exact_mean(values: pl.Expr) -> pl.Expr:
    """The mean of what is not null as float64, by `exact_sum`; null where there is nothing."""
    return exact_sum(values) / pl.when(values.count() > 0).then(values.count())
