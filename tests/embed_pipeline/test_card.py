"""The dataset card: a golden one, its YAML, and what of the outside never becomes markup."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from embed_pipeline.card import MARKER, card, size_category
from embed_pipeline.manifest import Manifest
from tests.support.rows import made_by

GOLDEN = Path(__file__).parent / "card.md"
COLUMNS = {
    "id": "string",
    "text": "string",
    "vector": "fixed_size_list<element: float not null>[8]",
    "model": "string",
    "token_count": "int32",
    "token_count_source": "string",
    "truncated": "bool",
    "year": "int64",
}
COUNTS: dict[str, Any] = {
    "documents": 1_240,
    "rows": 1_234,
    "failed": 4,
    "duplicates_dropped": 2,
    "tokens": 30_850,
    "rows_by_token_count_source": {"server": 34, "verified": 1_200},
    "rows_by_truncated": {"false": 1_200, "true": 34},
    "failed_by_blame_and_kind": {"document:EmptyText": 3, "server:ServerFault": 1},
}


def manifest(**changed: Any) -> Manifest:
    told: dict[str, Any] = {
        "run_id": "20260101T000000Z-abc123",
        "started": "2026-01-01T00:00:00.000+00:00",
        "finished": "2026-01-01T00:01:00.000+00:00",
        "provenance": {**made_by(), "embed_pipeline": "1.2.3"},
        "job": {"corpus": {"inputs": ["/secret/folder"]}, "output": {}},
        "columns": COLUMNS,
        "counts": COUNTS,
        "data": [],
        "failures": [],
    }
    return Manifest.model_validate({**told, **changed})


def made(**changed: Any) -> Manifest:
    return manifest(provenance={**made_by(), **changed})


def front_matter(text: str) -> dict[str, Any]:
    _, told, _ = re.split("^---$", text, maxsplit=2, flags=re.MULTILINE)
    found: dict[str, Any] = yaml.safe_load(told)
    return found


def prefixed() -> Manifest:
    return made(
        model="nomic-embed-text:v1.5",
        model_license="Apache-2.0",
        prefix="search_document: ",
        query_prefix="search_query: ",
        embed_pipeline="1.2.3",
    )


def test_the_card_of_a_small_dataset() -> None:
    assert card(prefixed()) == GOLDEN.read_text()


def test_a_dataset_without_rows_has_no_code_that_would_fail() -> None:
    job = {"output": {"path": "out"}}
    empty = manifest(job=job, counts={**COUNTS, "rows": 0})

    assert "import pyarrow" in card(manifest(job=job))
    assert "import pyarrow" not in card(empty)
    assert "There is no row, so there is nothing to load or to search." in card(empty)


def test_the_yaml_names_the_rows_alone() -> None:
    assert front_matter(card(manifest())) == {
        "pretty_name": "Embeddings by all-minilm",
        "task_categories": ["feature-extraction", "sentence-similarity"],
        "tags": ["embeddings", "all-minilm"],
        "size_categories": ["1K<n<10K"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/*.parquet"}],
                "description": "content e3b0c44298fc1c14",
            }
        ],
    }


def test_the_yaml_is_another_for_other_rows() -> None:
    def described(*digests: str) -> str:
        files = [{"path": "p", "rows": 1, "bytes": 1, "sha256": one} for one in digests]
        told: str = front_matter(card(manifest(data=files)))["configs"][0]["description"]
        return told

    assert described("ab", "cd") == "content 88d4266fd4e6338d"
    assert described("ab", "ce") == "content 84e73dc50f2be900"


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (9_999, "1K<n<10K"),
        (10_000, "10K<n<100K"),
        (999_999, "100K<n<1M"),
        (1_000_000, "1M<n<10M"),
        (10**9, "1B<n<10B"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
        (10**15, "n>1T"),
    ],
)
def test_the_size_is_said_in_the_hubs_words(rows: int, category: str) -> None:
    assert size_category(rows) == category


@pytest.mark.parametrize(
    "model", ["x: y", "- a\n- b", "---", "<script>", "a|b`c", "#", "hub.co/o/&x", "\u202e", "é"]
)
def test_a_strange_name_of_a_model_stays_a_name(model: str) -> None:
    text = card(made(model=model))
    assert front_matter(text)["pretty_name"] == f"Embeddings by {model}"
    body = text.split(MARKER)[1]
    assert len(re.findall(r"^\| ", body, re.MULTILINE)) == len(
        re.findall(r"^\| ", card(made(model="m")), re.MULTILINE)
    )
    assert "<script>" not in re.sub("`[^`]+`", "", re.sub("(?s)```.*?```", "", body))


def test_the_tag_is_the_models_name_without_registry_and_version() -> None:
    text = card(made(model="hf.co/owner/bge-m3-gguf:Q8_0"))
    assert front_matter(text)["tags"] == ["embeddings", "bge-m3-gguf"]


def test_a_strange_column_takes_one_row_of_its_table() -> None:
    strange = {"a|b": "string", "c`d\n| e": "double", "<i>f</i>": "bool"}
    rows = [
        line
        for line in card(manifest(columns={**COLUMNS, **strange})).splitlines()
        if line.endswith("| an attribute of the document |")
    ]
    assert rows == [
        "| `year` | `int64` | an attribute of the document |",
        r"| `a\|b` | `string` | an attribute of the document |",
        r"| ``c`d\n\| e`` | `double` | an attribute of the document |",
        "| `<i>f</i>` | `bool` | an attribute of the document |",
    ]


def test_no_address_and_no_path_is_told() -> None:
    text = card(made(endpoint="http://inner.example:11434"))
    assert "inner.example" not in text
    assert "/secret/folder" not in text


def test_columns_are_told_by_the_names_they_have() -> None:
    names = {"columns": {"vector": "embedding"}, "text": "hash"}
    columns = {("embedding" if key == "vector" else key): COLUMNS[key] for key in COLUMNS}
    text = card(manifest(job={"corpus": {}, "output": names}, columns=columns))
    assert "| `embedding` | `fixed_size_list<element: float not null>[8]` | its vector |" in text
    assert "| `text` | `string` | the sha256 of its text, in place of it |" in text
    assert 'rows["embedding"]' in text


def test_attributes_that_nobody_declared_are_one_column() -> None:
    columns = {**COLUMNS, "attributes": "string"}
    text = card(manifest(job={}, columns=columns))
    assert "| `attributes` | `string` | the document's attributes, as a JSON object |" in text


def test_pieces_are_told_from_documents() -> None:
    counts = {**COUNTS, "chunked_documents": 12}
    columns = {**COLUMNS, "document_id": "string", "chunk_index": "int64"}
    found = manifest(
        provenance={**made_by(), "on_too_long": "chunk"}, counts=counts, columns=columns
    )
    text = card(found)
    documents = "12, split into 1,240 pieces; the other counts are of pieces"
    assert f"| documents | {documents} |" in text
    assert "| longer texts are | split; each row is a piece |" in text
    assert "| `document_id` | `string` | the document a piece is of |" in text


def test_an_attribute_that_is_called_like_a_piece_s_is_an_attribute() -> None:
    text = card(manifest(columns={**COLUMNS, "document_id": "string"}))
    assert "| `document_id` | `string` | an attribute of the document |" in text


def test_a_snapshot_and_what_was_tried_again_are_told() -> None:
    times = {"started": "2026-01-02T00:00:00+00:00", "finished": "2026-01-02T01:00:00+00:00"}
    refresh = {"run_id": "n", "snapshot": 7, "base": 6, "published": True, "rows": 1, "failed": 0}
    retried = {
        "run_id": "r",
        "tried": 5,
        "succeeded": 3,
        "endpoint": "e",
        "endpoint_version": "",
        "embed_pipeline": "1",
    }
    text = card(manifest(refresh={**refresh, **times}, retried=[{**retried, **times}]))
    assert "| snapshot | 7 |" in text
    assert "| failures tried again | 3 of 5, 2026-01-02T01:00:00+00:00 |" in text


def test_engines_that_were_mixed_are_told() -> None:
    text = card(made(accepted_engine_changes=["2026-01-02: the digest was a, is b"]))
    assert "| engine | `2026-01-02: the digest was a, is b` |" in text


def test_what_the_manifest_does_not_tell_is_not_known() -> None:
    text = card(manifest(provenance={}, columns={"a": "int64"}))
    assert "| its digest | not known |" in text
    assert "| its license | not known |" in text
    assert "### pyarrow" not in text


@pytest.mark.parametrize("name", ["all-minilm", "ALL-MINILM:22m"])
def test_the_default_model_is_said_to_be_for_english(name: str) -> None:
    text = card(made(model=name))
    assert "trained on English texts" in text
    assert "It reads 256 tokens, about 190 English words." in text


def test_vectors_cut_as_asked_are_told() -> None:
    text = card(made(dimensions_asked=8))
    assert "| dimension | 8, cut to that as asked |" in text


def test_a_dataset_without_rows_has_a_card() -> None:
    counts = {**COUNTS, "rows": 0, "rows_by_truncated": {"true": 0}}
    assert "| rows truncated | 0 (0.0 %) |" in card(manifest(counts=counts))
