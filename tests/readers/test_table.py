"""The table of docs/readers.md and the index of docs/recipes have what the tests run, no more."""

from tests.readers.found import READERS
from tests.readers.recipes import FOLDER
from tests.readers.table import ROWS, TEXT


def test_the_table_has_the_readers_that_are_run() -> None:
    assert list(ROWS) == list(READERS)


def test_every_recipe_stands_in_the_index() -> None:
    told = (FOLDER / "README.md").read_text(encoding="utf-8")

    for path in FOLDER.glob("*.py"):
        assert f"]({path.name})" in told


def test_every_recipe_is_run_by_a_reader_of_the_table() -> None:
    for path in FOLDER.glob("*.py"):
        assert f"](recipes/{path.name})" in TEXT
