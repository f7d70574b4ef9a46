"""The ranker's input: what the sources say of a candidate, and what was known of its item and user at that moment."""

import numpy as np

from recsys.ranking.candidates import SOURCES, Candidates
from recsys.ranking.facts import ChunkFacts, ItemFacts


def feature_matrix(candidates: Candidates, items: ItemFacts, users: ChunkFacts) -> tuple[list[str], np.ndarray]:
    """Names of the features, and a float32 matrix of a row a candidate and a column a feature.

    The matrix lies column by column, the order CatBoost reads fastest; NaN means unknown.
    """
    columns: dict[str, np.ndarray] = {"sources": (~np.isnan(candidates.ranks)).sum(axis=0)}
    for row, source in enumerate(SOURCES.values()):
        columns[f"{source}_score"] = candidates.scores[row]
        columns[f"{source}_rank"] = candidates.ranks[row]
    columns |= {name: values[candidates.items] for name, values in items.columns.items()}
    columns |= users.of_users(candidates.users)
    columns |= users.of_pairs(candidates.users, candidates.items)
    matrix = np.empty((len(candidates), len(columns)), np.float32, order="F")
    for place, values in enumerate(columns.values()):
        matrix[:, place] = values
    return list(columns), matrix
