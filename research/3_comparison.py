# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Models side by side
#
# Every model on every dataset that is at hand, each cut by its own protocol, the full catalogue ranked. Set
# `RECSYS_DATA` to a folder that holds datasets in folders of their names (`gowalla`, `beauty`, `retailrocket`,
# `online_retail`); without it a small simulated shop is used. Parameters are the models' own; nothing is chosen here by
# what the test side shows. `docs/quality.md` holds the tables of the full runs.

# %%
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

from recsys.dataset.preparation import write_prepared
from recsys.dataset.source_rows import SourceRows
from recsys.evaluation.compare import evaluate
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.datasets.known import DATASETS
from recsys.evaluation.datasets.known import read as read_dataset
from recsys.evaluation.datasets.shops import from_prepared
from recsys.pipeline.backtest import BY_SCORE, ITEMS_SHOWN, RANKED, backtest, gains
from recsys.pipeline.train_ranker import load_shop
from recsys.settings import PipelineSettings
from recsys.sources.simulator import Simulator, Sizes

plt.style.use("shop.mplstyle")
pl.Config.set_tbl_rows(30).set_tbl_cols(14).set_float_precision(4)
MODELS = ["popularity", "als", "item_to_item", "ease"]
METRIC = "ndcg@10"
SHOWN = ["model", "recall@10", METRIC, "mrr@10", "item_coverage@10", "fit_s", "score_s"]

folder = tempfile.TemporaryDirectory(prefix="recsys-comparison-")
simulator = Simulator(
    Sizes(users=800, items=200, events=12_000, days=60, property_rows=2_000), datetime(2026, 1, 1, tzinfo=UTC)
)
simulated = write_prepared(SourceRows(simulator), Path(folder.name), PipelineSettings(), "simulator")


def datasets() -> list[EvaluationData]:
    """What is at hand."""
    place = os.environ.get("RECSYS_DATA")
    if place is None:
        print("RECSYS_DATA is not set: a small simulated shop is used.")
        return [from_prepared("simulator", simulated)]
    return [read_dataset(name, Path(place)) for name in DATASETS if (Path(place) / name).is_dir()]


reports = [evaluate(data, MODELS, (10, 20)) for data in datasets()]

# %% [markdown]
# ## The tables
#
# The best of each column is not marked on purpose: whether a difference means anything stands in the next cell.

# %%
for report in reports:
    print(f"{report.dataset}, {report.protocol}, {report.users:,} users")
    print(report.table().select(SHOWN))

# %% [markdown]
# ## Differences, paired by user
#
# Each model minus the best, with 95 % bootstrap intervals. An interval that holds 0 means that these users do not tell
# the two apart: with few users that is the usual result, and it is one.

# %%
for report in reports:
    print(f"{report.dataset}: the best by {METRIC} is {report.best(METRIC)}")
    print(report.differences(METRIC))

# %% [markdown]
# ## Accuracy against coverage
#
# Up: accurate. To the right: shows more of the catalogue. Popularity sits at the left edge by nature.

# %%
for report in reports:
    _, axis = plt.subplots()
    report.plot_coverage(METRIC, axis)
    plt.show()

# %% [markdown]
# ## By segment
#
# Who is served how well. Models that need a history lose their lead where there is little of it.

# %%
for report in reports:
    _, axis = plt.subplots()
    report.plot_segments(METRIC, axis)
    plt.show()

# %% [markdown]
# ## Two stages: the ranked list against the lists it chooses from
#
# Trained as of two past moments of the simulated shop and judged by what followed. `ranked` is the list as served:
# some give last places to what nobody is shown. The bars to the right say how much of the catalogue that brings in.

# %%
stages = backtest("simulator", load_shop(simulated), simulated.now, PipelineSettings(), windows=2)
names = list(stages.models)
_, axes = plt.subplots(1, 2)
axes[0].barh(names, [stages.models[name].values[METRIC] for name in names], color="C0")
axes[0].set(title=f"{METRIC}, {stages.users:,} users", xlabel=METRIC)
axes[1].barh(names, [stages.models[name].values[ITEMS_SHOWN] for name in names], color="C1")
axes[1].set(title="Items in anybody's first ten", xlabel="items", yticklabels=[])
for axis in axes:
    axis.invert_yaxis()
    axis.grid(axis="y")
plt.show()
best, relative, low, high = gains(stages, METRIC)
print(f"{RANKED} is {relative:+.0%} over {best}, its best source; difference {low:+.4f} to {high:+.4f} (95 %).")
more = stages.models[RANKED].values[ITEMS_SHOWN] / stages.models[BY_SCORE].values[ITEMS_SHOWN]
print(f"It shows {more:.1f} times as many items as the order of scores alone.")
folder.cleanup()
