"""Every code block of the documents is run, or says why not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from tests.support.code_blocks import DOCUMENTS, ROOT, Workspace, blocks, unmarked


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


FOUND = {path: list(blocks(path.read_text(encoding="utf-8"))) for path in DOCUMENTS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_block_is_run_or_says_why_not(path: Path) -> None:
    wrong = [f"{name(path)}:{block.line}: {unmarked(block)}" for block in FOUND[path]]

    assert [one for one in wrong if not one.endswith(": ")] == []


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ("```cobol\nSTOP RUN.\n```\n", "no test runs a block of the language 'cobol'"),
        ("```\nls\n```\n", "no test runs a block of the language ''"),
        ("<!-- not run: -->\n```bash\nls\n```\n", "its marker gives no reason"),
        ("<!-- run by: make nothing -->\n```bash\nls\n```\n", "has no target nothing"),
        ("<!-- run by: tests/test_no.py -->\n```bash\nls\n```\n", "nor a file with tests"),
        ("<!-- not run: it harms -->\n```cobol\nSTOP RUN.\n```\n", ""),
        ("<!-- run by: make test -->\n\n```bash\nls\n```\n", ""),
        ("```bash\nls\n```\n", ""),
    ],
)
def test_a_block_that_is_neither_run_nor_marked_is_found(document: str, wrong: str) -> None:
    (block,) = blocks(document)
    assert wrong in unmarked(block)
    assert bool(wrong) == bool(unmarked(block))


@pytest.mark.parametrize("document", ["- so:\n  ```bash\n  ls\n  ```\n", "~~~\n~~~\n", "```bash\n"])
def test_a_fence_that_would_be_passed_by_is_refused(document: str) -> None:
    with pytest.raises(AssertionError, match="a fence"):
        list(blocks(document))


def run(document: str, folder: Path) -> None:
    workspace = Workspace(folder, "http://127.0.0.1:9")
    for block in blocks(document):
        workspace.run(block)


@pytest.mark.parametrize(
    "shown", ["one  1.5 s", "three", "one 0.1 s\n...\nthree", "two 2026-11-23 06:50\nthree"]
)
def test_what_is_shown_is_what_is_printed(tmp_path: Path, shown: str) -> None:
    code = "printf 'one 9.9 s\\ntwo 2026-01-01 00:00\\nthree\\n'"
    run(f"```bash\n{code}\n```\n```text\n{shown}\n```\n", tmp_path)


@pytest.mark.parametrize(
    "document",
    [
        "```bash\necho 1 row\n```\n```text\n2 rows\n```\n",
        "```bash\necho a; echo b\n```\n```text\nb\na\n```\n",
        "```bash\nfalse | cat\n```\n",
        "```bash\necho $unset\n```\n",
        "```python\nimport no_such_module\n```\n",
        "```yaml\njob: {nonsense: 1}\n```\n",
        "```yaml\nendpoint: {model: all-minilm, nonsense: 1}\n```\n",
        "<!-- first: false -->\n```bash\ntrue\n```\n",
    ],
)
def test_a_block_that_does_not_do_what_it_says_is_told(tmp_path: Path, document: str) -> None:
    with pytest.raises(AssertionError):
        run(document, tmp_path)


def test_the_blocks_of_a_document_share_a_folder(tmp_path: Path) -> None:
    files = "<!-- first: echo 3 > a -->\n```bash\ncp a b\n```\n```bash\ncat b\n```\n"
    run(files + "```text\n3\n```\n```sql\nSELECT * FROM read_csv('b')\n```\n", tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


@pytest.mark.timeout(600)  # thirty commands, on a machine that is busy with the other tests
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if FOUND[path]], ids=name)
def test_the_blocks_run_in_their_order(path: Path, tmp_path: Path, server: EmbeddedProcess) -> None:
    workspace = Workspace(tmp_path, server.url)
    for block in FOUND[path]:
        try:
            workspace.run(block)
        except AssertionError as error:
            pytest.fail(f"{name(path)}:{block.line}: {error}", pytrace=False)
