"""The chunk step in a pipeline: order, windows, failures, and what stops it at the start."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline, test_stream
from apache_beam.transforms.window import (
    FixedWindows,
    GlobalWindows,
    IntervalWindow,
    TimestampedValue,
)

from embed_pipeline import interrupt
from embed_pipeline.chunking import Chunking
from embed_pipeline.corpus import Corpus
from embed_pipeline.embedded.weights import fetch, locate
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import ConfigError
from embed_pipeline.records import Document, Failed
from embed_pipeline.tokens import Tokens
from embed_pipeline.transforms.chunk import ChunkResult, ChunkText
from embed_pipeline.transforms.embed import EmbedText
from embed_pipeline.transforms.read import ReadCorpus
from tests.support.collecting import Collect, Seen, seen
from tests.support.scripted import ScriptedEndpoint
from tests.support.tokenizing import wordpiece

WORDS = "one two three four five six seven eight nine ten "


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(tokenizer=str((locate() or fetch()).tokenizer), on_too_long="chunk", recount=0)


@pytest.fixture(autouse=True)
def _real_counts(endpoint: ScriptedEndpoint) -> None:
    endpoint.counts = lambda text: wordpiece().count([text])[0]
    endpoint.context = endpoint.told_context = 12


def how(endpoint: ScriptedEndpoint, tokens: Tokens) -> tuple[Endpoint, Batching, Retry, Tokens]:
    settings = Endpoint(url=endpoint.url, model="all-minilm")
    return (settings, Batching(), Retry(attempts=1), tokens)


def run(
    folder: Path,
    elements: Iterable[Any],
    step: ChunkText,
    window: Callable[[Any], Any] | None = None,
    options: PipelineOptions | None = None,
) -> dict[str, list[Seen]]:
    """Run a step and return what came out of each of its outputs."""
    with test_pipeline.TestPipeline("FnApiRunner", options=options) as pipeline:
        documents = pipeline | beam.Create(list(elements), reshuffle=False)
        collect(folder, (window(documents) if window else documents) | step)
    return collected(folder)


def collect(folder: Path, result: ChunkResult) -> None:
    for name, output in result._asdict().items():
        output | f"Collect {name}" >> beam.ParDo(Collect(folder / name))


def collected(folder: Path) -> dict[str, list[Seen]]:
    return {name: seen(folder / name) for name in ChunkResult._fields}


def values(found: Iterable[Seen]) -> list[Any]:
    return [each.value for each in found]


def test_pieces_come_in_the_order_of_the_documents_and_every_document_is_counted(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    documents = [Document(f"d{number}", WORDS * 2) for number in range(70)]

    found = run(tmp_path, documents, ChunkText(*how(endpoint, tokens)))

    pieces = values(found["documents"])
    assert [piece.id for piece in pieces] == [
        f"d{n}#{piece}" for n in range(70) for piece in (0, 1)
    ]
    assert {piece.text for piece in pieces} == {WORDS}
    assert pieces[1].attributes == {
        "document_id": "d0",
        "chunk_index": 1,
        "chunk_start": len(WORDS),
        "chunk_end": 2 * len(WORDS),
    }
    assert sum(values(found["received"])) == 70
    assert found["failed"] == []


def test_pieces_of_a_stream_have_their_documents_windows_and_timestamps_even_late_ones(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    stream = (
        test_stream.TestStream()
        .advance_watermark_to(0)
        .add_elements([TimestampedValue(Document("a", WORDS * 2), 2.5)])
        .advance_watermark_to(20)
        .add_elements(
            [
                TimestampedValue(Document("b", WORDS), 21),
                TimestampedValue(Document("late", WORDS), 3),
                TimestampedValue(7, 14),
            ]
        )
        .advance_watermark_to_infinity()
    )
    with test_pipeline.TestPipeline("BundleBasedDirectRunner") as pipeline:
        collect(
            tmp_path,
            pipeline
            | stream
            | beam.WindowInto(FixedWindows(10), allowed_lateness=100)
            | ChunkText(*how(endpoint, tokens)),
        )
    found = collected(tmp_path)
    first, second, third = (IntervalWindow(start, start + 10) for start in (0, 10, 20))
    assert {(e.value.id, e.timestamp, e.window) for e in found["documents"]} == {
        ("a#0", 2.5, first),
        ("a#1", 2.5, first),
        ("b#0", 21, third),
        ("late#0", 3, first),
    }
    assert [(e.value.kind, e.timestamp, e.window) for e in found["failed"]] == [
        ("WrongType", 14, second)
    ]
    assert sum(values(found["received"])) == 4


def test_pieces_are_bounded_and_overlap_as_the_settings_say(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    step = ChunkText(*how(endpoint, tokens), Chunking(max_tokens=7, overlap=2))

    found = run(tmp_path, [Document("d", WORDS)], step)

    assert [piece.text for piece in values(found["documents"])] == [
        "one two three four five ",
        "four five six seven eight ",
        "seven eight nine ten ",
    ]


def test_strings_mappings_and_rows_are_documents(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    elements = ["one", {"id": 7, "text": "two", "year": 1999}, beam.Row(id="8", text="three")]

    found = run(tmp_path, elements, ChunkText(*how(endpoint, tokens)))

    pieces = values(found["documents"])
    assert [piece.text for piece in pieces] == ["one", "two", "three"]
    assert [piece.id for piece in pieces[1:]] == ["7#0", "8#0"]
    assert pieces[1].attributes["year"] == 1999


def test_windows_and_timestamps_are_each_documents_own(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    elements = [
        Document("0", WORDS * 2),
        Document("1", "one", {"chunk_index": 1}),
        Document("2", "two"),
    ]

    def window(documents: Any) -> Any:
        return (
            documents
            | beam.Map(lambda document: TimestampedValue(document, 7 * int(document.id)))
            | beam.WindowInto(FixedWindows(10))
        )

    found = run(tmp_path, elements, ChunkText(*how(endpoint, tokens)), window)

    assert [(e.value.id, e.timestamp, e.window) for e in found["documents"]] == [
        ("0#0", 0, IntervalWindow(0, 10)),
        ("0#1", 0, IntervalWindow(0, 10)),
        ("2#0", 14, IntervalWindow(10, 20)),
    ]
    assert [(e.value.id, e.timestamp, e.window) for e in found["failed"]] == [
        ("1", 7, IntervalWindow(0, 10))
    ]
    assert values(found["received"]) == [3]


def test_what_is_no_document_fails_with_the_stage_and_is_counted(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    found = run(tmp_path, [{"id": 1}, 7, "one"], ChunkText(*how(endpoint, tokens)))

    failed: list[Failed] = values(found["failed"])
    assert [(one.kind, one.stage) for one in failed] == [
        ("MissingField", "chunk"),
        ("WrongType", "chunk"),
    ]
    assert values(found["received"]) == [3]


def test_what_could_not_be_read_is_passed_on(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "text": "one"}\nbad\n')

    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        read = pipeline | ReadCorpus(Corpus(files=str(path)))
        collect(tmp_path, read | ChunkText(*how(endpoint, tokens)))

    found = collected(tmp_path)
    assert [piece.id for piece in values(found["documents"])] == ["1#0"]
    assert [(one.kind, one.stage, one.line) for one in values(found["failed"])] == [
        ("UnreadableLine", "read", 2)
    ]


def test_pieces_are_embedded_and_none_is_cut(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    settings = how(endpoint, tokens.model_copy(update={"prefix": "a b "}))
    elements = [Document("long", WORDS * 5), Document("empty", " "), Document("short", "one")]

    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        pieces = pipeline | beam.Create(elements, reshuffle=False) | ChunkText(*settings)
        result = pieces | EmbedText(*settings)
        for name in ("embedded", "failed"):
            getattr(result, name) | f"Collect {name}" >> beam.ParDo(Collect(tmp_path / name))

    rows = values(seen(tmp_path / "embedded"))
    assert "".join(row.text for row in rows) == WORDS * 5 + "one"
    assert {row.truncated for row in rows} == {False}
    assert max(row.token_count for row in rows) == 12
    assert [(one.id, one.stage) for one in values(seen(tmp_path / "failed"))] == [
        ("empty", "embed")
    ]


def test_without_a_tokenizer_the_job_fails_with_the_cure(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=r"set tokens\.tokenizer to the tokenizer\.json"):
        run(tmp_path, ["one"], ChunkText(*how(endpoint, Tokens(on_too_long="chunk"))))


def test_pieces_larger_than_the_context_fail_the_job_with_both_numbers(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    step = ChunkText(*how(endpoint, tokens), Chunking(max_tokens=13))
    with pytest.raises(Exception, match="max_tokens is 13, and the model reads 12"):
        run(tmp_path, ["one"], step)


def test_a_step_that_cannot_split_gives_its_connections_back(
    endpoint: ScriptedEndpoint, tokens: Tokens
) -> None:
    settings = how(endpoint, tokens)
    dofn = dofn_of(ChunkText(*settings, Chunking(max_tokens=13)))

    dofn.setup()
    dofn.start_bundle()
    assert list(dofn.process("one", GlobalWindows.windowed_value("one"))) == []
    with pytest.raises(ConfigError):
        list(dofn.finish_bundle())
    dofn.teardown()

    again = dofn_of(ChunkText(*settings))
    again.setup()
    again.start_bundle()
    list(again.process("one", GlobalWindows.windowed_value("one")))
    pieces = [one.value for one in again.finish_bundle() if isinstance(one.value, Document)]
    assert [one.text for one in pieces] == ["one"]
    again.teardown()
    assert endpoint.loads == 2  # the first embedder was closed, or it would know the limits


def dofn_of(step: ChunkText) -> Any:
    """Return the DoFn of a step, as a worker gets it."""
    pipeline = beam.Pipeline()
    result = pipeline | beam.Create(["one"]) | step
    return pickler.loads(pickler.dumps(result.documents.producer.transform.fn))


def test_several_threads_of_workers_lose_nothing(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    options = PipelineOptions(["--direct_running_mode=multi_threading", "--direct_num_workers=3"])
    documents = [Document(f"d{number}", WORDS * 2) for number in range(60)]

    found = run(
        tmp_path,
        documents,
        ChunkText(*how(endpoint, tokens)),
        lambda made: made | beam.Reshuffle(),
        options,
    )

    assert sum(values(found["received"])) == 60
    assert sorted(piece.id for piece in values(found["documents"])) == sorted(
        f"d{number}#{piece}" for number in range(60) for piece in (0, 1)
    )
    assert not [each for each in threading.enumerate() if each.name.startswith("embed_")]


def test_once_a_stop_is_asked_for_no_further_piece_is_passed_on(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    def stop_at(document: Document) -> Document:
        interrupt.request_stop(15)
        return document

    def stop(documents: Any) -> Any:
        return documents | beam.Map(stop_at)

    step = ChunkText(*how(endpoint, tokens))
    found = run(tmp_path, [Document("d", WORDS * 20)], step, stop)
    assert found["documents"] == []


def test_after_a_stop_before_the_start_nothing_is_asked_or_passed_on(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    interrupt.request_stop(15)
    found = run(tmp_path, [Document("d", WORDS)], ChunkText(*how(endpoint, tokens)))
    assert (found["documents"], endpoint.exchanges) == ([], [])


def test_without_documents_nothing_is_asked(
    endpoint: ScriptedEndpoint, tokens: Tokens, tmp_path: Path
) -> None:
    found = run(tmp_path, [], ChunkText(*how(endpoint, tokens)))
    assert (found["documents"], endpoint.exchanges) == ([], [])
