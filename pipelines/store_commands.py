"""Commands that take a store's folder.

pyarrow takes a quarter of a second to import, so it is imported when a command needs it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embed_pipeline.pipelines.arguments import Folder
from embed_pipeline.pipelines.help_pages import Command
from embed_pipeline.pipelines.plan_report import duration, size
from embed_pipeline.pipelines.printable import printable

if TYPE_CHECKING:
    from embed_pipeline.manifest import Refresh

WIDE = 500  # as wide as it needs, in a narrow window too, where the lines then wrap
COLUMNS = (
    "when",
    "snapshot",
    "rows",
    "embedded",
    "reused",
    "changes",
    "failed",
    "tokens",
    "time",
    "server time",
    "added",
    "exit",
    "model",
    "notes",
)
WORDS = {"when", "changes", "model", "notes"}  # aligned to the left


@click.command(cls=Command)
@click.argument("store", type=Folder())
def path(store: str) -> None:
    """Print the folder of a store's current snapshot, for scripts.

    It is a complete dataset, and is never changed; it is deleted once as many newer ones are there
    as the store keeps. The exit code is 1 where there is none.

    Example: embed-pipeline path out/store
    """
    from embed_pipeline.errors import DatasetError
    from embed_pipeline.store import CURRENT, Store

    found = Store(store)
    number = found.number()
    if number is None:
        raise DatasetError(
            f"{store} is no store, or no refresh of it has ended yet: {CURRENT} is missing; "
            "`embed-pipeline refresh` makes one, `embed-pipeline adopt` makes one of a dataset"
        )
    click.echo(found.snapshot(number), color=True)  # click drops escape sequences from a pipe


@click.command(cls=Command)
@click.argument("store", type=Folder())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a refresh.")
def log(store: str, *, as_json: bool) -> None:
    """Print what each refresh of a store did, oldest first.

    Changes are rows: + inserted, ~ updated, = with other attributes only, - deleted. A refresh that
    found nothing to do is dim. The exit code is 1 where there is no store.

    Example: embed-pipeline log out/store
    """
    from embed_pipeline.errors import DatasetError
    from embed_pipeline.store import Store, is_store

    entries = Store(store).entries()
    if not entries and not is_store(store):
        raise DatasetError(f"{store} is no store: no refresh of it has ended yet")
    if as_json:
        for entry in entries:
            click.echo(entry.model_dump_json())
        return
    Console(highlight=False, width=WIDE).print(table(entries))


def table(entries: Iterable["Refresh"]) -> Table:
    """Return refreshes as a table, a row each."""
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in COLUMNS:
        found.add_column(name, justify="left" if name in WORDS else "right", overflow="fold")
    for entry in entries:
        cells = [Text(printable(cell)) for cell in _cells(entry)]  # what users named is no markup
        style = "" if entry.published else "dim"
        found.add_row(*cells, style="red" if entry.exit_code else style)
    return found


def _cells(entry: "Refresh") -> list[str]:
    model = f"{entry.model} {entry.digest[:12]}".strip()
    return [
        entry.finished[:16].replace("T", " "),
        f"{entry.snapshot:06d}",
        f"{entry.rows:,}",
        f"{entry.embedded:,}",
        f"{entry.reused:,}",
        changes(entry),
        f"{entry.failed:,}",
        f"{entry.tokens:,}",
        duration(entry.seconds),
        duration(entry.server_seconds),
        size(entry.bytes_added),
        str(entry.exit_code),
        model,
        "; ".join(entry.notes),
    ]


def changes(entry: "Refresh") -> str:
    """Return how many rows were inserted, updated, relabeled and deleted, as far as any were."""
    counts = {
        "+": entry.inserted,
        "~": entry.updated,
        "=": entry.relabeled,
        "-": entry.deleted,
    }
    return " ".join(f"{sign}{count:,}" for sign, count in counts.items() if count) or "none"


@click.command("adopt", cls=Command)
@click.argument("path", type=Folder())
def adopt_command(path: str) -> None:
    """Make a dataset that `run` made the first snapshot of a store, in its own folder.

    Nothing is embedded: the next refresh reuses its vectors. The files get other names, below
    PATH/snapshots, so readers must follow `embed-pipeline path PATH` from then on. Killed half way,
    it is to be started again.

    Example: embed-pipeline adopt out/python-docs
    """
    from embed_pipeline.adopt import adopt

    store = adopt(path)
    told = f"{path} is a store: its current snapshot is {store.snapshot(store.number() or 1)}"
    click.echo(printable(told))
