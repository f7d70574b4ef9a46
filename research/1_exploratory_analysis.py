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
# # What is in the data
#
# How shoppers and items of the active dataset behave, and what that means for the pipelines. Every section ends in what
# the suite does about what it shows. Nothing here is tuned to one shop: load another (`recsys load …`), run step 1
# (`recsys run prepare_dataset`), and run this notebook again.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.ticker import PercentFormatter
from shop import open_shop

plt.style.use("shop.mplstyle")
pl.Config.set_tbl_rows(20)
folder = tempfile.TemporaryDirectory(prefix="recsys-research-")
shop = open_shop(Path(folder.name))

# %%
KINDS = ["view", "add_to_cart", "purchase"]
events = shop.prepared.events().select("user_id", "item_id", "timestamp", "event_type", "session_id").collect()
items = shop.prepared.items().collect()
counts = shop.prepared.profile["counts"]
pl.DataFrame({"what": list(counts), "how many": list(counts.values())})

# %% [markdown]
# ## What was left out
#
# Step 1 counts what it does not take in, by reason. A large number here is the first thing to look into.

# %%
reasons = [
    {"table": table, "reason": reason, "rows": rows}
    for table, found in shop.prepared.profile["rejected"].items()
    for reason, rows in found.items()
]
pl.DataFrame(reasons, schema={"table": pl.String, "reason": pl.String, "rows": pl.Int64})

# %% [markdown]
# ## When: days, hours, weekdays
#
# A steady week is what the daily refresh and the gate's newest window count on. Days without events are gaps in the
# export, and shift everything that is measured "since".

# %%
daily = (
    events.group_by(pl.col("timestamp").dt.date().alias("day"), "event_type")
    .len()
    .pivot("event_type", index="day", values="len")
    .sort("day")
    .upsample("day", every="1d")
    .fill_null(0)
)
figure, axes = plt.subplots(1, 2, width_ratios=(3, 2))
for kind in KINDS:
    if kind in daily.columns:
        axes[0].plot(daily["day"], daily[kind].replace(0, None), label=kind)
axes[0].set(title="Events a day", yscale="log", ylabel="events (logarithmic)")
axes[0].tick_params(axis="x", rotation=30)
axes[0].set_ylim(top=daily.drop("day").max().max_horizontal().item() * 6)
axes[0].legend(ncols=3, loc="upper left")
week = np.zeros((7, 24))
hours = events.group_by(day=pl.col("timestamp").dt.weekday(), hour=pl.col("timestamp").dt.hour()).len()
week[hours["day"].to_numpy() - 1, hours["hour"].to_numpy()] = hours["len"].to_numpy()
image = axes[1].imshow(week / max(week.sum(), 1) * 100, aspect="auto", cmap="Blues")
axes[1].set(title="Share of events, %", xlabel="hour (UTC)", xticks=range(0, 24, 4))
axes[1].set_yticks(range(7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
axes[1].grid(False)
figure.colorbar(image, ax=axes[1])
plt.show()

# %% [markdown]
# ## Who: most shoppers come once
#
# Each step needs a different depth of history. Who has too little gets the answer of the next simpler one, down to the
# default list, so these shares say how many shoppers each model can be for.

# %%
per_user = events.group_by("user_id").agg(events=pl.len(), items=pl.col("item_id").n_unique())
depth = np.sort(per_user["items"].to_numpy())[::-1]
figure, axes = plt.subplots(1, 2)
axes[0].loglog(depth, np.arange(1, len(depth) + 1) / len(depth))
axes[0].set(title="Shoppers with at least so many items", xlabel="distinct items", ylabel="share of shoppers")
need = {
    "anyone\n(default)": 1.0,
    f"≥ {shop.settings.i2i.min_items} item\n(i2i)": float((depth >= shop.settings.i2i.min_items).mean()),
    f"≥ {shop.settings.train_als.min_user_items} items\n(ALS learns)": float(
        (depth >= shop.settings.train_als.min_user_items).mean()
    ),
    f"≥ {shop.settings.personalized.min_items} items\n(personalized)": float(
        (depth >= shop.settings.personalized.min_items).mean()
    ),
}
bars = axes[1].bar(list(need), list(need.values()))
axes[1].bar_label(bars, [f"{share:.1%}" for share in need.values()])
axes[1].set(title="Who each step can serve", ylabel="share of shoppers")
axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[1].grid(axis="x")
plt.show()

# %% [markdown]
# ## What: few items get most of the attention
#
# The longer the tail, the more a popularity list repeats itself and the less a collaborative model knows about most of
# the catalogue. Items without any event get neighbours by category (step 6).

# %%
per_item = events.group_by("item_id").len("events").sort("events", descending=True)
share = np.cumsum(per_item["events"].to_numpy()) / max(per_item["events"].sum(), 1)
silent = items.height - per_item.height
figure, axes = plt.subplots(1, 2)
axes[0].plot(np.arange(1, len(share) + 1) / len(share), share)
axes[0].plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
tenth = share[max(len(share) // 10 - 1, 0)]
axes[0].annotate(
    f"the top 10 % of items\nhave {tenth:.0%} of the events",
    (0.1, tenth),
    (0.3, tenth * 0.6),
    arrowprops={"arrowstyle": "->"},
)
axes[0].set(title="Concentration", xlabel="share of items, most popular first", ylabel="share of events")
axes[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
groups = {
    "no event": silent,
    "1": per_item.filter(pl.col("events") == 1).height,
    "2 to 9": per_item.filter(pl.col("events").is_between(2, 9)).height,
    "10 to 99": per_item.filter(pl.col("events").is_between(10, 99)).height,
    "100+": per_item.filter(pl.col("events") >= 100).height,
}
axes[1].bar_label(axes[1].bar(list(groups), list(groups.values())), fmt="{:,.0f}")
axes[1].set(title="Items by their number of events", ylabel="items")
axes[1].grid(axis="x")
plt.show()

# %% [markdown]
# ## The funnel
#
# Purchases are rare, so a model trained on them alone would starve: views count 1, carts 3, purchases 5
# (`PIPELINE__EVENT_WEIGHTS`). What was bought is not recommended again; how often shoppers buy an item twice says
# whether that is right for this shop.

# %%
pairs = events.pivot("event_type", index=["user_id", "item_id"], values="session_id", aggregate_function="len")
pairs = pairs.with_columns(pl.lit(0).alias(kind) for kind in KINDS if kind not in pairs.columns).fill_null(0)
steps = {kind: pairs.filter(pl.col(kind) > 0).height for kind in KINDS}
bought = pairs.filter(pl.col("purchase") > 0)
figure, axes = plt.subplots(1, 2)
bars = axes[0].barh(KINDS[::-1], [max(steps[kind], 1) for kind in KINDS[::-1]], color=["C2", "C1", "C0"])
axes[0].bar_label(bars, [f"{steps[kind]:,}" for kind in KINDS[::-1]], padding=3)
axes[0].set(title="Pairs of shopper and item that got so far", xscale="log", xlabel="pairs (logarithmic)")
axes[0].set_xlim(1, max(*steps.values(), 1) * 8)
habits = {
    "carts without\na view before": pairs.filter((pl.col("add_to_cart") > 0) & (pl.col("view") == 0)).height
    / max(steps["add_to_cart"], 1),
    "carts that\nare bought": pairs.filter((pl.col("add_to_cart") > 0) & (pl.col("purchase") > 0)).height
    / max(steps["add_to_cart"], 1),
    "purchases\nthat repeat": bought.filter(pl.col("purchase") > 1).height / max(bought.height, 1),
}
axes[1].bar_label(axes[1].bar(list(habits), list(habits.values())), [f"{value:.1%}" for value in habits.values()])
axes[1].set(title="Habits", ylabel="share")
axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[1].grid(axis="x")
plt.show()

# %% [markdown]
# ## Visits
#
# Sessions are cut at a pause (`PIPELINE__PREPARE_DATASET__SESSION_GAP_MINUTES`). The cut is well placed where pauses
# are rare: between the hill of minutes (one visit) and that of days (coming back).

# %%
pauses = (
    events.sort("user_id", "timestamp")
    .select((pl.col("timestamp").diff().over("user_id").dt.total_milliseconds() / 60_000).alias("minutes"))
    .drop_nulls()
    .filter(pl.col("minutes") > 0)["minutes"]
    .to_numpy()
)
sessions = events.group_by("session_id").agg(
    events=pl.len(), minutes=(pl.col("timestamp").max() - pl.col("timestamp").min()).dt.total_seconds() / 60
)
gap = shop.settings.prepare_dataset.session_gap_minutes
figure, axes = plt.subplots(1, 2)
axes[0].hist(pauses, bins=np.logspace(-2, np.log10(max(pauses.max(initial=1), 2)), 60))
axes[0].axvline(gap, color="C3", linestyle="--")
axes[0].annotate(
    f"{gap} minutes",
    (gap, 0.93),
    xycoords=("data", "axes fraction"),
    color="C3",
    xytext=(4, 0),
    textcoords="offset points",
)
axes[0].set(title="Pauses between two events of a shopper", xscale="log", ylabel="pauses")
axes[0].set_xticks([0.1, 1, 60, 1440], ["6 s", "1 min", "1 h", "1 day"])
length = sessions["events"].clip(upper_bound=10).value_counts().sort("events")
axes[1].bar(length["events"], length["count"] / sessions.height)
axes[1].set(
    title="Events of a visit", xlabel="events (10 and more together)", ylabel="share of visits", xticks=range(1, 11)
)
axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[1].grid(axis="x")
plt.show()

# %% [markdown]
# ## What is known of the items
#
# Category and availability decide what may be shown and how new items are placed. Properties known of at least
# `PIPELINE__PREPARE_DATASET__MIN_PROPERTY_SHARE` of the items become columns of the prepared items.

# %%
facts = {"has an event": per_item.height / max(items.height, 1)}
facts |= {name.replace("_", " "): value for name, value in shop.prepared.profile["shares"].items()}
known = sorted(shop.prepared.profile["property_shares"].items(), key=lambda pair: -pair[1])[:15]
tree = shop.prepared.categories().collect()
figure, axes = plt.subplots(1, 2)
bars = axes[0].barh(list(facts)[::-1], list(facts.values())[::-1])
axes[0].bar_label(bars, [f"{value:.0%}" for value in list(facts.values())[::-1]], padding=3)
axes[0].set(title="Share of items that …", xlim=(0, 1.15))
axes[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[0].grid(axis="y")
if known:
    axes[1].barh([name for name, _ in known[::-1]], [value for _, value in known[::-1]], color="C1")
    axes[1].axvline(shop.settings.prepare_dataset.min_property_share, color="C3", linestyle="--")
    axes[1].set(title="Most common properties", xlabel="share of described items", xlim=(0, 1.05))
    axes[1].set_ylim(-0.8, max(len(known), 8) - 0.2)
    axes[1].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[1].grid(axis="y")
else:
    axes[1].set_axis_off()
    axes[1].text(0.5, 0.5, "This shop gives no item properties.", ha="center")
plt.show()
tree.group_by("depth").agg(categories=pl.len(), roots=pl.col("root_id").n_unique()).sort("depth")

# %% [markdown]
# ## How fast the shop renews itself
#
# A model trained once a month has never seen the items that came since. The share of events on items that were not
# there when a model was trained says what a month costs, and what the item-to-item lists (remade daily) and the online
# answers have to make good.

# %%
first_seen = events.group_by("item_id").agg(born=pl.col("timestamp").min())
start, end = events["timestamp"].min(), events["timestamp"].max()
trained = start + (end - start) / 2
later = events.filter(pl.col("timestamp") > trained).join(first_seen, on="item_id")
seen_users = events.filter(pl.col("timestamp") <= trained).select("user_id").unique()
by_day = (
    later.with_columns(
        day=((pl.col("timestamp") - trained).dt.total_hours() // 24),
        new_item=pl.col("born") > trained,
        new_user=~pl.col("user_id").is_in(seen_users["user_id"].implode()),
    )
    .group_by("day")
    .agg(pl.col("new_item").mean(), pl.col("new_user").mean())
    .sort("day")
)
figure, axis = plt.subplots()
axis.plot(by_day["day"], by_day["new_item"], label="on items that did not exist when it was trained")
axis.plot(by_day["day"], by_day["new_user"], label="by shoppers it has never seen")
axis.set(
    title="A model trained in the middle of the data",
    xlabel="days since its training",
    ylabel="share of events",
    ylim=(0, 1.05),
)
axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axis.legend()
plt.show()

# %%
folder.cleanup()
