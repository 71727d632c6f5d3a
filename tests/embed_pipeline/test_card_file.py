"""The card's file: ours is replaced, somebody's own is left alone, and no job fails for it."""

import logging
from pathlib import Path

import pytest

from embed_pipeline.card import card
from embed_pipeline.card_file import drop_card, is_card, write_card
from embed_pipeline.manifest import Manifest
from tests.support.datasets import dataset
from tests.support.rows import row


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def manifest(out: Path) -> Manifest:
    return dataset(out, [row("a")])


def test_a_dataset_is_published_with_its_card(out: Path, manifest: Manifest) -> None:
    assert (out / "README.md").read_text() == card(manifest)


def test_a_card_of_ours_is_replaced(out: Path, manifest: Manifest) -> None:
    later = manifest.model_copy(update={"run_id": "20270101T000000Z-abc123"})
    write_card(str(out), later)
    assert (out / "README.md").read_text() == card(later)


def test_a_card_whose_line_was_deleted_is_somebodys_own(
    out: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    path = out / "README.md"
    lines = path.read_text().splitlines()
    own = "\n".join(line for line in lines if not line.startswith("<!--"))
    path.write_text(own)
    write_card(str(out), manifest)
    assert path.read_text() == own
    assert caplog.messages == [
        f"{path} is no dataset card of ours, so it stays; move it away to get one next time"
    ]


def test_a_readme_of_a_users_own_stays_when_a_dataset_is_written(out: Path) -> None:
    out.mkdir()
    (out / "README.md").write_text("# mine\n")
    dataset(out, [row("a")])
    assert (out / "README.md").read_text() == "# mine\n"
    assert (out / "manifest.json").is_file()


def test_a_card_that_cannot_be_written_is_a_warning(
    out: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    path = out / "README.md"
    path.unlink()
    path.mkdir()
    write_card(str(out), manifest)
    (told,) = caplog.records
    assert told.levelno == logging.WARNING
    assert told.getMessage().startswith(f"{path}, the dataset card, was not written: ")


def test_a_card_that_cannot_be_made_is_a_warning(
    out: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    strange = {**manifest.provenance, "context": "much"}
    write_card(str(out), manifest.model_copy(update={"provenance": strange}))
    (told,) = caplog.messages
    assert "was not written: ValueError(" in told


def test_only_a_card_of_ours_is_dropped(out: Path, manifest: Manifest) -> None:
    path = out / "README.md"
    assert is_card(str(path))
    drop_card(str(out))
    assert not path.exists()
    drop_card(str(out))
    path.write_text("# mine\n")
    drop_card(str(out))
    assert path.read_text() == "# mine\n"
