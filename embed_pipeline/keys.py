"""Keys that are the same in every process and every run."""

import hashlib


def key(*parts: str) -> str:
    """Return the sha256 of a tuple of strings, as 64 hex digits.

    Each part is preceded by its length in UTF-8 bytes (8 bytes, big endian), so that no two
    different tuples share their bytes. Lone surrogates, which UTF-8 cannot hold, are passed
    through as the three bytes they would take.
    """
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()
