"""Glob patterns, without a file system (`test_files` tests them on two)."""

import pytest

from embed_pipeline import globs


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/*.jsonl", ("/data", ["*.jsonl"])),
        ("/*", ("", ["*"])),
        ("bucket/a[1]/b/c?", ("bucket", ["a[1]", "b", "c?"])),
    ],
)
def test_split_separates_what_is_fixed(path: str, expected: tuple[str, list[str]]) -> None:
    assert globs.has_magic(path)
    assert globs.split(path) == expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", "a.TXT", False),
        ("*.txt", "b/a.txt", False),
        ("**/*.txt", "a.txt", True),
        ("**/b/**/*.txt", "x/b/y/z/a.txt", True),
        ("**/b/**/*.txt", "x/y/z/a.txt", False),
        ("a/**", "a", True),
        ("**", ".git/a", False),
        ("*/a", "_tmp/a", False),
        ("_*/a", "_tmp/a", True),
        (".*", ".hidden", True),
        ("?a", "_a", False),
        ("[_]a", "_a", False),
        ("a**b", "axxb", True),
    ],
)
def test_matches(pattern: str, path: str, expected: bool) -> None:
    assert globs.matches(pattern.split("/"), path.split("/")) is expected
