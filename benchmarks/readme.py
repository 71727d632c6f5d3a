"""Write what was measured into the README, between its two marks.

python -m benchmarks.readme
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER

README = Path(__file__).parent.parent / "README.md"
_MARKED = re.compile(r"(?<=<!-- measured:begin -->\n).*?(?=<!-- measured:end -->)", re.DOTALL)


def measured() -> str:
    """Return the section's text, made of the raw results."""
    cost, bound, rate = _result("client_cost"), _result("server_bound"), _result("embedded_rate")
    memory, fidelity = _result("memory"), _result("fidelity")
    medians, machine = cost["medians"], cost["machine"]
    counts = ", ".join(map(str, fidelity["token counts"]))
    peaks = " and ".join(f"{peak} MB over {rows}" for rows, peak in memory["peak_mb"].items())
    rows = [
        (
            "CPU time a row of the whole local pipeline (384 values, canned endpoint)",
            (
                f"{medians['ours']} µs; a bare loop {medians['floor']} µs, "
                f"stock Beam (RunInference, WriteToParquet) {medians['stock Beam']} µs: "
                f"{cost['ours / floor']:.2f} x and {cost['ours / stock Beam']:.2f} x"
            ),
        ),
        (
            "the same with the tokens of each row counted and held against the endpoint's",
            f"{medians['ours, tokens counted']} µs",
        ),
        (
            "wall time where the server is the limit (1 ms a text, 20,000 texts)",
            f"{bound['wall / served']:.3f} x the server's own time",
        ),
        (
            "embedded endpoint over HTTP beside a bare ONNX Runtime loop",
            (
                f"{rate['short']['HTTP / bare']:.2f} x on short texts, "
                f"{rate['long']['HTTP / bare']:.2f} x on long ones"
            ),
        ),
        (
            "the same beside its own engine without HTTP",
            f"{rate['short']['HTTP / engine']:.2f} x and {rate['long']['HTTP / engine']:.2f} x",
        ),
        ("peak memory of a run", f"{peaks} rows: {memory['large / small']:.2f} x"),
        *_spread_rows(),
        *_engine_rows(),
        (
            "embedded endpoint's distance to the published example of its model",
            f"{fidelity['largest difference']:.0e} at most; token counts {counts}",
        ),
        *_token_rows(),
        _soak_row(),
        *_refresh_rows(),
    ]
    lines = [f"| {what} | {found} |" for what, found in rows]
    where = (
        f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, "
        f"apache-beam {machine['apache-beam']}, {cost['date']}. Medians; `make bench` measures "
        "them, [benchmarks/results/](benchmarks/results/) has every round."
    )
    return "\n".join(["| | |", "|---|---|", *lines, "", where, ""])


def _token_rows() -> list[tuple[str, str]]:
    """Return the table's rows about tokens: what they cost, what they gain, whether they hold."""
    counting, truth = _result("token_counting"), _result("token_truth")
    everything, short = counting["all texts"], counting["texts that fit"]
    too_long = 1 - short["texts"] / everything["texts"]
    return [
        (
            "counting tokens beside a bare `encode_batch_fast` loop (real texts of mixed scripts)",
            (
                f"{everything['count / bare, wall']:.2f} x; with the decision what must be cut "
                f"{short['prepare / bare, wall']:.2f} x; with the cutting, where {too_long:.0%} of "
                f"the texts are too long, {everything['prepare / bare, wall']:.2f} x"
            ),
        ),
        (
            "requests of texts of similar length beside texts as they come, embedded endpoint",
            _gains(_result("grouping")),
        ),
        (
            "the same on an Ollama-compatible server",
            _gains(_result("grouping_server")),
        ),
        (
            f"{truth['texts']:,} real texts of mixed scripts, held against one-text requests",
            (
                f"{truth['token counts that are wrong']} wrong token counts, "
                f"{truth['truncated flags that are wrong']} wrong `truncated` flags "
                f"({truth['texts that are too long']:,} are too long), "
                f"{truth['rows neither server nor verified']} rows neither `server` nor "
                f"`verified`; manifest and server are {truth['tokens apart']} tokens apart, of "
                f"{truth['tokens the server counted']:,}"
            ),
        ),
    ]


def _spread_rows() -> list[tuple[str, str]]:
    """Return the table's rows about several workers."""
    shuffle, two = _result("shuffle"), _result("two_workers")
    ways = ("ours", "pickled", "python floats")
    return [
        (
            "a row of 384 values that crosses a shuffle (no row of a run does)",
            "; ".join(
                f"{way}: {shuffle[way]['bytes a row']:,.0f} bytes, "
                f"{shuffle[way]['CPU us a row']:.0f} µs CPU"
                for way in ways
            ),
        ),
        (
            "two worker processes beside one, the server not the limit",
            f"{two['two']:,.0f} texts/s, {two['one']:,.0f} with one: {two['two / one']:.2f} x",
        ),
    ]


def _engine_rows() -> list[tuple[str, str]]:
    """Return the table's rows about the engines a job runs on."""
    engines = _result("engines")["engines"]
    ways = ("ours", "stock Beam")
    shuffled = [one for one in engines.values() if "shuffled bytes a row" in one["ours"]]
    return [
        *(
            (
                f"rows a second and CPU time a row on {name}, endpoint not counted",
                "; ".join(
                    f"{way} {found[way]['rows a second']:,} and {found[way]['CPU us a row']} µs"
                    for way in ways
                )
                + "; peak memory "
                + ", ".join(
                    f"{sum(job['peak_mb'].values()):,} MB at {rows}"
                    for rows, job in found["ours"]["jobs"].items()
                ),
            )
            for name, found in engines.items()
        ),
        *(
            (
                "bytes a row that Flink shuffles",
                ", ".join(f"{way} {one[way]['shuffled bytes a row']:,}" for way in ways),
            )
            for one in shuffled
        ),
    ]


def _refresh_rows() -> list[tuple[str, str]]:
    """Return the table's rows about refreshes: what a night costs, and what a kill."""
    refresh, kills = _result("refresh"), _result("kills")
    nights, large = refresh["nights"], refresh["large"]
    every = [(name, nights[name]) for name in ("first", "unchanged", "1 % changed")]
    return [
        (
            f"refreshing a store of {refresh['rows']:,} documents (canned endpoint)",
            "; ".join(
                f"{name}: {one['wall_s']:.0f} s, {one['peak_mb']} MB, {one['embedded']:,} embedded"
                for name, one in every
            )
            + f"; {refresh['bytes a row']:,} bytes a row on the first night, change feed included",
        ),
        (
            f"the same of {large['rows']:,} documents: peak memory",
            "; ".join(f"{name}: {one['peak_mb']:,} MB" for name, one in large["nights"].items()),
        ),
        (
            f"a refresh of {kills['texts']:,} texts, SIGKILLed {len(kills['kills'])} times",
            (
                f"{kills['embedded twice']:,} texts embedded twice, at most "
                f"{max(one['lost'] for one in kills['kills']):,} a kill (checkpoints of "
                f"{kills['checkpoint seconds']} s); the rows are those of an undisturbed one"
            ),
        ),
    ]


def _gains(grouping: dict[str, Any]) -> str:
    """Return how much faster each corpus went, window by window."""
    return "; ".join(
        f"{corpus}: "
        + ", ".join(
            f"{gain:.2f} x ({name.removeprefix('as they come / ')})"
            for name, gain in grouping[corpus].items()
            if isinstance(gain, float) and not name.endswith("fastest rounds")
        )
        for corpus in ("demo corpus", "mixed texts")
    )


def _soak_row() -> tuple[str, str]:
    soak = _result("soak")
    return (
        (
            f"{soak['texts']:,} texts against [the faults listed](docs/faults.md), "
            f"{soak['minutes']:.0f} minutes, a random fault a second at most"
        ),
        (
            f"{soak['faults injected']:,} faults, {soak['retries']:,.0f} retries, "
            f"{soak['rows lost']} rows lost, {soak['rows doubled']} doubled, "
            f"{soak['wrong vectors']} wrong vectors, {soak['seconds lost']:,.0f} s lost"
        ),
    )


def _result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def section(readme: str) -> str:
    """Return what stands between the two marks."""
    found = _MARKED.search(readme)
    assert found is not None
    return found[0]


def main() -> None:
    """Rewrite the section."""
    readme = README.read_text(encoding="utf-8")
    README.write_text(_MARKED.sub(lambda _: measured(), readme), encoding="utf-8")


if __name__ == "__main__":
    main()
