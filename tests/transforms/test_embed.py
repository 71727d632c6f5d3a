"""The embed step in a pipeline: order, windows, bounds, failures, metrics."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult
from apache_beam.testing import test_pipeline, test_stream
from apache_beam.transforms.window import (
    FixedWindows,
    GlobalWindow,
    IntervalWindow,
    SlidingWindows,
    TimestampedValue,
)

from embed_pipeline.endpoint import Auth, Batching, Endpoint, Retry
from embed_pipeline.errors import ConfigError
from embed_pipeline.probes import PROBES
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.tokens import Tokens
from embed_pipeline.transforms.chunk import ChunkResult
from embed_pipeline.transforms.embed import EmbedDoFn, EmbedText
from embed_pipeline.transforms.metrics import NAMESPACE
from embed_pipeline.transforms.read import ReadResult
from tests.support.collecting import Collect, seen
from tests.support.scripted import (
    DIGEST,
    WORDS,
    Reply,
    ScriptedEndpoint,
    Together,
    error,
    tokens_of,
    vector_of,
)

ONCE = Retry(attempts=1)
PLAIN = Tokens(on_too_long="fail", recount=0)  # nothing is sent but what the documents need
TOO_LONG = "the input length exceeds the context length"


def settings(endpoint: ScriptedEndpoint, **values: Any) -> Endpoint:
    return Endpoint(url=endpoint.url, model="all-minilm", **values)


def run(
    folder: Path,
    elements: Iterable[Any],
    endpoint: Endpoint,
    *,
    batching: Batching | None = None,
    retry: Retry = ONCE,
    tokens: Tokens = PLAIN,
    window: Callable[[Any], Any] | None = None,
) -> PipelineResult:
    """Run EmbedText and collect each of its outputs in a file of its name."""
    pipeline = test_pipeline.TestPipeline("FnApiRunner")
    with pipeline:
        documents = pipeline | beam.Create(list(elements), reshuffle=False)
        if window is not None:
            documents = window(documents)
        result = documents | EmbedText(endpoint, batching or Batching(), retry, tokens)
        for name, output in result._asdict().items():
            output | f"Collect {name}" >> beam.ParDo(Collect(folder / name))
    return pipeline.result


def texts(count: int) -> list[Document]:
    return [Document(f"id-{number}", f"text {number}") for number in range(count)]


def test_rows_come_in_the_order_of_the_documents_with_vectors_and_attributes(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    documents = [d._replace(attributes={"n": n}, line=n + 1) for n, d in enumerate(texts(70))]
    run(tmp_path, documents, settings(endpoint))
    rows = [each.value for each in seen(tmp_path / "embedded")]
    assert [Document(*row[:6]) for row in rows] == documents
    assert all(type(row) is Embedded for row in rows)
    assert [row.vector.tolist() for row in rows] == [
        vector_of(document.text).tolist() for document in documents
    ]
    assert {row.model for row in rows} == {"all-minilm"}
    assert {row.truncated for row in rows} == {False}
    assert sum(row.token_count for row in rows) == sum(tokens_of(d.text) for d in documents)


def test_strings_mappings_and_rows_are_documents(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    elements = ["a", {"id": 7, "text": "b", "year": 1999}, beam.Row(id="8", text="c")]
    run(tmp_path, elements, settings(endpoint))
    rows = [each.value for each in seen(tmp_path / "embedded")]
    assert [(row.text, row.attributes) for row in rows] == [
        ("a", {}),
        ("b", {"year": 1999}),
        ("c", {}),
    ]
    assert [row.id for row in rows[1:]] == ["7", "8"]


def test_windows_and_timestamps_are_each_elements_own(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    elements = [Document("0", "a"), Document("1", ""), Document("2", "c"), Document("3", "d")]

    def window(documents: Any) -> Any:
        return (
            documents
            | beam.Map(lambda document: TimestampedValue(document, 7 * int(document.id)))
            | beam.WindowInto(FixedWindows(10))
        )

    run(tmp_path, elements, settings(endpoint), window=window)
    assert [(e.value.id, e.timestamp, e.window) for e in seen(tmp_path / "embedded")] == [
        ("0", 0, IntervalWindow(0, 10)),
        ("2", 14, IntervalWindow(10, 20)),
        ("3", 21, IntervalWindow(20, 30)),
    ]
    assert [(e.value.id, e.timestamp, e.window) for e in seen(tmp_path / "failed")] == [
        ("1", 7, IntervalWindow(0, 10))
    ]
    assert [e.value["documents"] for e in seen(tmp_path / "tally")] == [4]


def test_an_element_in_several_windows_stays_in_all_of_them(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    def window(documents: Any) -> Any:
        timed = documents | beam.Map(lambda text: TimestampedValue(text, 12))
        return timed | beam.WindowInto(SlidingWindows(10, 5))

    run(tmp_path, ["a"], settings(endpoint), window=window)
    assert {e.window for e in seen(tmp_path / "embedded")} == {
        IntervalWindow(5, 15),
        IntervalWindow(10, 20),
    }
    assert endpoint.texts.count("a") == 1


def test_requests_are_bounded_by_count(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run(tmp_path, texts(7), settings(endpoint), batching=Batching(max_texts=3, in_flight=1))
    sizes = [len(r["input"]) for r in endpoint.requests if r["input"][0].startswith("text")]
    assert sizes == [3, 3, 1]


def test_requests_are_bounded_by_characters(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    elements = ["aaaa", "bbbb", "cc", "d" * 30, "e"]
    run(tmp_path, elements, settings(endpoint), batching=Batching(max_chars=10, in_flight=1))
    inputs = [r["input"] for r in endpoint.requests if set(r["input"]) & set(elements)]
    assert inputs == [["aaaa", "bbbb", "cc"], ["d" * 30], ["e"]]


def test_as_many_requests_are_under_way_as_allowed_and_no_more(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    together = Together(3)
    endpoint.script = lambda batch: together(batch) if batch[0].startswith("text") else None
    run(tmp_path, texts(18), settings(endpoint), batching=Batching(max_texts=2, in_flight=3))
    assert [e.value.id for e in seen(tmp_path / "embedded")] == [d.id for d in texts(18)]
    assert together.most == 3


def test_the_model_is_loaded_before_the_first_text(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run(tmp_path, texts(3), settings(endpoint))
    embeds = [e.body["input"] for e in endpoint.exchanges if e.path == "/api/embed"]
    assert embeds[0] == []


def test_each_document_is_either_embedded_or_failed(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = lambda batch: error(400, TOO_LONG) if "long" in batch else None
    elements = [
        Document("1", "good"),
        Document("2", "long", {"year": 1999}, "a.jsonl", 2),
        Document("3", " "),
        {"text": "no id"},
        Document("5", "bad\ud800"),
        6,
        Document("7", "good too"),
    ]
    run(tmp_path, elements, settings(endpoint))
    assert [e.value.id for e in seen(tmp_path / "embedded")] == ["1", "7"]
    failed = {e.value.kind: e.value for e in seen(tmp_path / "failed")}
    assert set(failed) == {"TextTooLong", "EmptyText", "MissingField", "BadCharacter", "WrongType"}
    assert failed["TextTooLong"] == Failed(
        id="2",
        text="long",
        attributes='{"year":1999}',
        source="a.jsonl",
        line=2,
        stage="embed",
        kind="TextTooLong",
        blame="document",
        message=f"POST {endpoint.url}/api/embed: 400 {TOO_LONG} "
        "(shorten it, or use a model with a longer context)",
        http_status=400,
        attempts=1,
        endpoint=endpoint.url,
    )
    assert (failed["BadCharacter"].id, failed["BadCharacter"].text) == ("5", "bad\\ud800")
    assert (failed["WrongType"].id, failed["WrongType"].text) == (None, "6")
    assert failed["MissingField"].text == "{'text': 'no id'}"


def test_received_sums_up_to_the_documents(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run(tmp_path, [*texts(40), Document("x", ""), 5], settings(endpoint))
    assert sum(e.value["documents"] for e in seen(tmp_path / "tally")) == 42
    assert all(isinstance(e.window, GlobalWindow) for e in seen(tmp_path / "tally"))


def test_an_empty_input_gives_nothing_but_the_provenance(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run(tmp_path, [], settings(endpoint))
    assert [
        e.value
        for name in ("embedded", "failed", "tally", "chunked")
        for e in seen(tmp_path / name)
    ] == []
    assert [e.value for e in seen(tmp_path / "recount")] == [{}]
    (found,) = seen(tmp_path / "provenance")
    assert (found.value["model"], found.value["digest"]) == ("all-minilm", DIGEST)
    assert found.value["endpoint"] == endpoint.url


def test_failures_of_reading_are_among_the_failures(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    unread = Failed(None, None, None, "a.jsonl", 3, "read", "UnreadableLine", "document", "why")
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        read = ReadResult(
            pipeline | "Good" >> beam.Create([Document("1", "a"), Document("2", "")]),
            pipeline | "Bad" >> beam.Create([unread]),
        )
        failed = (read | EmbedText(settings(endpoint), tokens=PLAIN)).failed
        failed | beam.ParDo(Collect(tmp_path / "failed"))
    assert sorted(e.value.kind for e in seen(tmp_path / "failed")) == [
        "EmptyText",
        "UnreadableLine",
    ]


# Tokens


def test_without_a_tokenizer_counts_are_shares_of_their_request(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run(tmp_path, texts(3), settings(endpoint))
    rows = [e.value for e in seen(tmp_path / "embedded")]
    assert [(row.token_count, row.token_count_source) for row in rows] == [(4, "estimated")] * 3


def test_counts_of_the_models_own_tokenizer_that_add_up_are_verified(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.vocabulary = WORDS
    run(tmp_path, ["one", "one two three"], settings(endpoint))
    rows = [e.value for e in seen(tmp_path / "embedded")]
    assert [(row.token_count, row.token_count_source) for row in rows] == [
        (3, "verified"),
        (5, "verified"),
    ]


def test_a_prefix_is_sent_and_counted_and_not_stored(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.vocabulary = WORDS
    run(tmp_path, ["the sky"], settings(endpoint), tokens=Tokens(prefix="query: ", recount=0))
    (row,) = [e.value for e in seen(tmp_path / "embedded")]
    assert (row.text, row.token_count) == ("the sky", 5)
    assert row.vector.tolist() == vector_of("query: the sky").tolist()
    (made,) = [e.value for e in seen(tmp_path / "provenance")]
    assert made["prefix"] == "query: "


@pytest.mark.parametrize("vocabulary", [None, WORDS])
def test_what_is_too_long_is_cut_and_says_so_with_and_without_a_tokenizer(
    endpoint: ScriptedEndpoint, tmp_path: Path, vocabulary: list[str] | None
) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = vocabulary, 40, 40
    long = "word " * 50
    run(tmp_path, ["one two", long, "three"], settings(endpoint), tokens=Tokens(recount=0))
    rows = [e.value for e in seen(tmp_path / "embedded")]
    assert [(row.text, row.truncated) for row in rows] == [
        ("one two", False),
        (long, True),
        ("three", False),
    ]
    assert rows[1].token_count == 40
    assert rows[1].vector.tolist() == vector_of(" ".join(["word"] * 38)).tolist()
    assert seen(tmp_path / "failed") == []


def test_what_is_known_to_be_too_long_and_may_not_be_cut_fails_unsent(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    run(tmp_path, [Document("1", "word " * 50), Document("2", "good")], settings(endpoint))
    (failed,) = [e.value for e in seen(tmp_path / "failed")]
    assert (failed.id, failed.stage, failed.kind, failed.blame) == (
        "1",
        "embed",
        "TextTooLong",
        "document",
    )
    assert (failed.attempts, failed.http_status) == (0, None)
    assert failed.message.startswith("the text has 52 tokens and the model reads 40")
    assert [e.value.id for e in seen(tmp_path / "embedded")] == ["2"]
    assert not [text for text in endpoint.texts if text.startswith("word")]


def test_a_sample_of_rows_is_sent_again_alone(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.vocabulary = WORDS
    run(
        tmp_path,
        texts(70),
        settings(endpoint),
        batching=Batching(max_texts=20),
        tokens=Tokens(prefix="query ", recount=7),
    )
    assert [e.value for e in seen(tmp_path / "recount")] == [
        {"verified": {"asked": 7, "agreed": 7}}
    ]
    alone = [r["input"][0] for r in endpoint.requests if len(r["input"]) == 1]
    assert len(alone) == 7
    assert all(text.startswith("query text ") for text in alone)


def test_a_count_that_a_row_sent_alone_does_not_confirm_is_told(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run(tmp_path, ["a", "one two three four"], settings(endpoint), tokens=Tokens(recount=2))
    rows = [e.value.token_count for e in seen(tmp_path / "embedded")]
    assert rows == [1, 8]
    assert [e.value for e in seen(tmp_path / "recount")] == [
        {"estimated": {"asked": 2, "agreed": 0}}
    ]


def test_of_an_endless_input_no_sample_is_drawn(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    options = PipelineOptions(streaming=True)
    with test_pipeline.TestPipeline("BundleBasedDirectRunner", options=options) as pipeline:
        stream = test_stream.TestStream().add_elements(["a", "b"]).advance_watermark_to_infinity()
        result = pipeline | stream | EmbedText(settings(endpoint))
        result.recount | "Recounted" >> beam.ParDo(Collect(tmp_path / "recount"))
        result.embedded | "Embedded" >> beam.ParDo(Collect(tmp_path / "embedded"))
    assert sorted(e.value.text for e in seen(tmp_path / "embedded")) == ["a", "b"]
    assert [e.value for e in seen(tmp_path / "recount")] == [{}]
    assert (endpoint.texts.count("a"), endpoint.texts.count("b")) == (1, 1)


def test_a_stream_keeps_windows_and_timestamps_of_rows_and_failures_even_of_late_ones(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = lambda batch: error(400, TOO_LONG) if "refused" in batch else None
    stream = (
        test_stream.TestStream()
        .advance_watermark_to(0)
        .add_elements([TimestampedValue("a", 1), TimestampedValue("refused", 12.5)])
        .advance_watermark_to(10)
        .add_elements([TimestampedValue("c", 11), TimestampedValue("", 21)])
        .advance_watermark_to(30)
        .add_elements([TimestampedValue("late", 3), TimestampedValue(" ", 14)])
        .advance_watermark_to_infinity()
    )
    with test_pipeline.TestPipeline("BundleBasedDirectRunner") as pipeline:
        result = (
            pipeline
            | stream
            | beam.WindowInto(FixedWindows(10), allowed_lateness=100)
            | EmbedText(settings(endpoint), Batching(), ONCE, PLAIN)
        )
        for name in ("embedded", "failed", "tally"):
            getattr(result, name) | f"Collect {name}" >> beam.ParDo(Collect(tmp_path / name))
    first, second, third = (IntervalWindow(start, start + 10) for start in (0, 10, 20))
    found = {(e.value.text, e.timestamp, e.window) for e in seen(tmp_path / "embedded")}
    assert found == {("a", 1, first), ("c", 11, second), ("late", 3, first)}
    found = {(e.value.text, e.timestamp, e.window) for e in seen(tmp_path / "failed")}
    assert found == {("refused", 12.5, second), ("", 21, third), (" ", 14, second)}
    assert sum(e.value["documents"] for e in seen(tmp_path / "tally")) == 6


def test_rows_of_a_stream_are_grouped_in_their_own_windows(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    stream = test_stream.TestStream()
    for time in (0, 10, 20):
        stream = stream.advance_watermark_to(time).add_elements(
            [TimestampedValue(f"{time} {n}", time + n) for n in range(5)]
        )
    with test_pipeline.TestPipeline("BundleBasedDirectRunner") as pipeline:
        result = (
            pipeline
            | stream.advance_watermark_to_infinity()
            | beam.WindowInto(FixedWindows(10))
            | EmbedText(settings(endpoint), Batching(max_texts=3), ONCE, PLAIN)
        )
        (
            result.embedded
            | beam.Map(lambda row: (row.model, row))
            | beam.GroupByKey()
            | beam.MapTuple(lambda _, rows: sorted(row.text for row in rows))
            | beam.ParDo(Collect(tmp_path / "groups"))
        )
    assert {(tuple(e.value), e.window) for e in seen(tmp_path / "groups")} == {
        (tuple(f"{time} {n}" for n in range(5)), IntervalWindow(time, time + 10))
        for time in (0, 10, 20)
    }


def test_of_documents_that_were_split_it_is_told_how_many_there_were(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    unsplit = Failed("3", "c", None, "", None, "chunk", "EmptyText", "document", "why")
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        pieces = ChunkResult(
            pipeline | "Pieces" >> beam.Create([Document("1#0", "a"), Document("1#1", "b")]),
            pipeline | "Not split" >> beam.Create([unsplit]),
            pipeline | "Received" >> beam.Create([2]),
        )
        result = pieces | EmbedText(settings(endpoint), tokens=PLAIN)
        for name in ("embedded", "failed", "tally", "chunked"):
            getattr(result, name) | f"Collect {name}" >> beam.ParDo(Collect(tmp_path / name))
    assert sorted(e.value.id for e in seen(tmp_path / "embedded")) == ["1#0", "1#1"]
    assert [e.value for e in seen(tmp_path / "failed")] == [unsplit]
    assert sum(e.value["documents"] for e in seen(tmp_path / "tally")) == 2
    assert [e.value for e in seen(tmp_path / "chunked")] == [2]


# The DoFn on its own


def test_the_dofn_alone_embeds(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        (
            pipeline
            | beam.Create(texts(3), reshuffle=False)
            | beam.ParDo(EmbedDoFn(settings(endpoint)))
            | beam.ParDo(Collect(tmp_path / "embedded"))
        )
    assert [e.value.id for e in seen(tmp_path / "embedded")] == ["id-0", "id-1", "id-2"]


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (Document("7", " "), "document '7': the text is empty.* \\[EmptyText\\]; EmbedDoFn"),
        (Document("7", "long"), "document '7': POST .*400 .*\\[TextTooLong\\].*failures='failed'"),
        ({"text": "a"}, "an element has no id.*failures='failed'"),
    ],
)
def test_the_dofn_alone_fails_the_bundle_with_the_first_failed_text(
    endpoint: ScriptedEndpoint, element: Any, message: str
) -> None:
    endpoint.script = lambda batch: error(400, TOO_LONG) if "long" in batch else None
    pipeline = test_pipeline.TestPipeline("FnApiRunner")
    dofn = EmbedDoFn(settings(endpoint), tokens=PLAIN)
    pipeline | beam.Create(["a", element]) | beam.ParDo(dofn)
    with pytest.raises(Exception, match=message):
        pipeline.run()


def test_what_concerns_every_text_fails_the_job_with_its_cure(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = lambda _: error(404, 'model "m" not found, try pulling it first')
    with pytest.raises(Exception, match=r"pull the model there, or correct endpoint\.model"):
        run(tmp_path, texts(3), settings(endpoint))


def test_a_server_that_fails_on_every_text_fails_the_job_and_no_document(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    def broken(batch: list[str]) -> Reply | None:
        ours = batch == list(PROBES) or batch[0].startswith("text")
        return error(500, "out of order") if ours else None

    endpoint.script = broken
    with pytest.raises(Exception, match=r"500 out of order \(see the server's log\)"):
        run(tmp_path, texts(3), settings(endpoint))
    assert list(PROBES) in [request["input"] for request in endpoint.requests]
    assert seen(tmp_path / "failed") == []


def refusing(text: str) -> Callable[[list[str]], Reply | None]:
    """Return a script that refuses every request with this text, whoever asks."""
    return lambda batch: error(401, "unauthorized") if text in batch else None


@pytest.mark.parametrize(("refused", "kept"), [("text 1", 1), ("text 5", 5), ("text 7", 7)])
def test_what_is_done_goes_on_before_an_error_is_raised(
    endpoint: ScriptedEndpoint, tmp_path: Path, refused: str, kept: int
) -> None:
    endpoint.script = refusing(refused)
    batching = Batching(max_texts=1, in_flight=2)
    with pytest.raises(Exception, match=r"endpoint\.auth"):
        run(tmp_path, texts(8), settings(endpoint), batching=batching)
    ids = [each.value.id for each in seen(tmp_path / "embedded")]
    assert ids[:kept] == [document.id for document in texts(kept)]
    assert refused.replace("text ", "id-") not in ids
    assert seen(tmp_path / "tally") == []


def test_after_an_error_no_further_document_is_sent(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = refusing("text 0")
    with pytest.raises(Exception, match=r"endpoint\.auth"):
        run(tmp_path, texts(9), settings(endpoint), batching=Batching(max_texts=1, in_flight=1))
    sent = {text for text in endpoint.texts if text.startswith("text")}
    assert sent <= {"text 0", "text 1"}


def test_a_model_that_changed_before_the_end_fails_the_job(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    def change(batch: list[str]) -> None:
        if batch[0].startswith("text"):
            endpoint.digest = "e2" * 32

    endpoint.script = change
    with pytest.raises(Exception, match=r"the run began with the digest d1d1d1d1d1d1"):
        run(tmp_path, texts(3), settings(endpoint))


def test_the_tally_says_what_it_took(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    left = [error(500, "in trouble")]
    endpoint.script = lambda batch: left.pop() if left and batch[0].startswith("text") else None
    run(tmp_path, texts(3), settings(endpoint), retry=Retry(attempts=2))
    (tally,) = [each.value for each in seen(tmp_path / "tally")]
    assert {name: tally[name] for name in ("documents", "requests", "retries", "isolated")} == {
        "documents": 3,
        "requests": 2,
        "retries": 1,
        "isolated": 0,
    }
    assert tally["faults.ServerFault"] == 1
    assert tally["lost_s"] > 0


def test_a_document_that_makes_the_server_fail_is_tried_again_before_it_is_blamed(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = lambda batch: error(500, "no") if "text 1" in batch else None
    run(tmp_path, texts(3), settings(endpoint))
    assert [e.value.id for e in seen(tmp_path / "embedded")] == ["id-0", "id-2"]
    (failed,) = [e.value for e in seen(tmp_path / "failed")]
    assert (failed.id, failed.kind, failed.blame, failed.attempts, failed.http_status) == (
        "id-1",
        "ServerFault",
        "document",
        2,
        500,
    )


def test_an_outage_of_a_few_requests_fails_no_document(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    left = [error(500, "in trouble")] * 4
    endpoint.script = lambda batch: left.pop() if left and batch[0].startswith("text") else None
    run(tmp_path, texts(4), settings(endpoint))
    assert [e.value.id for e in seen(tmp_path / "embedded")] == ["id-0", "id-1", "id-2", "id-3"]
    assert seen(tmp_path / "failed") == []


@pytest.mark.parametrize("url", ["auto", "embedded"])
@pytest.mark.parametrize("step", [EmbedDoFn, EmbedText])
def test_an_address_that_only_a_launcher_can_resolve_is_refused_with_the_cure(
    url: str, step: Callable[[Endpoint], object]
) -> None:
    with pytest.raises(ConfigError, match=rf"'{url}'.*locate\.opened"):
        step(Endpoint(url=url, model="m"))


def test_the_dofn_survives_pickling(endpoint: ScriptedEndpoint) -> None:
    dofn = EmbedDoFn(settings(endpoint), batching=Batching(max_texts=2), failures="failed")
    copy = pickler.loads(pickler.dumps(dofn))
    copy.setup()
    copy.start_bundle()
    copy.teardown()
    assert pickler.loads(pickler.dumps(copy)) is not copy


def pool_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("embed_")]


def test_no_thread_outlives_the_pipeline(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run(tmp_path, texts(5), settings(endpoint))
    assert pool_threads() == []


def test_no_thread_outlives_a_pipeline_that_failed(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.script = lambda _: error(401, "unauthorized")
    with pytest.raises(Exception, match=r"endpoint\.auth"):
        run(tmp_path, texts(5), settings(endpoint))
    assert pool_threads() == []


def test_a_setup_that_failed_is_reported_and_can_be_torn_down(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMBED_TOKEN", raising=False)
    dofn = EmbedDoFn(settings(endpoint, auth=Auth(env="EMBED_TOKEN")))
    with pytest.raises(ConfigError, match="environment variable EMBED_TOKEN holds no token"):
        dofn.setup()
    dofn.teardown()


def test_several_threads_of_workers_lose_nothing(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    options = PipelineOptions(["--direct_running_mode=multi_threading", "--direct_num_workers=3"])
    with test_pipeline.TestPipeline("FnApiRunner", options=options) as pipeline:
        result = (
            pipeline
            | beam.Create(texts(60))
            | beam.Reshuffle()
            | EmbedText(settings(endpoint), Batching(max_texts=4))
        )
        counted = (
            result.tally | beam.Map(lambda tally: tally["documents"]) | beam.CombineGlobally(sum)
        )
        counted | "Received" >> beam.ParDo(Collect(tmp_path / "tally"))
        ids = result.embedded | beam.Map(lambda row: row.id) | beam.combiners.ToList()
        ids | "Ids" >> beam.ParDo(Collect(tmp_path / "ids"))
    assert [e.value for e in seen(tmp_path / "tally")] == [60]
    assert sorted(seen(tmp_path / "ids")[0].value) == sorted(d.id for d in texts(60))
    assert pool_threads() == []


# Metrics


def metrics(result: PipelineResult) -> tuple[dict[str, int], dict[str, Any]]:
    """Return the step's counters and distributions."""
    found = result.metrics().query()
    return (
        {m.key.metric.name: m.committed for m in found["counters"] if of_ours(m)},
        {m.key.metric.name: m.committed for m in found["distributions"] if of_ours(m)},
    )


def of_ours(metric: Any) -> bool:
    return bool(metric.key.metric.namespace == NAMESPACE)


def test_the_metrics_say_what_it_took(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    busy = [error(503, "server busy, please try again.", **{"retry-after": "1"})]

    def script(batch: list[str]) -> Reply | None:
        if not batch[0].startswith("text"):
            return None
        if busy:
            return busy.pop()
        return error(400, TOO_LONG) if "text 5" in batch else None

    endpoint.script = script
    elements = [*texts(7), Document("x", "")]
    batching = Batching(max_texts=4, in_flight=1)
    counters, distributions = metrics(
        run(tmp_path, elements, settings(endpoint), batching=batching, retry=Retry(attempts=2))
    )
    sent = [r["input"] for r in endpoint.requests if r["input"][0].startswith("text")]
    assert [len(batch) for batch in sent] == [4, 4, 3, 1, 2, 1, 1]
    assert counters["texts"] == 7
    assert counters["tokens"] == 6 * tokens_of("text 0")
    assert counters["requests"] == len(sent) == 7
    assert counters["retries"] == 1
    assert counters["failures"] == 2
    assert (counters["server_ms"], counters["load_ms"]) == (15, 3)
    assert counters["cumulativeThrottlingSeconds"] == 1
    assert distributions["request_ms"].count == 3
    batches = distributions["batch_texts"]
    assert (batches.count, batches.sum, batches.min, batches.max) == (3, 6, 1, 4)
