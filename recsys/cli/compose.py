"""`recsys compose-env`: the secrets of docker-compose.yaml."""

from recsys.cli import app
from recsys.console import console
from recsys.stack import compose


@app.command("compose-env")
def compose_env() -> None:
    """Generate the secrets that `docker compose` needs into .env; those that are there stay."""
    added = compose.fill()
    what = f"Added {', '.join(added)} to" if added else "Nothing is missing in"
    console.print(f"{what} {compose.ENV_FILE} (readable by you alone).", highlight=False, soft_wrap=True)
