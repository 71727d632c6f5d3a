"""Wall time beside the server's own, where the server is the limit.

A canned endpoint serves one request at a time, 1 ms a text; the local pipeline embeds 20,000 texts
through it. Start-up (the same job over a few texts) is taken off.

    python -m benchmarks.server_bound
"""

import json
import statistics
import urllib.request

from benchmarks.canned import canned
from benchmarks.local_job import measured, texts
from benchmarks.results import record

ROWS, FEW, ROUNDS = 20_000, 200, 5


def busy_seconds(url: str) -> float:
    """Return the seconds the endpoint has spent serving."""
    with urllib.request.urlopen(f"{url}/busy", timeout=10) as answer:  # noqa: S310 (our own)
        return float(json.load(answer)["seconds"])


def once() -> dict[str, float]:
    """Return one round's times, in seconds."""
    with canned(ms_per_text=1.0) as url:
        few = measured(url, FEW)["wall_s"]
        served_few = busy_seconds(url)
        wall = measured(url, ROWS)["wall_s"]
        served = busy_seconds(url) - served_few
    start_up = few - served_few
    return {"wall_s": wall, "start_up_s": start_up, "served_s": served}


def main() -> None:
    """Measure, print and record."""
    rounds = [once() for _ in range(ROUNDS)]
    ratios = [(one["wall_s"] - one["start_up_s"]) / one["served_s"] for one in rounds]
    record(
        "server_bound",
        {
            "unit": "seconds; ratio = (wall - start-up) / served",
            "rows": ROWS,
            "rounds": [{name: round(value, 3) for name, value in one.items()} for one in rounds],
            "ratios": [round(ratio, 4) for ratio in ratios],
            "wall / served": round(statistics.median(ratios), 4),
        },
        {"corpus": list(texts(ROWS))},
    )


if __name__ == "__main__":
    main()
