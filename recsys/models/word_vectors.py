"""Vectors of words, and of items as sums of their words.

Words that several items share are learned by latent semantic analysis (Deerwester et al. 1990): TF-IDF and a truncated
singular value decomposition. A word that was not there to be learned has a direction that follows from the word itself
(random indexing, Sahlgren 2005): so a new product, with words nobody has used before, needs no new fit to be found.
"""

import math
from array import array
from collections.abc import Iterable, Mapping
from hashlib import blake2b

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

DIMENSIONS = 64
MOST_LEARNED = 100_000  # words, those of most items
SEED = 42

Document = Mapping[str, float]


class Corpus:
    """Documents as numbers: some twenty bytes a word, where dictionaries would take two hundred.

    Attributes:
        words: the column of each word in `matrix`.
    """

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self.words: dict[str, int] = {}
        self._columns, self._weights, self._ends = array("i"), array("f"), array("q", [0])
        for document in documents:
            self.add(document)

    def add(self, document: Document) -> None:
        """One more row."""
        for word, weight in document.items():
            self._columns.append(self.words.setdefault(word, len(self.words)))
            self._weights.append(weight)
        self._ends.append(len(self._columns))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def matrix(self) -> sparse.csr_matrix:
        """A row a document, a column a word."""
        parts = (np.array(self._weights, np.float32), np.array(self._columns, np.int32), np.array(self._ends, np.int64))
        return sparse.csr_matrix(parts, shape=(len(self), len(self.words)))


class WordVectors:
    """What a word adds to a vector.

    Attributes:
        known: the vector of each word that was learned or asked for, `DIMENSIONS` long.
    """

    def __init__(self, known: dict[str, np.ndarray] | None = None, *, length: float = 1.0) -> None:
        """`length` is that of a word that was not learned."""
        self.known, self.length = known or {}, length

    @classmethod
    def fit(cls, corpus: Corpus) -> "WordVectors":
        """Learn the words that at least two of the documents share."""
        matrix = corpus.matrix()
        users = np.bincount(matrix.indices, minlength=len(corpus.words))
        shared = np.argsort(-users, kind="stable")[: min(MOST_LEARNED, int((users > 1).sum()))]
        size = min(DIMENSIONS, len(corpus) - 1, len(shared) - 1)
        if size < 1:
            return cls()
        rarity = (np.log((1 + len(corpus)) / (1 + users[shared])) + 1).astype(np.float32)
        matrix = matrix[:, shared] @ sparse.diags(rarity)
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        matrix = (sparse.diags(1 / np.maximum(lengths, 1e-9)) @ matrix).tocsr().astype(np.float32)
        decomposed = TruncatedSVD(size, n_iter=4, random_state=SEED).fit(matrix)
        vectors = np.zeros((len(shared), DIMENSIONS), np.float32)
        vectors[:, :size] = decomposed.components_.T * rarity[:, None]
        names = list(corpus.words)
        known = {names[column]: vector for column, vector in zip(shared, vectors, strict=True)}
        # As long as a learned word is on average (all of them together have the length of the components), but rare.
        return cls(known, length=math.sqrt(size / len(shared)) * (math.log((1 + len(corpus)) / 2) + 1))

    def vector(self, word: str) -> np.ndarray:
        """The word's vector; one that was not learned has the same in every process and at any time."""
        found = self.known.get(word)
        if found is None:
            raw = np.frombuffer(blake2b(word.encode(), digest_size=DIMENSIONS).digest(), np.uint8)
            direction = raw.astype(np.float32) - 127.5
            found = self.known[word] = direction * np.float32(self.length / np.linalg.norm(direction))
        return found

    def vectors(self, corpus: Corpus) -> np.ndarray:
        """A row a document, of length 1; of length 0 where a document has no word."""
        if not corpus.words:
            return np.zeros((len(corpus), DIMENSIONS), np.float32)
        sums = corpus.matrix() @ np.stack([self.vector(word) for word in corpus.words])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return (sums / np.maximum(lengths, 1e-9)).astype(np.float32)
