"""Settings of the dataset a job writes: the group output."""

from typing import Literal

from pydantic import Field, field_validator

from embed_pipeline.settings import Settings, suggestion

COLUMNS = ("id", "text", "vector", "model", "token_count", "token_count_source", "truncated")


class Output(Settings):
    """Say where the dataset goes and what its rows look like."""

    path: str = Field(
        min_length=1,
        description="folder of the dataset: local, s3://, gs://",
        json_schema_extra={"pattern": "^[^~]"},
    )
    columns: dict[str, str] = Field(
        default={},
        description="other names for columns, such as {vector: embedding}",
        json_schema_extra={
            "propertyNames": {"enum": [*COLUMNS]},
            "additionalProperties": {"type": "string", "minLength": 1},
        },
    )
    text: Literal["keep", "hash", "drop"] = Field(
        default="keep", description="store the text, its sha256 in its place, or nothing"
    )
    vector_type: Literal["float32", "float16", "list<float>"] = Field(
        default="float32",
        description="float32 and float16 are fixed-size lists; list<float> is for readers "
        "without those",
    )
    vector_encoding: Literal["plain", "byte_stream_split"] = Field(
        default="plain",
        description="byte_stream_split is about 9 % smaller, and unreadable before Spark 4.3",
    )
    on_exists: Literal["error", "overwrite"] = Field(
        default="error", description="what to do where there is a dataset already"
    )
    file_mb: int = Field(default=256, ge=1, description="size of a data file, in MB, about")
    checkpoint_seconds: int = Field(
        default=60, ge=1, description="a part file is closed after so long; a kill loses no more"
    )
    checkpoint_mb: int = Field(
        default=64, ge=1, description="a part file is closed at so many MB; a kill loses no more"
    )
    max_failed_fraction: float = Field(
        default=0.01, ge=0, le=1, description="share of documents that may fail by their own fault"
    )
    report: bool = Field(
        default=True, description="write report.html, and report.json, which it is drawn from"
    )
    report_texts: bool = Field(
        default=False, description="show the heads of texts in the report, 80 characters at most"
    )
    report_color: str | None = Field(
        default=None,
        description="attribute the report's map is colored by, whose values it shows; by default "
        "one of 2 to 8 values",
    )

    @field_validator("path")
    @classmethod
    def _whole_path(cls, path: str) -> str:
        if path.startswith("~"):
            raise ValueError("'~' is not expanded here: write the whole path")
        return path

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        for name, new in columns.items():
            if name not in COLUMNS:
                raise ValueError(f"there is no column '{name}'{suggestion(name, COLUMNS)}")
            if not new:
                raise ValueError(f"the column '{name}' needs a name")
        named = [columns.get(name, name) for name in COLUMNS]
        twice = {name for name in named if named.count(name) > 1}
        if twice:
            raise ValueError(f"two columns are called '{twice.pop()}'")
        return columns

    def column(self, name: str) -> str:
        """Return what one of our columns is called in this dataset."""
        return self.columns.get(name, name)

    @property
    def part_bytes(self) -> int:
        """Return how large a part file may get before it is closed."""
        return min(self.file_mb, self.checkpoint_mb) * 1_000_000

    @property
    def taken(self) -> list[str]:
        """Return the names attributes cannot have."""
        return [self.column(name) for name in COLUMNS if name != "text" or self.text != "drop"]
