"""Run by the Python that has RecTools: `rectools_process.py NAME PARAMETERS`; see `rectools.py`, which starts it.

It reads a JSON object a line, works on files in the current folder, and answers `done`. It imports nothing of ours.
"""

import json
import sys

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import TFIDFRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PureSVDModel
from rectools.models.base import ModelBase
from threadpoolctl import threadpool_limits

MODELS = {
    "rectools_ease": EASEModel,
    "rectools_als": lambda **parameters: ImplicitALSWrapperModel(AlternatingLeastSquares(**parameters)),
    "rectools_knn": lambda **parameters: ImplicitItemKNNWrapperModel(TFIDFRecommender(**parameters)),
    "rectools_svd": PureSVDModel,
}


def read_dataset() -> Dataset:
    with np.load("fit.npz") as given:
        columns = {
            Columns.User: given["user"],
            Columns.Item: given["item"],
            Columns.Weight: given["weight"],
            Columns.Datetime: pd.Timestamp("2020-01-01"),  # these models know no time, but the data set asks for one
        }
    return Dataset.construct(pd.DataFrame(columns))


def write_lists(model: ModelBase, dataset: Dataset, k: int, leave_out_seen: bool) -> None:
    with np.load("ask.npz") as asked:
        users = asked["user"]
    found = model.recommend(users=users, dataset=dataset, k=k, filter_viewed=leave_out_seen)
    np.savez(
        "lists.npz",
        user=found[Columns.User].to_numpy(),
        item=found[Columns.Item].to_numpy(),
        score=found[Columns.Score].to_numpy(np.float32),
        rank=found[Columns.Rank].to_numpy(),
    )


def main() -> None:
    if sys.argv[1] == "rectools_als":  # it has threads of its own, and asks for this
        threadpool_limits(1, "blas")
    model = MODELS[sys.argv[1]](**json.loads(sys.argv[2]))
    dataset = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "fit":
            dataset = read_dataset()
            model.fit(dataset)
        elif request["do"] == "recommend":
            write_lists(model, dataset, request["k"], request["leave_out_seen"])
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
