"""Job files: read, overridden, and refused with the place and the cure."""

import json
from pathlib import Path

import pytest

from embed_pipeline import job
from embed_pipeline.errors import ConfigError

SMALL = """
job:
  corpus: {files: "docs/*.jsonl"}
  endpoint: {model: all-minilm}
  output: {path: out}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "job.yaml"
    found.write_text(SMALL)
    return found


def refusal(file: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        job.load(file, overrides)
    return str(caught.value)


def test_a_small_file_gets_the_defaults(file: Path) -> None:
    found = job.load(file)
    assert found.beam == {}
    assert found.job.endpoint.url == "auto"
    assert found.job.batching.max_texts == 32
    assert found.job.corpus.files == "docs/*.jsonl"


def test_options_of_beam_are_kept_verbatim(file: Path) -> None:
    file.write_text("beam: {runner: FlinkRunner, experiments: [a, b]}\n" + SMALL)
    assert job.load(file).beam == {"runner": "FlinkRunner", "experiments": ["a", "b"]}


def test_an_empty_beam_section_is_none(file: Path) -> None:
    file.write_text("beam:\n" + SMALL)
    assert job.load(file).beam == {}


@pytest.mark.parametrize("beam", ["[]", "''", "0", "false"])
def test_a_beam_section_that_is_no_mapping_is_refused_even_if_empty(file: Path, beam: str) -> None:
    file.write_text(f"beam: {beam}\n{SMALL}")
    assert refusal(file) == f"{file}: beam: Input should be a mapping of names to values"


@pytest.mark.parametrize("name", ["demo", "local", "server", "dataflow"])
def test_the_files_that_come_along_are_jobs(name: str) -> None:
    configs = Path(__file__).parents[2] / "configs"
    assert job.load(configs / f"{name}.yaml").job.endpoint.model


@pytest.mark.parametrize(
    ("override", "group", "name", "value"),
    [
        ("job.endpoint.model=nomic-embed-text", "endpoint", "model", "nomic-embed-text"),
        ("job.endpoint.model=a=b", "endpoint", "model", "a=b"),
        ("job.endpoint.keep_alive=-1", "endpoint", "keep_alive", -1),
        ("job.endpoint.dimensions=null", "endpoint", "dimensions", None),
        ("job.endpoint.options={num_ctx: 512}", "endpoint", "options", {"num_ctx": 512}),
        ("job.endpoint.options.num_ctx=512", "endpoint", "options", {"num_ctx": 512}),
        ("job.batching.max_texts=8", "batching", "max_texts", 8),
        ("job.batching.max_tokens=512", "batching", "max_tokens", 512),
        ("job.tokens.on_too_long=fail", "tokens", "on_too_long", "fail"),
        ("job.tokens.prefix='query: '", "tokens", "prefix", "query: "),
        ("job.corpus.files=[a.jsonl, b.jsonl]", "corpus", "files", ["a.jsonl", "b.jsonl"]),
        (" job.output.path =other", "output", "path", "other"),
    ],
)
def test_a_value_can_be_set_by_its_path(
    file: Path, override: str, group: str, name: str, value: object
) -> None:
    found = job.load(file, [override])
    assert getattr(getattr(found.job, group), name) == value


def test_an_option_of_beam_can_be_set(file: Path) -> None:
    assert job.load(file, ["beam.runner=FlinkRunner"]).beam == {"runner": "FlinkRunner"}


def test_of_two_values_for_a_path_the_last_one_holds(file: Path) -> None:
    found = job.load(file, ["job.retry.attempts=2", "job.retry.attempts=3"])
    assert found.job.retry.attempts == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("job.endpoint.model", "--set job.endpoint.model: write it as job.endpoint.model=VALUE"),
        ("model=x", "--set model: write it as job.endpoint.model=VALUE"),
        ("output.path=x", "--set output.path: did you mean job.output.path?"),
        ("=x", "--set : write it as job.endpoint.model=VALUE"),
        ("job.endpoint.model.name=x", "--set job.endpoint.model.name: model is not a group"),
        (
            "job.endpoint.headers={A: sec: ret}",
            "--set job.endpoint.headers: the value is not YAML, line 1, column 8",
        ),
    ],
)
def test_an_override_that_is_none_is_refused_without_its_value(
    file: Path, override: str, message: str
) -> None:
    found = refusal(file, override)
    assert found.startswith(message)
    assert "sec" not in found


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("jbo.endpoint.model=x", "jbo: unknown key; did you mean 'job'?"),
        ("job.endpont.model=x", "job.endpont: unknown key; did you mean 'endpoint'?"),
        ("job.endpoint.modle=x", "job.endpoint.modle: unknown key; did you mean 'model'?"),
        (
            "job.endpoint.timeouts.raed=1",
            "job.endpoint.timeouts.raed: unknown key; did you mean 'read'?",
        ),
        ("job.endpoint.auth.enf=X", "job.endpoint.auth.enf: unknown key; did you mean 'env'?"),
        ("job.batching.max_text=1", "job.batching.max_text: unknown key; did you mean 'max_texts'"),
        ("job.corpus.filse=a", "job.corpus.filse: unknown key; did you mean 'files'?"),
        ("job.output.columms={}", "job.output.columms: unknown key; did you mean 'columns'?"),
        (
            "job.retry.zzz=1",
            "job.retry.zzz: unknown key; known here: attempts, stalled_seconds, total_seconds",
        ),
    ],
)
def test_an_unknown_key_is_refused_at_every_level_with_the_nearest(
    file: Path, override: str, message: str
) -> None:
    assert f"{file}: {message}" in refusal(file, override)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("job.endpoint.keep_alive='-1'", "job.endpoint.keep_alive: the endpoint refuses"),
        ("job.endpoint.url=localhost:11434", "job.endpoint.url: 'localhost:11434' is not an"),
        ("job.endpoint.timeouts.read=0", "job.endpoint.timeouts.read: Input should be greater"),
        ("job.batching.in_flight=many", "job.batching.in_flight: Input should be a valid integer"),
        ("job.output.columns={vectro: v}", "job.output.columns: there is no column 'vectro'"),
        ("job.endpoint=null", "job.endpoint: must be a group of settings"),
        ("job.corpus.files=3", "job.corpus.files: Input should be a valid string or a list"),
    ],
)
def test_a_wrong_value_is_refused_with_file_and_path(
    file: Path, override: str, message: str
) -> None:
    assert refusal(file, override).startswith(f"{file}: {message}")


def test_every_problem_is_reported_at_once(file: Path) -> None:
    found = refusal(file, "job.retry.attempts=0", "job.batching.max_texts=0", "job.x=1")
    assert len(found.splitlines()) == 3


def test_a_missing_group_is_named(file: Path) -> None:
    file.write_text("job: {corpus: {files: a}, endpoint: {model: m}}")
    assert refusal(file) == f"{file}: job.output: Field required"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.yaml") == (
        f"cannot read {tmp_path}/no.yaml: No such file or directory"
    )


@pytest.mark.parametrize("content", ["", "- a list", "text", "3"])
def test_yaml_that_is_no_mapping_is_no_job(file: Path, content: str) -> None:
    file.write_text(content)
    assert refusal(file) == f"{file} is no job file: it needs the sections beam and job"


def test_wrong_yaml_is_refused_with_its_place_but_without_the_line(file: Path) -> None:
    file.write_text('job:\n  endpoint:\n    headers: {Authorization: "Bearer secret}\n')
    found = refusal(file)
    assert found.startswith(f"{file} is not YAML, line 4, column 1: ")
    assert "secret" not in found


@pytest.mark.parametrize("content", [b"job: \xff", b"job: \x00"])
def test_bytes_that_are_no_text_are_not_yaml(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert refusal(file).startswith(f"{file} is not YAML")


@pytest.mark.parametrize(
    ("content", "line", "key"),
    [
        ("job: {}\njob: {}\n", 2, "job"),
        ("job:\n  endpoint:\n    model: a\n    url: auto\n    'model': b\n", 5, "model"),
        ("job:\n  corpus: [{a: 1,\n    a: 2}]\n", 3, "a"),
    ],
)
def test_a_key_given_twice_is_refused_with_its_line(
    file: Path, content: str, line: int, key: str
) -> None:
    file.write_text(content)
    found = refusal(file)
    assert found.startswith(f"{file} is not YAML, line {line}, column ")
    assert found.endswith(f"the key '{key}' is given twice; keep one of them")


def test_a_merged_mapping_may_be_overridden(file: Path) -> None:
    file.write_text(
        "beam: {a: &all {x: 1, y: 2}, b: {<<: *all, x: 3}, c: {<<: *all, y: 4}}\n" + SMALL
    )
    found = job.load(file).beam
    assert (found["b"], found["c"]) == ({"x": 3, "y": 2}, {"x": 1, "y": 4})


@pytest.mark.parametrize(
    "value", ["secret: {text}", "{secret}: {text}", "a: secret: c", "'secret' {text}"]
)
def test_an_override_that_needs_quotes_is_told_so_without_its_value(file: Path, value: str) -> None:
    found = refusal(file, f"job.corpus.text={value}")
    assert found.startswith("--set job.corpus.text: the value ")
    assert found.endswith("""; put it in quotes: --set 'job.corpus.text="..."'""")
    assert "secret" not in found


def test_an_override_in_quotes_may_hold_a_colon(file: Path) -> None:
    assert job.load(file, ['job.corpus.text="a: {text}"']).job.corpus.text == "a: {text}"


def test_tags_that_would_run_code_are_refused(file: Path) -> None:
    file.write_text("job: !!python/object/apply:os.getcwd []")
    assert "is not YAML" in refusal(file)


def test_chunking_that_is_not_asked_for_is_refused_with_the_cure(file: Path) -> None:
    assert "chunking is set, but tokens.on_too_long is not chunk" in refusal(
        file, "job.chunking.max_tokens=100"
    )


def test_chunking_is_set_where_texts_are_to_be_split(file: Path) -> None:
    found = job.load(file, ["job.tokens.on_too_long=chunk", "job.chunking.max_tokens=100"]).job
    assert found.chunks
    assert found.chunking.max_tokens == 100


@pytest.mark.parametrize("policy", ["first", "last"])
def test_pieces_of_documents_with_one_id_are_not_mixed(file: Path, policy: str) -> None:
    said = refusal(file, "job.tokens.on_too_long=chunk", f"job.corpus.on_duplicate={policy}")
    assert f"corpus.on_duplicate is {policy}" in said
    assert "leave it at error" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("job.tokens.on_too_long=drop", "tokens.on_too_long"),
        ("job.tokens.recount=-1", "tokens.recount"),
        ("job.tokens.prefix='{text}{text}'", "{text} may stand once"),
        ("job.batching.max_tokens=0", "batching.max_tokens"),
    ],
)
def test_a_wrong_value_of_tokens_is_refused(file: Path, override: str, said: str) -> None:
    assert said in refusal(file, override)


def test_the_columns_of_pieces_are_added_where_texts_are_split(file: Path) -> None:
    typed = job.load(file, ["job.corpus.attributes={n: int64}"]).job
    split = job.load(file, ["job.corpus.attributes={n: int64}", "job.tokens.on_too_long=chunk"]).job
    assert typed.attribute_types == {"n": "int64"}
    assert split.attribute_types == {
        "n": "int64",
        "document_id": "string",
        "chunk_index": "int64",
        "chunk_start": "int64",
        "chunk_end": "int64",
    }


def test_columns_that_are_not_known_yet_are_none(file: Path) -> None:
    assert job.load(file, ["job.tokens.on_too_long=chunk"]).job.attribute_types is None


def test_the_public_settings_are_json_without_secrets(file: Path) -> None:
    found = job.load(
        file,
        [
            "job.endpoint.url=http://alice:passw0rd@host:1",
            "job.endpoint.headers={X-Key: hidden, A: b}",
            "job.endpoint.auth={env: EMBED_TOKEN}",
        ],
    ).job
    public = found.public()
    assert public["endpoint"]["url"] == "http://host:1"
    assert public["endpoint"]["headers"] == ["A", "X-Key"]
    assert public["endpoint"]["auth"] == {
        "env": "EMBED_TOKEN",
        "file": None,
        "google_id_token": None,
        "secret_manager": None,
    }
    for shown in (json.dumps(public), repr(found), str(found)):
        assert "passw0rd" not in shown
        assert "alice" not in shown
        assert "hidden" not in shown
