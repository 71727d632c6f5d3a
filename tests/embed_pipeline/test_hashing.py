"""The sha256 of a file."""

import hashlib
from pathlib import Path

import pytest

from embed_pipeline.hashing import BLOCK_BYTES, sha256_of


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_the_whole_file_is_hashed(tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "file").write_bytes(content[:size])

    assert sha256_of(str(tmp_path / "file")) == hashlib.sha256(content[:size]).hexdigest()


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        sha256_of(str(tmp_path / "nowhere"))
