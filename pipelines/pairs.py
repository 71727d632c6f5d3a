"""Names and values below each other, as several commands print them."""

from collections.abc import Iterable

from rich.console import Console

from embed_pipeline.pipelines.printable import escape, printable


def print_pairs(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Print each name, bold, and its value beside it; an empty name continues the one above."""
    found = list(pairs)
    width = max(len(printable(name)) for name, _ in found)
    for name, value in found:
        console.print(
            f"[bold]{escape(printable(name).ljust(width))}[/bold]  {escape(value)}", soft_wrap=True
        )
