"""Answers: believed only if they are what was asked for."""

import json
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline import answer
from embed_pipeline.errors import VectorNotFinite, WrongAnswer
from tests.support.scripted import embedded, vector_of

REQUEST = "POST http://host/api/embed"


def body(vectors: object, **fields: object) -> bytes:
    return json.dumps({"model": "m", "embeddings": vectors, **fields}).encode()


def test_a_good_answer_is_one_float32_array_with_the_servers_counts() -> None:
    found = answer.parse(
        body(
            [[0.6, 0.8], [-0.8, 0.6]],
            total_duration=340155710,
            load_duration=16631793,
            prompt_eval_count=16,
        ),
        2,
        None,
        REQUEST,
    )
    assert found.vectors.dtype == np.float32
    assert found.vectors.tolist() == np.array([[0.6, 0.8], [-0.8, 0.6]], np.float32).tolist()
    assert found[1:] == (16, 340155710, 16631793)


def test_counts_that_are_not_said_are_none_and_zero() -> None:
    assert answer.parse(body([[1.0]]), 1, None, REQUEST)[1:] == (None, 0, 0)


def test_integers_among_the_floats_are_values() -> None:
    found = answer.parse(body([[0, 1, 0.0], [-1, 0, 0]]), 2, None, REQUEST)
    assert found.vectors.tolist() == [[0, 1, 0], [-1, 0, 0]]


def test_values_in_scientific_form_are_read() -> None:
    found = answer.parse(b'{"embeddings":[[1e0,-7.22e-33]]}', 1, None, REQUEST)
    assert found.vectors.tolist() == np.array([[1, -7.22e-33]], np.float32).tolist()


def test_a_norm_within_a_thousandth_is_believed() -> None:
    assert answer.parse(body([[1.0009]]), 1, None, REQUEST).vectors.shape == (1, 1)


@pytest.mark.parametrize(
    ("vectors", "texts", "dimension", "message"),
    [
        ([[1.0]], 2, None, "1 vectors came back for 2 texts"),
        ([[1.0], [1.0], [1.0]], 2, None, "3 vectors came back for 2 texts"),
        ([], 1, None, "0 vectors came back for 1 texts"),
        ([[0.6, 0.8], [1.0]], 2, None, "a vector of 1 values came back where 2 were expected"),
        ([[0.6, 0.8]], 1, 3, "a vector of 2 values came back where 3 were expected"),
        ([[0.0, 0.0]], 1, None, "vector 0 of the request has the norm 0, not 1"),
        ([[1.0, 0], [3.0, 4.0]], 2, None, "vector 1 of the request has the norm 5, not 1"),
        ([[1.002]], 1, None, "has the norm 1.002, not 1"),
        ([[]], 1, None, "has the norm 0, not 1"),
    ],
)
def test_vectors_other_than_asked_for_are_refused(
    vectors: object, texts: int, dimension: int | None, message: str
) -> None:
    with pytest.raises(WrongAnswer) as caught:
        answer.parse(body(vectors), texts, dimension, REQUEST)
    assert str(caught.value) == f"{REQUEST}: {message}" or message in str(caught.value)
    assert caught.value.status == 200


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "null", "nan"])
def test_a_value_that_is_not_finite_is_refused(value: str) -> None:
    with pytest.raises(VectorNotFinite, match="NaN, infinity or null"):
        answer.parse(b'{"embeddings":[[0.6,%s]]}' % value.encode(), 1, None, REQUEST)


def test_a_value_beyond_float32_is_refused() -> None:
    with pytest.raises(VectorNotFinite, match="vector 0 of the request is not finite"):
        answer.parse(body([[1e300, 0.0]]), 1, None, REQUEST)


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"<html><script>let a = null, b = [NaN, null]</script></html>",
        b"null",
        b"3",
        b"[1]",
        b"{}",
        b'{"embeddings":null}',
        b'{"embeddings":"text"}',
        b'{"embeddings":{"a":[1]}}',
        b'{"embeddings":[1.0]}',
        b'{"embeddings":[["1.0"]]}',
        b'{"embeddings":[[true]]}',
        b'{"embeddings":[[1.0]]',
        b'{"embeddings":[[1.0]],"prompt_eval_count":"many"}',
        b'{"error":"out of order"}',
        b"\xff\xfe",
    ],
)
def test_another_shape_than_vectors_is_a_wrong_answer(found: bytes) -> None:
    with pytest.raises(WrongAnswer, match="is a proxy or another server answering there"):
        answer.parse(found, 1, None, REQUEST)


@pytest.mark.parametrize(
    "wrong",
    [b"{}", b'{"embeddings":[[3.0,4.0]]}', b'{"embeddings":[["a"]]}', b'{"embeddings":[[null]]}'],
)
def test_after_a_wrong_answer_whose_error_is_kept_the_next_one_is_read(wrong: bytes) -> None:
    with pytest.raises((WrongAnswer, VectorNotFinite)) as kept:
        answer.parse(wrong, 1, None, REQUEST)
    assert answer.parse(body([[1.0]]), 1, None, REQUEST).vectors.shape == (1, 1)
    assert kept.value.status == 200


def test_threads_parse_at_the_same_time() -> None:
    texts = [f"text {number}" for number in range(50)]
    found = embedded(texts).body
    expected = np.stack([vector_of(text) for text in texts]).tobytes()
    same: list[bool] = []

    def parse_often() -> None:
        parsed = (answer.parse(found, 50, 8, REQUEST) for _ in range(50))
        same.extend(each.vectors.tobytes() == expected for each in parsed)

    threads = [threading.Thread(target=parse_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 200


@given(st.binary(max_size=80) | st.text(alphabet='{}[]":,.0123456789-eNanull ').map(str.encode))
def test_no_body_is_answered_with_anything_but_an_answer_or_an_error_of_ours(found: bytes) -> None:
    try:
        answer.parse(found, 1, None, REQUEST)
    except (WrongAnswer, VectorNotFinite) as error:
        assert str(error).startswith(REQUEST)  # noqa: PT017 (success is allowed)


# Vectors of different texts


def vectors(*texts: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.stack([vector_of(text) for text in texts])


def test_one_vector_for_different_texts_is_a_wrong_answer() -> None:
    with pytest.raises(WrongAnswer, match=f"{REQUEST}: one vector came back for 3 texts"):
        answer.check_distinct(vectors("a", "a", "a"), ["a", "b", "c"], REQUEST)


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (["a", "b", "a"], ["a", "b", "c"]),
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a", "a", "a"], ["a", "a", "a"]),
        (["a"], ["b"]),
    ],
)
def test_one_vector_is_believed_where_not_all_are_the_same_or_all_texts_are(
    read: list[str], texts: list[str]
) -> None:
    answer.check_distinct(vectors(*read), texts, REQUEST)


def test_vectors_of_two_values_may_be_the_same_by_chance() -> None:
    answer.check_distinct(np.array([[0.6, 0.8]] * 2, np.float32), ["a", "b"], REQUEST)
