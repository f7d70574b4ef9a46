"""`recsys keys …`: API keys of the service."""

from typing import Annotated

import typer
from rich.table import Table

from recsys import api_keys
from recsys.api_keys import Scope
from recsys.cli import app, console
from recsys.settings import ServiceSettings, load

keys = typer.Typer(no_args_is_help=True, help="API keys of the service: create, list, revoke.")
app.add_typer(keys, name="keys")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeat for more than one.")],
) -> None:
    """Create a key and show it, for the only time."""
    plain = api_keys.create(load(ServiceSettings).api_keys_file, name, scope)
    console.print("Keep this key now, it is not shown again; send it in the header X-API-Key:", highlight=False)
    # Straight to the terminal: rich would wrap a long key.
    typer.echo(plain)


@keys.command("list")
def list_keys() -> None:
    """Show names and scopes."""
    table = Table("name", "scopes")
    for key in api_keys.read(load(ServiceSettings).api_keys_file):
        table.add_row(key.name, ", ".join(key.scopes))
    console.print(table)


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Remove a key; running services refuse it within a second."""
    api_keys.revoke(load(ServiceSettings).api_keys_file, name)
    console.print(f"Revoked {name}.")
