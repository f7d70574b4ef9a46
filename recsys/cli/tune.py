"""`recsys tune MODEL`: better parameters for the active dataset."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from recsys.cli import app, console
from recsys.errors import BadInputError
from recsys.pipeline.context import RunContext
from recsys.settings import PipelineSettings, PostgresSettings, home, load
from recsys.storage import postgres


@app.command()
def tune(
    model: Annotated[str, typer.Argument(help="als, item_to_item or popularity.")],
    minutes: Annotated[
        float, typer.Option(min=0.01, help="How long to search; a trial that has begun is finished.")
    ] = 10,
    dataset: Annotated[str | None, typer.Option(help="Dataset to tune for; default: the active one.")] = None,
) -> None:
    """Search for parameters on the window before the gate's; they become the dataset's defaults if they are better.

    Calling it again goes on with the search, as long as the data are the same.
    """
    from recsys.evaluation.tuning import SPACES
    from recsys.pipeline.tuned import search

    if model not in SPACES:
        raise BadInputError(f"There is no {model!r} to tune.", remedy=f"Choose one of {', '.join(sorted(SPACES))}.")
    postgres.migrate(load(PostgresSettings))
    context = RunContext.create(
        f"tune-{datetime.now(UTC):%Y%m%dT%H%M%S}", load(PipelineSettings, **({"dataset": dataset} if dataset else {}))
    )
    home().mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{home() / 'tuning.db'}"
    with console.status(f"Tuning {model} …") as status:
        found = search(context, model, minutes=minutes, storage=storage, say=status.update)
    console.print(f"{len(found.trials)} trials, {found.metric} on the validation window: {found.value:.4f}")
    if found.value <= found.baseline:
        console.print("Nothing better than the parameters in use was found.")
        return
    console.print(f"Better than {found.baseline:.4f} with the parameters in use; kept for {context.dataset!r}:")
    for name, value in found.best.items():
        console.print(f"  {name} {value:.4g}", highlight=False)
