"""The vectors are those a server of one's own computes: its printed values and token counts."""

import httpx
import numpy as np
import pytest

SKY = [
    0.010071029, -0.0017594862, 0.05007221, 0.04692972, 0.054916814,
    0.008599704, 0.105441414, -0.025878139, 0.12958129, 0.031952348,
]  # fmt: skip
GRASS = [
    -0.0098027075, 0.06042469, 0.025257962, -0.006364387, 0.07272725,
    0.017194884, 0.09032035, -0.051705178, 0.09951512, 0.09072481,
]  # fmt: skip


def embed(http: httpx.Client, given: str | list[str], **fields: object) -> dict[str, object]:
    answer = http.post("/api/embed", json={"model": "all-minilm", "input": given, **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("text", "values"), [("Why is the sky blue?", SKY), ("Why is the grass green?", GRASS)]
)
def test_vectors_begin_with_the_reference_values(
    http: httpx.Client, text: str, values: list[float]
) -> None:
    answer = embed(http, text)
    assert answer["prompt_eval_count"] == 8
    np.testing.assert_allclose(np.array(answer["embeddings"])[0, :10], values, rtol=0, atol=1e-6)


def test_two_texts_count_sixteen_tokens(http: httpx.Client) -> None:
    answer = embed(http, ["Why is the sky blue?", "Why is the grass green?"])
    assert answer["prompt_eval_count"] == 16
    vectors = np.array(answer["embeddings"])
    np.testing.assert_allclose(vectors[:, :10], [SKY, GRASS], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("café naïve résumé", 5),
        ("Việt Nam", 4),
        ("май", 5),
        ("नमस्ते", 6),
        ("안녕하세요", 14),
        ("你好，世界。", 8),
        ("a+b=c $5 ~x", 11),
        ("https://example.com/a?b=c&d=e#f", 21),
        ("[CLS] hello [SEP]", 5),
        ("[UNK]", 3),
        ("x" * 101, 3),
        (" ", 2),
        ("\x00", 2),
        ("a\N{ZERO WIDTH SPACE}b", 3),
    ],
)
def test_tokens_are_those_of_the_models_own_tokenizer(
    http: httpx.Client, text: str, tokens: int
) -> None:
    assert embed(http, [text])["prompt_eval_count"] == tokens


def test_a_batch_gives_what_single_requests_give_in_input_order(http: httpx.Client) -> None:
    texts = [("word " * (1 + 37 * n % 90)).strip() + f" {n}" for n in range(40)]
    batch = np.array(embed(http, texts)["embeddings"])
    single = np.concatenate([np.array(embed(http, text)["embeddings"]) for text in texts])
    np.testing.assert_allclose(batch, single, rtol=0, atol=1e-6)
    np.testing.assert_array_equal((batch @ single.T).argmax(axis=1), np.arange(40))


def test_all_vectors_have_unit_length(http: httpx.Client) -> None:
    vectors = np.array(embed(http, ["", "a", "word " * 400])["embeddings"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_dimensions_keeps_the_head_and_renormalizes(http: httpx.Client) -> None:
    whole = np.array(embed(http, "a")["embeddings"])[0]
    head = np.array(embed(http, "a", dimensions=100)["embeddings"])[0]
    np.testing.assert_allclose(head, whole[:100] / np.linalg.norm(whole[:100]), rtol=0, atol=1e-7)


@pytest.mark.parametrize("dimensions", [0, -1, 384, 1000, None])
def test_dimensions_that_cut_nothing_are_ignored(
    http: httpx.Client, dimensions: int | None
) -> None:
    answer = embed(http, "a", dimensions=dimensions)
    assert np.array(answer["embeddings"]).shape == (1, 384)


def test_a_single_dimension_is_plus_or_minus_one(http: httpx.Client) -> None:
    assert embed(http, "a", dimensions=1)["embeddings"] == [[-1.0]]
