"""Where this pipeline loses, made of the raw results."""

from collections.abc import Iterator
from typing import Any

from benchmarks.client_cost import LARGE, SMALL, slopes_of
from benchmarks.results import read
from benchmarks.spread import ratios
from benchmarks.tables import recorded


def losses() -> Iterator[str]:
    """Yield a sentence for each."""
    cost = read("client_cost")["cpu_s"]
    ours, floor = (
        slopes_of(one[f"{SMALL:,}"], one[f"{LARGE:,}"]) for one in (cost["ours"], cost["floor"])
    )
    yield (
        "A loop of httpx, simdjson and one Parquet write, without checks, retries, checkpoints and "
        f"manifest, needs less CPU time: ours is {_ratio(ours, floor)} x."
    )
    rate = read("embedded_rate")["short"]["bare / HTTP / engine, tokens/s"]
    yield (
        "HTTP costs the embedded endpoint something: short texts go at "
        f"{_ratio([one[1] for one in rate], [one[2] for one in rate])} x the rate of its engine "
        "without it."
    )
    yield from _of_engines(read("engines")["engines"])
    large = read("refresh")["large"]
    yield (
        f"The first night of a store of {large['rows']:,} documents takes "
        f"{large['nights']['first']['peak_mb']:,} MB on one machine, as all texts are shuffled; "
        "later nights "
        + " and ".join(
            f"{one['peak_mb']:,} MB ({name})"
            for name, one in large["nights"].items()
            if name != "first"
        )
        + "."
    )
    counting = read("token_counting")["all texts"]["bare / count / prepare, wall s"]
    yield (
        "Cutting texts that are too long to the context costs: preparing texts some of which are "
        f"takes {_ratio([one[2] for one in counting], [one[0] for one in counting])} x a bare "
        "tokenizer's time."
    )
    if recorded("grouping_server"):
        found = read("grouping_server")["mixed texts"]["as they come / windows of 256"]
        yield (
            "Grouping texts by length gains nothing on a server that computes one text after the "
            f"other ({found:.2f} x), so it is done for the embedded endpoint alone."
        )
    yield (
        "Batches do not cross bundles: a runner that makes bundles of one document gets requests "
        "of one text. This is not measured."
    )


def _of_engines(found: dict[str, Any]) -> Iterator[str]:
    one, two, cluster = (
        _first(found[name]["ours"]["jobs"])
        for name in ("FnApiRunner", "FnApiRunner x 2", "Flink cluster")
    )
    yield (
        "Starting is most of a small run: 10,000 rows take "
        f"{one['10,000']['wall_s']:.0f} s on the local runner, {cluster['10,000']['wall_s']:.0f} s "
        "on a Flink cluster."
    )
    alone, both = (sum(jobs["100,000"]["peak_mb"].values()) for jobs in (one, two))
    yield (
        f"Each process holds Beam of its own: 100,000 rows in two worker processes take {both:,} "
        f"MB, in one process {alone:,} MB."
    )


def _first(jobs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {size: one[0] if isinstance(one, list) else one for size, one in jobs.items()}


def _ratio(above: list[float], below: list[float]) -> str:
    return ratios(zip(above, below, strict=True)).told(".2f")
