"""`python -m recsys` is `recsys`."""

from recsys.cli import app

app()
