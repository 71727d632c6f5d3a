"""Beam YAML's ReadCorpus, ChunkText, EmbedText and WriteDataset: configs/providers.yaml names them.

Beam YAML makes each step's schema of the annotations, where a union would be its first member, and
its description of the docstring.
"""

import logging
from collections.abc import Mapping
from typing import Any, Optional

import apache_beam as beam
from apache_beam.yaml.yaml_errors import ErrorHandlingConfig

from embed_pipeline import prefixes, step_settings
from embed_pipeline.errors import ConfigError
from embed_pipeline.transforms.row_dataset import WriteRowDataset
from embed_pipeline.transforms.row_steps import ChunkRows, EmbedRows, ReadRows
from embed_pipeline.transforms.write import POLICIES

_log = logging.getLogger("embed_pipeline")

Group = Optional[Mapping[str, Any]]


def read_corpus(
    *,
    files: Any,
    format: Optional[str] = None,
    text: Optional[str] = None,
    id: Optional[str] = None,
    attributes: Any = None,
    text_per: Optional[str] = None,
    limit: Optional[int] = None,
    error_handling: Optional[ErrorHandlingConfig] = None,
) -> beam.PTransform:
    """Read the documents of a corpus: JSON Lines, CSV, TSV, Parquet and plain text.

    The rows have the columns id and text, and one for each attribute. The attributes' types are
    found out from a sample while the pipeline is built.

    Args:
        files: A file, a folder or a glob pattern, local, s3:// or gs://; or a list of them.
        format: What the files hold; by default each file's extension says so.
        text: The field with the text, or a template of several, such as "{title}: {body}".
        id: The field with the id; empty for the sha256 of the file's name and the text.
        attributes: The fields that are kept beside the text, or, each with a "-" before it, those
            that are not; all others by default. With types (int64, double, bool, string) they are
            declared.
        text_per: Whether a plain text file is one document (file), or each line is (line).
        limit: Read only the first documents.
        error_handling: Where rows go that are no documents; without it the first one fails the job.
    """
    given = {
        "files": files,
        "format": format,
        "text": text,
        "id": id,
        "attributes": attributes,
        "text_per": text_per,
        "limit": limit,
    }
    return ReadRows(step_settings.corpus("ReadCorpus", given), _failures(error_handling))


def chunk_text(
    *,
    url: Optional[str] = None,
    model: Optional[str] = None,
    prefix: Optional[str] = None,
    max_tokens: Optional[int] = None,
    overlap: Optional[int] = None,
    text: Optional[str] = None,
    id: Optional[str] = None,
    attributes: Any = None,
    endpoint: Group = None,
    batching: Group = None,
    retry: Group = None,
    tokens: Group = None,
    error_handling: Optional[ErrorHandlingConfig] = None,
) -> beam.PTransform:
    """Split documents into pieces that fit the model.

    The rows have the columns of the documents, and document_id, chunk_index, chunk_start and
    chunk_end. EmbedText follows, with the same settings of the endpoint.

    Args:
        url: The endpoint's address; several are given as endpoint.url.
        model: The model's name, as the endpoint knows it.
        prefix: Put before each text, or around it where it has {text} in it.
        max_tokens: Tokens of a piece, at most; by default as many as the model reads.
        overlap: Tokens that neighboring pieces share, at most.
        text: The column with the text, or a template of several.
        id: The column with the id; empty for the sha256 of the text.
        attributes: The columns that are kept, or, each with a "-" before it, those that are not;
            all others by default. With types (int64, double, bool, string) they are declared.
        endpoint: Further settings, as job.endpoint of a job file has them.
        batching: The same as job.batching.
        retry: The same as job.retry.
        tokens: The same as job.tokens.
        error_handling: Where documents go that cannot be split; without it the first one fails
            the job.
    """
    found = step_settings.asking(
        "ChunkText",
        {
            "endpoint": endpoint,
            "batching": batching,
            "retry": retry,
            "tokens": {"on_too_long": "chunk", **(tokens or {})},
            "chunking": None,
        },
        endpoint__url=url,
        endpoint__model=model,
        tokens__prefix=prefix,
        chunking__max_tokens=max_tokens,
        chunking__overlap=overlap,
    )
    if found["tokens"].on_too_long != "chunk":
        raise ConfigError("ChunkText: tokens.on_too_long must be chunk, or left out")
    chunking = found.pop("chunking")
    naming = _naming("ChunkText", id, text, attributes)
    return ChunkRows(found, chunking, naming, _failures(error_handling))


def embed_text(
    *,
    url: Optional[str] = None,
    model: Optional[str] = None,
    prefix: Optional[str] = None,
    on_too_long: Optional[str] = None,
    text: Optional[str] = None,
    id: Optional[str] = None,
    attributes: Any = None,
    endpoint: Group = None,
    batching: Group = None,
    retry: Group = None,
    tokens: Group = None,
    error_handling: Optional[ErrorHandlingConfig] = None,
) -> beam.PTransform:
    """Embed texts by calling an Ollama-compatible endpoint.

    The rows have the columns id and text, those that are kept, and vector (float32, unit length),
    model, token_count, token_count_source and truncated.

    Args:
        url: The endpoint's address; several are given as endpoint.url.
        model: The model's name, as the endpoint knows it.
        prefix: Put before each text, or around it where it has {text} in it.
        on_too_long: What becomes of texts the model cannot read whole: truncate, fail, or chunk
            after ChunkText.
        text: The column with the text, or a template of several, such as "{title}: {body}".
        id: The column with the id; empty for the sha256 of the text.
        attributes: The columns that are kept, or, each with a "-" before it, those that are not;
            all others by default. With types (int64, double, bool, string) they are declared.
        endpoint: Further settings, as job.endpoint of a job file has them.
        batching: The same as job.batching.
        retry: The same as job.retry.
        tokens: The same as job.tokens.
        error_handling: Where texts without a vector go; without it the first one fails the job.
    """
    given = {"endpoint": endpoint, "batching": batching, "retry": retry, "tokens": tokens}
    found = step_settings.asking(
        "EmbedText",
        given,
        endpoint__url=url,
        endpoint__model=model,
        tokens__prefix=prefix,
        tokens__on_too_long=on_too_long,
    )
    asked = found["tokens"]
    missing = prefixes.warning(found["endpoint"].model, asked.prefix, asked.query_prefix)
    if missing:
        _log.warning("%s", missing)
    naming = _naming("EmbedText", id, text, attributes)
    return EmbedRows(found, naming, _failures(error_handling))


def write_dataset(
    *,
    path: Optional[str] = None,
    on_exists: Optional[str] = None,
    on_duplicate: str = "error",
    output: Group = None,
) -> beam.PTransform:
    """Write the rows of EmbedText, and failures, as one committed Parquet dataset.

    The inputs are the rows of one EmbedText and any number of failures, in any order; they are
    told apart by their columns. The one row that comes out has path, run_id, documents, rows,
    failed and too_many_failed.

    Args:
        path: The dataset's folder: local, s3:// or gs://.
        on_exists: What to do where there is a dataset already: error or overwrite.
        on_duplicate: What happens to rows of the same id: error, or the first or last is kept.
        output: Further settings, as job.output of a job file has them.
    """
    settings = step_settings.output(
        "WriteDataset", output, output__path=path, output__on_exists=on_exists
    )
    if on_duplicate not in POLICIES:
        raise ConfigError(f"WriteDataset: on_duplicate is '{on_duplicate}': use one of {POLICIES}")
    return WriteRowDataset(settings, on_duplicate)


def _naming(step: str, identity: str | None, text: str | None, attributes: Any) -> Any:
    given = {"files": "rows", "id": identity, "text": text, "attributes": attributes}
    return step_settings.corpus(step, given)


def _failures(error_handling: Any) -> str | None:
    """Return the name of the output for failures; Beam has checked that it is given and read."""
    return dict(error_handling)["output"] if error_handling else None
