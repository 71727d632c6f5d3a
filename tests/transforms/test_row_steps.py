"""Steps between Rows: what goes on as records, what becomes of failures, what is refused."""

import json
from pathlib import Path

import apache_beam as beam
import pyarrow.dataset
import pytest

from embed_pipeline.corpus import Corpus
from embed_pipeline.errors import ConfigError
from embed_pipeline.manifest import read_manifest
from embed_pipeline.transforms import rows
from embed_pipeline.transforms.row_steps import ReadRows
from tests.support import beam_yaml
from tests.support.scripted import ScriptedEndpoint, tokens_of, vector_of

LINES = '{"id": "1", "text": "one", "year": 2024}\n{"id": "2", "text": "", "year": null}\n{"id":\n'
WORDS = ["[UNK]", "one", "two", "three", "four", "[CLS]", "[SEP]"]
CREATE = """
- {type: Create, config: {elements: [{key: 1, body: one, n: 1.5}, {key: 2, body: "", n: 2.5}]}}
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "docs.jsonl"
    path.write_text(LINES)
    return path


def asked(endpoint: ScriptedEndpoint, more: str = "") -> str:
    return f"url: '{endpoint.url}', model: all-minilm, tokens: {{recount: 0}}{more}"


def written(path: Path) -> list[dict[str, object]]:
    """Return the rows WriteToJson wrote."""
    texts = [file.read_text() for file in path.parent.glob(f"{path.name}-*")]
    return sorted((json.loads(line) for text in texts for line in text.splitlines()), key=str)


def test_a_corpus_is_rows_with_typed_columns(corpus: Path) -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    outputs = pipeline | ReadRows(Corpus(files=str(corpus)), "bad")
    assert rows.fields(outputs["good"], "x") == {
        "id": str,
        "text": str,
        "year": rows.PYTHON_TYPES["int64"],
    }
    assert rows.fields(outputs["bad"], "x")["element"] == rows.ELEMENT


def test_other_steps_work_on_vectors_and_failures(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    beam_yaml.run(
        CREATE
        + f"""
        - {{type: EmbedText, input: Create, config: {{{asked(endpoint)}, id: key, text: body, error_handling: {{output: bad}}}}}}
        - {{type: MapToFields, input: EmbedText, config: {{language: python, fields: {{id: id, twice: n * 2, last: "vector[-1]", count: token_count}}}}}}
        - {{type: WriteToJson, name: Good, input: MapToFields, config: {{path: {tmp_path}/good}}}}
        - {{type: StripErrorMetadata, input: EmbedText.bad}}
        - {{type: WriteToJson, name: Bad, input: StripErrorMetadata, config: {{path: {tmp_path}/bad}}}}
        """,  # noqa: E501 (a step a line)
        "composite",
    )
    last = pytest.approx(float(vector_of("one")[-1]), abs=1e-6)
    assert written(tmp_path / "good") == [
        {"id": "1", "twice": 3.0, "last": last, "count": tokens_of("one")}
    ]
    assert written(tmp_path / "bad") == [{"id": "2", "text": "", "attributes": '{"n":2.5}'}]


def test_between_our_steps_documents_keep_their_place_in_the_corpus(
    endpoint: ScriptedEndpoint, corpus: Path, tmp_path: Path
) -> None:
    beam_yaml.run(
        f"""
        - {{type: ReadCorpus, config: {{files: "{corpus}", error_handling: {{output: bad}}}}}}
        - {{type: EmbedText, input: ReadCorpus, config: {{{asked(endpoint)}, error_handling: {{output: bad}}}}}}
        - {{type: MapToFields, input: [ReadCorpus.bad, EmbedText.bad], config: {{language: python, fields: {{stage: stage, kind: kind, source: source, line: line, stack: stack}}}}}}
        - {{type: WriteToJson, input: MapToFields, config: {{path: {tmp_path}/bad}}}}
        """,  # noqa: E501
        "composite",
    )
    assert [tuple(row.values()) for row in written(tmp_path / "bad")] == [
        ("embed", "EmptyText", str(corpus), 2, f"EmptyText (embed, {corpus}:2)"),
        ("read", "UnreadableLine", str(corpus), 3, f"UnreadableLine (read, {corpus}:3)"),
    ]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (
            "- {type: ReadCorpus, config: {files: '%s', id: year, attributes: []}}",
            r"no field 'year' with an id.*\[MissingField\].*error_handling.*at ReadCorpus",
        ),
        (CREATE, r"document '2': the text is empty.*\[EmptyText\].*error_handling.*at EmbedText"),
        (
            CREATE.replace('""', "null"),
            r"an element's text is null.*\[MissingField\].*error_handling.*at EmbedText",
        ),
    ],
)
def test_a_failure_without_an_output_ends_the_job(
    endpoint: ScriptedEndpoint, corpus: Path, first: str, message: str
) -> None:
    names = ", id: key, text: body" if "Create" in first else ""
    steps = f"{first.replace('%s', str(corpus))}\n- {{type: EmbedText, config: {{{asked(endpoint, names)}}}}}"  # noqa: E501
    with pytest.raises(Exception, match=message):
        beam_yaml.run("\n".join(line for line in steps.splitlines() if line.strip()))


def test_documents_are_split_before_they_are_embedded(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.vocabulary = WORDS
    same = f"url: '{endpoint.url}', model: all-minilm, tokens: {{recount: 0, on_too_long: chunk}}"
    beam_yaml.run(
        f"""
        - {{type: Create, config: {{elements: [{{id: a, text: one two three four}}]}}}}
        - {{type: ChunkText, config: {{{same}, max_tokens: 4}}}}
        - {{type: EmbedText, config: {{{same}}}}}
        - {{type: WriteToJson, config: {{path: {tmp_path}/rows}}}}
        """
    )
    found = written(tmp_path / "rows")
    assert [(row["id"], row["chunk_start"], row["chunk_end"]) for row in found] == [
        ("a#0", 0, 8),
        ("a#1", 8, 18),
    ]


def test_what_cannot_be_split_is_a_failure_of_the_dataset(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.vocabulary = WORDS
    same = f"url: '{endpoint.url}', model: all-minilm, tokens: {{recount: 0, on_too_long: chunk}}, error_handling: {{output: bad}}"  # noqa: E501
    elements = '[{id: a, text: one}, {id: b, text: ""}, {id: c, text: "o\\0"}]'
    beam_yaml.run(
        f"""
        - {{type: Create, config: {{elements: {elements}}}}}
        - {{type: ChunkText, input: Create, config: {{{same}}}}}
        - {{type: Filter, input: ChunkText, config: {{language: python, keep: chunk_index < 9}}}}
        - {{type: EmbedText, input: Filter, config: {{{same}}}}}
        - {{type: WriteDataset, input: {{rows: EmbedText, bad: EmbedText.bad, worse: ChunkText.bad}}, config: {{path: {tmp_path}/out}}}}
        """,  # noqa: E501
        "composite",
    )
    counts = read_manifest(f"{tmp_path}/out").counts
    assert (counts.documents, counts.rows, counts.failed) == (3, 1, 2)
    failed = pyarrow.dataset.dataset(tmp_path / "out" / "failures").to_table().to_pylist()
    assert sorted((one["id"], one["stage"], one["kind"]) for one in failed) == [
        ("b", "chunk", "EmptyText"),
        ("c", "chunk", "BadCharacter"),
    ]


def test_a_number_that_is_nan_becomes_null(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    elements = "[{id: a, text: one, x: .nan}, {id: b, text: two, x: 0.5}]"
    beam_yaml.run(
        f"""
        - {{type: Create, config: {{elements: {elements}, reshuffle: true}}}}
        - {{type: EmbedText, config: {{{asked(endpoint)}}}}}
        - {{type: MapToFields, config: {{fields: {{id: id, x: x}}}}}}
        - {{type: WriteToJson, config: {{path: {tmp_path}/rows}}}}
        """
    )
    assert [(one["id"], one["x"]) for one in written(tmp_path / "rows")] == [
        ("a", None),
        ("b", 0.5),
    ]


def test_splitting_is_not_the_embed_steps(endpoint: ScriptedEndpoint) -> None:
    step = f"- {{type: EmbedText, config: {{{asked(endpoint)}, on_too_long: chunk, id: key, text: body}}}}"  # noqa: E501
    with pytest.raises(ValueError, match="on_too_long is chunk, which is the step ChunkText's"):
        beam_yaml.build(CREATE.strip() + "\n" + step)


def test_an_attribute_named_id_beside_another_id_is_refused(corpus: Path) -> None:
    with pytest.raises(ConfigError, match=r"ReadCorpus: .*: id; .*attributes: \[-id\]"):
        ReadRows(Corpus(files=str(corpus), id="year"), None)
