"""Peak memory of the local pipeline over a small and over a large corpus.

python -m benchmarks.memory
"""

from benchmarks.canned import canned
from benchmarks.local_job import measured
from benchmarks.results import record

SMALL, LARGE = 50_000, 500_000


def main() -> None:
    """Measure, print and record."""
    with canned() as url:
        peaks = {rows: measured(url, rows)["peak_mb"] for rows in (SMALL, LARGE)}
    record(
        "memory",
        {
            "unit": "MB of resident memory, at the peak",
            "peak_mb": {f"{rows:,}": round(peak) for rows, peak in peaks.items()},
            "large / small": round(peaks[LARGE] / peaks[SMALL], 3),
        },
    )


if __name__ == "__main__":
    main()
