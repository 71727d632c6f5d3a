"""What to read: the settings of a corpus, and the files they mean."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, field_validator

from embed_pipeline import files
from embed_pipeline.attributes import AttributeType, AttributeTypes
from embed_pipeline.errors import ConfigError
from embed_pipeline.files import FileInfo
from embed_pipeline.formats import Format, detect
from embed_pipeline.locations import split_options
from embed_pipeline.settings import Settings
from embed_pipeline.template import Template
from embed_pipeline.template import parse as parse_template

_Name = Annotated[str, Field(min_length=1)]


class Corpus(Settings):
    """Say which documents a job reads, and which fields of theirs mean what."""

    files: _Name | Annotated[list[_Name], Field(min_length=1)] = Field(
        description="A file, a folder or a glob pattern (*, ?, [], **), local, s3:// or gs://; or "
        "a list of them."
    )
    format: Format | None = Field(
        default=None,
        description="What the files hold; without it each file's extension says so.",
    )
    text: _Name = Field(
        default="text",
        description="The field with the text, or a template of several, such as "
        '"{title}\\n\\n{body}"; {{ and }} stand for braces.',
    )
    id: str | None = Field(
        default="id",
        description="The field with the id, a string or an integer, unique in the corpus; empty = "
        "the sha256 of the file's name in the corpus and the text.",
    )
    attributes: AttributeTypes | list[_Name] | None = Field(
        default=None,
        description="The fields that are kept beside the text: all others by default; a list of "
        'names = only those; names that begin with "-" = all but those; names with types (int64, '
        "double, bool, string) = only those, declared.",
    )
    text_per: Literal["file", "line"] = Field(
        default="file", description="Whether a plain text file is one document, or each line is."
    )
    on_duplicate: Literal["error", "first", "last"] = Field(
        default="error", description="What happens to documents of the same id: which one is kept."
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Read only the first documents of the corpus, for a trial."
    )
    _skipped: frozenset[str] | None = PrivateAttr(default=None)

    @field_validator("text")
    @classmethod
    def _check_text(cls, text: str) -> str:
        if _is_template(text):
            parse_template(text)
        return text

    @field_validator("attributes")
    @classmethod
    def _check_attributes(cls, value: Any) -> Any:
        if isinstance(value, list) and len({name.startswith("-") for name in value}) > 1:
            raise ValueError("either all names begin with '-' (all fields but those) or none does")
        return value

    @property
    def patterns(self) -> list[str]:
        """The files' patterns, as a list."""
        return [self.files] if isinstance(self.files, str) else self.files

    @property
    def template(self) -> Template | None:
        """The template of the text, or None where the text is one field."""
        return parse_template(self.text) if _is_template(self.text) else None

    @property
    def text_fields(self) -> tuple[str, ...]:
        """The fields the text is made of."""
        return self.template.fields if self.template else (self.text,)

    @property
    def types(self) -> AttributeTypes | None:
        """The types of the attributes where they are declared, else None."""
        return self.attributes if isinstance(self.attributes, dict) else None

    @property
    def skipped(self) -> frozenset[str] | None:
        """The fields that are no attributes; None where only named ones are.

        Where types are fixed (`with_types`) and this is not None, a field that is in neither is an
        error.
        """
        if self._skipped is not None:
            return self._skipped
        listed = self.attributes
        if listed is None:
            return self._used()
        if isinstance(listed, list) and listed and listed[0].startswith("-"):
            return self._used().union(name[1:] for name in listed)
        return None

    def reads(self, name: str) -> bool:
        """Say whether a field of this name is needed."""
        if name in self._used():
            return True
        skipped = self.skipped
        return name in (self.attributes or ()) if skipped is None else name not in skipped

    def _used(self) -> frozenset[str]:
        return frozenset(self.text_fields) | ({self.id} if self.id else set())

    def with_types(self, types: Mapping[str, AttributeType]) -> Self:
        """Return these settings with the dataset's schema fixed.

        Fields that were not asked for stay left out; a field that would be an attribute but is not
        in the schema, as it appeared after the sample, is then refused instead of lost.
        """
        fixed = self.model_copy(update={"attributes": dict(types)})
        fixed._skipped = self.skipped  # noqa: SLF001 (a copy of the same class)
        return fixed


def find_files(corpus: Corpus) -> list[FileInfo]:
    """Find the files of a corpus.

    Returns:
        The files of all patterns, each once, sorted by path: the order of the corpus.

    Raises:
        ConfigError: A pattern matches nothing, or a file's extension says nothing about its
            format.
        OSError: A folder cannot be listed.
    """
    found: dict[str, FileInfo] = {}
    for pattern in corpus.patterns:
        matched = files.find(pattern)
        if not matched:
            raise ConfigError(
                f"corpus.files: {pattern!r} matches no file in {files.fixed_root(pattern)}; a "
                "pattern matches files, not folders, and ** stands for any number of folders"
            )
        found.update((file.path, file) for file in matched)
    for path in found:
        detect(path, corpus.format)
    return [found[path] for path in sorted(found)]


def names(corpus: Corpus, found: Sequence[FileInfo]) -> list[str]:
    """Name each file by its path below the folder that all patterns share.

    The names are part of ids, so they are the same wherever the corpus lies.
    """
    roots = [split_options(files.fixed_root(pattern))[0].split("/") for pattern in corpus.patterns]
    shared = 0
    while len({tuple(root[: shared + 1]) for root in roots}) == 1 and shared < len(roots[0]):
        shared += 1
    return ["/".join(split_options(file.path)[0].split("/")[shared:]) for file in found]


def _is_template(text: str) -> bool:
    return "{" in text or "}" in text
