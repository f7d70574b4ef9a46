"""A publish that ends badly, run as a process of its own: `python doomed_publisher.py STAGE`."""

import os
import resource
import signal
import sys
from collections.abc import Iterator

import polars as pl
from shop_lists import lists

from recsys.errors import RecsysError
from recsys.pipeline.context import RunContext
from recsys.publishing import retention, versions
from recsys.schema import RecommendationTable
from recsys.storage.object_store import ObjectStore

STAGES = ("before_copy", "mid_copy", "after_upload", "before_flip", "after_flip")


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def frames(stage: str) -> Iterator[pl.DataFrame]:
    if stage == "before_copy":
        die()
    for part in range(5):
        yield lists("doomed", 20_000, 10).with_columns(key=f"{part}-" + pl.col("key"))
        if stage == "mid_copy" and part == 3:
            die()


def main(stage: str) -> None:
    if stage == "after_upload":
        ObjectStore.list = die  # type: ignore[method-assign, assignment]
    if stage == "before_flip":
        versions.activate = die  # type: ignore[assignment]
    if stage == "after_flip":
        retention.retire_old = die  # type: ignore[assignment]
    if stage == "full_disk":  # what a full disk is to a process, without needing a disk to fill
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
    try:
        versions.publish(RunContext.create("doomed"), RecommendationTable.PERSONALIZED, frames(stage))
    except RecsysError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
