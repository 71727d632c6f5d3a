"""Which columns of Rows mean what, and the documents they make."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from apache_beam.pvalue import TaggedOutput

from embed_pipeline.attributes import AttributeTypes, fit, from_strings
from embed_pipeline.corpus import Corpus
from embed_pipeline.documents import as_document, failed_document
from embed_pipeline.errors import ConfigError, DocumentError
from embed_pipeline.keys import key
from embed_pipeline.records import Document
from embed_pipeline.template import Template
from embed_pipeline.transforms.rows import PYTHON_TYPES, nullable, plain

FAILED = "failed"


class Naming(NamedTuple):
    """Say what the columns of Rows mean.

    Attributes:
        id: The column with the id, or None: the sha256 of the text.
        text: The column with the text.
        template: The text's template, where it is made of several columns.
        attributes: The columns that are kept beside id and text, with their types as Beam has them.
        types: The attributes' types where they were declared.
    """

    id: str | None
    text: str
    template: Template | None
    attributes: dict[str, Any]
    types: AttributeTypes | None


def naming(
    corpus: Corpus, columns: Mapping[str, Any], step: str, made: Collection[str] = ()
) -> Naming:
    """Hold what a user has named against the columns that are there.

    Args:
        corpus: Its `id`, `text` and `attributes` are meant.
        columns: The columns' types as Beam has them.
        step: What the step is called, for errors.
        made: The columns it makes beside id and text.

    Raises:
        ConfigError: A column is not there, or an attribute has the name of a column we make.
    """
    listed = list(corpus.attributes or ())
    skipped = corpus.skipped
    names = listed if skipped is None else [name for name in columns if name not in skipped]
    wanted = dict.fromkeys(corpus.text_fields, "text")
    wanted |= {corpus.id: "id"} if corpus.id else {}
    wanted |= {name.removeprefix("-" if skipped else ""): "attributes" for name in listed}
    for name, meant in wanted.items():
        if name not in columns:
            raise ConfigError(
                f"{step}: {meant}: there is no column '{name}'; the columns are "
                f"{', '.join(columns)}"
            )
    types = corpus.types
    attributes = {
        name: PYTHON_TYPES[types[name]] if types else nullable(columns[name]) for name in names
    }
    check_free(attributes, made, step)
    return Naming(corpus.id or None, corpus.text, corpus.template, attributes, types)


def check_free(attributes: Collection[str], made: Collection[str], step: str) -> None:
    """Refuse attributes with the names of columns that a step makes beside them."""
    clashing = sorted({"id", "text", *made} & set(attributes))
    if clashing:
        raise ConfigError(
            f"{step}: attributes have the names of columns this step makes: {', '.join(clashing)}; "
            "rename them before, or leave them out (attributes: "
            f"[{', '.join(f'-{name}' for name in clashing)}])"
        )


def documents(row: Any, meant: Naming) -> Iterator[Any]:
    """Yield the document of a Row, or its failure, tagged."""
    values = {name: plain(value) for name, value in row._asdict().items()}
    try:
        yield _document(values, meant)
    except DocumentError as error:
        identity, text = values.get(meant.id or ""), values.get(meant.text)
        document = Document(
            "" if identity is None else str(identity),
            text if isinstance(text, str) else "",
            {name: values[name] for name in meant.attributes},
        )
        yield TaggedOutput(FAILED, failed_document(document, error))


def _document(values: dict[str, Any], meant: Naming) -> Document:
    text = meant.template.render(values) if meant.template else values[meant.text]
    identity = values[meant.id] if meant.id else key("", str(text))
    if meant.types is not None:
        from_strings(values, meant.types)
        attributes = fit(values, meant.types)
    else:
        attributes = {name: values[name] for name in meant.attributes}
    return as_document({**attributes, "id": identity, "text": text})
