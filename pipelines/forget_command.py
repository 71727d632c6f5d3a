"""The command that makes a store forget documents.

pyarrow takes a quarter of a second to import, so it is imported when the command is called.
"""

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import click
import orjson
from rich.console import Console

from embed_pipeline.counted import counted
from embed_pipeline.pipelines.arguments import Folder
from embed_pipeline.pipelines.help_pages import Command
from embed_pipeline.pipelines.printable import escape

if TYPE_CHECKING:
    from embed_pipeline.forget import Forgotten

SHOWN = 5  # paths that are named, of each kind
BOM = b"\xef\xbb\xbf"


@click.command("forget", cls=Command)
@click.argument("store", type=Folder())
@click.option(
    "--ids",
    "source",
    type=click.File("rb"),
    required=True,
    metavar="FILE",
    help="The ids of the documents, one a line, in UTF-8; - is standard input.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def forget_command(store: str, source: IO[bytes], *, as_json: bool) -> int:
    """Delete documents from every snapshot of a store, and keep them out of it.

    The exit code is 1 where something could not be looked into, so that nothing is proven.

    Example: embed-pipeline forget stores/docs --ids ids.txt
    """
    ids = read_ids(source.read(), source.name)
    from embed_pipeline.forget import forget  # noqa: PLC0415 (as its docstring says)
    from embed_pipeline.store import Store  # noqa: PLC0415 (the same)

    told = forget(Store(store), ids)
    if as_json:
        click.echo(as_object(store, told))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for style, line in lines(store, told):
            console.print(escape(line), style=style)
    return 0 if told.done else 1


def read_ids(content: bytes, source: str) -> list[str]:
    """Return the ids in a file, each once, in their order; blank lines do not count.

    Raises:
        click.UsageError: There are none, or a line is not UTF-8.
    """
    found: dict[str, None] = {}
    for number, line in enumerate(content.removeprefix(BOM).split(b"\n"), 1):
        try:
            identity = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise click.UsageError(
                f"--ids: {source}:{number} is not UTF-8; save the file as UTF-8"
            ) from error
        if identity.strip():
            found[identity] = None
    if not found:
        raise click.UsageError(f"--ids: {source} holds no ids; write one a line")
    return list(found)


def as_object(store: str, told: "Forgotten") -> str:
    """Return what was done as one JSON object; it names no document."""
    found = {
        "store": store,
        "asked": told.asked,
        "known": told.known,
        "found": told.found,
        "not_found": told.asked - told.found,
        "snapshots": [
            {
                "snapshot": number,
                "rows": one.rows,
                "failures": one.failures,
                "changes": one.changes,
            }
            for number, one in sorted(told.snapshots.items())
        ],
        "leftovers_deleted": told.leftovers,
        "files_looked_through": told.proof.files,
        "done": told.done,
        "problems": told.problems,
        "mentions": told.proof.mentions,
        "foreign": told.proof.foreign,
        "failures_without_id": told.proof.unnamed,
    }
    return orjson.dumps(found).decode()


def lines(store: str, told: "Forgotten") -> Iterator[tuple[str, str]]:
    """Yield what was done, line by line, each with its style."""
    yield "", _asked(store, told)
    for number, one in sorted(told.snapshots.items()):
        erased = ((one.rows, "row"), (one.failures, "failure"), (one.changes, "change"))
        counts = ", ".join(counted(count, what) for count, what in erased)
        yield "", f"snapshot {number:06d}: {counts} deleted"
    if told.leftovers:
        deleted = counted(told.leftovers, "file")
        yield "", f"stopped runs: {deleted} deleted, whose other texts are embedded again"
    for problem in told.problems:
        yield "red", problem
    if told.done:
        looked = f"{counted(told.proof.files, 'file')} looked through"
        yield "green", f"{looked}: no row, failure or change of these documents is left"
    else:
        yield "red", "not proven; mend what is named above and run this again"
    yield from _remarks(told)
    for line in _out_of_reach(store):
        yield "dim", line


def _asked(store: str, told: "Forgotten") -> str:
    """Tell of how many documents there was something."""
    missing = told.asked - told.found
    before = f", {told.known:,} had been forgotten before" if told.known else ""
    return (
        f"{store}: {counted(told.asked, 'id')}, {told.found:,} of them found, {missing:,} not "
        f"found{before}; no refresh brings any of them back"
    )


def _remarks(told: "Forgotten") -> Iterator[tuple[str, str]]:
    """Yield what the user may want to look into."""
    proof = told.proof
    if proof.unnamed:
        failures = counted(proof.unnamed, "failure")
        where = "see `source` and `line` in failures/"
        yield "yellow", f"{failures} without an id: nobody knows whose; {where}"
    for paths, what in (
        (proof.mentions, "names one of the ids as a setting or a file"),
        (proof.foreign, "is no file of ours, and was not looked into"),
    ):
        for path in paths[:SHOWN]:
            yield "yellow", f"{path} {what}"
        if len(paths) > SHOWN:
            yield "yellow", f"... and {len(paths) - SHOWN:,} more"


def _out_of_reach(store: str) -> Iterator[str]:
    """Yield what this command cannot reach."""
    yield "not reached, and yours to see to:"
    yield (
        "- copies downstream, such as a vector database: delete the same ids there (pieces by "
        "document_id); no change feed tells of them"
    )
    if "://" in store:
        yield "- earlier versions and soft-deleted objects of the bucket, its replicas and backups"
    else:
        yield "- backups, snapshots of the file system, and copies or hard links outside the store"
    yield "- the corpus, where refreshes leave them out, and attributes of others that name them"
