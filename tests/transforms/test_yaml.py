"""Beam YAML: both pipelines of configs/ as their users run them, schemas, and what is refused."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.dataset
import pytest
import yaml
from apache_beam.yaml import json_utils, yaml_provider
from apache_beam.yaml.yaml_transform import expand_jinja

from embed_pipeline.manifest import read_manifest
from embed_pipeline.pipelines import cli
from tests.support import beam_yaml
from tests.support.scripted import ScriptedEndpoint, vector_of

TYPES = ["ChunkText", "EmbedText", "ReadCorpus", "WriteDataset"]
LINES = '{"id": "1", "text": "one", "year": 2024}\n{"id": "2", "text": "two"}\nnot JSON\n'
TABLE = "sku,title,body,price,note\n1,a,x y,5,n\n2,b,,6,n\n3,c,z,500,n\n4,d,w,99.5,\n5,e,v,,n\n"
CREATE = "- {type: Create, config: {elements: [{id: a, text: b}]}}\n"
Done = subprocess.CompletedProcess[str]


def rows(path: Path, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of a dataset, by id."""
    table = pyarrow.dataset.dataset(path / "data").to_table().sort_by("id")
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


def providers() -> Mapping[str, Any]:
    loaded = yaml_provider.load_providers(str(beam_yaml.PROVIDERS))
    return {name: found[0] for name, found in yaml_provider.merge_providers(loaded).items()}


def test_the_main_job_in_yaml_makes_the_dataset_of_a_corpus(
    endpoint: ScriptedEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = tmp_path / "docs.jsonl", tmp_path / "out"
    corpus.write_text(LINES)
    job = beam_yaml.CONFIGS / "embed_corpus.beam.yaml"
    done = beam_yaml.run_file(job, files=str(corpus), output=str(out), url=endpoint.url)
    assert done.returncode == 0, done.stderr
    assert rows(out, "id", "text", "year") == [("1", "one", 2024), ("2", "two", None)]
    assert [vector for (vector,) in rows(out, "vector")] == [
        pytest.approx(vector_of(text).tolist(), abs=1e-6) for text in ("one", "two")
    ]
    manifest = read_manifest(str(out))
    assert (manifest.counts.documents, manifest.counts.rows, manifest.counts.failed) == (3, 2, 1)
    (failed,) = pyarrow.dataset.dataset(out / "failures").to_table().to_pylist()
    assert (failed["kind"], failed["source"], failed["line"]) == (
        "UnreadableLine",
        str(corpus),
        3,
    )
    assert cli.invoke(["inspect", str(out)]) == 0
    assert "every check holds" in capsys.readouterr().out


def test_rows_of_another_source_are_embedded_in_yaml(
    endpoint: ScriptedEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "items.csv", tmp_path / "out"
    table.write_text(TABLE)
    job = beam_yaml.CONFIGS / "embed_rows.beam.yaml"
    done = beam_yaml.run_file(job, table=str(table), output=str(out), url=endpoint.url)
    assert done.returncode == 0, done.stderr
    assert rows(out, "id", "text", "title", "price") == [
        ("1", "a: x y", "a", 5.0),
        ("4", "d: w", "d", 99.5),
    ]
    (failed,) = pyarrow.dataset.dataset(out / "failures").to_table().to_pylist()
    assert (failed["kind"], failed["id"]) == ("MissingField", "2")
    assert failed["message"].startswith("field 'body' of the text's template is null")
    assert cli.invoke(["inspect", str(out)]) == 0
    assert "every check holds" in capsys.readouterr().out


def test_a_wrong_argument_ends_the_process_with_its_name_and_line(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    step = (
        "- {type: EmbedText, config: {url: 'http://127.0.0.1:1', model: m, batching: {texts: 3}}}"
    )
    job.write_text(beam_yaml.pipeline_of(CREATE + step))
    done: Done = beam_yaml.run_file(job)
    assert done.returncode == 1
    assert 'at "EmbedText" at line 5: EmbedText: batching.texts: unknown key' in done.stderr


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("- {type: ReadCorpus}", "missing 1 required -only argument: 'files'"),
        ("- {type: ReadCorpus, config: {files: x, text_per: w}}", "ReadCorpus: text_per: Input"),
        (CREATE + "- {type: EmbedText, config: {modle: m}}", "unexpected argument 'modle'"),
        (CREATE + "- {type: EmbedText, config: {model: m}}", "url is 'auto', which workers cannot"),
        (
            CREATE + "- {type: ChunkText, config: {model: m, url: 'http://127.0.0.1:1', "
            "tokens: {on_too_long: fail}}}",
            "ChunkText: tokens.on_too_long must be chunk",
        ),
        (CREATE + "- {type: WriteDataset, config: {path: x, on_duplicate: y}}", "on_duplicate is"),
        (
            CREATE + "- {type: EmbedText, config: {model: m, url: 'http://127.0.0.1:1', "
            "error_handling: {output: bad}}}",
            "The output named EmbedText.bad must be used",
        ),
    ],
)
def test_what_cannot_work_is_refused_as_the_pipeline_is_built(steps: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_yaml.build(steps)


def test_a_model_that_wants_prefixes_and_gets_none_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = "{model: nomic-embed-text, url: 'http://127.0.0.1:1'}"
    beam_yaml.build(CREATE + f"- {{type: EmbedText, config: {config}}}")
    assert "nomic-embed-text" in caplog.text


def test_every_step_and_every_argument_is_described() -> None:
    found = providers()
    assert sorted(found) == TYPES
    for name, provider in found.items():
        assert provider.description(name)
        fields = provider.config_schema(name).fields
        assert [field.name for field in fields if not field.description] == []


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema Beam makes of a step's annotations."""
    fields = providers()[name].config_schema(name).fields
    kinds = {field.name: json_utils.beam_type_to_json_type(field.type) for field in fields}
    return {"type": "object", "properties": kinds, "additionalProperties": False}


@pytest.mark.parametrize("job", ["embed_corpus.beam.yaml", "embed_rows.beam.yaml"])
def test_the_pipelines_are_good_by_the_schemas_of_the_steps(job: str) -> None:
    given = dict.fromkeys(("files", "table", "output", "url"), "x")
    text = expand_jinja((beam_yaml.CONFIGS / job).read_text(), given)
    steps = yaml.safe_load(text)["pipeline"]["transforms"]
    ours = [step for step in steps if step["type"] in TYPES]
    assert len(ours) >= 2
    for step in ours:
        jsonschema.validate(step["config"], schema(step["type"]))


@pytest.mark.parametrize(
    "config",
    [{"url": 7}, {"error_handling": {"outputs": "x"}}, {"endpoint": "x"}, {"modle": "m"}],
    ids=json.dumps,
)
def test_the_schema_refuses_what_is_not_meant(config: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, schema("EmbedText"))
