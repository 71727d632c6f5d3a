"""The sha256 of a file, as manifests and notes have it."""

import hashlib

from embed_pipeline import files

BLOCK_BYTES = 1 << 20


def sha256_of(path: str) -> str:
    """Return the sha256 of a file in hex; BLOCK_BYTES of it are in memory.

    Raises:
        OSError: The file cannot be read.
    """
    state = hashlib.sha256()
    with files.open_input_stream(path) as stream:
        while block := stream.read(BLOCK_BYTES):
            state.update(block)
    return state.hexdigest()
