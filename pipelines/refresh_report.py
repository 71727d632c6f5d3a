"""What a refresh tells at its end."""

from embed_pipeline.counted import counted
from embed_pipeline.manifest import Refresh
from embed_pipeline.store import Store


def pairs(store: Store, told: Refresh) -> list[tuple[str, str]]:
    """Return what a refresh has done, as lines of a name and a text."""
    told_of = _published(store, told) if told.published else _unchanged(store, told)
    told_of += [("note", note) for note in told.notes]
    if told.exit_code:
        told_of.append(
            ("", "more documents failed than output.max_failed_fraction allows (exit code 3)")
        )
    return told_of


def _unchanged(store: Store, told: Refresh) -> list[tuple[str, str]]:
    return [
        ("snapshot", f"{store.snapshot(told.snapshot)}, as before: nothing has changed"),
        ("rows", f"{told.rows:,}"),
        ("failed", _failed(store, told)),
        *_forgotten(told),
        ("time", f"{told.seconds:,.1f} s"),
    ]


def _published(store: Store, told: Refresh) -> list[tuple[str, str]]:
    changes = (
        f"{told.inserted:,} inserted, {told.updated:,} updated, {told.relabeled:,} with other "
        f"attributes, {told.deleted:,} deleted"
    )
    return [
        ("snapshot", store.snapshot(told.snapshot)),
        ("rows", f"{told.rows:,}: {told.embedded:,} embedded, {told.reused:,} reused"),
        ("changes", changes),
        ("failed", _failed(store, told)),
        *_forgotten(told),
        ("tokens", f"{told.tokens:,}"),
        ("added", f"{told.bytes_added / 1e6:,.1f} MB on disk"),
        ("model", f"{told.model} {told.digest[:12]}"),
        ("time", f"{told.seconds:,.1f} s, {told.server_seconds:,.1f} s of them at the endpoint"),
    ]


def _failed(store: Store, told: Refresh) -> str:
    """Tell how many texts have no vector, and where it stands why."""
    where = f", listed in {store.snapshot(told.snapshot)}/failures" if told.failed else ""
    return f"{told.failed:,}{where}"


def _forgotten(told: Refresh) -> list[tuple[str, str]]:
    return (
        [("forgotten", f"{counted(told.forgotten, 'document')} left out")] if told.forgotten else []
    )
