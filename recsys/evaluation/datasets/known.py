"""The datasets by name."""

from collections.abc import Callable, Sequence
from pathlib import Path

from recsys.errors import BadInputError
from recsys.evaluation.datasets import beauty, gowalla
from recsys.evaluation.datasets.base import EvaluationData

# Reader and the files it cannot do without.
DATASETS: dict[str, tuple[Callable[[Path], EvaluationData], Sequence[str]]] = {
    "gowalla": (gowalla.read, gowalla.FILES),
    "beauty": (beauty.read, beauty.FILES),
}


def read(name: str, folder: Path) -> EvaluationData:
    """Read a dataset.

    Args:
        folder: holds the dataset's files, or a folder of the dataset's name that does.

    Raises:
        BadInputError: there is no such dataset, or files are missing (all of them are named) or not of their form.
    """
    if name not in DATASETS:
        raise BadInputError(f"There is no dataset {name!r}.", remedy=f"The known datasets are: {', '.join(DATASETS)}.")
    reader, files = DATASETS[name]
    place = folder / name if (folder / name).is_dir() else folder
    missing = [file for file in files if not (place / file).is_file()]
    if missing:
        raise BadInputError(
            f"--data {place} does not hold what {name!r} needs; missing: {', '.join(missing)}.",
            remedy=f"Give the folder that holds {', '.join(files)}.",
        )
    return reader(place)
