"""The datasets by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recsys.errors import BadInputError
from recsys.evaluation.datasets import beauty, gowalla, shops
from recsys.evaluation.datasets.base import EvaluationData
from recsys.sources import files


@dataclass(frozen=True)
class Reader:
    """How a dataset is read.

    Attributes:
        read: from the folder of its files; None only if it can do without.
        required: the files it cannot do without.
        packed: whether these may be gzipped or zipped.
    """

    read: Callable[..., EvaluationData]
    required: tuple[str, ...] = ()
    packed: bool = False
    needs_folder: bool = True


DATASETS = {
    "gowalla": Reader(gowalla.read, gowalla.FILES),
    "beauty": Reader(beauty.read, beauty.FILES),
    "retailrocket": Reader(shops.retailrocket, ("events.csv",), packed=True),
    "online_retail": Reader(shops.online_retail, ("online_retail.csv",), packed=True),
    "complete_journey": Reader(
        shops.complete_journey, ("transactions.parquet", "products.parquet"), needs_folder=False
    ),
    "simulator": Reader(shops.simulator, needs_folder=False),
}


def read(name: str, folder: Path | None = None) -> EvaluationData:
    """Read a dataset.

    Args:
        folder: holds the dataset's files, or a folder of the dataset's name that does.

    Raises:
        BadInputError: there is no such dataset, or files are missing (all of them are named) or not of their form.
    """
    if name not in DATASETS:
        raise BadInputError(
            f"There is no dataset {name!r}.",
            remedy=f"The known datasets are: {', '.join(DATASETS)}; and `current`, what step 1 prepared last.",
        )
    reader = DATASETS[name]
    if folder is None:
        if reader.needs_folder:
            raise BadInputError(
                f"The dataset {name!r} is read from files.",
                remedy=f"Give the folder that holds {', '.join(reader.required)} with --data.",
            )
        return reader.read(None)
    place = folder / name if (folder / name).is_dir() else folder
    missing = [file for file in reader.required if not _is_there(place, file, reader.packed)]
    if missing:
        raise BadInputError(
            f"--data {place} does not hold what {name!r} needs; missing: {', '.join(missing)}.",
            remedy=f"Give the folder that holds {', '.join(reader.required)}.",
        )
    return reader.read(place)


def _is_there(place: Path, file: str, packed: bool) -> bool:
    return files.find(place, file) is not None if packed and place.is_dir() else (place / file).is_file()
