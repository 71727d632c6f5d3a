"""A Dataflow Flex Template: its parameters are a job's settings, and its main file parses them.

A parameter is named as the setting's path in the job, with `_` for `.`: `endpoint_model` is
`job.endpoint.model`. Its value is YAML, as that of `--set`. The launcher makes the job and ends; it
does not wait for it, as Google asks of templates.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from embed_pipeline import files
from embed_pipeline.errors import EmbedPipelineError
from embed_pipeline.job import Job, JobFile, load

JOB_FILE = "job_file"
IMAGE = "sdk_container_image"  # Beam's own option, which a template must declare
DEFAULTS = {  # of Beam's options; a job file's, and the launcher's flags, win
    "runner": "DataflowRunner",
    "experiments": ["no_use_multiple_sdk_containers"],  # one process a worker
}
HIDDEN = {"endpoint_headers"}  # Dataflow shows parameters to whoever may look at the job
LEFT_OUT = "store"  # of refreshes, which a template does not make


class Parameter(NamedTuple):
    """Name one parameter and the setting it stands for.

    Attributes:
        name: Its name.
        path: The setting's, in a job file.
        required: Whether a job cannot do without it.
        help: What it is.
    """

    name: str
    path: str
    required: bool
    help: str


def parameters() -> list[Parameter]:
    """Return a parameter for each setting of a job that a template can have."""
    found = [
        Parameter(path.removeprefix("job.").replace(".", "_"), path, required, told)
        for path, required, told in _settings(Job, "job.", required=True)
    ]
    return [one for one in found if one.name not in HIDDEN]


def _settings(
    model: type[BaseModel], prefix: str, *, required: bool
) -> Iterator[tuple[str, bool, str]]:
    """Return path, necessity and description of each setting; one that is a group has several."""
    for name, field in model.model_fields.items():
        needed = required and field.is_required()
        group = field.annotation
        if name == LEFT_OUT:
            continue
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from _settings(group, f"{prefix}{name}.", required=needed)
        else:
            yield prefix + name, needed, _help(field)


def _help(field: FieldInfo) -> str:
    words = (field.description or "").rstrip(".")
    told = f"{words[0].upper()}{words[1:]}."
    default = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required() or default is None or isinstance(default, BaseModel):
        return told
    shown = default if isinstance(default, str) else json.dumps(default)
    return f"{told} Default: {shown or 'empty'}."


def metadata() -> dict[str, Any]:
    """Return what `gcloud dataflow flex-template build --metadata-file` is given."""
    shown: list[dict[str, Any]] = [
        {
            "name": JOB_FILE,
            "label": "job file",
            "helpText": "A job file at gs://; the other parameters change its settings. Required "
            "settings may stand there or be given as parameters.",
            "isOptional": True,
            "regexes": ["^gs://.+"],
        },
        {
            "name": IMAGE,
            "label": "image of the workers",
            "helpText": "An image that has this package, such as the template's own.",
            "isOptional": True,
        },
    ]
    for one in parameters():
        needed = " Needed, here or in the job file." if one.required else ""
        shown.append(
            {
                "name": one.name,
                "label": one.path,
                "helpText": one.help + needed,
                "isOptional": True,
                **({"regexes": ["^gs://.+"]} if one.path == "job.output.path" else {}),
            }
        )
    return {
        "name": "embed_pipeline",
        "description": "Turn a corpus into a Parquet dataset of embedding vectors, with a model "
        "you host. Values are YAML, as in a job file: quote one that holds a colon or a brace, "
        "such as '{title}: {body}'.",
        "streaming": False,
        "supportsAtLeastOnce": False,
        "parameters": shown,
    }


def parse(argv: Sequence[str]) -> tuple[JobFile, list[str]]:
    """Return the job that a launcher's arguments mean, and those that are Beam's.

    Raises:
        ConfigError: They make no job.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument(f"--{JOB_FILE}")
    paths = {one.name: one.path for one in parameters()}
    for name in paths:
        parser.add_argument(f"--{name}")
    ours, beams = parser.parse_known_args(argv)
    given = {name: value for name, value in vars(ours).items() if value is not None}
    text = files.read_bytes(given.pop(JOB_FILE)) if JOB_FILE in given else b"job: {}"
    overrides = [f"{paths[name]}={value}" for name, value in given.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.yaml")
        path.write_bytes(text)
        return load(path, overrides), beams


def main(argv: Sequence[str] | None = None) -> int:
    """Make a Dataflow job of a launcher's arguments; return the exit code."""
    from embed_pipeline.pipelines.launch import run_job  # noqa: PLC0415 (Beam takes seconds)
    from embed_pipeline.pipelines.options import split_known  # noqa: PLC0415
    from embed_pipeline.pipelines.terminal import Terminal  # noqa: PLC0415

    terminal = Terminal()
    try:
        job_file, rest = parse(sys.argv[1:] if argv is None else argv)
        flags, unknown = split_known(rest)
        for flag in unknown:  # a user's are checked against the metadata before we are started
            terminal.warn(f"the launcher gave {flag.partition('=')[0]}, which Beam does not know")
        image = {"sdk_location": "container"} if any(IMAGE in flag for flag in flags) else {}
        section = {**DEFAULTS, **image, **job_file.beam}
        job_file = job_file.model_copy(update={"beam": section})
        return run_job(job_file, flags, terminal, wait=False)
    except EmbedPipelineError as error:
        terminal.warn(str(error))
        return error.exit_code


if __name__ == "__main__":
    print(json.dumps(metadata(), indent=2))
