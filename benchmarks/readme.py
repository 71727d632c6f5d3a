"""Write what was measured into the README and docs/benchmarks.md, each between its two marks.

python -m benchmarks.readme
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.losses import losses
from benchmarks.results import PACKAGES, read
from benchmarks.tables import UNKNOWN, Result, Row, lengths, rows

ROOT = Path(__file__).parent.parent
README, FULL = ROOT / "README.md", ROOT / "docs/benchmarks.md"
RAW = "benchmarks/results"
ROUNDS = 5  # that a row of the README has at least
BEGIN, END = "<!-- measured:begin -->\n", "<!-- measured:end -->"


def measured() -> str:
    """Return the README's section: a row for each claim, where it was measured, where we lose."""
    told = [row for row in rows() if row.short and _is_well_measured(row)]
    lines = [
        "Each figure is the median of its rounds [least–most].",
        "",
        *_table(
            ("", "Found", "Rounds", "Texts, p50 / p95"),
            (
                (row.what, row.found, _told(row.rounds), lengths(read(row.result), row.corpus))
                for row in told
            ),
        ),
        "",
        *(f"{where}  " for where in _machines(told)),
        (
            "`make bench` measures them; [docs/benchmarks.md](docs/benchmarks.md) has all, also "
            f"what was measured in fewer than {ROUNDS} rounds, or is counted rather than timed."
        ),
        "",
        "Where it loses:",
        "",
        *(f"- {loss}" for loss in losses()),
    ]
    return "\n".join([*lines, ""]).replace("(FAULTS)", "(docs/faults.md)")


def _is_well_measured(row: Row) -> bool:
    """Tell whether a row has the rounds, and tells of the texts, that a reader can judge it by."""
    return (row.rounds or 0) >= ROUNDS and lengths(read(row.result), row.corpus) != UNKNOWN


def everything() -> str:
    """Return the section of docs/benchmarks.md: every row, and what each result was measured on."""
    told = list(rows())
    results = {row.result: read(row.result) for row in told}
    lines = [
        *_table(
            ("", "Found", "Rounds", "Result"),
            ((row.what, row.found, _told(row.rounds), f"[{row.result}](#results)") for row in told),
        ),
        "",
        "## Results",
        "",
        *_table(
            ("Result", "Command", "Date", "Machine", "Versions", "Texts, p50 / p95"),
            (_recorded(name, found) for name, found in results.items()),
        ),
    ]
    return "\n".join([*lines, ""]).replace("(FAULTS)", "(faults.md)")


def _recorded(name: str, found: Result) -> tuple[str, ...]:
    command = f"`python -m benchmarks {name}`"
    if name == "grouping_server":
        command = "`python -m benchmarks grouping`, with `OLLAMA_HOST` set"
    versions = ", ".join(
        f"{package} {found['machine'].get(package) or found.get(package, UNKNOWN)}"
        for package in ("python", *PACKAGES)
    )
    raw = f"[{name}.json](../{RAW}/{name}.json)"
    return raw, command, found["date"], _machine(found["machine"]), versions, lengths(found)


def _machine(found: Mapping[str, Any]) -> str:
    memory = f", {found['memory_gib']} GiB of memory" if "memory_gib" in found else ""
    return f"{found['cores']} cores, {found['processor']}{memory}"


def _machines(told: Iterable[Row]) -> Iterator[str]:
    """Yield each machine the rows were measured on, with its versions and dates."""
    dates: dict[str, set[str]] = {}
    for name in {row.result: None for row in told}:
        found = read(name)
        where = (
            f"{_machine(found['machine'])}; Python {found['machine']['python']}, apache-beam "
            f"{found['machine']['apache-beam']}"
        )
        dates.setdefault(where, set()).add(found["date"])
    for where, days in dates.items():
        yield f"{where}; {' to '.join(sorted({min(days), max(days)}))}."


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for cells in lines:
        yield f"| {' | '.join(cells)} |"


def _told(rounds: int | None) -> str:
    return UNKNOWN if rounds is None else str(rounds)


def section(document: str) -> str:
    """Return what stands between the two marks."""
    _, begin, rest = document.partition(BEGIN)
    found, end, _ = rest.partition(END)
    assert begin
    assert end
    return found


def main() -> None:
    """Rewrite the sections."""
    for path, text in ((README, measured()), (FULL, everything())):
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        path.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
