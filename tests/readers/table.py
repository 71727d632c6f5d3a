"""The table of docs/readers.md, as the tests hold it against what readers do."""

import html
from pathlib import Path
from typing import NamedTuple

TEXT = (Path(__file__).parents[2] / "docs/readers.md").read_text(encoding="utf-8")
ATTRIBUTES = ("serial", "weight", "open", "label")  # of the types int64, double, bool, string
NO = "no"


class Row(NamedTuple):
    """Hold what the table says of a reader.

    Attributes:
        reader: Its name.
        version: The one that was run.
        float32, list_float, float16: What it calls the vectors' column, by `output.vector_type`;
            "no": it cannot read it.
        byte_stream_split: "yes", "no", or "not float16".
        attributes: What it calls int64, double, bool and string.
        how: How it is done, and what else is worth knowing.
    """

    reader: str
    version: str
    float32: str
    list_float: str
    float16: str
    byte_stream_split: str
    attributes: str
    how: str

    def vector(self, vector_type: str) -> str:
        """Return what the reader calls the vectors' column."""
        kinds = {"float32": self.float32, "float16": self.float16, "list<float>": self.list_float}
        return kinds[vector_type]

    def opens(self, vector_type: str, encoding: str) -> bool:
        """Tell whether the reader can read such a dataset."""
        if self.vector(vector_type) == NO:
            return False
        refused = {"yes": "", NO: vector_type, "not float16": "float16"}[self.byte_stream_split]
        return encoding == "plain" or vector_type != refused

    @property
    def normalizes(self) -> bool:
        """Tell whether vectors come back with their length computed anew."""
        return "normalizes" in self.how


def _rows() -> dict[str, Row]:
    lines = [line for line in TEXT.splitlines() if line.startswith("| ")]
    cells = [[html.unescape(c.strip(" `")) for c in line.split("|")[1:-1]] for line in lines[1:]]
    found = [Row(*one) for one in cells if len(one) == len(Row._fields)]
    return {row.reader: row for row in found}


ROWS = _rows()
