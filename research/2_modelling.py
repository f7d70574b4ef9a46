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
# # Which model, for whom
#
# Trains the models of the pipelines on the past of the active dataset, ranks the full catalogue for shoppers who came
# back in the newest window, and compares. Settings are chosen on a window before that one, never on the one the
# comparison is made on. Every model that is judged becomes a run in MLflow, with its settings and its numbers.

# %%
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import matplotlib.pyplot as plt
import mlflow
import polars as pl
from shop import open_shop

from recsys.evaluation.metrics import Evaluation, evaluate
from recsys.evaluation.protocols.base import Split
from recsys.evaluation.protocols.time_window import purchases, split_by_time, window_start
from recsys.models.als import Als
from recsys.models.base import Recommender
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import Popularity
from recsys.pipeline.train_ranker import load_shop
from recsys.ranking.comparison import CANDIDATES, CEILING, compare
from recsys.ranking.examples import examples
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay

plt.style.use("shop.mplstyle")
pl.Config.set_tbl_rows(30).set_tbl_cols(12).set_float_precision(4)
folder = tempfile.TemporaryDirectory(prefix="recsys-research-")
shop = open_shop(Path(folder.name))
shop.track_experiments()

# %% [markdown]
# ## What the models may see, and what they are judged by
#
# Both windows are as long as the gate's. The *validation* window lies before the *test* window; what a shopper had
# bought before a window is neither recommended nor counted there.

# %%
DEPTH = 100
METRIC = shop.settings.gate.metric
METRICS = tuple(dict.fromkeys([METRIC, "ndcg@10", "recall@10", "hit_rate@10", "precision@10", "recall@100"]))
CURVE = [f"recall@{k}" for k in (1, 5, 10, 20, 50, 100)]
COLUMNS = ("user_id", "item_id", "timestamp", "event_type", "rating")

events = shop.prepared.events().select(COLUMNS).collect()
now = shop.prepared.now
window_days = shop.settings.gate.window_days


def split_until(until: datetime) -> Split:
    """The newest window before `until`, with everybody who had done anything before it."""
    known = events.filter(pl.col("timestamp") <= until)
    cut = window_start(known, until, window_days)
    return split_by_time(known, cut, until, min_items=1, max_users=shop.settings.gate.max_users, seed=42)


test = split_until(now)
validation = split_until(test.cut)
pl.DataFrame(
    {
        "window": ["validation", "test"],
        "begins": [validation.cut, test.cut],
        "events before it": [validation.history.height, test.history.height],
        "shoppers judged": [split.truth["user_id"].n_unique() for split in (validation, test)],
        "items they turned to": [split.truth.height for split in (validation, test)],
    }
)

# %% [markdown]
# ## One experiment
#
# Fit on the history, recommend to every shopper of the window from what they did before it, measure. Besides accuracy:
# *coverage*, the share of known items that are in anybody's first ten; *novelty*, how surprising those ten are, in
# bits: the mean of -log2(share of shoppers who know the item) (Vargas & Castells, RecSys 2011); and *discovery*, the
# gate's metric when only items that are new to the shopper may be shown and count. Much of what shoppers do is to
# return to what they looked at: a model that reminds them scores on accuracy, not on discovery.


# %%
@dataclass(frozen=True)
class Result:
    """A judged model; `extras` are the measures beyond accuracy and the seconds it took."""

    name: str
    evaluation: Evaluation
    extras: dict[str, float]


def experiment(name: str, model: Recommender, split: Split, window: str, **params: object) -> Result:
    """Fit, judge, and log it as an MLflow run."""
    with mlflow.start_run(
        run_name=f"{name} {window}", tags={"dataset": shop.name, "window": window, "model": model.name}
    ):
        mlflow.log_params(params)
        started = time.perf_counter()
        model.fit(split.history, now=split.cut)
        fitted = time.perf_counter()
        past = split.past
        lists = model.recommend(past, DEPTH, exclude=purchases(past))
        extras = {"fit_seconds": fitted - started, "recommend_seconds": time.perf_counter() - fitted}
        evaluation = evaluate(lists, split.truth, [*METRICS, *CURVE])
        extras |= beyond_accuracy(lists.filter(pl.col("rank") <= 10), split.history)
        new = split.truth.join(past, on=["user_id", "item_id"], how="anti")
        extras["discovery"] = evaluate(model.recommend(past, DEPTH, exclude=past), new, [METRIC]).values[METRIC]
        numbers = {key.replace("@", "_at_"): value for key, value in evaluation.values.items()}
        mlflow.log_metrics(numbers | extras | {"users": evaluation.users})
    return Result(name, evaluation, extras)


def beyond_accuracy(first_ten: pl.DataFrame, history: pl.DataFrame) -> dict[str, float]:
    """Coverage and novelty of lists."""
    known = history.group_by("item_id").agg(users=pl.col("user_id").n_unique())
    shares = known.with_columns(novelty=-(pl.col("users") / history["user_id"].n_unique()).log(2))
    shown = first_ten.join(shares, on="item_id")
    return {
        "coverage_at_10": shown["item_id"].n_unique() / known.height,
        "novelty_at_10": float(shown["novelty"].mean() or 0.0),
    }


# %% [markdown]
# ## Choosing settings, on the validation window
#
# A small grid around the pipeline's settings. More of a grid belongs into a script on a machine of its own; this one is
# to see which way the data pull.

# %%
als = shop.settings.train_als
grid = [
    als.model_copy(update={"factors": factors, "alpha": alpha, "half_life_days": half_life})
    for factors in (als.factors // 2, als.factors * 2)
    for alpha, half_life in ((als.alpha, als.half_life_days), (als.alpha * 4, als.half_life_days), (als.alpha, 7.0))
]
tried = [
    experiment(
        f"{each.factors} factors, alpha {each.alpha:g}, half-life {each.half_life_days:g} d",
        Als(each),
        validation,
        "validation",
        **each.model_dump(),
    )
    for each in [als, *grid]
]
best = max(range(len(tried)), key=lambda index: tried[index].evaluation.values[METRIC])
chosen = [als, *grid][best]
figure, axis = plt.subplots(figsize=(9, 2.8))
axis.barh(
    [result.name for result in tried[::-1]],
    [result.evaluation.values[METRIC] for result in tried[::-1]],
    color=["C1" if result is tried[best] else "C0" for result in tried[::-1]],
)
axis.set(title="Validation window: the pipeline's settings first, the best in orange", xlabel=METRIC)
axis.grid(axis="y")
plt.show()

# %% [markdown]
# ## The comparison, on the test window
#
# Each model is fitted anew on everything before the test window. Bars are 95 % intervals over shoppers (normal
# approximation); where two of them overlap widely, this window does not tell the models apart.

# %%
default, i2i, similar = shop.settings.default, shop.settings.i2i, shop.settings.similar_items
neighbourhood = ItemToItem(
    size=similar.size,
    half_life_days=similar.half_life_days,
    max_history=similar.max_history,
    popularity_power=similar.popularity_power,
    history=i2i.history,
    history_half_life_days=i2i.half_life_days,
)
results = [
    experiment("popularity", Popularity(default.half_life_days), test, "test", half_life_days=default.half_life_days),
    experiment("item to item", neighbourhood, test, "test", **similar.model_dump()),
    experiment("ALS, pipeline's settings", Als(als), test, "test", **als.model_dump()),
]
if chosen != als:
    results.append(experiment("ALS, chosen settings", Als(chosen), test, "test", **chosen.model_dump()))

# %%
table = pl.DataFrame(
    [{"model": each.name} | {name: each.evaluation.values[name] for name in METRICS} | each.extras for each in results]
)
table


# %%
def interval(values: pl.Series) -> float:
    """Half the width of a 95 % interval of the mean."""
    return 1.96 * float(values.std() or 0.0) / math.sqrt(max(len(values), 1))


comparison, axes = plt.subplots(1, 2)
for place, each in enumerate(results):
    column = each.evaluation.per_user[METRIC]
    axes[0].barh(place, float(column.mean() or 0.0), xerr=interval(column), capsize=3, color=f"C{place}")
    axes[1].plot(
        [int(name.split("@")[1]) for name in CURVE],
        [each.evaluation.values[name] for name in CURVE],
        marker="o",
        markersize=3,
    )
axes[0].set_yticks(range(len(results)), [each.name for each in results])
axes[0].invert_yaxis()
axes[0].set(title=f"{METRIC}, with 95 % intervals", xlabel=METRIC, xlim=(0, None))
axes[0].grid(axis="y")
axes[1].set(title="Recall by length of the list", xlabel="items shown", ylabel="recall", xscale="log", ylim=(0, None))
axes[1].set_xticks([1, 5, 10, 20, 50, 100], ["1", "5", "10", "20", "50", "100"])
axes[1].legend([each.name for each in results])
plt.show()

# %% [markdown]
# ## By what is known of a shopper
#
# The service prefers ranked over personalized over online over default. Whether that is the right order may differ
# between those who have done little and those who have done much.

# %%
SEGMENTS = {"1 item": (1, 1), "2 to 4": (2, 4), "5 to 19": (5, 19), "20 and more": (20, math.inf)}
known_items = test.past.group_by("user_id").agg(items=pl.col("item_id").n_unique())
segments, axis = plt.subplots()
width = 0.8 / len(results)
for place, each in enumerate(results):
    judged = each.evaluation.per_user.join(known_items, on="user_id")
    groups = [judged.filter(pl.col("items").is_between(*bounds))[METRIC] for bounds in SEGMENTS.values()]
    axis.bar(
        [index + (place - (len(results) - 1) / 2) * width for index in range(len(groups))],
        [float(group.mean() or 0.0) for group in groups],
        width * 0.92,
        yerr=[interval(group) for group in groups],
        capsize=2,
        label=each.name,
    )
sizes = [judged.filter(pl.col("items").is_between(*bounds)).height for bounds in SEGMENTS.values()]
axis.set_xticks(
    range(len(SEGMENTS)), [f"{name}\n{size:,} shoppers" for name, size in zip(SEGMENTS, sizes, strict=True)]
)
axis.set(title=f"{METRIC} by distinct items before the window", ylabel=METRIC, ylim=(0, None))
axis.grid(axis="x")
axis.legend(ncols=2)
plt.show()

# %% [markdown]
# ## Accuracy is not all
#
# To the right: accurate. Up: shows more of the catalogue, less known items, or finds what is new to the shopper.

# %%
beyond, axes = plt.subplots(1, 3)
for axis, extra, label in zip(
    axes,
    ("coverage_at_10", "novelty_at_10", "discovery"),
    ("coverage@10", "novelty@10, bits", f"discovery ({METRIC})"),
    strict=True,
):
    for place, each in enumerate(results):
        axis.scatter(each.evaluation.values[METRIC], each.extras[extra], color=f"C{place}", s=50, label=each.name)
    axis.set(title=label, xlabel=METRIC)
    axis.margins(0.2)
    axis.set(xlim=(0, None), ylim=(0, None))
beyond.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(results))
plt.show()

# %% [markdown]
# ## The ranker, against the lists it chooses from
#
# Learns from past moments: what each list would have shown then, with features as of then, and what shoppers did next.
# It is judged on the test window, which it has not seen, beside each of its sources in their own order. Only shoppers
# and items that are in some list can be found here, so the numbers compare within this plot, not with the ones above.


# %%
def replay(start: datetime, end: datetime, max_users: int) -> Replay:
    """What would have been listed at `start`, and what shoppers did until `end`."""
    model = Als(als).fit(events.filter(pl.col("timestamp") <= start), now=start)
    return Replay(known_shop, model, shop.settings, start=start, end=end, max_users=max_users)


def past_moments() -> Iterator[Replay]:
    """Windows of targets that follow one another, newest first, all before the test window."""
    end = test.cut
    for _ in range(shop.settings.ranker.windows):
        start = window_start(events.filter(pl.col("timestamp") <= end), end, shop.settings.ranker.target_days)
        yield replay(start, end, shop.settings.ranker.max_train_users)
        end = start


known_shop = load_shop(shop.prepared)
with mlflow.start_run(run_name="ranker test", tags={"dataset": shop.name, "window": "test", "model": Ranker.name}):
    mlflow.log_params(shop.settings.ranker.model_dump())
    rows = examples(past_moments(), shop.settings.ranker)
    ranker = Ranker(shop.settings.ranker).fit(rows.features, rows.matrix, rows.labels, rows.weights)
    judged_lists = compare({Ranker.name: ranker}, replay(test.cut, now, shop.settings.gate.max_users), METRICS)
    ceiling = judged_lists.pop(CANDIDATES).values[CEILING]  # what no order of the candidates can surpass
    values = judged_lists[Ranker.name].values | {CEILING: ceiling}
    mlflow.log_metrics({name.replace("@", "_at_"): value for name, value in values.items()})
    importance = list(ranker.importance().items())[:12]
    ranking, axes = plt.subplots(1, 2)
    for place, evaluation in enumerate(judged_lists.values()):
        column = evaluation.per_user[METRIC]
        axes[0].barh(place, float(column.mean() or 0.0), xerr=interval(column), capsize=3, color=f"C{place}")
    axes[0].set_yticks(range(len(judged_lists)), list(judged_lists))
    axes[0].invert_yaxis()
    axes[0].set(title=f"{METRIC}, with 95 % intervals", xlabel=METRIC, xlim=(0, None))
    axes[0].grid(axis="y")
    axes[1].barh([name for name, _ in importance[::-1]], [value for _, value in importance[::-1]], color="C4")
    axes[1].set(title="What the ranker goes by", xlabel="importance, %")
    axes[1].grid(axis="y")
    mlflow.log_figure(ranking, "ranker.png")
plt.show()

# %% [markdown]
# ## Kept with the experiment

# %%
with mlflow.start_run(run_name="comparison", tags={"dataset": shop.name, "window": "test"}) as run:
    for name, figure in (("comparison", comparison), ("segments", segments), ("beyond_accuracy", beyond)):
        mlflow.log_figure(figure, f"{name}.png")
    mlflow.log_dict(table.to_dicts(), "comparison.json")
    winner = max(results, key=lambda each: each.evaluation.values[METRIC])
    mlflow.set_tag("winner", winner.name)
print(f"Best on the test window by {METRIC}: {winner.name} ({winner.evaluation.values[METRIC]:.4f}).")
folder.cleanup()
