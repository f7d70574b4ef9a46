"""Words of items, and the vectors that they add up to."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.models.word_vectors import DIMENSIONS, Corpus, WordVectors
from recsys.models.words import item_words, text_words, words

TEA = [item_words(title=f"green tea {word}", category_id="food", price=5) for word in ("leaf", "bag", "tin", "box")]
SHOES = [
    item_words(title=f"running shoe {word}", category_id="sport", price=90) for word in ("red", "blue", "tin", "fast")
]


def cosines(model: WordVectors, one: dict[str, float], others: list[dict[str, float]]) -> np.ndarray:
    vectors = model.vectors(Corpus([one, *others]))
    return vectors[1:] @ vectors[0]


def test_items_of_a_kind_are_near_and_others_far() -> None:
    model = WordVectors.fit(Corpus(TEA + SHOES))
    assert cosines(model, TEA[0], TEA[1:]).min() > cosines(model, TEA[0], SHOES).max() + 0.2


def test_a_word_that_was_not_learned_still_binds_what_shares_it() -> None:
    model = WordVectors.fit(Corpus(TEA + SHOES))
    one, other = item_words(title="zorbli gadget"), item_words(title="the zorbli")
    assert cosines(model, one, [other])[0] > 0.4
    assert abs(cosines(model, one, TEA)).max() < 0.4


def test_a_new_word_has_one_vector_in_every_process() -> None:
    program = "from recsys.models.word_vectors import WordVectors; print(WordVectors().vector('zorbli').tolist())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(WordVectors().vector("zorbli").tolist())


def test_too_little_to_learn_from_is_no_failure() -> None:
    for documents in ([], [{}], [{"a": 1.0}], [{"a": 1.0}, {"a": 1.0}]):
        vectors = WordVectors.fit(Corpus(documents)).vectors(Corpus(documents))
        assert vectors.shape == (len(documents), DIMENSIONS)
        assert np.isfinite(vectors).all()


def test_a_category_and_a_price_alone_are_not_enough() -> None:
    assert item_words(category_id="food", category_title="Food", price=3.0) == {}
    known = item_words(title="Tea", category_id="food", attributes='{"colour": "green", "grams": 100}')
    assert known.keys() == {"tea", "category=food", "colour=green", "green", "grams~13"}
    near = item_words(title="Tea", attributes={"grams": 105.0})
    assert "grams~13" in near


def test_a_title_says_more_than_a_description() -> None:
    known = item_words(title="tea", description="tea tea mug")
    assert known["tea"] > 2 * known["mug"]


@given(st.text(max_size=300))
def test_any_text_has_words_that_postgres_can_index(text: str) -> None:
    for word in words(text):
        assert len(word) <= 64
        assert "\0" not in word
    length = float(np.linalg.norm(WordVectors().vectors(Corpus([text_words(text)]))))
    assert abs(length - (1 if words(text) else 0)) < 1e-5
