"""`recsys bench …`: measures the suite; figures that hold are written down in docs/benchmarks.md."""

import json
from pathlib import Path
from typing import Annotated

import typer

from recsys.cli import app, console

bench = typer.Typer(no_args_is_help=True, help="Measure the suite on this machine.")
app.add_typer(bench, name="bench")

JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file, as one object.")]


def report(figures: dict[str, object], file: Path | None) -> None:
    """Print the figures and, if asked, write them as JSON."""
    console.print_json(json.dumps(figures))
    if file is not None:
        file.write_text(json.dumps(figures, indent=2) + "\n")


@bench.command()
def pipeline(
    users: Annotated[int, typer.Option(min=100)] = 1_400_000,
    items: Annotated[int, typer.Option(min=100)] = 235_000,
    events: Annotated[int, typer.Option(min=1_000)] = 2_750_000,
    seed: int = 1,
    growth: Annotated[bool, typer.Option(help="Also run a tenth of the size and report the ratios.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Load a simulated shop of RetailRocket's size and run all steps, each in a process of its own."""
    from recsys.bench import pipeline as benchmark

    size = benchmark.Size(users, items, events)
    tenth = benchmark.measure(size.tenth(), seed) if growth else None
    full = benchmark.measure(size, seed)
    figures = full.flat()
    if tenth:
        figures["growth"] = benchmark.growth(full, tenth)
    report(figures, json_file)


@bench.command()
def serving(
    seconds: Annotated[float, typer.Option(min=1, help="Length of a round.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each route, alternated.")] = 5,
    json_file: JsonFile = None,
) -> None:
    """Recommendations beside the static route of the same two workers, and a version swapped in under load."""
    from recsys.bench import serving as benchmark

    report(dict(benchmark.measure(seconds, rounds)), json_file)


@bench.command()
def placements(
    seconds: Annotated[float, typer.Option(min=1, help="Length of a round.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each route, alternated.")] = 5,
    json_file: JsonFile = None,
) -> None:
    """The home page under 50 rules, and carts of ten, beside the static route of the same two workers."""
    from recsys.bench import placements as benchmark

    report(dict(benchmark.measure(seconds, rounds)), json_file)


@bench.command()
def events(
    seconds: Annotated[float, typer.Option(min=1, help="Length of the load.")] = 15,
    json_file: JsonFile = None,
) -> None:
    """Acknowledged (committed) events a second, in batches of 50."""
    from recsys.bench import events as benchmark

    report(dict(benchmark.measure(seconds)), json_file)


@bench.command()
def catalog(
    products: Annotated[int, typer.Option(min=100, help="Products to create, change, and send again.")] = 100_000,
    json_file: JsonFile = None,
) -> None:
    """Bulk upserts, and the time from a change of stock to the recommendations that obey it."""
    from recsys.bench import catalog as benchmark

    report(dict(benchmark.measure(products)), json_file)


@bench.command()
def vectors(
    items: Annotated[int, typer.Option(min=1_000, help="Items of the catalogue.")] = 235_000,
    searches: Annotated[int, typer.Option(min=100, help="Searches timed.")] = 2_000,
    judged: Annotated[int, typer.Option(min=10, help="Searches compared with exact ones.")] = 200,
    json_file: JsonFile = None,
) -> None:
    """Search by text among content vectors: how fast, and how many of the true ten nearest it finds."""
    from recsys.bench import vectors as benchmark

    report(dict(benchmark.measure(items, searches, judged)), json_file)


@bench.command()
def reaction(
    seconds: Annotated[float, typer.Option(min=5, help="Length of each of the two runs.")] = 20,
    rate: Annotated[int, typer.Option(min=0, help="Other events a second offered beside the watched ones.")] = 6_300,
    json_file: JsonFile = None,
) -> None:
    """The time from sending an event to an answer that reacts to it, straight to Postgres and through RabbitMQ."""
    from recsys.bench import reaction as benchmark

    report(dict(benchmark.measure(seconds, rate)), json_file)
