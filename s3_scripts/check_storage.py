"""List what the bucket holds, or how much room it takes.

python s3_scripts/check_storage.py --option=contents
python s3_scripts/check_storage.py --option=space
"""

from enum import StrEnum
from typing import Annotated

import typer

from recsys.console import plain_errors
from recsys.settings import ObjectStoreSettings, load
from recsys.storage.object_store import ObjectStore


class Option(StrEnum):
    """What to print of each object."""

    CONTENTS = "contents"
    SPACE = "space"


def check_storage(
    option: Annotated[Option, typer.Option("--option", "-o", help="Keys only, or keys with sizes and their sum.")],
) -> None:
    """List what the bucket holds, or how much room it takes."""
    store = ObjectStore(load(ObjectStoreSettings))
    total, objects = 0, 0
    for entry in store.list():
        total, objects = total + entry.size, objects + 1
        print(entry.key if option is Option.CONTENTS else f"{entry.size:>15,} bytes  {entry.key}")
    if option is Option.SPACE:
        print(f"{total:>15,} bytes ({total / 1024**3:.2f} GiB) in {objects:,} objects of bucket {store.bucket}")


if __name__ == "__main__":
    with plain_errors():
        typer.run(check_storage)
