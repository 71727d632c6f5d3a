"""A dataset of rows and failures that come through a pipeline of other steps."""

import json
from pathlib import Path

import pyarrow.dataset
import pytest

from embed_pipeline.made_with import made_with
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.report import read_report
from tests.support import beam_yaml
from tests.support.scripted import ScriptedEndpoint

CREATE = """
- {type: Create, config: {elements: [{id: a, text: one, n: 1}, {id: b, text: two, n: 2}, {id: c, text: "", n: 3}]}}
"""  # noqa: E501


def embed(endpoint: ScriptedEndpoint, name: str = "EmbedText", text: str = "text") -> str:
    return (
        f"- {{type: EmbedText, name: {name}, input: Create, config: {{url: '{endpoint.url}', "
        f"model: all-minilm, endpoint: {{headers: {{x-key: hunter2}}}}, text: {text}, "
        "error_handling: {output: bad}}}\n"
    )


def write(inputs: str, path: Path, more: str = "") -> str:
    return f"- {{type: WriteDataset, input: {inputs}, config: {{path: '{path}'{more}}}}}\n"


def run(transforms: str, path: Path) -> Manifest:
    beam_yaml.run(transforms, "composite")
    return read_manifest(str(path))


def test_rows_and_failures_make_a_dataset(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    path = tmp_path / "out"
    steps = CREATE + embed(endpoint) + write("{rows: EmbedText, bad: EmbedText.bad}", path)
    manifest = run(steps, path)
    assert (manifest.counts.documents, manifest.counts.rows, manifest.counts.failed) == (3, 2, 1)
    assert manifest.counts.failed_by_blame_and_kind == {"document:EmptyText": 1}
    assert manifest.effort["requests"] > 0
    report = read_report(str(path))
    assert report is not None
    assert (sum(report.timeline.texts), report.map.of, len(report.map.x)) == (2, 2, 2)


def test_what_steps_between_leave_out_is_not_missed(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    keep = "- {type: Filter, input: EmbedText, config: {language: python, keep: n > 1}}\n"
    steps = CREATE + embed(endpoint) + keep + write("{rows: Filter, bad: EmbedText.bad}", path)
    manifest = run(steps, path)
    assert (manifest.counts.documents, manifest.counts.rows, manifest.counts.failed) == (2, 1, 1)
    report = read_report(str(path))
    assert report is not None
    assert (sum(report.timeline.texts), report.map.x) == (2, [])  # what was left out is not shown


def test_rows_whose_vectors_were_changed_are_failures(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    longer = (
        "- {type: MapToFields, input: EmbedText, config: {language: python, append: true, "
        "drop: [vector], fields: {vector: 'vector if n == 1 else 2 * vector'}}}\n"
    )
    steps = CREATE + embed(endpoint) + longer
    manifest = run(steps + write("{rows: MapToFields, bad: EmbedText.bad}", path), path)
    assert (manifest.counts.documents, manifest.counts.rows, manifest.counts.failed) == (3, 1, 2)
    failed = pyarrow.dataset.dataset(path / "failures").to_table().to_pylist()
    assert [(one["id"], one["kind"]) for one in failed if one["stage"] == "write"] == [
        ("b", "WrongType")
    ]


def test_failures_may_go_elsewhere(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    path = tmp_path / "out"
    log = "- {type: LogForTesting, input: EmbedText.bad}\n"
    manifest = run(CREATE + embed(endpoint) + log + write("EmbedText", path), path)
    assert (manifest.counts.documents, manifest.counts.rows, manifest.counts.failed) == (2, 2, 0)


def test_the_manifest_tells_the_settings_without_secrets(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    steps = CREATE + embed(endpoint) + write("{rows: EmbedText, bad: EmbedText.bad}", path)
    job = run(steps, path).job
    assert job["endpoint"]["url"] == endpoint.url
    assert job["endpoint"]["headers"] == ["x-key"]
    assert "hunter2" not in (path / "manifest.json").read_text()


def test_rows_of_the_same_id_are_as_told(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    path = tmp_path / "out"
    steps = CREATE.replace("id: b", "id: a") + embed(endpoint)
    steps += write("{rows: EmbedText, bad: EmbedText.bad}", path, ", on_duplicate: last")
    counts = run(steps, path).counts
    assert (counts.documents, counts.rows, counts.duplicates_dropped) == (3, 1, 1)


def test_the_one_row_that_comes_out_sums_up(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    path = tmp_path / "out"
    steps = CREATE + embed(endpoint) + write("{rows: EmbedText, bad: EmbedText.bad}", path)
    steps += f"- {{type: WriteToJson, input: WriteDataset, config: {{path: {tmp_path}/sum}}}}\n"
    run(steps, path)
    (file,) = tmp_path.glob("sum-*")
    summary = json.loads(file.read_text())
    summary.pop("run_id")
    assert summary == {
        "path": str(path),
        "documents": 3,
        "rows": 2,
        "failed": 1,
        "too_many_failed": True,
    }


def test_an_id_that_stands_twice_is_refused_with_the_steps_own_cure(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    steps = CREATE.replace("id: b", "id: a") + embed(endpoint)
    with pytest.raises(Exception, match=r"'a' at .*on_duplicate of WriteDataset.* are not kept"):
        run(steps + write("{rows: EmbedText, bad: EmbedText.bad}", path), path)


def test_two_datasets_in_one_folder_are_refused(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    path = tmp_path / "out"
    steps = CREATE + embed(endpoint) + "- {type: LogForTesting, input: EmbedText.bad}\n"
    steps += write("EmbedText", path)
    again = write("EmbedText", path).replace("WriteDataset,", "WriteDataset, name: B,")
    with pytest.raises(ValueError, match="another WriteDataset of this pipeline writes to"):
        beam_yaml.build(steps + again, "composite")
    beam_yaml.build(steps + again.replace("/out", "/other"), "composite")


def test_nested_rows_are_json_objects_of_the_dataset(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    create = "- {type: Create, config: {elements: [{id: a, text: one, at: {x: 1, y: [2]}}]}}\n"
    steps = create + embed(endpoint)
    run(steps + write("{rows: EmbedText, bad: EmbedText.bad}", path), path)
    assert pyarrow.dataset.dataset(path / "data").to_table()["at"].to_pylist() == [
        '{"x":1,"y":[2]}'
    ]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("Create", "the input 'input' has the columns id, text, n: rows of EmbedText would have"),
        ("{a: One, b: Other}", "2 of the inputs a, b are rows of EmbedText"),
        ("{a: One.bad}", "0 of the inputs input are rows of EmbedText"),
        ("[One, Other]", "its rows come from 2 EmbedText steps"),
    ],
)
def test_other_inputs_are_refused(
    endpoint: ScriptedEndpoint, tmp_path: Path, inputs: str, message: str
) -> None:
    steps = CREATE + embed(endpoint, "One") + embed(endpoint, "Other")
    steps += "- {type: LogForTesting, input: [One.bad, Other.bad]}\n"
    with pytest.raises(ValueError, match=message):
        beam_yaml.build(steps + write(inputs, tmp_path / "out"), "composite")


def test_failures_of_such_a_dataset_can_be_tried_again(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    steps = CREATE + embed(endpoint) + write("{rows: EmbedText, bad: EmbedText.bad}", path)
    manifest = run(steps, path)
    made = made_with(str(path), manifest, None, {"x-key": "hunter2"})
    assert (made.endpoint.url, made.attributes) == (endpoint.url, {"n": "int64"})
