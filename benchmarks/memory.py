"""Peak memory of the local pipeline over a small and over a large corpus.

python -m benchmarks.memory
"""

from benchmarks.canned import canned
from benchmarks.local_job import measured, texts
from benchmarks.results import record
from benchmarks.spread import ratios

SMALL, LARGE, ROUNDS = 50_000, 500_000, 5


def main() -> None:
    """Measure, print and record."""
    with canned() as url:
        rounds = [
            {rows: measured(url, rows)["peak_mb"] for rows in (SMALL, LARGE)} for _ in range(ROUNDS)
        ]
    record(
        "memory",
        {
            "unit": "MB of resident memory, at the peak",
            "peak_mb": {
                f"{rows:,}": [round(peaks[rows]) for peaks in rounds] for rows in (SMALL, LARGE)
            },
            "large / small": round(
                ratios((peaks[LARGE], peaks[SMALL]) for peaks in rounds).median, 3
            ),
        },
        {"corpus": list(texts(LARGE))},
    )


if __name__ == "__main__":
    main()
