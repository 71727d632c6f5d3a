"""The file layer, on a real folder and on a real S3 server."""

import gzip
import os
from pathlib import Path

import pytest
from pyarrow import fs

from embed_pipeline import files
from embed_pipeline.errors import ConfigError


@pytest.fixture(params=["local", "s3"])
def base(request: pytest.FixtureRequest) -> str:
    """A place for files, empty."""
    return str(request.getfixturevalue("tmp_path" if request.param == "local" else "s3"))


def below(base: str, found: list[files.FileInfo]) -> list[str]:
    """Return the found paths relative to base, which each must carry."""
    stem, mark, options = base.partition("?")
    assert all(info.path.startswith(stem) and info.path.endswith(options) for info in found)
    return [info.path.removesuffix(mark + options)[len(stem) + 1 :] for info in found]


@pytest.mark.parametrize(
    ("base", "parts", "expected"),
    [
        ("out", ("data", "x.parquet"), "out/data/x.parquet"),
        ("/", ("x",), "/x"),
        ("out/", ("/x/",), "out/x"),
        ("out", (), "out"),
        ("what?", ("x",), "what?/x"),
        ("s3://bucket", ("x",), "s3://bucket/x"),
        (
            "s3://bucket/a?endpoint_override=http://127.0.0.1:9000&region=r",
            ("b", "c"),
            "s3://bucket/a/b/c?endpoint_override=http://127.0.0.1:9000&region=r",
        ),
    ],
)
def test_join_keeps_the_options_at_the_end(
    base: str, parts: tuple[str, ...], expected: str
) -> None:
    assert files.join(base, *parts) == expected


def test_resolve_makes_local_paths_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filesystem, key = files.resolve("a/../b.txt")
    assert isinstance(filesystem, fs.LocalFileSystem)
    assert key == str(tmp_path / "b.txt")


def test_resolve_takes_file_urls_literally() -> None:
    assert files.resolve("file:///a%20b c")[1] == "/a%20b c"


@pytest.mark.parametrize(
    "path", ["", "http://host/x", "s3://", "s3:///x", "file://x", "hdfs://host/x"]
)
def test_what_is_no_place_for_files_is_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        files.resolve(path)


@pytest.mark.parametrize("url", ["s3://KEY:hunter2@bucket/x", "s3://KEY:hun/ter2@bucket/x"])
def test_a_password_in_a_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY") as caught:
        files.resolve(url)
    assert "ter2" not in str(caught.value)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="colour"):
        files.resolve("s3://bucket/x?colour=red")


def test_bytes_come_back_and_folders_are_made(base: str) -> None:
    path = files.join(base, "new folder", "a b+c.bin")
    files.write_bytes(path, b"\x00first")
    files.write_bytes(path, b"second")
    assert files.read_bytes(path) == b"second"
    assert files.exists(path)
    assert below(base, files.list_folder(files.join(base, "new folder"))) == [
        "new folder/a b+c.bin"
    ]


def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    files.write_bytes(str(tmp_path / "ours"), b"x")
    (tmp_path / "usual").write_bytes(b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        files.write_bytes(str(tmp_path / "taken"), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_streams_write_and_read(base: str) -> None:
    path = files.join(base, "deep", "er", "x.gz")
    with files.open_output(path) as stream:
        stream.write(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    with files.open_input_stream(path, compression="gzip") as stream:
        assert stream.read() == b"one\ntwo\n"
    with files.open_input(path) as stream:
        stream.seek(1)
        assert stream.read(1) == b"\x8b"


def test_move_replaces_the_target_and_makes_folders(base: str) -> None:
    source, target = files.join(base, "a"), files.join(base, "sub", "b")
    files.write_bytes(source, b"new")
    files.write_bytes(target, b"old")
    files.move(source, target)
    assert files.read_bytes(target) == b"new"
    assert not files.exists(source)


def test_move_between_file_systems_is_refused(s3: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="different file systems"):
        files.move(str(tmp_path / "a"), files.join(s3, "a"))


def test_a_shared_file_has_two_names_and_outlives_one(base: str) -> None:
    source, target = files.join(base, "a"), files.join(base, "sub", "b")
    files.write_bytes(source, b"new")
    files.write_bytes(target, b"old")
    files.share(source, target)
    assert files.read_bytes(target) == b"new"
    files.delete(source)
    assert files.read_bytes(target) == b"new"


def test_what_is_shared_here_takes_no_room(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    files.share(str(tmp_path / "a"), str(tmp_path / "sub" / "b"))
    assert (tmp_path / "a").stat().st_ino == (tmp_path / "sub" / "b").stat().st_ino


def test_where_a_file_can_have_one_name_only_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "a").write_bytes(b"x")
    files.share(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == b"x"
    assert (tmp_path / "a").stat().st_ino != (tmp_path / "b").stat().st_ino


def test_a_file_that_has_got_its_second_name_although_an_error_is_told_is_not_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def told_twice(source: str, target: str) -> None:  # as an NFS server is that was slow to answer
        link(source, target)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr("os.link", told_twice)
    (tmp_path / "a").write_bytes(b"x")
    files.share(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"x"


def test_a_missing_file_cannot_be_shared(base: str) -> None:
    with pytest.raises(OSError, match=r"a.* -> .*b"):
        files.share(files.join(base, "a"), files.join(base, "b"))


def test_sharing_between_file_systems_is_refused(s3: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot share .*different file systems"):
        files.share(str(tmp_path / "a"), files.join(s3, "a"))


def test_delete(base: str) -> None:
    path = files.join(base, "a")
    files.write_bytes(path, b"x")
    files.delete(path)
    assert not files.exists(path)
    with pytest.raises(FileNotFoundError):
        files.delete(path)


def test_delete_folder_may_be_repeated(base: str) -> None:
    folder = files.join(base, "out")
    files.write_bytes(files.join(folder, "deep", "x"), b"x")
    files.delete_folder(folder)
    files.delete_folder(folder)
    assert not files.exists(folder)


def test_list_folder_is_flat_sorted_and_empty_where_missing(base: str) -> None:
    for name in ("b", "a", ".hidden", "sub/c"):
        files.write_bytes(files.join(base, name), b"123")
    found = files.list_folder(base)
    assert below(base, found) == [".hidden", "a", "b"]
    assert [info.size for info in found] == [3, 3, 3]
    assert files.list_folder(files.join(base, "missing")) == []


@pytest.fixture
def tree(base: str) -> str:
    for name in (
        "a.jsonl", "b.jsonl", "c.csv", "_SUCCESS", ".part.crc", "sub/d.jsonl", "sub/deep/e.jsonl",
        "sub/_tmp/f.jsonl", ".git/g.jsonl",
    ):  # fmt: skip
        files.write_bytes(files.join(base, name), b"x")
    return base


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.jsonl", ["a.jsonl"]),
        ("_SUCCESS", ["_SUCCESS"]),
        ("", ["a.jsonl", "b.jsonl", "c.csv", "sub/d.jsonl", "sub/deep/e.jsonl"]),
        ("sub", ["sub/d.jsonl", "sub/deep/e.jsonl"]),
        ("*.jsonl", ["a.jsonl", "b.jsonl"]),
        ("*", ["a.jsonl", "b.jsonl", "c.csv"]),
        ("?.csv", ["c.csv"]),
        ("[a-b].jsonl", ["a.jsonl", "b.jsonl"]),
        ("[!a].jsonl", ["b.jsonl"]),
        ("_*", ["_SUCCESS"]),
        ("*/*.jsonl", ["sub/d.jsonl"]),
        ("**/*.jsonl", ["a.jsonl", "b.jsonl", "sub/d.jsonl", "sub/deep/e.jsonl"]),
        ("**", ["a.jsonl", "b.jsonl", "c.csv", "sub/d.jsonl", "sub/deep/e.jsonl"]),
        ("sub/**/e.jsonl", ["sub/deep/e.jsonl"]),
        ("s*/deep/*", ["sub/deep/e.jsonl"]),
        ("missing", []),
        ("missing/*.jsonl", []),
    ],
)
def test_find(tree: str, pattern: str, expected: list[str]) -> None:
    assert below(tree, files.find(files.join(tree, pattern))) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_found(base: str) -> None:
    for name in ("a[1].txt", "a1.txt"):
        files.write_bytes(files.join(base, name), b"x")
    assert below(base, files.find(files.join(base, "a[1].txt"))) == ["a[1].txt"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_loop_of_symlinks_adds_no_file_a_second_time(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(".")
    base = f"{scheme}{tmp_path}"
    assert below(base, files.find(base)) == ["a", "sub/b"]
    assert below(base, files.find(f"{base}/**/b")) == ["sub/b"]


def test_a_link_beside_its_target_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"x")
    (tmp_path / "a").symlink_to("b")
    assert below(str(tmp_path), files.find(str(tmp_path))) == ["b"]
    assert below(str(tmp_path), files.find(str(tmp_path / "a"))) == ["a"]
    assert below(str(tmp_path), files.find(str(tmp_path / "[a]"))) == ["a"]


def test_links_to_files_elsewhere_are_found(tmp_path: Path) -> None:
    for name in ("elsewhere/a", "elsewhere/folder/b", "data/c"):
        files.write_bytes(str(tmp_path / name), b"x")
    (tmp_path / "data" / "a").symlink_to("../elsewhere/a")
    (tmp_path / "data" / "again").symlink_to("../elsewhere/a")
    (tmp_path / "data" / "folder").symlink_to("../elsewhere/folder")
    (tmp_path / "link").symlink_to("data")
    for root in (str(tmp_path / "data"), str(tmp_path / "link")):
        assert below(root, files.find(root)) == ["a", "again", "c", "folder/b"]


def test_find_tells_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (found,) = files.find(str(tmp_path / "a"))
    assert (found.path, found.size) == (str(tmp_path / "a"), 5)
    assert found.modified is not None
    assert found.modified.timestamp() == pytest.approx((tmp_path / "a").stat().st_mtime, abs=1e-5)


def test_a_found_path_can_be_opened_whatever_it_was_asked_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert [info.path for info in files.find("*")] == [str(tmp_path / "a b")]
    (found,) = files.find(f"file://{tmp_path}/*")
    assert found.path == f"file://{tmp_path}/a b"
    assert files.read_bytes(found.path) == b"x"


def test_a_name_that_is_not_utf8_is_an_error_naming_the_folder(tmp_path: Path) -> None:
    Path(f"{tmp_path}/\udcff.txt").write_bytes(b"x")
    with pytest.raises(OSError, match=f"not UTF-8.*{tmp_path.name}"):
        files.find(str(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("sub", "sub"),
        ("a.jsonl", ""),
        ("*.jsonl", ""),
        ("sub/*/x", "sub"),
        ("missing/x", "missing"),
    ],
)
def test_the_fixed_root_of_a_pattern(tree: str, pattern: str, expected: str) -> None:
    assert files.fixed_root(files.join(tree, pattern)) == files.join(tree, expected)


def test_errors_name_the_path_and_keep_their_cause(base: str) -> None:
    path = files.join(base, "missing")
    with pytest.raises(FileNotFoundError, match="missing"):
        files.open_input(path)


def test_an_error_without_a_path_gets_it(s3: str) -> None:
    path = s3.replace("//bucket", "//no-such-bucket/x")
    with pytest.raises(OSError, match="NO_SUCH_BUCKET") as caught:
        files.write_bytes(path, b"x")
    assert path in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


def test_only_local_renames_are_cheap(tmp_path: Path) -> None:
    assert files.rename_is_cheap(str(tmp_path))
    assert not files.rename_is_cheap("s3://bucket/x")


def test_a_folder_is_told_from_a_file_and_from_nothing(base: str) -> None:
    path = files.join(base, "folder", "file")
    files.write_bytes(path, b"x")
    assert files.is_folder(files.join(base, "folder"))
    assert not files.is_folder(path)
    assert not files.is_folder(files.join(base, "nothing"))


def test_only_an_empty_folder_is_deleted_as_one(base: str) -> None:
    folder = files.join(base, "out")
    files.write_bytes(files.join(folder, ".hidden"), b"x")
    files.delete_empty_folder(folder)
    assert files.exists(files.join(folder, ".hidden"))
    files.delete(files.join(folder, ".hidden"))
    files.delete_empty_folder(folder)
    files.delete_empty_folder(folder)
    assert not files.exists(folder)
