"""What a run shows while it is under way: a view in place on a terminal, a line elsewhere."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from embed_pipeline.counted import counted
from embed_pipeline.health import WORST_LAST, Address, Health
from embed_pipeline.pipelines.printable import printable
from embed_pipeline.pipelines.rates import Figures
from embed_pipeline.progress import Progress

WIDEST = 100  # columns the view takes at most: what is wider is no easier to read
NARROWEST_BAR = 10
IDLE_SECONDS = 10.0  # without anything new, before that is said
FINISHING = "finishing: last checks, writing the dataset"  # where nothing more is known
CHECKING = "checking a sample of the token counts"
WRITING = "writing the dataset"
BETWEEN = "  "  # what stands side by side
BRIEF = len("  resting 30 s  16/16 …")  # beside an address, in a narrow window
WORDY = len("  resting 30 s  16 of 16 in flight  100,000 requests")  # beside an address
STYLES = {"well": "green", "slowed": "yellow", "resting": "yellow", "gone": "red"}
NOT_WELL = ("slowed", "resting", "gone")


def line(now: Figures, health: Health) -> str:
    """Return everything as one line; of what is well, it says nothing."""
    parts = [_done(now), *_rates(now), _failed(now)]
    waiting = [one for one in (_idle(now), _left(now)) if one]
    wrong = [] if _ends(now) else troubles(health)
    return "; ".join([", ".join([*parts, *waiting]), *wrong])


def troubles(health: Health) -> list[str]:
    """Tell which addresses are not well."""
    return [f"{one.name} {_state(one)}" for one in health.addresses if one.state in NOT_WELL]


def standing(now: Progress, health: Health) -> list[str]:
    """Return how far a run is that somebody else watches: a line, and one for each address."""
    done = f"{counted(now.rows, 'text')}, {counted(now.tokens, 'token')}, {_failed(now)}"
    if _ends(now):  # more is not known: it may have been killed meanwhile
        return [f"{done}, all is embedded"]
    lines = [", ".join([done, *_requests(health)])]
    for one in health.addresses:
        faults = f": {_kinds(one.faults)}" if one.faults else ""
        flight = f"{one.in_flight} of {one.at_most} in flight"
        many = counted(one.requests, "request")
        lines.append(f"  {one.name} {_state(one)}, {flight}, {many}{faults}")
    return lines


def view(now: Figures, health: Health, width: int, height: int) -> RenderableType:
    """Return everything as lines that fit into a window.

    Args:
        now: How far the run is.
        health: How its endpoint is.
        width: The window's columns.
        height: Its lines.
    """
    width = min(width, WIDEST)
    parts = [Text(one) for one in (*_rates(now), _idle(now), _left(now)) if one]
    if _ends(now):
        health = Health()
    parts += [Text(one) for one in _requests(health)]
    if now.failed:
        parts.append(Text(_failed(now), style="red"))
    lines: list[RenderableType] = [_bar(now, width), *_flowing(parts, width)]
    room = max(0, height - 1 - len(lines))  # the cursor stands below them
    return Group(*lines, *_addresses(health.addresses, width, room))


def _bar(now: Figures, width: int) -> RenderableType:
    """Return the bar with how much is done beside it."""
    told = _done(now)
    if now.total:
        told = f"{min(100, 100 * now.done // now.total)}%{BETWEEN}{told}"
    space = width - len(told) - len(BETWEEN)
    if space < NARROWEST_BAR:
        return _cut(Text(told), width)
    bar = ProgressBar(
        total=now.total or None,
        completed=now.done,
        width=min(space, width // 2),
        pulse=not now.total,
    )
    grid = Table.grid(padding=(0, len(BETWEEN), 0, 0))
    grid.add_row(bar, Text(told, no_wrap=True))
    return grid


def _flowing(parts: Iterable[Text], width: int) -> list[Text]:
    """Put parts side by side, and on the next line what does not fit."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + len(BETWEEN) + part.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], BETWEEN, part)
        else:
            lines.append(part)
    return [_cut(one, width) for one in lines]


def _cut(text: Text, width: int) -> Text:
    """Return a text that takes one line."""
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text


def _addresses(addresses: Sequence[Address], width: int, room: int) -> list[RenderableType]:
    """Return a line an address, and one for the errors met there; the worst where not all fit."""
    chosen = list(addresses)
    more = 0
    while chosen and sum(1 + bool(one.faults) for one in chosen) + bool(more) > room:
        chosen.remove(min(reversed(chosen), key=lambda one: WORST_LAST.index(one.state)))
        more += 1
    longest = max((len(printable(one.name)) for one in chosen), default=0)
    names = min(longest, width // 2, max(NARROWEST_BAR, width - BRIEF))
    found: list[RenderableType] = []
    for one in chosen:
        found.append(_cut(_address(one, names, wide=names + WORDY <= width), width))
        if one.faults:
            found.append(_cut(Text(f"    {_kinds(one.faults)}", style="dim"), width))
    if more and room:
        found.append(_cut(Text(f"and {more} more addresses", style="dim"), width))
    return found


def _address(one: Address, names: int, *, wide: bool) -> Text:
    """Return how an address is, its name in so many columns."""
    name = Text(printable(one.name))
    name.truncate(names, overflow="ellipsis", pad=True)
    state = (_state(one).ljust(len("resting 30 s")), STYLES.get(one.state, ""))
    flight = f"{one.in_flight} of {one.at_most} in flight".ljust(len("16 of 16 in flight"))
    if not wide:
        flight = f"{one.in_flight}/{one.at_most}".ljust(len("16/16"))
    return Text.assemble(
        name, BETWEEN, state, BETWEEN, flight, BETWEEN, counted(one.requests, "request")
    )


def _state(one: Address) -> str:
    return f"resting {one.rests_s:.0f} s" if one.state == "resting" else one.state


def _requests(health: Health) -> list[str]:
    """Tell what is under way, as far as anybody knows."""
    if not health.addresses:
        return []
    waiting = f", {health.waiting:,} waiting" if health.waiting else ""
    repeated = [f"{health.retries:,} repeated"] if health.retries else []
    return [f"{counted(health.in_flight, 'request')} in flight{waiting}", *repeated]


def _done(now: Figures) -> str:
    about = "" if now.exact else "about "
    if not now.total:
        return counted(now.done, "text")
    return f"{now.done:,} of {about}{counted(now.total, 'text')}"


def _rates(now: Figures) -> list[str]:
    return [
        f"{now.recent:,.0f} texts/s ({now.overall:,.0f} overall)",
        f"{now.tokens:,.0f} tokens/s",
    ]


def _failed(now: Figures | Progress) -> str:
    return f"{now.failed:,} failed{f' ({_kinds(now.kinds)})' if now.kinds else ''}"


def _kinds(counts: Mapping[str, int]) -> str:
    """Return counts by kind, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return printable(", ".join(f"{number:,} {kind}" for kind, number in ordered))


def _idle(now: Figures) -> str:
    """Tell how long nothing new has come; once all is embedded, nothing will."""
    if now.idle < IDLE_SECONDS or _ending(now):
        return ""
    return f"nothing new for {duration(now.idle)}"


def _ending(now: Figures) -> str:
    """Tell what is done once all is embedded; of an estimated total only the run knows when."""
    if now.writing:
        return WRITING
    if now.checks:
        return f"{CHECKING} ({now.checked:,} of {now.checks:,})"
    return FINISHING if now.exact and now.done == now.total else ""


def _ends(now: Figures | Progress) -> bool:
    """Tell whether the requests that embed have all been answered, whatever was told last."""
    return now.writing or now.checks > 0


def _left(now: Figures) -> str:
    if ending := _ending(now):
        return ending
    if now.left is None or now.idle >= IDLE_SECONDS:
        return ""
    return f"ready in {'' if now.exact else 'about '}{duration(now.left)}"


def duration(seconds: float) -> str:
    """Return seconds as minutes and seconds, with hours where there are some."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
