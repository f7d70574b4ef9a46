"""What ranking is replayed on: the active dataset as it was prepared last, or a source's own files without a server."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from recsys.dataset.preparation import write_prepared
from recsys.dataset.prepared import PreparedDataset
from recsys.dataset.source_rows import SourceRows
from recsys.errors import BadInputError
from recsys.pipeline.context import RunContext
from recsys.pipeline.train_ranker import load_shop
from recsys.ranking.replay import Shop
from recsys.schema import Step
from recsys.settings import PipelineSettings
from recsys.sources.base import Source
from recsys.sources.online_retail import OnlineRetail
from recsys.sources.retailrocket import RetailRocket
from recsys.storage.workspace import workspace

SOURCES: dict[str, Callable[[Path], Source]] = {"retailrocket": RetailRocket, "online_retail": OnlineRetail}


@contextlib.contextmanager
def open_shop(source: str | None, path: Path | None, settings: PipelineSettings) -> Iterator[tuple[Shop, datetime]]:
    """The shop's frames, and its present.

    Raises:
        BadInputError: no such source, or it is named without its files.
        NotReadyError: no source is named, and nothing has been prepared.
    """
    with workspace() as folder:
        if source is None:
            context = RunContext.create("backtest", settings)
            prepared = PreparedDataset.fetch(context.store, context.newest_output(Step.PREPARE_DATASET), folder)
        elif source not in SOURCES:
            raise BadInputError(f"There is no source {source!r}.", remedy=f"Choose one of {', '.join(SOURCES)}.")
        elif path is None:
            raise BadInputError(f"{source} is read from files.", remedy="Give their place with --data.")
        else:
            prepared = write_prepared(SourceRows(SOURCES[source](path)), folder, settings, source)
        yield load_shop(prepared), prepared.now
