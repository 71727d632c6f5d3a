"""What is made of the code for the documents: tables that miss nothing, in their regions."""

import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
from pydantic import BaseModel

from embed_pipeline.job import JobFile
from embed_pipeline.pipelines.arguments import Duration
from embed_pipeline.pipelines.cli import main
from tests.reference import commands, faults, keys
from tests.reference.markdown import renewed, table

KEYS = "".join(keys.regions().values())
COMMANDS = commands.regions()
ERRORS = "".join(faults.regions().values())


def names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the path of every key, from the models themselves."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for kind in getattr(field.annotation, "__args__", None) or (field.annotation,):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from names(kind, f"{prefix}{name}.")


@pytest.mark.parametrize("name", [name for name in names(JobFile) if name != "job"])
def test_every_key_of_the_settings_is_there_once(name: str) -> None:
    assert KEYS.count(f"\n| `{name}` |") + KEYS.count(f"`{name}`: ") == 1


@pytest.mark.parametrize(
    "line",
    [
        "| `job.batching.in_flight` | integer, 1 to 64 | `2` | requests under way at once, per ",
        "| `job.corpus.files` | string, or list of strings | required | A file, ",
        "| `job.endpoint.auth` | group | none | bearer token: {env: NAME}, ",
        "| `job.endpoint.ca_file` | path | none | PEM file ",
        "| `job.endpoint.headers` | mapping to strings | `{}` | further headers",
        "| `job.endpoint.keep_alive` | number of seconds, or duration | `30m` | how long ",
        "| `job.endpoint.timeouts` | group | its keys' own | waiting times",
        "| `job.endpoint.timeouts.read` | number, above 0 | `120.0` | for an answer, ",
        "| `job.endpoint.url` | `auto`, `embedded` or `worker`, or address, or list of addresses |",
        "| `job.output.vector_type` | `float32`, `float16` or `list<float>` | `float32` | ",
        "| `job.store.ids_are_keys` | true or false | `false` | whether ids",
        '| `job.tokens.prefix` | string | `""` | put before each text',
    ],
)
def test_a_key_is_told_with_type_default_and_meaning(line: str) -> None:
    assert f"\n{line}" in KEYS


def test_a_group_is_told_with_its_meaning() -> None:
    assert keys.regions()["keys job.retry"].startswith(
        "`job.retry`: bounds of its repetition.\n\n| Key | Type | Default | Meaning |\n|---|---|"
    )


FLAGS = [
    (name, flag)
    for name, command in main.commands.items()
    for option in command.params
    if isinstance(option, click.Option)
    for flag in (*option.opts, *option.secondary_opts)
]


@pytest.mark.parametrize(("command", "flag"), FLAGS)
def test_every_flag_is_told_with_its_command(command: str, flag: str) -> None:
    assert re.search(rf"[` ]{flag}[`, ]", COMMANDS[f"command {command}"])


@click.command(help="Do this, in\ntwo lines.\n\nAnd more of it.")
@click.argument("place")
@click.argument("others", nargs=-1, metavar="[OTHERS]")
@click.option("--name", "-n", metavar="NAME", multiple=True, required=True, help="One | more.")
@click.option("--count", type=click.IntRange(0, 9), default=3, help="How many.")
@click.option("--limit", type=click.IntRange(min=1), help="At most.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), default=1.5, help="How long."
)
@click.option("--how", type=click.Choice(["json", "text"]), help="As what.")
@click.option("--after", type=Duration(), default="", help="When.")
@click.option("--ids", type=click.File("rb"), help="Which.")
@click.option("--fresh", is_flag=True, help="Anew.")
@click.option("--color/--no-color", default=True, help="In color.")
@click.option("--secret", hidden=True)
def flags_of_every_kind() -> None:
    """Have them."""


def test_a_command_is_told_with_its_usage_its_purpose_and_its_flags() -> None:
    assert commands.described("do", flags_of_every_kind) == (
        "`embed-pipeline do [OPTIONS] PLACE [OTHERS]`\n\n"
        "Do this, in two lines.\n\n"
        "| Flag | Type | Default | Meaning |\n"
        "|---|---|---|---|\n"
        "| `--name, -n NAME` | string, repeatable | required | One \\| more. |\n"
        "| `--count` | integer, 0 to 9 | `3` | How many. |\n"
        "| `--limit` | integer, 1 or more | none | At most. |\n"
        "| `--seconds` | number, above 0 | `1.5` | How long. |\n"
        "| `--how` | `json` or `text` | none | As what. |\n"
        "| `--after` | duration | none | When. |\n"
        "| `--ids` | file | none | Which. |\n"
        "| `--fresh` | switch | off | Anew. |\n"
        "| `--color, --no-color` | switch | on | In color. |\n"
    )


def test_a_command_without_flags_says_so() -> None:
    assert commands.described("path", click.Command("path", help="Print it.")) == (
        "`embed-pipeline path`\n\nPrint it.\n\nIt has no flags.\n"
    )


def test_an_exit_code_is_told_with_its_meaning_and_advice() -> None:
    assert "\n| 3 | Published, but more failed than " in COMMANDS["exit codes"]
    assert "\n| 143 | Interrupted by SIGTERM; nothing is published. | |\n" in COMMANDS["exit codes"]


@pytest.mark.parametrize("kind", list(faults.leaves()), ids=lambda kind: kind.__name__)
def test_every_error_is_told_with_what_happened_and_the_cure(kind: type[Any]) -> None:
    (row,) = [line for line in ERRORS.splitlines() if line.startswith(f"| `{kind.__name__}` |")]
    assert table((), [(kind.happened,)]).splitlines()[-1].strip("| ") in row
    assert row.endswith(f" {kind.cure} |")


@pytest.mark.parametrize(
    "line",
    [
        "| `ConfigError` | 2 | The job file, ",
        "| `InterruptedJobError` | 130, 143 | SIGINT (130) or SIGTERM (143)",
        "| `Overloaded` | 408, 429, 502, 503, 504; `Retry-After` is honored. | 30 | job | Fewer",
        "| `ServerFault` | Any other 5xx. | 3 | text | See the server's log. A document is to",
        "| `CannotEmbed` | 501: the model has no embeddings. | 1 | job | Choose",
    ],
)
def test_an_error_is_told_with_its_exit_code_or_its_tries_and_scope(line: str) -> None:
    assert f"\n{line}" in ERRORS


def test_a_cell_shows_markup_as_it_is_and_what_is_in_backticks_as_code() -> None:
    assert table(["A"], [["x | *y* <z> [a] \\n `b|*` c\nd"]]) == (
        "| A |\n|---|\n| x \\| \\*y\\* \\<z> \\[a\\] \\\\n `b\\|*` c d |\n"
    )


END = "<!-- made:end -->\n"
OLD = f"before\n<!-- made:a -->\nold\n{END}between\n<!-- made:b c -->\n{END}"


def test_regions_are_made_anew_and_all_else_is_kept() -> None:
    assert renewed(OLD, {"a": "new\n", "b c": "other \\1\n"}) == (
        "before\n<!-- made:a -->\nnew\n<!-- made:end -->\n"
        "between\n<!-- made:b c -->\nother \\1\n<!-- made:end -->\n"
    )


@pytest.mark.parametrize(
    ("document", "wanted", "said"),
    [
        (OLD, ["a", "b c", "d"], "add:\n<!-- made:d -->\n<!-- made:end -->"),
        (OLD, ["a"], "b c"),
        (OLD + OLD, ["a", "b c"], "twice"),
        (OLD + "<!-- made:d -->\n", ["a", "b c"], "without an end"),
        (OLD + "<!-- made:end -->\n", ["a", "b c"], "without an end"),
    ],
)
def test_a_document_whose_regions_do_not_fit_is_refused(
    document: str, wanted: list[str], said: str
) -> None:
    with pytest.raises(ValueError, match=r"made of|regions") as caught:
        renewed(document, dict.fromkeys(wanted, ""))
    assert said in str(caught.value)
