"""Failures, retries and endpoints as a report shows them."""

import re

import pytest
from markupsafe import Markup

from embed_pipeline import errors
from embed_pipeline.manifest import Retried
from embed_pipeline.page.trouble import endpoints, failures, retries
from embed_pipeline.report import EndpointShare, FailurePlace, Fault, Report, Timeline
from tests.support import reports


def rows(page: Markup) -> list[list[str]]:
    """Return what stands in the rows of a page's tables, as text."""
    found = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page)
    return [
        [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in re.split(r"</t[hd]>", row)[:-1]]
        for row in found
    ]


def test_failures_are_told_by_kind_the_most_frequent_first() -> None:
    made = reports.manifest(90, 9)
    kinds = {"document:EmptyText": 2, "server:ServerFault": 7}
    counts = made.counts.model_copy(update={"failed_by_blame_and_kind": kinds})
    found = rows(failures(made.model_copy(update={"counts": counts}), None))

    assert [row[:4] for row in found] == [
        ["ServerFault", "7", "7.1 %", "server"],
        ["EmptyText", "2", "2.0 %", "document"],
    ]


def test_a_few_failures_of_each_kind_are_placed_with_their_text_where_it_is_told() -> None:
    places = [
        FailurePlace(kind="EmptyText", source="a<b.jsonl", line=3, text="<p>"),
        FailurePlace(kind="EmptyText", source="b.parquet"),
        FailurePlace(kind="TextTooLong", source="c.jsonl", line=1),
    ]
    found = rows(failures(reports.manifest(90, 3), Report(places=places)))

    assert found[0][4].endswith("a&lt;b.jsonl:3 &lt;p&gt; b.parquet")
    assert found[1][4].endswith("c.jsonl:1")


def test_to_try_again_is_advised_where_it_was_not_the_documents_fault() -> None:
    made = reports.manifest(90, 9)
    kinds = {"document:EmptyText": 8, "server:ServerFault": 1}
    counts = made.counts.model_copy(update={"failed_by_blame_and_kind": kinds})

    assert "retry-failures" not in failures(made, None)
    assert "retry-failures" in failures(made.model_copy(update={"counts": counts}), None)


def test_where_nothing_failed_that_is_said() -> None:
    assert "No document failed." in failures(reports.manifest(5), None)


def test_a_kind_has_what_happened_and_the_cure_of_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(errors.EmptyText, "happened", "It is `<empty>`.", raising=False)
    monkeypatch.setattr(errors.EmptyText, "cure", "Leave it out.", raising=False)
    found = failures(reports.manifest(90, 1), None)

    assert '<p class="happened">It is <code>&lt;empty&gt;</code>.</p>' in found
    assert '<p class="cure">Leave it out.</p>' in found


def test_a_kind_nobody_knows_is_told_without_a_cure() -> None:
    made = reports.manifest(90, 1)
    counts = made.counts.model_copy(update={"failed_by_blame_and_kind": {"document:Newer": 1}})

    assert rows(failures(made.model_copy(update={"counts": counts}), None))[0][4] == ""


def test_tries_that_failed_are_told_by_kind() -> None:
    made = reports.manifest(5, effort={"requests": 1_200.0, "retries": 3.0, "isolated": 1.0})
    faults = {"ConnectionLost": Fault(count=1, lost_s=0.5), "Overloaded": Fault(count=9, lost_s=75)}
    found = retries(made, Report(faults=faults))

    assert [row[:3] for row in rows(found)] == [
        ["Overloaded", "9", "1 min 15 s"],
        ["ConnectionLost", "1", "0.50 s"],
    ]
    assert "1,200 requests, 3 of them repeated, 1 cut in halves to tell their texts apart." in found
    assert "Time lost is summed over requests, of which several are under way at once." in found


def test_requests_of_later_tries_are_told_apart_from_those_of_the_run() -> None:
    again = Retried(
        run_id="r", started="", finished="", tried=5, succeeded=5, endpoint="",
        endpoint_version="", embed_pipeline="",
    )  # fmt: skip
    made = reports.manifest(5, effort={"requests": 96.0, "retries": 15.0}, retried=[again])
    run = Report(timeline=Timeline(requests=[90, 5]), faults={"ServerFault": Fault(count=15)})

    assert (
        "96 requests, 15 of them repeated. 1 of the requests came later, when failures were tried "
        "again; the table is of the run alone."
    ) in retries(made, run)
    assert "Those of later tries of failures are among them." in retries(made, None)
    assert "later" not in retries(made.model_copy(update={"retried": []}), run)


def test_an_older_dataset_has_the_kinds_the_manifest_counts() -> None:
    made = reports.manifest(5, effort={"requests": 8.0, "faults.RunnerCrashed": 12.0})

    assert [row[:3] for row in rows(retries(made, None))] == [["RunnerCrashed", "12", "–"]]
    assert "8 requests, none of them repeated." in retries(made, None)


def test_nothing_is_said_of_requests_that_nobody_counted() -> None:
    assert retries(reports.manifest(5, effort={}), None) == ""


def test_each_endpoint_has_its_share_and_how_well_it_did() -> None:
    found = endpoints(
        Report(
            endpoints=[
                EndpointShare(name="http://a", requests=10, texts=100, tokens=900, seconds=5.0),
                EndpointShare(
                    name="http://b<", requests=30, texts=300, tokens=2_700, seconds=30.0,
                    faults={"Overloaded": 3, "ConnectionLost": 3, "ServerFault": 4}, rested_s=61.0,
                ),
                EndpointShare(name="http://c"),
            ]
        )
    )  # fmt: skip

    assert rows(found) == [
        ["http://b&lt;", "75.0 %", "300", "2,700", "30", "1 s",
         "4 ServerFault, 3 ConnectionLost, 3 Overloaded", "1 min 01 s"],
        ["http://a", "25.0 %", "100", "900", "10", "0.50 s", "none", "–"],
        ["http://c", "0 %", "0", "0", "0", "–", "none", "–"],
    ]  # fmt: skip


def test_without_statistics_there_are_no_endpoints() -> None:
    assert endpoints(None) == ""
    assert endpoints(Report()) == ""
