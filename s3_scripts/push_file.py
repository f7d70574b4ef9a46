"""Put a local file into the bucket.

python s3_scripts/push_file.py --local-file-path data/test.parquet --s3-file-path test/test.parquet
"""

from pathlib import Path
from typing import Annotated

import typer

from recsys.console import console, plain_errors
from recsys.errors import BadInputError
from recsys.settings import ObjectStoreSettings, load
from recsys.storage.object_store import ObjectStore


def push_file(
    local_file_path: Annotated[
        Path,
        typer.Option("--local-file-path", "-lfp", exists=True, dir_okay=False, readable=True, help="The file to send."),
    ],
    s3_file_path: Annotated[str, typer.Option("--s3-file-path", "-sfp", help="Its key in the bucket.")],
) -> None:
    """Put a local file into the bucket, replacing what was under that key."""
    if not s3_file_path or s3_file_path.startswith("/") or s3_file_path.endswith("/"):
        raise BadInputError(
            f"--s3-file-path {s3_file_path!r} is not a key.",
            remedy="Write it as folder/name, without a slash at its ends.",
        )
    store = ObjectStore(load(ObjectStoreSettings))
    store.upload(local_file_path, s3_file_path)
    size = local_file_path.stat().st_size
    console.print(f"Sent {size:,} bytes to s3://{store.bucket}/{s3_file_path}.", markup=False, soft_wrap=True)


if __name__ == "__main__":
    with plain_errors():
        typer.run(push_file)
