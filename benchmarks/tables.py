"""The tables of what was measured, made of the raw results."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.client_cost import LARGE, SMALL, slopes_of
from benchmarks.results import FOLDER, read
from benchmarks.spread import Spread, of, ratios, spread

Result = dict[str, Any]
UNKNOWN = "-"  # was not recorded


class Row(NamedTuple):
    """Hold a row of the table.

    Attributes:
        what: What was measured.
        found: What came out.
        rounds: How many were made.
        short: Whether it stands in the README, too, once it is measured well.
        corpus: Which of the result's corpora it is about; else all.
        result: The name of the raw result.
    """

    what: str
    found: str
    rounds: int | None
    short: bool = False
    corpus: str = ""
    result: str = ""


def rows() -> Iterator[Row]:
    """Yield the rows of every result that is there."""
    for name, told in ROWS.items():
        if recorded(name):
            for row in told(read(name)):
                yield row._replace(result=name)


def recorded(name: str) -> bool:
    """Tell whether a benchmark has left a result."""
    return (FOLDER / f"{name}.json").exists()


def lengths(found: Result, only: str = "") -> str:
    """Return p50 / p95 of the lengths of a result's texts, of one corpus or of all."""
    told = {
        corpus: ", ".join(
            f"{of_unit['p50']:,} / {of_unit['p95']:,} {unit}" for unit, of_unit in one.items()
        )
        for corpus, one in found.get("lengths", {}).items()
        if only in ("", corpus)
    }
    if len(told) > 1:
        return "; ".join(f"{corpus}: {length}" for corpus, length in told.items())
    return next(iter(told.values()), UNKNOWN)


def client_cost(found: Result) -> list[Row]:
    """Return the rows about CPU time."""
    rounds = {
        way: slopes_of(sizes[f"{SMALL:,}"], sizes[f"{LARGE:,}"])
        for way, sizes in found["cpu_s"].items()
    }
    ours, floor, stock = (rounds[way] for way in ("ours", "floor", "stock Beam"))
    beside = [ratios(zip(ours, other, strict=True)) for other in (floor, stock)]
    return [
        Row(
            "CPU time a row of the whole local pipeline (384 values, canned endpoint)",
            f"{spread(ours).told()} µs; a bare loop {spread(floor).told()} µs: "
            f"{beside[0].told('.2f')} x; stock Beam (RunInference, WriteToParquet) "
            f"{spread(stock).told()} µs: {beside[1].told('.2f')} x",
            len(ours),
            short=True,
        ),
        Row(
            "the same with the tokens of each row counted and held against the endpoint's",
            f"{spread(rounds['ours, tokens counted']).told()} µs",
            len(ours),
        ),
    ]


def server_bound(found: Result) -> list[Row]:
    """Return the row about wall time."""
    ratio = spread(found["ratios"])
    return [
        Row(
            f"wall time where the server is the limit (1 ms a text, {found['rows']:,} texts)",
            f"{ratio.told('.3f')} x the server's own time",
            ratio.rounds,
            short=True,
        )
    ]


def embedded_rate(found: Result) -> list[Row]:
    """Return the rows about the embedded endpoint."""
    return [_rate(name, found[name]) for name in ("short", "long")]


def _rate(name: str, found: Result) -> Row:
    rounds = found["bare / HTTP / engine, tokens/s"]
    beside = [ratios((one[1], one[place]) for one in rounds) for place in (0, 2)]
    each = found["tokens"] / found["texts"] if "tokens" in found else None
    texts = spread(one[1] / each for one in rounds).told(".0f") + " texts/s, " if each else ""
    return Row(
        f"embedded endpoint over HTTP, {name} texts",
        f"{texts}{spread(one[1] for one in rounds).told(',.0f')} tokens/s; beside a bare "
        f"ONNX Runtime loop {beside[0].told('.2f')} x, beside its own engine without HTTP "
        f"{beside[1].told('.2f')} x",
        len(rounds),
        short=True,
        corpus=name,
    )


def memory(found: Result) -> list[Row]:
    """Return the row about memory."""
    peaks = {size: spread(_rounds(peak)) for size, peak in found["peak_mb"].items()}
    told = " and ".join(f"{peak.told(',.0f')} MB over {size}" for size, peak in peaks.items())
    rounds = min(peak.rounds or 1 for peak in peaks.values())
    return [Row("peak memory of a run", f"{told} rows", rounds, short=True)]


def _rounds(found: Any) -> list[Any]:
    """Return the rounds of what was measured once or several times."""
    return found if isinstance(found, list) else [found]


def two_workers(found: Result) -> list[Row]:
    """Return the row about worker processes."""
    rates = found["rates"]
    beside = ratios(zip(rates["2"], rates["1"], strict=True))
    return [
        Row(
            "two worker processes beside one, the server not the limit",
            f"{spread(rates['2']).told(',.0f')} texts/s, {spread(rates['1']).told(',.0f')} with "
            f"one: {beside.told('.2f')} x",
            beside.rounds,
            short=True,
        )
    ]


def shuffle(found: Result) -> list[Row]:
    """Return the row about rows that cross a shuffle."""
    ways = ("ours", "pickled", "python floats")
    costs = {way: of(found[way], "CPU us a row", unrecorded=5) for way in ways}
    told = "; ".join(
        f"{way}: {found[way]['bytes a row']:,.0f} bytes, {cost.told('.0f')} µs CPU"
        for way, cost in costs.items()
    )
    what = "a row of 384 values that crosses a shuffle (no row of a run does)"
    return [Row(what, told, costs["ours"].rounds)]


def engines(found: Result) -> list[Row]:
    """Return the rows about the engines a job runs on."""
    each = found["engines"].items()
    shuffling = [(name, one) for name, one in each if "shuffled bytes a row" in one["ours"]]
    return [
        *(row for name, one in each for row in _engine(name, one)),
        *(
            Row(
                f"bytes a row that a {name} shuffles",
                ", ".join(
                    f"{way} {of(one[way], 'shuffled bytes a row').told(',.1f')}"
                    for way in ("ours", "stock Beam")
                ),
                of(one["ours"], "shuffled bytes a row").rounds,
            )
            for name, one in shuffling
        ),
    ]


def _engine(name: str, found: Result) -> list[Row]:
    jobs = {size: _rounds(one)[0] for size, one in found["ours"]["jobs"].items()}
    peaks = ", ".join(f"{sum(one['peak_mb'].values()):,} MB at {s}" for s, one in jobs.items())
    told = "; ".join(
        f"{way} {of(found[way], 'rows a second').told(',.0f')} and "
        f"{of(found[way], 'CPU us a row').told()} µs"
        for way in ("ours", "stock Beam")
    )
    more = [key for key in found["ours"] if key.startswith("CPU us a row, ")]
    return [
        Row(
            f"rows a second and CPU time a row on {name}, endpoint not counted",
            told,
            of(found["ours"], "CPU us a row").rounds,
        ),
        *(
            Row(
                f"CPU time a row on {name} from {key.rpartition('row, ')[2]} rows",
                f"{found['ours'][key]} µs",
                1,
            )
            for key in more
        ),
        Row(f"peak memory of all processes on {name}, by rows", peaks, 1),
    ]


def fidelity(found: Result) -> list[Row]:
    """Return the row about the model's published example."""
    return [
        Row(
            "embedded endpoint's distance to the published example of its model",
            f"{found['largest difference']:.0e} at most; token counts "
            + ", ".join(map(str, found["token counts"])),
            1,
        )
    ]


def token_counting(found: Result) -> list[Row]:
    """Return the row about what counting costs."""
    everything, short = found["all texts"], found["texts that fit"]
    count, prepare, cut = (
        ratios((taken[way], taken[0]) for taken in one["bare / count / prepare, wall s"])
        for one, way in ((everything, 1), (short, 2), (everything, 2))
    )
    too_long = 1 - short["texts"] / everything["texts"]
    return [
        Row(
            "counting tokens beside a bare `encode_batch_fast` loop (real texts of mixed scripts)",
            f"{count.told('.2f')} x; with the decision what must be cut {prepare.told('.2f')} x; "
            f"with the cutting, where {too_long:.0%} of the texts are too long, "
            f"{cut.told('.2f')} x",
            count.rounds,
        )
    ]


def grouping(found: Result) -> list[Row]:
    """Return the rows about requests of texts of similar length."""
    server = (
        "the embedded endpoint" if "embedded" in found["server"] else "an Ollama-compatible server"
    )
    return [
        _gain(found[corpus], f"{corpus}, {server}") for corpus in ("demo corpus", "mixed texts")
    ]


def _gain(found: Result, where: str) -> Row:
    (key,) = (key for key in found if key.endswith(", s"))
    ways = key.removesuffix(", s").split(" / ")
    gains = {
        way: ratios((one[0], one[place]) for one in found[key])
        for place, way in enumerate(ways)
        if place
    }
    return Row(
        f"requests of texts of similar length beside texts as they come: {where}",
        ", ".join(f"{gain.told('.2f')} x ({way})" for way, gain in gains.items()),
        len(found[key]),
    )


def token_truth(found: Result) -> list[Row]:
    """Return the row about whether token counts hold."""
    return [
        Row(
            f"{found['texts']:,} real texts of mixed scripts, held against one-text requests",
            f"{found['token counts that are wrong']} wrong token counts, "
            f"{found['truncated flags that are wrong']} wrong `truncated` flags "
            f"({found['texts that are too long']:,} are too long), "
            f"{found['rows neither server nor verified']} rows neither `server` nor `verified`; "
            f"manifest and server are {found['tokens apart']} tokens apart, of "
            f"{found['tokens the server counted']:,}",
            1,
            short=True,
        )
    ]


def soak(found: Result) -> list[Row]:
    """Return the row about faults."""
    return [
        Row(
            f"{found['texts']:,} texts against [the faults listed](FAULTS), "
            f"{found['minutes']:.0f} minutes, a random fault a second at most",
            f"{found['faults injected']:,} faults, {found['retries']:,.0f} retries, "
            f"{found['rows lost']} rows lost, {found['rows doubled']} doubled, "
            f"{found['wrong vectors']} wrong vectors, {found['seconds lost']:,.0f} s lost",
            1,
            short=True,
        )
    ]


def refresh(found: Result) -> list[Row]:
    """Return the rows about what a night costs."""
    rounds = found.get("rounds") or [found["nights"]]
    every = "; ".join(_night(name, [one[name] for one in rounds]) for name in rounds[0])
    large = found["large"]
    return [
        Row(
            f"refreshing a store of {found['rows']:,} documents (canned endpoint)",
            f"{every}; {found['bytes a row']:,} bytes a row on the first night, change feed "
            "included",
            len(rounds),
            short=True,
        ),
        Row(
            f"the same of {large['rows']:,} documents",
            "; ".join(_night(name, [one]) for name, one in large["nights"].items()),
            1,
        ),
    ]


def _night(name: str, rounds: list[Result]) -> str:
    wall, peak = (spread(one[key] for one in rounds) for key in ("wall_s", "peak_mb"))
    embedded = rounds[0]["embedded"]
    return f"{name}: {wall.told()} s, {peak.told(',.0f')} MB, {embedded:,} embedded"


def kills(found: Result) -> list[Row]:
    """Return the row about killed refreshes."""
    return [
        Row(
            f"a refresh of {found['texts']:,} texts, SIGKILLed {len(found['kills'])} times",
            f"{found['embedded twice']:,} texts embedded twice, at most "
            f"{max(one['lost'] for one in found['kills']):,} a kill (checkpoints of "
            f"{found['checkpoint seconds']} s); the rows are those of an undisturbed one",
            1,
        )
    ]


def report_cost(found: Result) -> list[Row]:
    """Return the rows about the report."""
    wall = found["runs"]["1,000,000"]
    drawing = spread(wall["drawing_s"])
    shares = spread(one / wall["wall_s"] for one in wall["drawing_s"])
    return [
        Row(
            f"drawing the report of a run of 1,000,000 rows, which took {wall['wall_s']:.0f} s",
            f"{drawing.told('.2f')} s, {shares.told('.2%')} of the run",
            drawing.rounds,
            short=True,
        ),
        Row(
            "CPU time of a report, runs with it beside runs without",
            f"{of(found, 'CPU s a run').told('.2f')} s a run and "
            f"{of(found, 'CPU us a row').told('.2f')} µs a row",
            of(found, "CPU us a row").rounds,
        ),
        Row(
            "weight of the report's page, by rows",
            ", ".join(
                f"{one['page bytes'] / 1000:,.0f} kB at {size}"
                for size, one in found["runs"].items()
            ),
            1,
        ),
    ]


def first_vector(found: Result) -> list[Row]:
    """Return the rows about a fresh clone."""
    parts = {name: spread(one[name] for one in found["parts"]) for name in found["parts"][0]}
    loaded = found["download of the packages"]
    whole = [sum(v for k, v in one.items() if k != "second vector") for one in found["parts"]]
    total: Spread = spread(whole)
    return [
        Row(
            "from clone to first vector, download apart",
            f"{total.told()} s: "
            + ", ".join(f"{n} {p.told()} s" for n, p in parts.items() if n != "second vector")
            + f"; the next vector takes {parts['second vector'].told()} s",
            total.rounds,
            short=True,
        ),
        Row(
            "downloading the packages of the lock file, tools of development included",
            f"{loaded['seconds']:,.0f} s, {loaded['MB']:,} MB; beside them 90 MB of weights",
            1,
        ),
    ]


ROWS: dict[str, Callable[[Result], list[Row]]] = {
    "first_vector": first_vector,
    "client_cost": client_cost,
    "server_bound": server_bound,
    "embedded_rate": embedded_rate,
    "memory": memory,
    "two_workers": two_workers,
    "engines": engines,
    "shuffle": shuffle,
    "fidelity": fidelity,
    "token_counting": token_counting,
    "grouping": grouping,
    "grouping_server": grouping,
    "token_truth": token_truth,
    "soak": soak,
    "refresh": refresh,
    "kills": kills,
    "report_cost": report_cost,
}
