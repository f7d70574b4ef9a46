"""`recsys demo`: the whole suite at work, and where to look at it."""

import json
import shlex
import time
from pathlib import Path
from urllib.parse import quote

from rich.table import Table

from recsys.cli import app
from recsys.console import console, progress
from recsys.settings import env_file, load
from recsys.stack import demo as stack_demo
from recsys.stack import environment, keys
from recsys.stack.settings import HOST, StackSettings


@app.command()
def demo() -> None:
    """Start everything, load a simulated shop unless there is data, run the seven pipelines, show where to look."""
    started = time.monotonic()
    with progress() as say:
        example = stack_demo.run(say)
    console.print(f"[green]Everything works[/] (after {time.monotonic() - started:.0f} s).\n", highlight=False)
    settings = load(StackSettings)
    _show_addresses(settings)
    _show_requests(settings, example)


def _show_addresses(settings: StackSettings) -> None:
    table = Table("what", "where", "how to get in", box=None, pad_edge=False)
    table.add_row("API, Swagger", f"http://{HOST}:{settings.api_port}/docs", f"keys: {_short(keys.plain_file())}")
    password = _short(environment.airflow_password_file())
    user = environment.AIRFLOW_USER
    table.add_row("Airflow", f"http://{HOST}:{settings.airflow_port}", f"user {user}, password: {password}")
    table.add_row("MLflow", f"http://{HOST}:{settings.mlflow_port}", "open")
    table.add_row("Postgres", f"{HOST}:{settings.postgres_port}", f"POSTGRES_*: {_short(env_file())}")
    table.add_row("S3", f"http://{HOST}:{settings.s3_port}", f"S3_*: {_short(env_file())}")
    console.print(table)


def _show_requests(settings: StackSettings, example: stack_demo.Example) -> None:
    """Lines to paste into a shell; printed plainly, because rich would wrap them."""
    api = f"http://{HOST}:{settings.api_port}/v1"
    # Ids come from the shop's data and end up in the reader's shell: quoted for both.
    user, item = quote(example.user_id, safe=""), quote(example.item_id, safe="")
    click = {"event_id": "demo-1", "event_type": "view", "user_id": "guest-1", "item_id": example.item_id}
    event = shlex.quote(json.dumps(click))
    console.print(
        "\nThree requests to try: a known user's list, an item's neighbours, a guest's first click and its effect."
    )
    print(  # noqa: T201
        f"""
  . {_short(keys.plain_file())}
  curl -s -H "X-API-Key: $SHOP_API_KEY" "{api}/recommendations?user_id={user}&limit=3"
  curl -s -H "X-API-Key: $SHOP_API_KEY" "{api}/items/{item}/similar?limit=3"
  curl -s -H "X-API-Key: $SHOP_API_KEY" -H "Content-Type: application/json" -d {event} "{api}/events" \\
    && curl -s -H "X-API-Key: $SHOP_API_KEY" "{api}/recommendations?user_id=guest-1&limit=3"

`make status` shows what runs, `make stop` stops it, `make clean` deletes it."""
    )


def _short(path: Path) -> str:
    """Relative to where the reader is, when that is shorter; a shell can source it either way."""
    try:
        return f"./{path.relative_to(Path.cwd())}"
    except ValueError:
        return str(path)
