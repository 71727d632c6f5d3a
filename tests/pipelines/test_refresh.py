"""Night after night: what is sent, what is published, what is said, how a refresh exits."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, interrupt
from embed_pipeline.engine import CANARY_TEXTS
from embed_pipeline.errors import TimeIsUp
from embed_pipeline.manifest import read_manifest
from embed_pipeline.open_metrics import open_metrics
from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.report import read_report
from embed_pipeline.store_lock import locked
from tests.support.nights import QUIET_PATHS, Nights
from tests.support.scripted import (
    DIGEST,
    WORDS,
    Reply,
    ScriptedEndpoint,
    error,
    scripted,
    vector_of,
)

ROOT = Path(__file__).parents[2]
PLAIN = ("README.md", "manifest.json", "metrics.prom", "report.html", "report.json")
TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
DOCUMENTS: list[dict[str, Any]] = [
    {"id": "a", "text": "one", "n": 1},
    {"id": "b", "text": "two", "n": 2},
    {"id": "c", "text": "one", "n": 3},
    {"id": "d", "text": "four", "n": 4},
]


def corpus(**changes: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the documents with some of them changed, added, or (None) gone."""
    found = {str(one["id"]): one for one in DOCUMENTS}
    for name, change in changes.items():
        if change is None:
            del found[name]
        else:
            found[name] = {"id": name, **found.get(name, {}), **change}
    return list(found.values())


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store whose one snapshot is of DOCUMENTS."""
    with scripted() as endpoint:
        nights = Nights(tmp_path_factory.mktemp("first"), endpoint)
        nights.documents(*DOCUMENTS)
        assert nights.refresh().code == 0
        return Path(nights.store.path)


@pytest.fixture
def empty(tmp_path: Path, endpoint: ScriptedEndpoint) -> Nights:
    """Return nights over DOCUMENTS, of which none has been yet."""
    found = Nights(tmp_path, endpoint)
    found.documents(*DOCUMENTS)
    return found


@pytest.fixture
def nights(empty: Nights, first: Path) -> Nights:
    """Return nights of which the first was over DOCUMENTS; the endpoint has another address now."""
    shutil.copytree(first, empty.store.path)
    return empty


def vectors_are_right(nights: Nights) -> bool:
    """Tell whether each row of the current snapshot has the vector of its own text."""
    rows = nights.rows.values()
    return all(one["vector"] == vector_of(one["text"]).tolist() for one in rows)


def standing(nights: Nights) -> dict[str, tuple[int, int]]:
    """Return inode and time of each file of a store, but of those that tell of every night."""
    found = {}
    root = Path(nights.store.path)
    for path in root.rglob("*"):
        below = path.relative_to(root)
        if path.is_file() and not {".lock", "log", "metrics.prom", "staging"} & set(below.parts):
            found[str(below)] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


# What is sent, and what becomes of it


def test_the_first_refresh_of_an_empty_folder_embeds_each_text_once(empty: Nights) -> None:
    night = empty.refresh()
    assert (night.code, night.canaries) == (0, 1), night.said
    assert sorted(night.texts) == ["four", "one", "two"]
    assert {name: row["n"] for name, row in empty.rows.items()} == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert vectors_are_right(empty)
    assert empty.ops == dict.fromkeys("abcd", "insert")
    told = empty.manifest.refresh
    assert told is not None
    assert (told.base, told.rows, told.embedded, told.reused) == (None, 4, 3, 1)
    assert empty.store.entries() == [told]
    names = sorted(one.name for one in Path(empty.path).iterdir())
    beside = ["manifest.json", "metrics.prom", "report.html", "report.json"]
    assert names == ["README.md", "changes", "data", "index", *beside]


def test_where_nothing_has_changed_nothing_is_embedded_loaded_or_rewritten(nights: Nights) -> None:
    before = standing(nights)
    night = nights.refresh()
    assert night.code == 0
    assert set(night.paths) == QUIET_PATHS
    assert standing(nights) == before
    assert "as before: nothing has changed" in night.said
    entries = nights.store.entries()
    assert [(one.snapshot, one.published) for one in entries] == [(1, True), (1, False)]
    assert (entries[1].rows, entries[1].reused, entries[1].embedded) == (4, 4, 0)
    told = open_metrics(nights.manifest.model_copy(update={"refresh": entries[1]}))
    assert (Path(nights.path) / "metrics.prom").read_text() == told


def test_the_report_of_a_night_tells_what_that_night_embedded(nights: Nights) -> None:
    nights.documents(*corpus(b={"text": "new"}, e={"text": "more"}, f={"text": " "}))
    assert nights.refresh().code == 0
    report = read_report(str(nights.path))
    assert report is not None
    assert report.run_id == nights.manifest.run_id
    assert (report.map.of, len(report.map.x), sum(report.timeline.texts)) == (2, 2, 2)
    assert [one.kind for one in report.places] == ["EmptyText"]
    assert nights.manifest.counts.rows == 5


def test_an_attribute_that_there_is_not_colors_no_map(nights: Nights) -> None:
    night = nights.refresh(output={"report_color": "m"})
    assert (night.code, night.texts) == (2, [])
    assert "output.report_color: there is no attribute 'm'" in night.said


def test_of_changed_and_new_texts_exactly_the_distinct_ones_are_sent(nights: Nights) -> None:
    nights.documents(
        *corpus(b={"text": "new"}, d={"text": "one"}, e={"text": "new", "n": 5}, f={"text": "six"})
    )
    night = nights.refresh()
    assert (night.code, sorted(night.texts), night.canaries) == (0, ["new", "six"], 1), night.said
    assert vectors_are_right(nights)
    assert {name: row["text"] for name, row in nights.rows.items()} == {
        "a": "one",
        "b": "new",
        "c": "one",
        "d": "one",
        "e": "new",
        "f": "six",
    }
    assert nights.ops == {"b": "update", "d": "update", "e": "insert", "f": "insert"}
    assert [row["n"] for row in nights.rows.values() if row["id"] == "f"] == [None]


def test_a_changed_attribute_costs_no_request_and_is_in_the_new_snapshot(nights: Nights) -> None:
    nights.documents(*corpus(b={"n": 22}))
    night = nights.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert nights.rows["b"]["n"] == 22
    assert vectors_are_right(nights)
    (change,) = nights.changes
    assert (change["op"], change["id"], change["n"]) == ("attributes", "b", 22)
    assert (change["text"], change["vector"]) == (None, None)


def test_a_removed_document_is_gone_without_a_request(nights: Nights) -> None:
    nights.documents(*corpus(a=None))
    night = nights.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert set(nights.rows) == {"b", "c", "d"}
    assert nights.ops == {"a": "delete"}
    assert vectors_are_right(nights)


def test_an_id_with_another_one_s_text_costs_no_request(nights: Nights) -> None:
    nights.documents(*corpus(b={"text": "four"}, d=None, e={"text": "two"}))
    night = nights.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert vectors_are_right(nights)
    assert nights.ops == {"b": "update", "d": "delete", "e": "insert"}
    updated = next(one for one in nights.changes if one["id"] == "b")
    assert updated["vector"] == vector_of("four").tolist()


def test_a_document_s_place_in_the_corpus_does_not_matter(nights: Nights) -> None:
    nights.documents(*reversed(DOCUMENTS))
    night = nights.refresh()
    assert "nothing has changed" in night.said
    assert set(night.paths) == QUIET_PATHS


def applied(rows: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rows after a change feed, as docs/operations.md says a consumer applies it."""
    found = dict(rows)
    for one in changes:
        change = dict(one)
        op = change.pop("op")
        if op in ("insert", "update"):
            found[change["id"]] = change
        elif op == "attributes":
            found[change["id"]] = {**found[change["id"]], "n": change["n"]}
        else:
            assert op == "delete"
            del found[change["id"]]
    return found


def test_change_feeds_take_a_copy_from_one_snapshot_to_the_next(nights: Nights) -> None:
    copy = nights.rows
    for found in (
        corpus(a=None, b={"text": "new"}, c={"n": 33}, e={"text": "new", "n": 5}),
        corpus(a={"n": 11}, c={"text": "four"}, d=None),
        corpus(),
    ):
        nights.documents(*found)
        assert nights.refresh().code == 0
        copy = applied(copy, nights.changes)
        assert copy == nights.rows
    assert set(copy) == set("abcd")


# What makes vectors others


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"endpoint": {"dimensions": 4}}, "endpoint.dimensions was not set, is 4"),
        (
            {"endpoint": {"options": {"num_ctx": 128}}},
            "endpoint.options was {}, is {'num_ctx': 128}",
        ),
        ({"tokens": {"prefix": "search: "}}, "tokens.prefix was not set, is 'search: '"),
        ({"tokens": {"prefix": "<{text}>"}}, "tokens.prefix was not set, is '<{text}>'"),
        ({"tokens": {"on_too_long": "fail"}}, "tokens.on_too_long was 'truncate', is 'fail'"),
        ({"output": {"vector_type": "float16"}}, "output.vector_type was 'float32', is 'float16'"),
        ({"output": {"text": "hash"}}, "output.text was 'keep', is 'hash'"),
        ({"output": {"columns": {"vector": "v"}}}, "output.columns was {}, is {'vector': 'v'}"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_another_setting_reuses_nothing_and_says_why(
    nights: Nights, groups: dict[str, Any], said: str
) -> None:
    night = nights.refresh(**groups)
    prefix = groups.get("tokens", {}).get("prefix", "{text}")
    template = prefix if "{text}" in prefix else f"{prefix}{{text}}"
    expected = [template.replace("{text}", text) for text in ("four", "one", "two")]
    sent = [text for text in night.texts if text != template.replace("{text}", "")]
    assert (night.code, sorted(sent)) == (0, expected), night.said
    assert f"nothing of snapshot 1 is reused: {said}" in night.said
    assert nights.ops == dict.fromkeys("abcd", "update")
    assert nights.store.entries()[1].notes == [f"nothing of snapshot 1 is reused: {said}"]
    again = nights.refresh(**groups)
    assert (again.texts, nights.store.number()) == ([], 2)


def change_model(nights: Nights) -> None:
    nights.endpoint.models = ["nomic-embed-text:latest"]
    nights.settings["endpoint"]["model"] = "nomic-embed-text"


def change_digest(nights: Nights) -> None:
    nights.endpoint.digest = "d2" * 32


def change_context(nights: Nights) -> None:
    nights.endpoint.context = nights.endpoint.told_context = 128


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_model, "endpoint.model was 'all-minilm', is 'nomic-embed-text'"),
        (change_digest, "the model's digest was 'd1d1d1d1d1d1', is 'd2d2d2d2d2d2'"),
        (change_context, "the model's context was 256, is 128"),
    ],
)
@pytest.mark.parametrize("work", [[], [{"id": "e", "text": "five", "n": 5}]], ids=["idle", "work"])
def test_another_model_reuses_nothing_and_says_why(
    nights: Nights, change: Callable[[Nights], None], said: str, work: list[dict[str, Any]]
) -> None:
    change(nights)
    nights.documents(*DOCUMENTS, *work)
    night = nights.refresh()
    assert night.code == 0, night.said
    assert sorted(night.texts) == sorted(["four", "one", "two", *(one["text"] for one in work)])
    assert f"nothing of snapshot 1 is reused: {said}" in night.said
    assert nights.refresh().texts == []


def test_no_snapshot_holds_vectors_of_two_models(nights: Nights) -> None:
    change_digest(nights)
    nights.documents(*corpus(e={"text": "five"}))
    assert nights.refresh().code == 0
    assert nights.manifest.provenance["digest"] == "d2" * 32
    for part in nights.manifest.data:
        footer = pq.read_metadata(f"{nights.path}/{part.path}").metadata[b"embed_pipeline"]
        assert json.loads(footer)["digest"] == "d2" * 32
    assert read_manifest(nights.store.snapshot(1)).provenance["digest"] == DIGEST


def test_the_same_model_by_another_of_its_names_is_reused(nights: Nights) -> None:
    night = nights.refresh(endpoint={"model": "all-minilm:latest"})
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said


@pytest.mark.parametrize(
    "groups",
    [
        {"batching": {"max_texts": 7}},
        {"retry": {"attempts": 5}},
        {"output": {"file_mb": 3, "checkpoint_seconds": 5}},
        {"tokens": {"recount": 5}},
        {"endpoint": {"keep_alive": "1h"}},
        {"store": {"keep_snapshots": 3}},
    ],
    ids=str,
)
def test_settings_that_make_no_other_vector_change_nothing(
    nights: Nights, groups: dict[str, Any]
) -> None:
    night = nights.refresh(**groups)
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert nights.store.number() == 1


def test_another_prefix_of_queries_is_in_the_next_snapshot_without_a_request(
    nights: Nights,
) -> None:
    night = nights.refresh(tokens={"query_prefix": "q: "})
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert nights.manifest.provenance["query_prefix"] == "q: "
    assert (nights.store.number(), nights.ops) == (2, {})


def test_reembed_embeds_everything_anew(nights: Nights) -> None:
    night = nights.refresh("--reembed")
    assert (night.code, sorted(night.texts)) == (0, ["four", "one", "two"])
    assert "nothing of snapshot 1 is reused: --reembed was given" in night.said
    assert nights.ops == dict.fromkeys("abcd", "update")


# The engine


def test_another_engine_is_refused_and_the_texts_that_moved_are_named(nights: Nights) -> None:
    nights.endpoint.engine = "other "
    nights.documents(*corpus(e={"text": "five"}))
    before = standing(nights)
    night = nights.refresh()
    assert (night.code, night.texts, night.canaries) == (4, [], 1)
    assert "24 of the canary's texts have moved (cosine below 0.9999)" in night.said
    named = [text for text in CANARY_TEXTS if repr(text) in night.said]
    assert len(named) == 8
    assert "and 16 more" in night.said
    assert "--reembed" in night.said
    assert "--accept-engine-change" in night.said
    assert standing(nights) == before


def test_another_engine_is_not_asked_for_where_nothing_is_to_be_sent(nights: Nights) -> None:
    nights.endpoint.engine = "other "
    assert set(nights.refresh().paths) == QUIET_PATHS


def test_another_engine_may_be_accepted_which_is_recorded(nights: Nights) -> None:
    nights.endpoint.engine = "other "
    nights.documents(*corpus(e={"text": "five"}))
    night = nights.refresh("--accept-engine-change")
    assert (night.code, night.texts) == (0, ["five"]), night.said
    assert nights.rows["e"]["vector"] == vector_of("other five").tolist()
    assert nights.rows["a"]["vector"] == vector_of("one").tolist()
    told = nights.store.entries()[-1]
    assert any("computes otherwise" in note and "accepted" in note for note in told.notes), told
    assert nights.manifest.refresh == told
    nights.documents(*corpus(e={"text": "five"}, f={"text": "six"}))
    assert nights.refresh().texts == ["six"]


def test_another_engine_embeds_everything_anew_where_that_is_asked_for(nights: Nights) -> None:
    nights.endpoint.engine = "other "
    night = nights.refresh("--reembed")
    assert (night.code, sorted(night.texts)) == (0, ["four", "one", "two"])
    assert nights.rows["a"]["vector"] == vector_of("other one").tolist()
    nights.documents(*corpus(e={"text": "five"}))
    assert nights.refresh().texts == ["five"]


# Texts that fail


def crash(*bad: str) -> Callable[[list[str]], Reply | None]:
    """Return a script whose model process crashes of some texts."""
    said = 'do embedding request: Post "http://127.0.0.1:38653/embedding": EOF'
    return lambda texts: error(400, said) if set(bad) & set(texts) else None


def test_a_text_that_failed_for_good_is_not_sent_again(nights: Nights) -> None:
    nights.endpoint.script = crash("bad")
    nights.documents(*corpus(e={"text": "bad", "n": 5}, f={"text": "fine"}, g={"text": "bad"}))
    night = nights.refresh()
    assert night.code == 0, night.said
    assert sorted(set(night.texts)) == ["bad", "fine"]
    assert {name: (one["kind"], one["blame"]) for name, one in nights.failures.items()} == {
        "e": ("RunnerCrashed", "document"),
        "g": ("RunnerCrashed", "document"),
    }
    assert (nights.failures["e"]["line"], nights.failures["e"]["attributes"]) == (5, '{"n":5}')
    assert set(nights.rows) == {"a", "b", "c", "d", "f"}
    again = nights.refresh()
    assert (set(again.paths), nights.store.number()) == (QUIET_PATHS, 2), again.said
    nights.documents({"id": "h", "text": "bad"}, *corpus(e={"text": "bad"}, f={"text": "fine"}))
    assert set(nights.refresh().paths) == QUIET_PATHS
    assert {name: one["line"] for name, one in nights.failures.items()} == {"h": 1, "e": 6}
    nights.documents(*corpus(e={"text": "better"}))
    assert nights.refresh().texts == ["better"]
    assert nights.failures == {}


def test_a_text_that_failed_for_good_is_sent_again_where_that_is_asked_for(nights: Nights) -> None:
    nights.endpoint.script = crash("bad")
    nights.documents(*corpus(e={"text": "bad", "n": 5}))
    nights.refresh()
    nights.endpoint.script = lambda _: None
    night = nights.refresh("--retry-failures")
    assert (night.code, night.texts) == (0, ["bad"]), night.said
    assert (nights.failures, nights.rows["e"]["n"]) == ({}, 5)


def test_texts_that_failed_by_the_server_s_fault_are_sent_again(nights: Nights) -> None:
    replies = [error(500, "unknown"), error(500, "unknown"), error(502, ""), error(500, "unknown")]

    def script(texts: list[str]) -> Reply | None:
        before = [request["input"] for request in nights.endpoint.requests][:-1]
        if texts == ["bad"]:
            return replies.pop(0)
        right_after = before.count(["bad"]) > 1 and before[-1] == ["bad"]
        return error(500, "out of order") if right_after else None

    nights.endpoint.script = script
    nights.documents(*corpus(e={"text": "bad"}))
    night = nights.refresh()
    assert (night.code, nights.failures["e"]["blame"]) == (3, "server"), night.said
    nights.endpoint.script = lambda _: None
    night = nights.refresh()
    assert (night.code, night.texts) == (0, ["bad"])
    assert (nights.failures, nights.ops) == ({}, {"e": "insert"})


def test_failures_found_without_the_endpoint_are_found_again_and_change_nothing(
    nights: Nights,
) -> None:
    nights.documents(*corpus(e={"text": " "}, f={"text": "a\0b"}))
    with nights.corpus.open("a") as file:
        file.write('{"id": "cut\n{"id": "g", "text": 5}\n')
    night = nights.refresh()
    assert (night.code, night.texts) == (0, []), night.said
    kinds = sorted(one["kind"] for one in nights.failures.values())
    assert kinds == ["BadCharacter", "EmptyText", "UnreadableLine", "WrongType"]
    again = nights.refresh()
    assert (set(again.paths), nights.store.number()) == (QUIET_PATHS, 2), again.said


def test_more_failures_than_allowed_are_published_with_exit_code_3(nights: Nights) -> None:
    nights.documents(*corpus(e={"text": " "}))
    allowed = {"output": {"max_failed_fraction": 0.1}}
    night = nights.refresh(**allowed)
    assert (night.code, nights.store.number()) == (3, 2)
    assert "more documents failed than output.max_failed_fraction allows" in night.said
    assert nights.refresh(**allowed).code == 3
    assert [one.exit_code for one in nights.store.entries()] == [0, 3, 3]


def test_where_nothing_succeeds_nothing_is_published(empty: Nights) -> None:
    empty.endpoint.script = lambda texts: (
        None if set(texts) & set(CANARY_TEXTS) else error(500, "no")
    )
    night = empty.refresh(retry={"attempts": 1, "stalled_seconds": 0.1, "total_seconds": 0.1})
    assert night.code == 1, night.said
    assert empty.store.number() is None
    empty.endpoint.script = lambda _: None
    assert empty.refresh().code == 0


# What is refused before a text is sent


def test_ids_that_are_positions_are_refused(empty: Nights) -> None:
    empty.documents(*({"id": str(n), "text": f"text {n}"} for n in range(1, 5)))
    night = empty.refresh()
    assert (night.code, night.paths) == (4, [])
    assert "are the positions of its documents" in night.said
    assert empty.refresh(store={"ids_are_keys": True}).code == 0


def test_ids_that_stand_twice_are_refused_and_named(nights: Nights) -> None:
    nights.documents(*DOCUMENTS, {"id": "e", "text": "x"}, {"id": "e", "text": "y"})
    before = standing(nights)
    night = nights.refresh()
    assert (night.code, set(night.paths)) == (4, QUIET_PATHS), night.said
    assert f"'e' ({nights.corpus}:5, {nights.corpus}:6)" in night.said
    assert standing(nights) == before


def test_half_a_corpus_is_refused(nights: Nights) -> None:
    nights.documents(DOCUMENTS[0])
    night = nights.refresh()
    assert (night.code, set(night.paths), nights.store.number()) == (4, QUIET_PATHS, 1)
    assert "3 of the 4 documents of the current snapshot are not in the corpus" in night.said
    night = nights.refresh("--set", "job.store.max_deleted_fraction=1")
    assert (night.code, set(nights.rows), night.texts) == (0, {"a"}, [])


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"endpoint": {"url": "auto"}}, "may mean another engine each night"),
        ({"corpus": {"limit": 2}}, "corpus.limit is set"),
        ({"corpus": {"on_duplicate": "first"}}, "corpus.on_duplicate is first"),
        ({"corpus": {"files": "/no/such/*.jsonl"}}, "no file"),
        ({"endpoint": {"model": "nomic"}}, "nomic"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_job_that_cannot_be_refreshed_is_refused(
    nights: Nights, groups: dict[str, Any], said: str
) -> None:
    before = standing(nights)
    night = nights.refresh(**groups)
    assert (night.code, night.texts) == (2, []), night.said
    assert said in night.said
    assert "/api/embed" not in night.paths
    assert standing(nights) == before


def test_a_dataset_of_run_is_refused_with_the_command_that_adopts_it(
    empty: Nights, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["run", str(empty.written()), "--quiet"]) == 0
    night = empty.refresh()
    assert (night.code, night.paths) == (4, [])
    assert f"`embed-pipeline adopt {empty.store.path}`" in night.said


def test_a_remote_runner_wants_an_address(nights: Nights) -> None:
    night = nights.refresh("--runner=DataflowRunner", endpoint={"url": "embedded"})
    assert (night.code, night.paths) == (2, [])
    assert "workers of DataflowRunner cannot resolve" in night.said


def test_more_requests_at_once_than_allowed_are_refused_before_any(nights: Nights) -> None:
    night = nights.refresh(batching={"in_flight": 20})
    assert (night.code, night.paths) == (2, [])
    assert "20 requests could be under way at once at one address (in_flight 20)" in night.said


def test_a_store_in_use_is_refused(nights: Nights) -> None:
    with locked(nights.store.path):
        night = nights.refresh()
    assert (night.code, night.paths) == (4, [])
    assert f"process {os.getpid()} on" in night.said
    assert nights.refresh().code == 0


# Flags


def test_a_rerun_of_a_finished_night_does_nothing(nights: Nights) -> None:
    nights.documents(*corpus(e={"text": "five"}))
    assert nights.refresh("--run-id", "2026-03-03").texts == ["five"]
    nights.documents(*corpus(e={"text": "six"}))
    before = standing(nights)
    night = nights.refresh("--run-id", "2026-03-03", "--summary", "json")
    assert (night.code, night.paths) == (0, [])
    assert "2026-03-03 has ended already, with snapshot 2" in night.said
    assert json.loads(night.told)["run_id"] == "2026-03-03"
    assert standing(nights) == before
    assert len(nights.store.entries()) == 2
    assert nights.refresh("--run-id", "2026-03-04").texts == ["six"]


def test_a_rerun_of_a_night_that_found_nothing_to_do_does_nothing(nights: Nights) -> None:
    assert nights.refresh("--run-id", "one").code == 0
    assert nights.refresh("--run-id", "one").paths == []


def test_a_rerun_of_a_night_with_failures_ends_with_its_exit_code(nights: Nights) -> None:
    nights.documents(*corpus(e={"text": " "}))
    allowed = {"output": {"max_failed_fraction": 0.1}}
    assert nights.refresh("--run-id", "one", **allowed).code == 3
    assert nights.refresh("--run-id", "one", **allowed).code == 3


def test_the_summary_is_one_json_object_on_standard_output(nights: Nights) -> None:
    nights.documents(*corpus(a=None, b={"n": 22}, d={"text": "six"}, e={"text": "five"}))
    night = nights.refresh("--summary", "json", "--quiet")
    assert night.told.count("\n") == 1
    told = json.loads(night.told)
    assert told == json.loads(nights.store.entries()[-1].model_dump_json())
    known = ("snapshot", "base", "published", "rows", "embedded", "reused", "tokens", "exit_code")
    assert [told[name] for name in known] == [2, 1, True, 4, 2, 2, 6, 0]
    changes = ("inserted", "updated", "relabeled", "deleted")
    assert [told[name] for name in changes] == [1, 1, 1, 1]
    assert told["bytes_added"] > 0


def test_the_bytes_a_night_adds_are_those_that_no_other_snapshot_has(nights: Nights) -> None:
    nights.documents(*corpus(e={"text": "five"}))
    assert nights.refresh().code == 0
    inodes = {one.stat().st_ino for one in Path(nights.store.snapshot(1)).rglob("*.parquet")}
    fresh = [
        one.stat().st_size
        for one in Path(nights.path).rglob("*.parquet")
        if one.stat().st_ino not in inodes
    ]
    assert nights.store.entries()[-1].bytes_added == sum(fresh)


LARGE = {"file_mb": 1}


def large(count: int, text: Callable[[int], str] = lambda n: f"<{n}> {'x' * 9} {n}") -> Any:
    return [{"id": f"d{n}", "text": text(n)} for n in range(count)]


def test_files_that_stay_whole_and_are_large_are_shared_not_copied(
    empty: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.settings["tokens"] = {"recount": 0}
    empty.settings["output"]["file_mb"] = 1
    noise = [os.urandom(600).hex() for _ in range(2_400)]
    empty.documents(*large(2_400, lambda n: noise[n]))
    assert empty.refresh().code == 0
    first = {one.path: one for one in empty.manifest.data}
    assert len(first) > 2
    empty.documents(*large(2_401, lambda n: noise[n] if n < 2_400 else "new"))
    night = empty.refresh()
    assert (night.code, night.texts) == (0, ["new"])
    inodes = {one.stat().st_ino for one in Path(empty.store.snapshot(1)).glob("data/*")}
    shared = [one for one in Path(empty.path).glob("data/*") if one.stat().st_ino in inodes]
    assert len(shared) >= len(first) - 1
    assert empty.store.entries()[-1].bytes_added < sum(one.bytes for one in first.values()) / 2


class Stops:
    """Be a script that stops the refresh when a text comes, as its time or a signal does."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, texts: list[str]) -> None:
        if self._text in texts:
            interrupt.request_stop(15)


@pytest.fixture
def stopped(nights: Nights) -> Nights:
    """Return nights of which the second was stopped after the text "five", before "six"."""
    nights.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    nights.documents(*corpus(e={"text": "five"}, f={"text": "six"}))
    sent: list[str] = []

    def script(texts: list[str]) -> None:
        if set(texts) & {"five", "six"}:
            sent.extend(texts)
            interrupt.request_stop(15)

    nights.endpoint.script = script
    night = nights.refresh()
    assert (night.code, len(night.texts)) == (143, 1), night.said
    assert "1 vectors are kept, and the next run of this job reuses them" in night.said
    nights.endpoint.script = lambda _: None
    assert nights.store.number() == 1
    return nights


def test_a_refresh_that_was_stopped_is_gone_on_with(stopped: Nights) -> None:
    night = stopped.refresh()
    assert (night.code, len(night.texts)) == (0, 1), night.said
    assert "reusing 1 vectors of run 2" in night.said
    assert vectors_are_right(stopped)
    assert stopped.ops == {"e": "insert", "f": "insert"}
    told = stopped.store.entries()[-1]
    assert (told.embedded, told.reused, told.inserted) == (1, 5, 2)
    assert not (Path(stopped.path) / "staging").exists()


def test_fresh_reuses_nothing_of_a_refresh_that_was_stopped(stopped: Nights) -> None:
    night = stopped.refresh("--fresh")
    assert (night.code, sorted(night.texts)) == (0, ["five", "six"])
    assert "reusing" not in night.said
    assert not (Path(stopped.path) / "staging").exists()


def test_another_engine_at_a_refresh_that_goes_on_is_refused(stopped: Nights) -> None:
    stopped.endpoint.engine = "other "
    assert stopped.refresh().code == 4
    stopped.endpoint.engine = ""
    night = stopped.refresh()
    assert (night.code, len(night.texts)) == (0, 1), night.said
    assert vectors_are_right(stopped)


def test_what_is_left_of_another_model_is_not_reused_and_it_is_said(stopped: Nights) -> None:
    change_digest(stopped)
    night = stopped.refresh()
    assert (night.code, sorted(night.texts)) == (0, ["five", "four", "one", "six", "two"])
    assert "nothing of run 2" in night.said
    assert {one["id"] for one in stopped.rows.values()} == set("abcdef")


def test_what_is_left_of_other_settings_is_not_reused_and_it_is_said(stopped: Nights) -> None:
    night = stopped.refresh(tokens={"prefix": "q: "})
    assert night.code == 0
    assert "nothing of run 2" in night.said
    assert {"q: five", "q: six", "q: one"} <= set(night.texts)


def test_what_is_left_of_a_document_that_changed_meanwhile_is_not_used_for_it(
    stopped: Nights,
) -> None:
    stopped.documents(*corpus(e={"text": "seven"}, f={"text": "eight"}))
    night = stopped.refresh()
    assert (night.code, sorted(night.texts)) == (0, ["eight", "seven"])
    assert vectors_are_right(stopped)
    assert set(stopped.rows) == set("abcdef")


def test_what_is_left_serves_an_equal_text_under_another_id(stopped: Nights) -> None:
    stopped.documents(*corpus(g={"text": "five"}, h={"text": "six"}))
    night = stopped.refresh()
    assert (night.code, len(night.texts)) == (0, 1)
    assert vectors_are_right(stopped)
    assert set(stopped.rows) == set("abcdgh")


def test_the_first_refresh_can_be_gone_on_with(empty: Nights) -> None:
    empty.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    empty.endpoint.script = Stops("two")
    assert empty.refresh().code == 143
    empty.endpoint.script = lambda _: None
    night = empty.refresh()
    assert night.code == 0, night.said
    assert "reusing " in night.said
    assert 0 < len(night.texts) < 3
    assert "two" not in night.texts
    assert vectors_are_right(empty)
    assert set(empty.rows) == set("abcd")


def test_what_a_first_refresh_has_left_of_another_engine_is_left_alone_and_it_is_said(
    empty: Nights,
) -> None:
    empty.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    empty.endpoint.script = Stops("two")
    assert empty.refresh().code == 143
    empty.endpoint.script = lambda _: None
    empty.endpoint.engine = "other "
    night = empty.refresh()
    assert (night.code, sorted(night.texts)) == (0, ["four", "one", "two"]), night.said
    assert "nothing of refreshes that stopped is reused: " in night.said
    assert "computes otherwise" in night.said
    vectors = {name: row["vector"] for name, row in empty.rows.items()}
    assert vectors["b"] == vector_of("other two").tolist()
    assert vectors["d"] == vector_of("other four").tolist()


def test_a_reembedding_can_be_gone_on_with(nights: Nights) -> None:
    nights.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    nights.endpoint.script = Stops("two")
    assert nights.refresh("--reembed").code == 143
    nights.endpoint.script = lambda _: None
    night = nights.refresh("--reembed")
    assert night.code == 0, night.said
    assert "two" not in night.texts
    assert 0 < len(night.texts) < 3
    assert vectors_are_right(nights)


def test_a_refresh_stops_when_its_time_is_up(nights: Nights) -> None:
    nights.documents(*corpus(e={"text": "five"}))

    def until_stopped(texts: list[str]) -> None:
        while "five" in texts and not interrupt.stop_requested():
            nights.endpoint.stopping.wait(0.01)

    nights.endpoint.script = until_stopped
    night = nights.refresh("--max-runtime", "1s")
    assert night.code == TimeIsUp.exit_code == 5
    assert "the time is up; nothing is published" in night.said
    assert nights.store.number() == 1


def test_a_refresh_whose_time_is_up_keeps_what_is_done(nights: Nights) -> None:
    nights.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    nights.documents(*corpus(e={"text": "five"}, f={"text": "six"}))

    def time_is_up(texts: list[str]) -> None:
        if set(texts) & {"five", "six"}:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            while not interrupt.stop_requested():
                nights.endpoint.stopping.wait(0.01)

    nights.endpoint.script = time_is_up
    night = nights.refresh("--max-runtime", "1h")
    assert (night.code, len(night.texts)) == (5, 1), night.said
    assert "the time is up; nothing is published; 1 vectors are kept" in night.said
    nights.endpoint.script = lambda _: None
    again = nights.refresh("--max-runtime", "1h")
    assert (again.code, sorted(again.texts + night.texts)) == (0, ["five", "six"]), again.said
    assert "reusing 1 vectors of run" in again.said
    assert vectors_are_right(nights)


def test_only_so_many_snapshots_are_kept(nights: Nights) -> None:
    for text in ("five", "six", "seven"):
        nights.documents(*corpus(e={"text": text}))
        assert nights.refresh().code == 0
    assert nights.store.numbers() == [3, 4]
    nights.documents(*corpus(e={"text": "eight"}))
    assert nights.refresh(store={"keep_snapshots": 1}).code == 0
    assert nights.store.numbers() == [5]
    assert vectors_are_right(nights)
    assert [one.snapshot for one in nights.store.entries()] == [1, 2, 3, 4, 5]


def test_two_processes_do_the_same(nights: Nights) -> None:
    more = [*large(60, lambda n: f"text {n // 2}"), {"id": "x", "text": " "}]
    nights.documents(*corpus(b={"text": "four"}, c={"n": 33}), *more)
    night = nights.refresh(*TWO_PROCESSES)
    assert night.code == 0, night.said
    assert sorted(night.texts) == sorted(f"text {n}" for n in range(30))
    assert (len(nights.rows), list(nights.failures)) == (64, ["x"])
    assert vectors_are_right(nights)
    assert [nights.ops.get(name) for name in "abc"] == [None, "update", "attributes"]
    change_context(nights)
    night = nights.refresh(*TWO_PROCESSES)
    assert (night.code, len(night.texts)) == (0, 32), night.said
    assert "nothing of snapshot 2 is reused: the model's context was 256, is 128" in night.said


def test_what_two_processes_refuse_is_told_as_by_one(nights: Nights) -> None:
    nights.documents(*DOCUMENTS, DOCUMENTS[0])
    night = nights.refresh(*TWO_PROCESSES)
    assert (night.code, set(night.paths)) == (4, QUIET_PATHS), night.said
    assert f"'a' ({nights.corpus}:1, {nights.corpus}:5)" in night.said


def test_of_a_large_night_one_text_in_a_hundred_is_sent_again(empty: Nights) -> None:
    empty.documents(*large(250))
    night = empty.refresh()
    assert (night.code, len(set(night.texts)), len(night.texts)) == (0, 250, 252), night.said
    assert sum(one["asked"] for one in empty.manifest.recount.values()) == 2


# The schema


def test_a_new_attribute_and_one_that_is_gone_are_said_and_cost_no_request(nights: Nights) -> None:
    found = [{"id": one["id"], "text": one["text"], "tag": f"t{one['n']}"} for one in DOCUMENTS]
    nights.documents(*found)
    night = nights.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    notes = ["the attribute 'n' is gone", "the attribute 'tag' (string) is new"]
    assert nights.store.entries()[-1].notes == notes
    assert all(note in night.said for note in notes)
    assert {name: one["tag"] for name, one in nights.rows.items()} == {
        "a": "t1",
        "b": "t2",
        "c": "t3",
        "d": "t4",
    }
    assert "n" not in nights.manifest.columns
    assert nights.ops == dict.fromkeys("abcd", "attributes")
    assert vectors_are_right(nights)


def test_a_new_attribute_of_few_documents_is_null_in_the_others(nights: Nights) -> None:
    nights.documents(*corpus(b={"tag": "x"}))
    night = nights.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert {name: one["tag"] for name, one in nights.rows.items()} == {
        "a": None,
        "b": "x",
        "c": None,
        "d": None,
    }
    assert nights.ops == {"b": "attributes"}


def test_integers_that_become_floats_widen_the_column(nights: Nights) -> None:
    nights.documents(*corpus(b={"n": 2.5}))
    night = nights.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert nights.store.entries()[-1].notes == ["the attribute 'n' was int64, is double"]
    assert {name: one["n"] for name, one in nights.rows.items()} == {
        "a": 1.0,
        "b": 2.5,
        "c": 3.0,
        "d": 4.0,
    }
    assert nights.manifest.columns["n"] == "double"
    nights.documents(*corpus())
    assert nights.refresh().code == 0
    assert (nights.manifest.columns["n"], nights.rows["b"]["n"]) == ("double", 2.0)


def test_a_string_where_there_was_a_number_is_refused(nights: Nights) -> None:
    nights.documents(*({**one, "n": "many"} for one in DOCUMENTS))
    before = standing(nights)
    night = nights.refresh()
    assert (night.code, night.paths) == (4, []), night.said
    assert "the attribute 'n' is int64 in the current snapshot, but string in the corpus" in (
        night.said
    )
    assert standing(nights) == before


def test_an_attribute_that_is_left_out_by_the_settings_is_gone(nights: Nights) -> None:
    night = nights.refresh(corpus={"attributes": []})
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert "n" not in nights.manifest.columns
    assert nights.ops == dict.fromkeys("abcd", "attributes")


def test_an_attribute_with_the_name_of_a_column_is_refused(nights: Nights) -> None:
    nights.documents(*corpus(b={"vector": 1}))
    night = nights.refresh()
    assert (night.code, night.paths) == (2, [])
    assert "vector" in night.said


# Documents that are split


@pytest.fixture
def split(empty: Nights) -> Nights:
    """Return nights of documents that are split, of which the first has been."""
    endpoint = empty.endpoint
    endpoint.vocabulary, endpoint.context, endpoint.told_context = WORDS, 40, 40
    empty.settings["tokens"] = {"on_too_long": "chunk"}
    empty.documents(*long())
    night = empty.refresh()
    assert (night.code, len(night.texts)) == (0, 5), night.said
    assert set(empty.rows) == {"a#0", "b#0", "b#1", "c#0", "c#1"}
    return empty


def long(**changes: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return three documents, of which two are too long, with some changed."""
    found = {
        "a": {"id": "a", "text": "one two", "n": 1},
        "b": {"id": "b", "text": words("b", 60), "n": 2},
        "c": {"id": "c", "text": words("c", 60), "n": 3},
    }
    for name, change in changes.items():
        if change is None:
            del found[name]
        else:
            found[name] = {"id": name, **found.get(name, {}), **change}
    return list(found.values())


def words(stem: str, count: int) -> str:
    return " ".join(f"{stem}{n}" for n in range(count))


def test_documents_that_have_not_changed_are_not_even_split(split: Nights) -> None:
    before = standing(split)
    night = split.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert standing(split) == before


def test_a_changed_document_replaces_all_its_pieces(split: Nights) -> None:
    split.documents(*long(b={"text": words("b", 100)}, c={"text": "short"}))
    night = split.refresh()
    assert night.code == 0, night.said
    assert set(split.rows) == {"a#0", "b#0", "b#1", "b#2", "c#0"}
    assert split.ops["c#1"] == "delete"
    assert split.ops["b#2"] == "insert"
    assert "a#0" not in split.ops
    assert vectors_are_right(split)
    assert split.manifest.counts.rows == 5


def test_pieces_get_their_document_s_other_attributes_without_a_request(split: Nights) -> None:
    split.documents(*long(b={"n": 22}))
    night = split.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert [split.rows[name]["n"] for name in ("b#0", "b#1", "c#0")] == [22, 22, 3]
    assert split.ops == {"b#0": "attributes", "b#1": "attributes"}
    assert vectors_are_right(split)


def test_a_document_s_twin_gets_all_its_pieces(split: Nights) -> None:
    split.documents(*long(d={"text": words("b", 60), "n": 4}, e={"text": words("e", 60)}))
    split.documents(*long(d={"text": words("b", 60), "n": 4}))
    night = split.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert [split.rows[f"d#{n}"]["document_id"] for n in (0, 1)] == ["d", "d"]
    split.documents(*long(e={"text": words("e", 60)}, f={"text": words("e", 60)}))
    night = split.refresh()
    assert (night.code, len(night.texts)) == (0, 2), night.said
    assert {"e#0", "e#1", "f#0", "f#1"} <= set(split.rows)
    assert "d#0" not in split.rows
    assert vectors_are_right(split)


def test_another_way_of_splitting_reuses_nothing_and_says_why(split: Nights) -> None:
    night = split.refresh(chunking={"max_tokens": 20})
    assert night.code == 0, night.said
    assert "nothing of snapshot 1 is reused: chunking was {" in night.said
    assert len(night.texts) > 5


def test_pieces_that_failed_for_good_are_not_sent_again(split: Nights) -> None:
    split.documents(*long(d={"text": words("d", 60), "n": 4}, e={"text": words("d", 60), "n": 5}))
    pieces: list[list[str]] = []

    def script(texts: list[str]) -> Reply | None:
        pieces.append(texts)
        return crash(*texts)(texts) if any(" d59" in text for text in texts) else None

    split.endpoint.script = script
    night = split.refresh(batching={"max_texts": 1})
    assert night.code == 0, night.said
    assert set(split.failures) == {"d#1", "e#1"}
    assert {"d#0", "e#0"} <= set(split.rows)
    assert vectors_are_right(split)
    again = split.refresh()
    assert (set(again.paths), split.store.number()) == (QUIET_PATHS, 2), again.said
    split.endpoint.script = lambda _: None
    split.documents(*long(d={"text": words("d", 61), "n": 4}))
    assert split.refresh().code == 0
    assert split.failures == {}
    assert {"d#0", "d#1"} <= set(split.rows)


def test_a_split_refresh_that_was_stopped_is_gone_on_with(split: Nights) -> None:
    fresh = {f"n{n}": {"text": words(f"n{n}x", 60)} for n in range(6)}
    split.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    split.documents(*long(**fresh))
    count = [0]

    def script(texts: list[str]) -> None:
        count[0] += any("x59" in text for text in texts)
        if count[0] == 5:
            interrupt.request_stop(15)

    split.endpoint.script = script
    assert split.refresh().code == 143
    split.endpoint.script = lambda _: None
    night = split.refresh()
    assert night.code == 0, night.said
    assert "reusing" in night.said
    assert len(night.texts) < 12
    assert len(split.rows) == 5 + 12
    assert vectors_are_right(split)


# What the rows hold, and what is read


@pytest.mark.parametrize("text", ["hash", "drop"])
def test_without_texts_in_the_rows_the_same_is_sent_and_reused(empty: Nights, text: str) -> None:
    empty.settings["output"]["text"] = text
    assert empty.refresh().code == 0
    assert set(empty.refresh().paths) == QUIET_PATHS
    empty.documents(
        *corpus(
            a=None, b={"text": "new", "n": 22}, c={"n": 33}, e={"text": "four"}, f={"text": "x"}
        )
    )
    night = empty.refresh()
    assert (night.code, sorted(night.texts)) == (0, ["new", "x"]), night.said
    expected = {"b": "new", "c": "one", "d": "four", "e": "four", "f": "x"}
    vectors = {name: row["vector"] for name, row in empty.rows.items()}
    assert vectors == {name: vector_of(text).tolist() for name, text in expected.items()}
    assert empty.ops == {
        "a": "delete",
        "b": "update",
        "c": "attributes",
        "e": "insert",
        "f": "insert",
    }


@pytest.mark.parametrize("vector_type", ["float16", "list<float>"])
def test_other_vector_types_are_kept_and_copied(empty: Nights, vector_type: str) -> None:
    empty.settings["output"] |= {"vector_type": vector_type, "columns": {"vector": "v"}}
    assert empty.refresh().code == 0
    empty.documents(*corpus(a={"n": 9}, b={"text": "four"}, e={"text": "five"}))
    night = empty.refresh()
    assert (night.code, night.texts) == (0, ["five"]), night.said
    for row in empty.rows.values():
        assert row["v"] == pytest.approx(vector_of(row["text"]).tolist(), abs=1e-3)
    assert len(next(one for one in empty.changes if one["id"] == "b")["v"]) == 8


def test_text_files_are_known_by_their_place_in_the_corpus(empty: Nights, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "below").mkdir(parents=True)
    for name, text in {"a.txt": "one", "b.txt": "two", "below/c.txt": "one"}.items():
        (folder / name).write_text(text)
    empty.settings["corpus"] = {"files": f"{folder}/**/*.txt"}
    night = empty.refresh()
    assert (night.code, sorted(night.texts)) == (0, ["one", "two"]), night.said
    assert set(empty.rows) == {"a.txt", "b.txt", "below/c.txt"}
    (folder / "a.txt").unlink()
    (folder / "b.txt").write_text("three")
    night = empty.refresh()
    assert (night.code, night.texts) == (0, ["three"])
    assert empty.ops == {"a.txt": "delete", "b.txt": "update"}


def test_lines_of_text_files_are_known_by_their_words(empty: Nights, tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\none\n")
    empty.settings["corpus"] = {"files": str(file), "text_per": "line"}
    assert sorted(empty.refresh().texts) == ["one", "two"]
    file.write_text("zero\none\ntwo\none\n")
    night = empty.refresh()
    assert (night.code, night.texts) == (0, ["zero"]), night.said
    assert list(empty.ops.values()) == ["insert"]


def test_ids_made_of_the_texts_stay_with_them(empty: Nights) -> None:
    empty.settings["corpus"]["id"] = ""
    empty.documents(*({"text": text} for text in ("one", "two", "three")))
    assert empty.refresh().code == 0
    empty.documents(*({"text": text} for text in ("zero", "one", "two", "three")))
    night = empty.refresh()
    assert (night.code, night.texts) == (0, ["zero"]), night.said


def test_parquet_input_is_compared_as_any_other(empty: Nights, tmp_path: Path) -> None:
    file = tmp_path / "in.parquet"
    empty.settings["corpus"] = {"files": str(file)}
    pq.write_table(pa.Table.from_pylist(DOCUMENTS), file)
    assert sorted(empty.refresh().texts) == ["four", "one", "two"]
    assert set(empty.refresh().paths) == QUIET_PATHS
    pq.write_table(pa.Table.from_pylist(corpus(b={"text": "new"}, c={"n": 9})), file)
    night = empty.refresh()
    assert (night.code, night.texts) == (0, ["new"])
    assert empty.ops == {"b": "update", "c": "attributes"}


def test_csv_that_becomes_json_lines_of_the_same_strings_is_the_same(
    empty: Nights, tmp_path: Path
) -> None:
    file = tmp_path / "in.csv"
    file.write_text("id,text,tag\na,one,x\nb,two,y\n")
    assert empty.refresh(corpus={"files": str(file)}).code == 0
    empty.documents({"id": "a", "text": "one", "tag": "x"}, {"id": "b", "text": "two", "tag": "y"})
    night = empty.refresh()
    assert (night.code, set(night.paths)) == (0, QUIET_PATHS), night.said
    assert empty.store.number() == 1


def test_an_empty_corpus_makes_an_empty_snapshot_which_fills_later(empty: Nights) -> None:
    found = empty.corpus.read_text()
    empty.corpus.write_text("")
    night = empty.refresh()
    assert (night.code, night.texts) == (0, []), night.said
    assert (empty.rows, empty.ops) == ({}, {})
    assert empty.refresh().code == 0
    empty.corpus.write_text(found)
    night = empty.refresh()
    assert (night.code, sorted(night.texts)) == (0, ["four", "one", "two"]), night.said
    assert empty.ops == dict.fromkeys("abcd", "insert")


def test_a_corpus_that_is_emptied_on_purpose_empties_the_store(nights: Nights) -> None:
    nights.corpus.write_text("")
    assert nights.refresh().code == 4
    night = nights.refresh(store={"max_deleted_fraction": 1})
    assert (night.code, nights.rows) == (0, {}), night.said
    assert nights.ops == dict.fromkeys("abcd", "delete")
    nights.documents(*DOCUMENTS)
    assert sorted(nights.refresh().texts) == ["four", "one", "two"]


# A store that is damaged, or not ours to read


def damage_format(nights: Nights) -> None:
    Path(nights.store.current).write_text('{"format": 2, "snapshot": 1}')


def damage_current(nights: Nights) -> None:
    Path(nights.store.current).write_text('{"format": 1, "snap')


def damage_pointer(nights: Nights) -> None:
    Path(nights.store.current).write_text('{"format": 1, "snapshot": 7}')


def damage_name(nights: Nights) -> None:
    Path(nights.store.current).unlink()


def damage_marks(nights: Nights) -> None:
    (file,) = Path(nights.path).glob("index/*")
    content = bytearray(file.read_bytes())
    content[20] ^= 0x40
    file.write_bytes(content)


def damage_changes(nights: Nights) -> None:
    next(Path(nights.path).glob("changes/*")).unlink()


def damage_manifest(nights: Nights) -> None:
    file = Path(nights.path) / "manifest.json"
    file.write_bytes(file.read_bytes()[:500])


def damage_manifest_format(nights: Nights) -> None:
    file = Path(nights.path) / "manifest.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))


def damage_rows(nights: Nights) -> None:
    next(Path(nights.path).glob("data/*")).unlink()


def damage_index(nights: Nights) -> None:
    next(Path(nights.path).glob("index/*")).unlink()


def damage_size(nights: Nights) -> None:
    file = next(Path(nights.path).glob("data/*"))
    file.write_bytes(file.read_bytes()[:-5])


def damage_content(nights: Nights) -> None:
    file = next(Path(nights.path).glob("data/*"))
    file.write_bytes(bytes(file.stat().st_size))


def rewrite(nights: Nights, folder: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a file of the snapshot anew, and its new size into the manifest."""
    (file,) = Path(nights.path).glob(f"{folder}/*")
    before = file.stat().st_size
    pq.write_table(change(pq.ParquetFile(file).read()), file)
    manifest = Path(nights.path) / "manifest.json"
    told = f'"bytes": {before},'
    assert told in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(told, f'"bytes": {file.stat().st_size},'))


def damage_footer(nights: Nights) -> None:
    def other(table: pa.Table) -> pa.Table:
        told = table.schema.metadata[b"embed_pipeline"].replace(b"d1d1", b"d2d2")
        return table.replace_schema_metadata({b"embed_pipeline": told})

    rewrite(nights, "data", other)


def damage_columns(nights: Nights) -> None:
    def other(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("n")
        return table.set_column(place, "n", table["n"].cast(pa.string()))

    rewrite(nights, "data", other)


def damage_row_count(nights: Nights) -> None:
    rewrite(nights, "data", lambda table: table.slice(1))


def damage_mark_count(nights: Nights) -> None:
    rewrite(nights, "index", lambda table: table.slice(1))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_format, "is of format 2, written by a newer version"),
        (damage_current, "current.json is damaged"),
        (damage_pointer, "current.json names snapshot 7, which is not there, or not whole"),
        (damage_name, "current.json is missing, but there are snapshots"),
        (damage_marks, "has other bytes than were written (sha256)"),
        (damage_changes, "part-00000.parquet is missing: the snapshot is damaged"),
        (damage_manifest, "manifest.json is damaged"),
        (damage_manifest_format, "is of format 2, written by a newer version"),
        (damage_rows, "part-00000.parquet is missing: the snapshot is damaged"),
        (damage_index, "is missing: the snapshot is damaged"),
        (damage_size, "the snapshot is damaged"),
        (damage_content, "cannot be read"),
        (damage_footer, "its footer tells of another origin than the manifest: digest differ"),
        (damage_columns, "'n' is string, not int64; the snapshot is damaged"),
        (damage_row_count, "it has 3 rows, and the manifest says 4"),
        (damage_mark_count, "has other bytes than were written (sha256)"),
    ],
)
def test_a_damaged_store_is_left_alone_and_the_damage_is_named(
    nights: Nights, damage: Callable[[Nights], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(nights)
    monkeypatch.setattr(nights, "check", lambda: None)
    nights.documents(*corpus(e={"text": "five"}))
    before = standing(nights)
    night = nights.refresh()
    assert (night.code, night.texts) == (1, []), night.said
    assert said in night.said
    assert "Traceback" not in night.said
    assert standing(nights) == before


def test_a_damaged_entry_of_the_log_is_warned_of_and_stops_nothing(nights: Nights) -> None:
    (Path(nights.store.log) / "000001.json").write_text("{")
    nights.documents(*corpus(e={"text": "five"}))
    night = nights.refresh()
    assert (night.code, night.texts) == (0, ["five"]), night.said
    assert "000001.json is damaged; it is not needed: delete it" in night.said


@pytest.mark.parametrize("change", ["a row goes", "attributes"])
def test_a_vector_that_was_damaged_does_not_reach_the_next_snapshot(
    nights: Nights, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = Path(nights.path).glob("data/*")
    content = bytearray(file.read_bytes())
    column = pq.ParquetFile(file).metadata.row_group(0).column(2)
    content[column.data_page_offset + column.total_compressed_size - 8] ^= 0x01
    file.write_bytes(content)
    monkeypatch.setattr(nights, "check", lambda: None)
    nights.documents(*(corpus(a=None) if change == "a row goes" else corpus(a={"n": 77})))
    night = nights.refresh()
    assert (night.code, nights.store.number()) == (1, 1), night.said
    assert "has other bytes than were written (sha256): the snapshot is damaged" in night.said


def test_the_number_of_a_snapshot_somebody_went_back_from_is_not_used_again(
    nights: Nights,
) -> None:
    nights.documents(*corpus(e={"text": "five"}))
    assert nights.refresh("--run-id", "night").code == 0
    nights.store.publish(1)
    again = nights.refresh("--run-id", "night")
    assert (again.code, nights.store.number(), again.texts) == (0, 3, ["five"]), again.said
    assert (nights.manifest.refresh and nights.manifest.refresh.base) == 1


def test_a_clock_that_was_set_back_changes_nothing(nights: Nights) -> None:
    file = Path(nights.path) / "manifest.json"
    later = file.read_text().replace('"20', '"29')
    file.write_text(later)
    entry = Path(nights.store.log) / "000001.json"
    entry.write_text(entry.read_text().replace('"20', '"29'))
    assert set(nights.refresh().paths) == QUIET_PATHS
    nights.documents(*corpus(e={"text": "five"}))
    night = nights.refresh()
    assert (night.code, night.texts, nights.store.number()) == (0, ["five"], 2), night.said
    assert [one.snapshot for one in nights.store.entries()] == [1, 1, 2]
    assert set(nights.refresh().paths) == QUIET_PATHS


# An object store


def test_the_same_nights_on_an_object_store(
    tmp_path: Path, endpoint: ScriptedEndpoint, s3: str
) -> None:
    nights = Nights(tmp_path, endpoint, files.join(s3, "store"))
    nights.documents(*DOCUMENTS)
    assert sorted(nights.refresh().texts) == ["four", "one", "two"]
    assert set(nights.refresh().paths) == QUIET_PATHS
    for text in ("five", "six", "seven"):
        nights.documents(*corpus(b={"text": text}, c={"n": 33}, a=None, e={"text": text}))
        night = nights.refresh()
        assert (night.code, night.texts) == (0, [text]), night.said
        assert vectors_are_right(nights)
    assert nights.ops == {"b": "update", "e": "update"}
    assert set(nights.rows) == set("bcde")
    assert nights.store.numbers() == [3, 4]
    assert listed(nights) == named(nights)


def test_a_refresh_that_was_stopped_on_an_object_store_is_gone_on_with(
    tmp_path: Path, endpoint: ScriptedEndpoint, s3: str
) -> None:
    nights = Nights(tmp_path, endpoint, files.join(s3, "store"))
    nights.settings["batching"] = {"max_texts": 1, "in_flight": 1}
    nights.documents(*DOCUMENTS)
    endpoint.script = Stops("two")
    assert nights.refresh().code == 143
    assert nights.store.number() is None
    endpoint.script = lambda _: None
    night = nights.refresh()
    assert night.code == 0, night.said
    assert "two" not in night.texts
    assert "reusing " in night.said
    assert vectors_are_right(nights)
    assert set(nights.rows) == set("abcd")
    assert listed(nights) == named(nights)


def listed(nights: Nights) -> set[str]:
    """Return the files of a store's snapshots."""
    return {one.path for one in files.find(files.join(nights.store.path, "snapshots"))}


def named(nights: Nights) -> set[str]:
    """Return the files that a store's snapshots name, and the three beside them."""
    found = set()
    for number in nights.store.numbers():
        folder = nights.store.snapshot(number)
        manifest = read_manifest(folder)
        lists = (manifest.data, manifest.index, manifest.changes, manifest.failures)
        found |= {files.join(folder, one.path) for parts in lists for one in parts}
        found |= {files.join(folder, name) for name in PLAIN}
    return found
