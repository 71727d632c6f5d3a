"""The steps of a refresh before embedding: compare, admit, take each text once."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from embed_pipeline import interrupt, marks
from embed_pipeline.admission import Gate, Tally
from embed_pipeline.comparing import Copy
from embed_pipeline.corpus import Corpus
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import RefusedError
from embed_pipeline.progress import read_progress
from embed_pipeline.records import Document
from embed_pipeline.schema import id_hash
from embed_pipeline.staging import Run
from embed_pipeline.tokens import Tokens
from embed_pipeline.transforms.reuse import Admit, CompareDocuments, ComparedWith, FoldTexts
from tests.support.collecting import Collect, seen
from tests.support.marked import N, document, embedded, failed, failures, layout, source
from tests.support.rows import RUN_ID, made_by
from tests.support.scripted import ScriptedEndpoint


@pytest.fixture
def store(tmp_path: Path) -> ComparedWith:
    """Return a store that knows a, b and c, a failure for good, and an id that is forgotten."""
    how = layout(tmp_path)
    known = source(how, embedded("a", "one"), embedded("b", "two"), embedded("c", "three"))
    gone = failures(tmp_path, failed("x", "bad"))
    return ComparedWith(
        run=Run(str(tmp_path / "next"), RUN_ID),
        sources=(known,),
        before=(known.part,),
        failures=(gone[0].path,),
        left=(),
        types=N,
        forgotten=frozenset({id_hash("secret")}),
        split=False,
    )


def ran(folder: Path, step: Callable[[beam.Pipeline], Any]) -> dict[str, list[Any]]:
    """Run a step; return what came out of each of its outputs."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    with TestPipeline("FnApiRunner") as p:
        result = step(p)
        for name, elements in result.items():
            _ = elements | f"Collect {name}" >> beam.ParDo(Collect(out / name))
    return {name: [one.value for one in seen(out / name)] for name in result}


@pytest.fixture
def compared(store: ComparedWith, tmp_path: Path) -> Callable[..., dict[str, list[Any]]]:
    """Return what tells what comes out of comparing documents, by output."""

    def compare(*documents: Document) -> dict[str, list[Any]]:
        def step(p: beam.Pipeline) -> Any:
            found = p | beam.Create(documents, reshuffle=False) | CompareDocuments(store)
            return found._asdict()

        return ran(tmp_path, step)

    return compare


def bare(identity: str, text: str, n: int = 1) -> Document:
    return Document(identity, text, {"n": n}, "f.jsonl", 7)


def test_each_document_goes_its_way(compared: Callable[..., dict[str, list[Any]]]) -> None:
    found = compared(
        bare("a", "one"),
        bare("b", "two", 22),
        bare("c", "new"),
        bare("d", "three"),
        bare("e", "bad"),
        bare("f", " "),
        bare("secret", "one"),
    )
    ((key, content),) = found["todo"]
    todo = Document(*pickle.loads(content))  # noqa: S301 (our own bytes)
    assert (todo.id, todo.text, key) == ("c", "new", marks.text_mark("new"))
    rows = {copy.document.id: (copy.rows, copy.document.text) for copy in found["copies"]}
    assert rows == {"b": (((0, 1),), ""), "d": (((0, 2),), "")}
    kinds = {one.id: (one.kind, one.source, one.line) for one in found["failed"]}
    assert kinds == {"e": ("UnembeddableText", "f.jsonl", 7), "f": ("EmptyText", "f.jsonl", 7)}
    (tally,) = found["tally"]
    assert tally._replace(ids=b"", kept=b"") == Tally(
        documents=7, todo=1, copies=2, forgotten=1, failed=2, given_up=2, kept_documents=1,
        ids=b"", kept=b"",
    )  # fmt: skip
    assert tally.kept == (0).to_bytes(8, "little")
    assert len(tally.ids) == 7 * 16


def test_many_documents_are_compared_in_several_rounds(
    compared: Callable[..., dict[str, list[Any]]], store: ComparedWith
) -> None:
    documents = [bare("a", "one"), *(bare(f"d{n}", f"text {n}") for n in range(2_500))]
    found = compared(*documents)
    assert len(found["todo"]) == 2_500
    assert sum(tally.documents for tally in found["tally"]) == 2_501
    assert read_progress(store.run).rows == 1


def test_without_documents_there_is_no_tally(
    compared: Callable[..., dict[str, list[Any]]],
) -> None:
    assert compared() == {"todo": [], "copies": [], "failed": [], "tally": []}


def gate(endpoint: ScriptedEndpoint, origin: dict[str, Any] | None) -> Gate:
    settings = Endpoint(url=endpoint.url, model="all-minilm")
    return Gate(
        Corpus(files="no.jsonl"), [], settings, Batching(), Retry(attempts=1), Tokens(), origin,
        0.5, accept=False, always=False, digest="d1" * 32,
    )  # fmt: skip


def tally(*ids: str, todo: int = 0) -> Tally:
    return Tally(len(ids), todo, 0, 0, 0, 0, 0, b"".join(map(id_hash, ids)), b"")


def admitted(gate: Gate, store: ComparedWith, folder: Path, *tallies: Tally) -> dict[str, Any]:
    """Return the provenance that is let go on with."""

    def step(p: beam.Pipeline) -> Any:
        return {"out": p | beam.Create(tallies, reshuffle=False) | Admit(gate, store.before)}

    (found,) = ran(folder, step)["out"]
    return dict(found)


def test_with_nothing_to_send_the_origin_goes_on_and_nobody_is_asked(
    endpoint: ScriptedEndpoint, store: ComparedWith, tmp_path: Path
) -> None:
    assert admitted(gate(endpoint, made_by()), store, tmp_path, tally("a", "b", "c")) == made_by()
    assert endpoint.exchanges == []


def test_what_makes_the_vectors_is_found_out_where_something_is_to_be_sent(
    endpoint: ScriptedEndpoint, store: ComparedWith, tmp_path: Path
) -> None:
    found = admitted(
        gate(endpoint, None), store, tmp_path, tally("a", "b", todo=1), tally("c", "d", todo=1)
    )
    assert found["endpoint"] == endpoint.url
    assert len(endpoint.requests) == 1  # the canary


def test_ids_of_several_bundles_are_held_against_each_other(
    endpoint: ScriptedEndpoint, store: ComparedWith, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="1 ids stand more than once"):
        admitted(gate(endpoint, None), store, tmp_path, tally("a", "b"), tally("c", "a"))
    assert endpoint.exchanges == []


def test_documents_that_are_gone_are_counted_in_all_files_of_the_snapshot(
    endpoint: ScriptedEndpoint, store: ComparedWith, tmp_path: Path
) -> None:
    more = source(layout(tmp_path / "more"), embedded("d", "four"), embedded("e", "five"))
    store = store._replace(before=(*store.before, more.part))
    with pytest.raises(RefusedError, match="3 of the 5 documents of the current snapshot"):
        admitted(gate(endpoint, made_by()), store, tmp_path, tally("a", "d"))


def folded(folder: Path, *documents: Document) -> tuple[list[Document], list[Copy]]:
    """Return what comes out of taking each text once."""
    pairs = [(marks.text_of(one.mark), pickle.dumps(tuple(one), 5)) for one in documents]

    def step(p: beam.Pipeline) -> Any:
        admitted = p | "Admitted" >> beam.Create([made_by()], reshuffle=False)
        return (p | beam.Create(pairs, reshuffle=False) | FoldTexts(admitted))._asdict()

    found = ran(folder, step)
    return found["documents"], found["twins"]


def test_each_text_goes_on_once_and_the_others_are_its_twins(tmp_path: Path) -> None:
    documents = [document("a", "one"), document("b", "two"), document("c", "one", {"n": 3})]
    firsts, twins = folded(tmp_path, *documents)
    assert sorted(one.text for one in firsts) == ["one", "two"]
    (twin,) = twins
    first = next(one for one in firsts if one.text == "one")
    assert (twin.twin, twin.rows, twin.document.text) == (first.id, (), "")
    assert {first.id, twin.document.id} == {"a", "c"}
    assert twin.document.attributes == {"n": {"a": 1, "c": 3}[twin.document.id]}


def test_once_a_stop_is_asked_for_no_text_goes_on(tmp_path: Path) -> None:
    interrupt.request_stop(15)
    assert folded(tmp_path, document("a", "one"), document("b", "one")) == ([], [])


def test_texts_wait_for_the_gate(tmp_path: Path) -> None:
    pairs = [(b"key", pickle.dumps(tuple(document("a", "one")), 5))]

    def refuse(_: object) -> dict[str, Any]:
        raise RefusedError("no")

    def step(p: beam.Pipeline) -> Any:
        admitted = p | "Gate" >> beam.Create([0], reshuffle=False) | beam.Map(refuse)
        return (p | beam.Create(pairs, reshuffle=False) | FoldTexts(admitted))._asdict()

    with pytest.raises(RefusedError, match="no"):
        ran(tmp_path, step)
    assert not (tmp_path / "out" / "documents").exists()
