"""The dataset card: what a dataset is and how to open it, as the Hugging Face hub reads it.

It is made of the manifest alone, and holds no text of the corpus, no address and no path.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from embed_pipeline.card_code import query, samples
from embed_pipeline.footers import find_layout
from embed_pipeline.manifest import Counts, Manifest
from embed_pipeline.markdown import block, code, table
from embed_pipeline.model_names import is_embedded
from embed_pipeline.output import COLUMNS
from embed_pipeline.provenance import ACCEPTED
from embed_pipeline.schema import UNDECLARED, Layout

MARKER = "<!-- embed-pipeline writes this file anew; to keep your own text, delete this line -->"
_MEANINGS = {
    "id": "the document's id",
    "vector": "its vector",
    "model": "the model",
    "token_count": "tokens the model read, special tokens and prefix included",
    "token_count_source": "how they were counted: `server` by the endpoint, `verified` here and "
    "confirmed by the endpoint's sums, `estimated` as a share of those",
    "truncated": "whether the vector is that of the text's beginning only; null: not known",
    "document_id": "the document a piece is of",
    "chunk_index": "the piece's place in it, from 0",
    "chunk_start": "the character it begins at",
    "chunk_end": "the character it ends before",
}
_TEXTS = {"keep": "its text", "hash": "the sha256 of its text, in place of it"}
_LONG = {
    "truncate": "cut: the vector is that of their beginning",
    "chunk": "split; each row is a piece",
    "fail": "left out; they are failures",
}
_QUERIES = (
    "The vector of a query comes from the same model, served by Ollama or a server like it; "
    "`embed-pipeline search FOLDER QUERY` asks for it and searches:"
)
_LOADING = (
    "Each block runs as it stands in the folder of this file. Where it needs a query, it takes the "
    "first row's vector."
)
_EMPTY = "There is no row, so there is nothing to load or to search."
_LICENSE = (
    "That of this dataset depends on the texts, so whoever publishes it says it: `license:` at the "
    "top of this file."
)
Row = tuple[str, str]


def card(manifest: Manifest) -> str:
    """Return the card of a dataset: YAML for the hub, then Markdown for people.

    The format of the YAML: https://huggingface.co/docs/hub/datasets-cards. It names no license, as
    that of the texts is not known here.
    """
    made, layout = manifest.provenance, find_layout(manifest)
    model = str(made.get("model"))
    parts = [
        f"---\n{_front_matter(manifest)}---",
        MARKER,
        f"# Embeddings by {code(model)}",
        f"{manifest.counts.rows:,} texts, each with its vector of {made.get('dimension')} values.",
        table(("Vectors", ""), _vectors(made)),
        *_remarks(model, made),
        table(("Counts", ""), _counts(manifest)),
        table(("Column", "Type", "Holds"), _columns(manifest, layout)),
        "## Queries",
        _QUERIES,
        block("sh", query(made)),
        "## Loading",
        _LOADING if manifest.counts.rows else _EMPTY,
    ]
    for sample in samples(layout) if layout and manifest.counts.rows else ():
        parts += [f"### {sample.reader}", block(sample.language, sample.lines)]
    parts += ["## License", f"{_LICENSE} {_license(made)}"]
    return "\n\n".join(parts) + "\n"


def size_category(rows: int) -> str:
    """Return the size of a dataset in the hub's words, such as `10K<n<100K`."""
    steps = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
    place = max(0, len(str(rows)) - 3)
    if place == 0:
        return "n<1K"
    return f"{steps[place - 1]}<n<{steps[place]}" if place < len(steps) else "n>1T"


def _front_matter(manifest: Manifest) -> str:
    model = str(manifest.provenance.get("model"))
    found = {
        "pretty_name": f"Embeddings by {model}",
        "task_categories": ["feature-extraction", "sentence-similarity"],
        "tags": ["embeddings", _bare(model)],
        "size_categories": [size_category(manifest.counts.rows)],
        "configs": [
            {
                "config_name": "default",  # without it, failures and indexes are taken for rows
                "data_files": [{"split": "train", "path": "data/*.parquet"}],
                "description": f"content {_content(manifest)}",
            }
        ],
    }
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)


def _content(manifest: Manifest) -> str:
    """Return 16 hex digits that stand for the rows.

    `datasets` knows a folder again by its last name and the YAML of its card, whatever the files
    are, and would give the rows of another one from its cache.
    """
    told = "".join(file.sha256 for file in manifest.data)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _bare(model: str) -> str:
    """Return a model's name without its registry, owner and tag."""
    return model.rsplit("/", 1)[-1].partition(":")[0]


def _vectors(made: Mapping[str, Any]) -> Iterator[Row]:
    """Yield what is to be known of the vectors, as far as the provenance tells."""
    unknown = "not known"
    yield "model", code(str(made.get("model")))
    yield "its digest", code(str(made["digest"])) if made.get("digest") else unknown
    yield "its license", code(str(made["model_license"])) if made.get("model_license") else unknown
    kind = "the embedded endpoint" if made.get("endpoint_kind") == "embedded" else "a server"
    version = made.get("endpoint_version")
    yield "served by", f"{kind}, {code(str(version))}" if version else kind
    asked = ", cut to that as asked" if made.get("dimensions_asked") else ""
    yield "dimension", f"{made.get('dimension')}{asked}"
    if made.get("normalized"):
        yield "length", "1: they are normalized"
        yield "metric", "cosine, which is their dot product"
    yield "prefix of texts", _prefix(made.get("prefix"))
    yield "prefix of queries", _prefix(made.get("query_prefix"))
    if made.get("context"):
        yield "a text has at most", f"{made['context']:,} tokens"
    yield "longer texts are", _LONG.get(str(made.get("on_too_long")), unknown)
    if made.get("options"):
        yield "options", code(json.dumps(made["options"], ensure_ascii=False))
    yield from (("engine", code(told)) for told in made.get(ACCEPTED, ()))
    yield "made with", f"embed-pipeline {made.get('embed_pipeline', '')}".strip()


def _prefix(prefix: object) -> str:
    return code(json.dumps(prefix, ensure_ascii=False)) if prefix else "none"


def _remarks(model: str, made: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader of the vectors must mind."""
    if made.get("query_prefix") != made.get("prefix"):
        yield (
            "Texts and queries have different prefixes: a query without its own finds worse. No "
            "prefix is in the text column."
        )
    if is_embedded(model):
        yield (
            "`all-minilm` was trained on English texts: those in other languages get vectors, but "
            f"poor ones. It reads {made.get('context')} tokens, about {_words(made)} English words."
        )


def _words(made: Mapping[str, Any]) -> int:
    """Return about how many English words a text may have, at 1.3 tokens each."""
    return int(int(made.get("context") or 0) / 1.3) // 10 * 10


def _counts(manifest: Manifest) -> Iterator[Row]:
    counts = manifest.counts
    pieces = "" if counts.chunked_documents is None else "; the other counts are of pieces"
    yield "documents", counts.documents_told + pieces
    yield "rows", f"{counts.rows:,}"
    yield "failed", f"{counts.failed:,}"
    for told, count in counts.failed_by_blame_and_kind.items():
        blame, _, kind = told.partition(":")
        yield f"failed of {code(kind)}", f"{count:,} (blame: {code(blame)})"
    yield "duplicates dropped", f"{counts.duplicates_dropped:,}"
    yield "tokens", f"{counts.tokens:,}"
    yield from _shares(counts)
    if manifest.refresh:
        yield "snapshot", f"{manifest.refresh.snapshot:,}"
    yield "run", code(manifest.run_id)
    yield "made", f"{manifest.started} to {manifest.finished}"
    for one in manifest.retried:
        yield "failures tried again", f"{one.succeeded:,} of {one.tried:,}, {one.finished}"


def _shares(counts: Counts) -> Iterator[Row]:
    """Yield how many rows are truncated, and how their tokens were counted."""
    flags = {"true": "truncated", "false": "not truncated", "null": "perhaps truncated"}
    for flag, name in flags.items():
        if flag in counts.rows_by_truncated:
            yield f"rows {name}", _share(counts.rows_by_truncated[flag], counts.rows)
    for source, count in counts.rows_by_token_count_source.items():
        yield f"rows with tokens {code(source)}", _share(count, counts.rows)


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / max(total, 1):.1f} %)"


def _columns(manifest: Manifest, layout: Layout | None) -> Iterator[tuple[str, str, str]]:
    """Yield each column: its name, its type in Arrow's words, and what it holds."""
    output = layout.output if layout else None
    ours = {output.column(name): name for name in COLUMNS} if output else {}
    pieces = manifest.provenance.get("on_too_long") == "chunk"
    for called, kind in manifest.columns.items():
        name = ours.get(called, called if pieces else "")
        meaning = _MEANINGS.get(name, "an attribute of the document")
        if output and name == "text":
            meaning = _TEXTS[output.text]
        if called == UNDECLARED and "corpus" not in manifest.job:
            meaning = "the document's attributes, as a JSON object"
        yield code(called), code(kind), meaning


def _license(made: Mapping[str, Any]) -> str:
    """Return what is known of the model's license, as a sentence."""
    told = made.get("model_license")
    if not told:
        return "The model's is not known: the endpoint did not tell it."
    return f"The model's is {code(str(told))}, as the endpoint tells."
