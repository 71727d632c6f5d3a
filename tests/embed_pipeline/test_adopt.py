"""Adopting a dataset: its files become the first snapshot, whatever kills it on the way."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline import files
from embed_pipeline.adopt import adopt, refuse_dataset
from embed_pipeline.card import card
from embed_pipeline.errors import DatasetError, RefusedError
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.marks import mark_of
from embed_pipeline.records import Document
from embed_pipeline.store import Store
from embed_pipeline.store_lock import locked
from embed_pipeline.verify import verify
from tests.support.datasets import dataset
from tests.support.rows import row

ROOT = Path(__file__).parents[2]
OTHER = "20260101T000000Z-def456"
WHOLE = [
    ".lock",
    "current.json",
    "log/000001.json",
    "snapshots/000001/README.md",
    "snapshots/000001/data/part-00000.parquet",
    "snapshots/000001/data/part-00001.parquet",
    "snapshots/000001/failures/part-00000.parquet",
    "snapshots/000001/index/part-00000.parquet",
    "snapshots/000001/index/part-00001.parquet",
    "snapshots/000001/manifest.json",
    "snapshots/000001/metrics.prom",
    "snapshots/000001/report.html",
    "snapshots/000001/report.json",
]
# Adopts, and is killed before the call of the file layer that changes something, by its number.
KILLED = """
import os, signal, sys
from embed_pipeline import files
path, left = sys.argv[1], int(sys.argv[2])
def deadly(call):
    def counted(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)
    return counted
for name in ("write_bytes", "open_output", "share", "delete", "delete_folder"):
    setattr(files, name, deadly(getattr(files, name)))
from embed_pipeline.adopt import adopt
adopt(path)
"""


def made(path: Path | str, **output: Any) -> Manifest:
    """Publish a dataset of two files, of two rows and one, and one failure."""
    first = [row("a", attributes={"n": 1}), row("b", attributes={"n": None})]
    return dataset(path, first, [row("c", "text of a")], failed=["d"], **output)


def standing(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())


def marks(path: Path) -> list[bytes]:
    found: list[bytes] = pq.read_table(path)["mark"].to_pylist()
    return found


def check_adopted(path: Path, old: Manifest) -> None:
    """Check that a folder is a store of the dataset, whole, once in the log, and nothing else."""
    assert standing(path) == WHOLE
    assert not (path / "data").exists()
    store = Store(str(path))
    manifest = store.manifest()
    assert manifest is not None
    assert manifest.refresh is not None
    assert verify(store.snapshot(1), manifest).problems == []
    assert (manifest.data, manifest.failures, manifest.counts) == (
        old.data,
        old.failures,
        old.counts,
    )
    assert store.entries() == [manifest.refresh]


def test_a_dataset_becomes_the_first_snapshot_in_place(tmp_path: Path) -> None:
    old = made(tmp_path)
    assert adopt(str(tmp_path)) == Store(str(tmp_path))
    check_adopted(tmp_path, old)


@pytest.mark.parametrize("text", ["keep", "hash"])
def test_the_index_has_the_marks_of_the_rows_in_their_order(tmp_path: Path, text: str) -> None:
    made(tmp_path, text=text)
    adopt(str(tmp_path))
    first = Document("a", "text of a", {"n": 1}), Document("b", "text of b")
    index = tmp_path / "snapshots/000001/index"
    assert marks(index / "part-00000.parquet") == [mark_of(one, {"n": "int64"}) for one in first]
    assert marks(index / "part-00001.parquet") == [mark_of(Document("c", "text of a"), {})]


def test_the_log_tells_of_new_rows_none_of_them_embedded(tmp_path: Path) -> None:
    old = made(tmp_path)
    adopt(str(tmp_path))
    (told,) = Store(str(tmp_path)).entries()
    assert (told.run_id, told.snapshot, told.base, told.published) == (old.run_id, 1, None, True)
    assert (told.rows, told.failed, told.embedded, told.reused, told.inserted) == (3, 1, 0, 3, 3)
    assert (told.model, told.digest) == (old.provenance["model"], old.provenance["digest"])
    parts = list((tmp_path / "snapshots/000001").glob("*/*.parquet"))
    assert told.bytes_added == sum(one.stat().st_size for one in parts)
    assert told.notes == [
        f"adopted from a dataset that `run` finished at {old.finished}; no change feed"
    ]


def test_the_figures_stand_beside_the_manifest(tmp_path: Path) -> None:
    made(tmp_path)
    adopt(str(tmp_path))
    told = (tmp_path / "snapshots/000001/metrics.prom").read_text()
    assert 'snapshot="000001"} 1\n' in told
    assert told.endswith("# EOF\n")


def test_a_dataset_without_rows_is_adopted(tmp_path: Path) -> None:
    dataset(tmp_path)
    store = adopt(str(tmp_path))
    manifest = store.manifest()
    assert manifest is not None
    assert verify(store.snapshot(1), manifest).problems == []


def test_files_that_are_not_the_dataset_s_stay_where_they_are(tmp_path: Path) -> None:
    made(tmp_path)
    foreign = ["README.md", "data/.hidden", "data/_SUCCESS", "data/mine.parquet", "more/x"]
    for name in foreign:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
    adopt(str(tmp_path))
    assert standing(tmp_path) == sorted([*WHOLE, *foreign])


def test_the_card_is_written_anew_in_the_snapshot(
    tmp_path: Path,
) -> None:
    made(tmp_path)
    store = adopt(str(tmp_path))
    manifest = store.manifest()
    assert manifest is not None
    snapshot = Path(store.snapshot(1))
    assert (snapshot / "README.md").read_text() == card(manifest)
    assert standing(tmp_path) == WHOLE


def test_adopting_a_store_changes_nothing(tmp_path: Path) -> None:
    made(tmp_path)
    adopt(str(tmp_path))
    before = {one: (tmp_path / one).read_bytes() for one in standing(tmp_path) if one != ".lock"}
    adopt(str(tmp_path))
    assert before == {
        one: (tmp_path / one).read_bytes() for one in standing(tmp_path) if one != ".lock"
    }


@pytest.mark.timeout(300)  # a process for each moment
def test_whatever_moment_it_is_killed_at_a_second_one_finishes_it(tmp_path: Path) -> None:
    old = made(tmp_path / "made")
    kills = 0
    while True:
        path = tmp_path / f"killed-{kills}"
        shutil.copytree(tmp_path / "made", path)
        code = [sys.executable, "-c", KILLED, str(path), str(kills)]
        done = subprocess.run(code, cwd=ROOT, timeout=60, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        if not (path / "current.json").exists():
            assert verify(str(path), old).problems == []
        if (path / "manifest.json").exists():
            with pytest.raises(RefusedError, match=f"embed-pipeline adopt {path}"):
                refuse_dataset(str(path))
        adopt(str(path))
        check_adopted(path, old)
        kills += 1
    check_adopted(path, old)
    assert kills >= 10


def test_a_dataset_on_an_object_store_is_adopted(s3: str) -> None:
    place, options = s3.split("?")
    path = f"{place}/out?{options}"
    old = made(path)
    adopt(path)
    store = Store(path)
    manifest = store.manifest()
    assert manifest is not None
    assert verify(store.snapshot(1), manifest).problems == []
    assert manifest.counts == old.counts
    left = [one.path for one in files.find(path) if "/snapshots/" not in one.path]
    assert [one.partition("/out/")[2].partition("?")[0] for one in left] == [
        "current.json",
        "log/000001.json",
    ]


@pytest.mark.parametrize(
    ("output", "why"), [({"text": "drop"}, "its rows do not tell their texts")]
)
def test_a_dataset_that_is_refused_stays_as_it_was(
    tmp_path: Path, output: dict[str, str], why: str
) -> None:
    made(tmp_path, **output)
    before = standing(tmp_path)
    with pytest.raises(RefusedError, match=why):
        adopt(str(tmp_path))
    assert standing(tmp_path) == [".lock", *before]


def test_ids_that_stand_twice_are_refused_by_their_names_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    dataset(tmp_path, [row("a"), row("b")], [row("a")])
    before = standing(tmp_path)
    with pytest.raises(RefusedError, match=r"1 id stands more than once: 'a' in data/part-00000"):
        adopt(str(tmp_path))
    assert standing(tmp_path) == [".lock", *before]
    assert not (tmp_path / "snapshots").exists()


@pytest.mark.parametrize("name", ["data/part-00001.parquet", "failures/part-00000.parquet"])
def test_a_file_that_is_missing_is_named_before_anything_is_moved(
    tmp_path: Path, name: str
) -> None:
    made(tmp_path)
    (tmp_path / name).unlink()
    before = standing(tmp_path)
    with pytest.raises(DatasetError, match=f"{name} is missing"):
        adopt(str(tmp_path))
    assert standing(tmp_path) == [".lock", *before]


def test_a_file_of_another_size_is_named(tmp_path: Path) -> None:
    old = made(tmp_path)
    (tmp_path / old.data[1].path).write_bytes(b"PAR1")
    with pytest.raises(
        DatasetError, match=f"part-00001.parquet has 4 bytes, not {old.data[1].bytes:,}"
    ):
        adopt(str(tmp_path))


def test_a_file_of_fewer_rows_than_the_manifest_says_is_named(tmp_path: Path) -> None:
    old = made(tmp_path)
    first = old.data[0].model_copy(update={"rows": 3})
    wrong = old.model_copy(update={"data": [first, old.data[1]]})
    (tmp_path / "manifest.json").write_bytes(wrong.to_json())
    with pytest.raises(DatasetError, match="has 2 rows, the manifest says 3"):
        adopt(str(tmp_path))


@pytest.mark.parametrize(
    "path", ["data/mine.parquet", "../part-00000.parquet", "x/part-00000.parquet"]
)
def test_a_manifest_that_lists_what_is_no_file_of_ours_is_refused(
    tmp_path: Path, path: str
) -> None:
    old = made(tmp_path)
    first = old.data[0].model_copy(update={"path": path})
    wrong = old.model_copy(update={"data": [first, old.data[1]]})
    (tmp_path / "manifest.json").write_bytes(wrong.to_json())
    with pytest.raises(DatasetError, match=f"{path} is missing, or no file of a dataset"):
        adopt(str(tmp_path))


def test_a_job_that_is_at_work_there_or_has_been_is_named(tmp_path: Path) -> None:
    made(tmp_path)
    staging = tmp_path / "staging" / OTHER
    staging.mkdir(parents=True)
    (staging / "run.json").write_bytes(b"{}")
    with pytest.raises(RefusedError, match=f"or delete {tmp_path}/staging"):
        adopt(str(tmp_path))


def test_a_store_that_is_locked_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    with (
        locked(str(tmp_path)),
        pytest.raises(RefusedError, match=f"process {os.getpid()} on"),
    ):
        adopt(str(tmp_path))


def test_a_dataset_beside_another_one_s_store_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    adopt(str(tmp_path))
    other = read_manifest(str(tmp_path / "snapshots/000001")).model_copy(update={"run_id": OTHER})
    (tmp_path / "manifest.json").write_bytes(other.to_json())
    with pytest.raises(RefusedError, match="besides, snapshots that were not made of it"):
        adopt(str(tmp_path))
    assert Store(str(tmp_path)).number() == 1


def test_what_was_added_to_a_dataset_after_a_killed_adoption_is_adopted_too(
    tmp_path: Path,
) -> None:
    old = made(tmp_path)
    snapshot = tmp_path / "snapshots/000001"
    snapshot.mkdir(parents=True)
    told = old.model_copy(update={"data": old.data[:1]})
    (snapshot / "manifest.json").write_bytes(told.to_json())
    (snapshot / "data").mkdir()
    (snapshot / "data" / "part-00007.parquet").write_bytes(b"PAR1")
    adopt(str(tmp_path))
    check_adopted(tmp_path, old)


def test_a_dataset_beside_what_a_refresh_has_left_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    left = tmp_path / "snapshots/000001/staging" / OTHER / "run.json"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"{}")
    with pytest.raises(RefusedError, match="besides, snapshots that were not made of it"):
        adopt(str(tmp_path))
    assert left.exists()


def test_a_snapshot_of_a_store_is_not_adopted(tmp_path: Path) -> None:
    made(tmp_path)
    adopt(str(tmp_path))
    snapshot = Store(str(tmp_path)).snapshot(1)
    with pytest.raises(RefusedError, match="is a snapshot of a store; name the store's folder"):
        adopt(snapshot)


def test_a_folder_without_a_dataset_is_no_store_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no complete dataset"):
        adopt(str(tmp_path / "nothing"))
    assert list(tmp_path.iterdir()) == []


def test_where_a_store_is_wanted_a_dataset_is_refused_with_the_command_that_adopts_it(
    tmp_path: Path,
) -> None:
    made(tmp_path)
    with pytest.raises(RefusedError, match=f"`embed-pipeline adopt {tmp_path}`"):
        refuse_dataset(str(tmp_path))
    adopt(str(tmp_path))
    refuse_dataset(str(tmp_path))
