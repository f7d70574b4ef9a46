"""Vectors of words, and of items as sums of their words.

Words that several items share are learned by latent semantic analysis (Deerwester et al. 1990): TF-IDF and a truncated
singular value decomposition. A word that was not there to be learned has a direction that follows from the word itself
(random indexing, Sahlgren 2005): so a new product, with words nobody has used before, needs no new fit to be found.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

DIMENSIONS = 64
MOST_LEARNED = 100_000  # words, those of most items
SEED = 42

Document = Mapping[str, float]


class WordVectors:
    """What a word adds to a vector.

    Attributes:
        known: the vector of each word that was learned or asked for, `DIMENSIONS` long.
    """

    def __init__(self, known: dict[str, np.ndarray] | None = None, *, length: float = 1.0) -> None:
        """`length` is that of a word that was not learned."""
        self.known, self.length = known or {}, length

    @classmethod
    def fit(cls, documents: Sequence[Document]) -> "WordVectors":
        """Learn the words that at least two of the documents share."""
        users = Counter(word for document in documents for word in document)
        shared = [word for word, count in users.most_common(MOST_LEARNED) if count > 1]
        size = min(DIMENSIONS, len(documents) - 1, len(shared) - 1)
        if size < 1:
            return cls()
        places = {word: place for place, word in enumerate(shared)}
        rarity = np.array([_rarity(users[word], len(documents)) for word in shared], np.float32)
        matrix = _matrix(documents, places) @ sparse.diags(rarity)
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        matrix = (sparse.diags(1 / np.maximum(lengths, 1e-9)) @ matrix).tocsr().astype(np.float32)
        decomposed = TruncatedSVD(size, n_iter=4, random_state=SEED).fit(matrix)
        vectors = np.zeros((len(shared), DIMENSIONS), np.float32)
        vectors[:, :size] = decomposed.components_.T * rarity[:, None]
        # As long as a learned word is on average (all of them together have the length of the components), but rare.
        length = math.sqrt(size / len(shared)) * _rarity(1, len(documents))
        return cls(dict(zip(shared, vectors, strict=True)), length=length)

    def vector(self, word: str) -> np.ndarray:
        """The word's vector; one that was not learned has the same in every process and at any time."""
        found = self.known.get(word)
        if found is None:
            raw = np.frombuffer(blake2b(word.encode(), digest_size=DIMENSIONS).digest(), np.uint8)
            direction = raw.astype(np.float32) - 127.5
            found = self.known[word] = direction * np.float32(self.length / np.linalg.norm(direction))
        return found

    def vectors(self, documents: Sequence[Document]) -> np.ndarray:
        """A row a document, of length 1; of length 0 where a document has no word."""
        places: dict[str, int] = {}
        for document in documents:
            for word in document:
                places.setdefault(word, len(places))
        if not places:
            return np.zeros((len(documents), DIMENSIONS), np.float32)
        sums = _matrix(documents, places) @ np.stack([self.vector(word) for word in places])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return (sums / np.maximum(lengths, 1e-9)).astype(np.float32)


def _rarity(users: int, documents: int) -> float:
    """Inverse document frequency."""
    return math.log((1 + documents) / (1 + users)) + 1


def _matrix(documents: Sequence[Document], places: Mapping[str, int]) -> sparse.csr_matrix:
    """A row a document, a column a word."""
    columns, weights, ends = [], [], [0]
    for document in documents:
        for word, weight in document.items():
            if (place := places.get(word)) is not None:
                columns.append(place)
                weights.append(weight)
        ends.append(len(columns))
    return sparse.csr_matrix(
        (np.array(weights, np.float32), np.array(columns, np.int32), np.array(ends, np.int64)),
        shape=(len(documents), len(places)),
    )
