"""A job file: Beam's own options in one section, ours in the other; nothing in it is code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.chunking import CHUNK_TYPES, Chunking
from embed_pipeline.corpus import Corpus
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import ConfigError
from embed_pipeline.output import Output
from embed_pipeline.retention import Retention
from embed_pipeline.settings import Settings, explain
from embed_pipeline.tokens import Tokens

# The job of a folder, where there is no job file; configs/folder.yaml is the same, with comments.
# `embedded` and not `auto`, so that what was run can be refreshed.
_FOLDER = """
job:
  endpoint: {url: embedded, model: all-minilm}
  tokens: {on_too_long: chunk}
"""


class Job(Settings):
    """Say what is embedded, by whom, how, and where the dataset goes."""

    corpus: Corpus = Field(description="what to read")
    endpoint: Endpoint = Field(description="who makes the vectors")
    batching: Batching = Field(default_factory=Batching, description="bounds of a request")
    retry: Retry = Field(default_factory=Retry, description="bounds of its repetition")
    tokens: Tokens = Field(
        default_factory=Tokens, description="counting, prefixes, texts that are too long"
    )
    chunking: Chunking = Field(
        default_factory=Chunking, description="splitting, where tokens.on_too_long is chunk"
    )
    output: Output = Field(description="the dataset")
    store: Retention = Field(
        default_factory=Retention, description="snapshots, where a store is refreshed"
    )

    @model_validator(mode="after")
    def _chunking_is_used(self) -> "Job":
        if not self.chunks and self.chunking != Chunking():
            raise ValueError("chunking is set, but tokens.on_too_long is not chunk: set that, too")
        return self

    @model_validator(mode="after")
    def _pieces_stay_together(self) -> "Job":
        if self.chunks and self.corpus.on_duplicate != "error":
            raise ValueError(
                f"corpus.on_duplicate is {self.corpus.on_duplicate}, which goes by row and would "
                "mix the pieces of two documents: with tokens.on_too_long chunk leave it at error"
            )
        return self

    @property
    def chunks(self) -> bool:
        """Tell whether documents are split."""
        return self.tokens.on_too_long == "chunk"

    @property
    def attribute_types(self) -> AttributeTypes | None:
        """Return names and types of all attribute columns; None where the corpus' are not known."""
        types = self.corpus.types
        return {**types, **CHUNK_TYPES} if types is not None and self.chunks else types

    def public(self) -> dict[str, Any]:
        """Return the settings as a manifest may show them: without secrets."""
        found = self.model_dump(mode="json")
        found["endpoint"]["url"] = self.endpoint.masked_urls
        found["endpoint"]["headers"] = sorted(self.endpoint.headers)
        return found


class JobFile(Settings):
    """Hold a whole job file."""

    beam: dict[str, Any] = Field(
        default={},
        description="Beam's own options; empty: the local runner",
        json_schema_extra={"type": ["object", "null"]},
    )
    job: Job = Field(description="our own settings")


class _Loader(yaml.SafeLoader):
    """Load YAML as SafeLoader does, but refuse a key that is given twice in one mapping."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Check a mapping as it is written, before others are merged into it."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                problem = f"the key {key.value!r} is given twice; keep one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(name or id(key))
        return node


def load(path: str | Path | None, overrides: Sequence[str] = ()) -> JobFile:
    """Read a job file.

    Args:
        path: The YAML file; None for the job of a folder, whose files and output `overrides` name.
        overrides: Of the form `job.endpoint.model=x`; the value is YAML, the path must exist.

    Raises:
        ConfigError: The file cannot be read, or is no job; it names every wrong key and value.
    """
    try:
        text = _FOLDER if path is None else Path(path).read_text(encoding="utf-8")
        found = yaml.load(text, _Loader)  # noqa: S506 (it is safe)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML{_problem(error)}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is no job file: it needs the sections beam and job")
    found = {"beam": None, **found}
    found["beam"] = {} if found["beam"] is None else found["beam"]
    for override in overrides:
        _override(found, override)
    try:
        return JobFile.model_validate(found)
    except ValidationError as error:
        raise explain(error, JobFile, str(path or "--files, --output, --set")) from error


def _override(found: dict[str, Any], override: str) -> None:
    """Set one value, by its path."""
    path, equals, text = override.partition("=")  # the value may be a secret: it is never shown
    names = path.strip().split(".")
    if not equals or len(names) < 2:
        raise ConfigError(f"--set {path}: write it as job.endpoint.model=VALUE")
    if names[0] not in JobFile.model_fields and names[0] in Job.model_fields:
        raise ConfigError(f"--set {path}: did you mean job.{path.strip()}?")
    cure = f"put it in quotes: --set '{path}=\"...\"'"
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 (it is safe)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"--set {path}: the value is not YAML{_problem(error)}; {cure}"
        ) from error
    if isinstance(value, dict) and not text.lstrip().startswith("{"):
        raise ConfigError(
            f"--set {path}: the value holds a colon, which YAML takes for a key; {cure}"
        )
    group = found
    for name in names[:-1]:
        inner = group.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {path}: {name} is not a group of settings")
        group = inner
    group[names[-1]] = value


def _problem(error: Exception) -> str:
    """Return where a YAML error is and what it is, without the line itself: it may be a secret."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ""
    mark = error.problem_mark
    return f", line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
