"""Verifying a dataset: nothing to say of one that is whole, and each damage by its name."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline import files
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.verify import Problem, verify
from tests.support.datasets import dataset, replaced
from tests.support.rows import made_by, row
from tests.support.scripted import vector_of

FIRST = "data/part-00000.parquet"
SECOND = "data/part-00001.parquet"


@pytest.fixture
def made(tmp_path: Path) -> Manifest:
    """Publish a dataset of two files, of two rows and one, and one failure."""
    first = [row("a", token_count=3), row("b", token_count_source="server", truncated=True)]
    return dataset(tmp_path, first, [row("c", truncated=False)], failed=["d"])


def problems(path: Path, manifest: Manifest) -> list[str]:
    return [f"{one.file}: {one.what}" for one in verify(str(path), manifest).problems]


def counted(manifest: Manifest, **counts: Any) -> Manifest:
    return manifest.model_copy(update={"counts": manifest.counts.model_copy(update=counts)})


def nullable(table: pa.Table, name: str) -> pa.Table:
    """Return a table whose column may hold null, and does in its first row."""
    index = table.schema.get_field_index(name)
    column = pa.array([None, *table[name].to_pylist()[1:]], table.schema.field(name).type)
    return table.set_column(index, pa.field(name, column.type), column)


def test_a_dataset_as_it_was_written_holds(tmp_path: Path, made: Manifest) -> None:
    assert verify(str(tmp_path), read_manifest(str(tmp_path))).problems == []
    assert verify(str(tmp_path), made).problems == []


def test_the_figures_are_those_of_the_files(tmp_path: Path, made: Manifest) -> None:
    found = verify(str(tmp_path), made).figures
    assert (found.rows, found.failed) == (3, 1)
    assert found.failed_by_blame_and_kind == {"document:EmptyText": 1}
    assert found.rows_by_token_count_source == {"estimated": 2, "server": 1}
    assert found.rows_by_truncated == {"true": 1, "false": 1, "null": 1}
    assert found.tokens is not None
    assert (found.tokens.total, found.tokens.min, found.tokens.max) == (13, 3, 5)
    assert found.norms is not None
    assert tuple(found.norms) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("vector_type", ["float32", "float16", "list<float>"])
@pytest.mark.parametrize("text", ["keep", "hash", "drop"])
def test_every_kind_of_output_holds(tmp_path: Path, vector_type: str, text: str) -> None:
    columns = {"id": "doc", "vector": "embedding", "token_count": "tokens", "text": "body"}
    rows = [row(f"d{number}", attributes={"n": number}) for number in range(50)]
    manifest = dataset(tmp_path, rows, vector_type=vector_type, text=text, columns=columns)
    report = verify(str(tmp_path), manifest)
    assert report.problems == []
    assert report.figures.rows == 50


def test_an_empty_dataset_holds(tmp_path: Path) -> None:
    report = verify(str(tmp_path), dataset(tmp_path))
    assert (report.problems, report.figures.tokens, report.figures.norms) == ([], None, None)


def test_a_byte_that_changed_is_noticed_even_in_texts_which_are_not_read(tmp_path: Path) -> None:
    text = "".join(chr(33 + (7 * number) % 90) for number in range(200))
    manifest = dataset(tmp_path, [row("a", text)])
    content = bytearray((tmp_path / FIRST).read_bytes())
    content[content.index(text[100:110].encode())] ^= 1
    (tmp_path / FIRST).write_bytes(content)
    assert problems(tmp_path, manifest) == [
        f"{FIRST}: its bytes are not those that were written: their sha256 differs"
    ]


def test_a_file_that_was_cut_short_is_noticed(tmp_path: Path, made: Manifest) -> None:
    (tmp_path / FIRST).write_bytes((tmp_path / FIRST).read_bytes()[:100])
    size, unread = problems(tmp_path, made)
    assert size == f"{FIRST}: it has 100 bytes, the manifest says {made.data[0].bytes:,}"
    assert unread.startswith(f"{FIRST}: it cannot be read: Parquet magic bytes not found")


@pytest.mark.parametrize("name", [FIRST, "failures/part-00000.parquet"])
def test_a_file_that_is_missing_is_named_and_the_sums_are_left_alone(
    tmp_path: Path, made: Manifest, name: str
) -> None:
    (tmp_path / name).unlink()
    assert verify(str(tmp_path), made).problems == [
        Problem(
            name,
            "it is missing",
            "put the file back from a copy of the dataset, or make the dataset again",
        )
    ]


@pytest.mark.parametrize("name", ["data/part-00009.parquet", "data/more/x.parquet", "failures/x"])
def test_a_file_the_manifest_does_not_list_is_noticed(
    tmp_path: Path, made: Manifest, name: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes((tmp_path / FIRST).read_bytes())
    (found,) = verify(str(tmp_path), made).problems
    assert found.file == name
    assert "the manifest does not list it" in found.what
    assert found.cure == "move it out of the dataset"


def test_files_that_readers_pass_over_do_not_count(tmp_path: Path, made: Manifest) -> None:
    (tmp_path / "data" / "_SUCCESS").touch()
    (tmp_path / "data" / ".part-00000.parquet.crc").touch()
    (tmp_path / "README.md").touch()
    assert problems(tmp_path, made) == []


def test_ids_that_stand_twice_are_named_with_their_files(tmp_path: Path) -> None:
    rows = [row("a"), row("b")], [row("c"), row("a"), row("c")]
    assert problems(tmp_path, dataset(tmp_path, *rows)) == [
        f"data: 2 ids stand more than once: 'a' in {FIRST} and {SECOND}, 'c' in {SECOND}"
    ]


@pytest.mark.parametrize(
    ("factor", "what"),
    [
        (1.0011, "a vector whose norm is not 1 (within 0.001)"),
        (0.0, "a vector whose norm is not 1 (within 0.001)"),
        (float("nan"), "a vector that is not finite"),
        (float("inf"), "a vector that is not finite"),
    ],
)
def test_a_wrong_vector_is_noticed(tmp_path: Path, factor: float, what: str) -> None:
    wrong = row("b", vector=vector_of("x") * factor)
    manifest = dataset(tmp_path, [row("a"), wrong, row("c"), wrong._replace(id="d")])
    assert problems(tmp_path, manifest) == [f"{FIRST}: 2 rows have {what}, the first is row 2"]


def test_a_token_count_below_one_is_noticed(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row("a"), row("b", token_count=0)])
    assert problems(tmp_path, manifest) == [
        f"{FIRST}: 1 row has a token_count below 1, the first is row 2"
    ]


@pytest.mark.parametrize("name", ["id", "text", "model", "token_count_source"])
def test_null_where_none_may_be_is_noticed(tmp_path: Path, name: str) -> None:
    manifest = dataset(tmp_path, [row("a"), row("b")])
    table = pq.read_table(tmp_path / FIRST)
    found = problems(tmp_path, replaced(tmp_path, manifest, nullable(table, name)))
    assert found[0] == f"{FIRST}: 1 row has null in the column '{name}', the first is row 1"


def test_a_null_vector_is_noticed(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row("a"), row("b")], vector_type="list<float>")
    table = pq.read_table(tmp_path / FIRST)
    changed = replaced(tmp_path, manifest, nullable(table, "vector"))
    assert problems(tmp_path, changed) == [
        f"{FIRST}: 1 row has null in the column 'vector', the first is row 1"
    ]


def test_an_attribute_may_be_null_and_named_like_a_column_that_is_dropped(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row("a"), row("b")], text="drop")
    table = pq.read_table(tmp_path / FIRST).rename_columns({"n": "text"})
    columns = {field.name: str(field.type) for field in table.schema}
    changed = replaced(tmp_path, manifest, table).model_copy(update={"columns": columns})
    assert problems(tmp_path, changed) == []


def test_a_vector_of_another_dimension_is_noticed(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [row("a"), row("b")], vector_type="list<float>")
    table = pq.read_table(tmp_path / FIRST)
    vectors = [vector_of("a").tolist(), vector_of("b").tolist()[:7]]
    column = pa.array(vectors, table.schema.field("vector").type)
    table = table.set_column(2, table.schema.field("vector"), column)
    assert problems(tmp_path, replaced(tmp_path, manifest, table)) == [
        f"{FIRST}: 1 row has a vector of another dimension than 8, the first is row 2"
    ]


def test_other_columns_than_the_manifest_names_are_told(tmp_path: Path, made: Manifest) -> None:
    table = pq.read_table(tmp_path / FIRST).drop_columns(["truncated"])
    assert problems(tmp_path, replaced(tmp_path, made, table)) == [
        f"{FIRST}: its columns are not the manifest's: 'truncated' is missing, not bool"
    ]


def test_a_manifest_of_other_columns_is_told(tmp_path: Path, made: Manifest) -> None:
    changed = made.model_copy(update={"provenance": {**made_by(), "dimension": 9}})
    assert problems(tmp_path, changed) == [
        "manifest.json: the columns it names are not those of a dataset of its job and dimension"
    ]


def test_a_file_of_another_model_is_noticed(tmp_path: Path, made: Manifest) -> None:
    changed = made.model_copy(update={"provenance": {**made_by(), "digest": "e2", "model": "x"}})
    what = "its footer tells of another origin than the manifest: digest, model differ"
    assert problems(tmp_path, changed) == [f"{FIRST}: {what}", f"{SECOND}: {what}"]


@pytest.mark.parametrize(
    ("name", "said", "held"),
    [
        ("rows", 4, 3),
        ("tokens", 12, 13),
        ("failed", 2, 1),
        ("rows_by_token_count_source", {"server": 3}, {"estimated": 2, "server": 1}),
        ("rows_by_truncated", {"false": 3}, {"true": 1, "false": 1, "null": 1}),
        ("failed_by_blame_and_kind", {"server:ServerFault": 1}, {"document:EmptyText": 1}),
    ],
)
def test_a_count_of_the_manifest_that_is_wrong_is_told(
    tmp_path: Path, made: Manifest, name: str, said: object, held: object
) -> None:
    assert problems(tmp_path, counted(made, **{name: said})) == [
        f"manifest.json: counts.{name} is {said}, but the files hold {held}"
    ]


def test_counts_an_older_manifest_lacks_are_not_missed(tmp_path: Path, made: Manifest) -> None:
    assert problems(tmp_path, counted(made, rows_by_truncated={})) == []


def test_another_number_of_rows_than_the_manifest_says_is_told(
    tmp_path: Path, made: Manifest
) -> None:
    first = made.data[0].model_copy(update={"rows": 9})
    changed = made.model_copy(update={"data": [first, made.data[1]]})
    assert problems(tmp_path, changed) == [f"{FIRST}: it has 2 rows, the manifest says 9"]


def test_failures_of_another_form_are_told(tmp_path: Path, made: Manifest) -> None:
    name = "failures/part-00000.parquet"
    pq.write_table(pa.table({"blame": [1]}), tmp_path / name)
    assert problems(tmp_path, made)[-1] == f"{name}: its columns are not those of failures"


def test_any_byte_that_changed_is_a_problem_and_no_traceback(
    tmp_path: Path, made: Manifest
) -> None:
    good = (tmp_path / FIRST).read_bytes()
    for place in range(0, len(good), 29):
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        (tmp_path / FIRST).write_bytes(damaged)
        assert verify(str(tmp_path), made).problems


def test_a_dataset_on_an_object_store_is_verified(s3: str) -> None:
    out = files.join(s3, "out")
    manifest = dataset(out, [row("a")], [row("b")], failed=["c"])
    assert verify(out, manifest).problems == []
    files.delete(files.join(out, manifest.data[1].path))
    (found,) = verify(out, manifest).problems
    assert (found.file, found.what) == (manifest.data[1].path, "it is missing")


def test_verified_counts_that_the_sample_contradicted_are_a_problem(
    tmp_path: Path, made: Manifest
) -> None:
    sample = {"verified": {"asked": 10, "agreed": 3}}
    (found,) = problems(tmp_path, made.model_copy(update={"recount": sample}))
    assert found.startswith("manifest.json: only 3 of 10 verified token counts were confirmed")
