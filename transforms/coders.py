"""How records cross a shuffle or a process: a vector as its bytes, not as a pickled array."""

import pickle
from typing import Any

import numpy as np
from apache_beam import coders

from embed_pipeline.records import Document, Embedded, Failed

PROTOCOL = 5
FLOAT32 = np.dtype("<f4")
SMALL_FIELDS = 100  # bytes of all but text and vector, about
_TEXT, _VECTOR = Embedded._fields.index("text"), Embedded._fields.index("vector")


class RecordCoder(coders.Coder):
    """Encode Document and Failed: their fields, without the class.

    The round trip is exact, with the fields' types. What is of another type than was declared
    crosses as it is, pickled. As a key a record is encoded as Beam does by itself, since equal
    records may have different bytes here.

    Args:
        kind: The records' class.
    """

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind

    @classmethod
    def from_type_hint(cls, typehint: type[Any], _registry: Any) -> "RecordCoder":
        """Return the coder of a class of records."""
        return cls(typehint)

    def encode(self, value: Any) -> bytes:
        """Return a record's bytes."""
        if type(value) is not self._kind:
            return pickle.dumps(_Other(value), PROTOCOL)
        return pickle.dumps(list(value), PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """Return the record."""
        fields = pickle.loads(encoded)  # noqa: S301 (written by this very job)
        return fields.value if type(fields) is _Other else tuple.__new__(self._kind, fields)

    def estimate_size(self, value: Any) -> int:
        """Return about how many bytes a record has, without encoding it."""
        if type(value) is not self._kind:
            return SMALL_FIELDS
        return SMALL_FIELDS + len(value[_TEXT] or "")

    def is_deterministic(self) -> bool:
        """Tell that equal records may have different bytes."""
        return False

    def as_deterministic_coder(self, step_label: str, error_message: str | None = None) -> Any:
        """Return the coder for records that are keys."""
        return coders.FastPrimitivesCoder().as_deterministic_coder(step_label, error_message)

    def to_type_hint(self) -> type[Any]:
        """Return the records' class."""
        return self._kind

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self._kind))


class EmbeddedCoder(RecordCoder):
    """Encode Embedded: 4 bytes a value of its vector, and its other fields.

    A vector that is not a row of float32 is pickled as it is.
    """

    def encode(self, value: Any) -> bytes:
        """Return a record's bytes."""
        if type(value) is not Embedded:
            return super().encode(value)
        fields: list[Any] = list(value)
        vector = fields[_VECTOR]
        if type(vector) is np.ndarray and vector.dtype == FLOAT32 and vector.ndim == 1:
            fields[_VECTOR] = bytearray(vector)  # unlike bytes it can be written to once decoded
        return pickle.dumps(fields, PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """Return the record."""
        fields = pickle.loads(encoded)  # noqa: S301 (written by this very job)
        if type(fields) is _Other:
            return fields.value
        if type(fields[_VECTOR]) is bytearray:
            fields[_VECTOR] = np.frombuffer(fields[_VECTOR], FLOAT32)
        return tuple.__new__(Embedded, fields)

    def estimate_size(self, value: Any) -> int:
        """Return about how many bytes a record has, without encoding it."""
        if type(value) is not Embedded:
            return SMALL_FIELDS
        return super().estimate_size(value) + int(getattr(value[_VECTOR], "nbytes", 0))


class _Other:
    """Wrap what is no record of the declared class."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


coders.registry.register_coder(Document, RecordCoder)
coders.registry.register_coder(Failed, RecordCoder)
coders.registry.register_coder(Embedded, EmbeddedCoder)
