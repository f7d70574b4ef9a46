"""Plots of a comparison: what accuracy costs in coverage, and who is served how well."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.evaluation.beyond import ITEM_COVERAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recsys.evaluation.report import EvaluationReport


def plot_coverage(report: "EvaluationReport", metric: str, axes: "Axes | None" = None) -> "Axes":
    """A point a model: item coverage against a metric with its 95 % interval, both at the metric's cutoff."""
    axes = axes or _axes()
    coverage = f"{ITEM_COVERAGE}@{metric.partition('@')[2]}"
    for name, result in report.models.items():
        value, (low, high) = result.values[metric], result.intervals[metric]
        at = result.values[coverage]
        axes.errorbar([at], [value], yerr=[[value - low], [high - value]], fmt="o", capsize=3)
        axes.annotate(name, (at, value), xytext=(6, 4), textcoords="offset points")
    axes.set_xlabel(coverage)
    axes.set_ylabel(metric)
    axes.set_title(f"{report.dataset}, {report.users:,} users")
    return axes


def plot_segments(report: "EvaluationReport", metric: str, axes: "Axes | None" = None) -> "Axes":
    """A group of bars for each segment that the metric is measured in, a bar a model."""
    axes = axes or _axes()
    first = next(iter(report.models.values()))
    segments = [name for name in first.segments if math.isfinite(first.of_segment(name, metric))]
    width = 0.8 / len(report.models)
    for place, (name, result) in enumerate(report.models.items()):
        values = [result.of_segment(segment, metric) for segment in segments]
        axes.bar([at + place * width for at in range(len(segments))], values, width, label=name)
    middle = 0.4 - width / 2
    axes.set_xticks(
        [at + middle for at in range(len(segments))],
        [f"{name}\n{first.segments[name].height:,} users" for name in segments],
    )
    axes.set_ylabel(metric)
    axes.set_title(report.dataset)
    axes.legend()
    return axes


def save(axes: "Axes", path: Path) -> None:
    """Write the figure that the axes belong to as a picture."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that a plot was drawn on have one
    figure.savefig(path, dpi=120, bbox_inches="tight")


def _axes() -> "Axes":
    # Not pyplot, which would keep every figure and may look for a screen.
    from matplotlib.figure import Figure

    return Figure(figsize=(7, 4.5), layout="constrained").add_subplot()
