"""Manifests and statistics of runs of any size, for tests of the page that shows them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.manifest import Counts, DataFile, Manifest, Refresh
from embed_pipeline.report import (
    EndpointShare,
    FailurePlace,
    Fault,
    Histogram,
    Map,
    Report,
    Seconds,
    Timeline,
)
from tests.support.rows import RUN_ID, made_by

CONTEXT = 256
TOPICS = ("astronomy", "biology", "cooking", "history", "law", "music", "sports", "other")
START = 1_767_225_600  # 2026-01-01


def manifest(rows: int = 20, failed: int = 0, **changed: Any) -> Manifest:
    """Return the manifest of a run of so many rows and so many failures."""
    cut = rows // 20
    kinds = {"document:EmptyText": failed - failed // 3, "document:TextTooLong": failed // 3}
    sources = {"estimated": rows // 100, "verified": rows - rows // 100}
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "started": "2026-01-01T00:00:00.000+00:00",
        "finished": _after((rows + failed) / 400 + 2),
        "provenance": {
            **made_by(),
            "tokenizer": {"from": "server", "sha256": "ab" * 32},
            "query_prefix": "search_query: ",
        },
        "job": {
            "output": {"path": "out/python-docs", "max_failed_fraction": 0.01},
            "inputs": inputs(8),
        },
        "columns": {},
        "counts": Counts(
            documents=rows + failed,
            rows=rows,
            failed=failed,
            duplicates_dropped=0,
            tokens=rows * 71,
            rows_by_token_count_source={name: n for name, n in sources.items() if n},
            rows_by_truncated={"true": cut, "false": rows - cut},
            failed_by_blame_and_kind={kind: n for kind, n in kinds.items() if n},
        ),
        "recount": {"verified": {"asked": min(100, rows), "agreed": min(100, rows)}}
        if rows
        else {},
        "effort": {"requests": float(rows // 30 + 2), "retries": 2.0, "isolated": 0.0},
        "plan": {
            "seconds": rows / 380 + 3,
            "low": rows / 420 + 2,
            "high": rows / 340 + 4,
            "actual_seconds": (rows + failed) / 400 + 2,
        },
        "data": [
            DataFile(path="data/part-00000.parquet", rows=rows, bytes=rows * 1700 + 4000, sha256="")
        ],
        "failures": [
            DataFile(path="failures/part-00000.parquet", rows=failed, bytes=6000, sha256="")
        ]
        if failed
        else [],
        **changed,
    }
    return Manifest(**values)


def forgotten(rows: int, count: int) -> Manifest:
    """Return the manifest of a snapshot that was refreshed, and then has lost so many rows."""
    made = manifest(rows)
    refresh = Refresh(
        run_id=RUN_ID, snapshot=1, base=None, published=True, started=made.started,
        finished=made.finished, rows=rows, failed=0, embedded=rows + count,
    )  # fmt: skip
    return made.model_copy(update={"refresh": refresh})


def _after(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"2026-01-01T{hours:02d}:{rest // 60:02d}:{rest % 60:02d}.500+00:00"


def inputs(count: int, size: int = 12_345_678) -> list[dict[str, Any]]:
    """Return input files as a manifest describes them."""
    return [
        {"path": f"docs/2026/part-{number:04d}.jsonl", "size": size, "modified": None}
        for number in range(count)
    ]


def report(texts: int = 20, failed: int = 0, endpoints: int = 2, **changed: Any) -> Report:
    """Return the statistics of a run that sent so many texts."""
    random = np.random.default_rng(7)
    sent = texts
    requests = max(1, sent // 30) if sent else 0
    lengths = np.minimum(random.lognormal(4.0, 0.8, sent), CONTEXT)
    faults = {"Overloaded": 3, "ConnectionLost": 1} if texts > 1000 else {}
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "timeline": timeline(texts, failed, random),
        "seconds": Seconds(
            wall=sent / 190,
            server=0.6 * sent / 190,
            load=0.02 * sent / 190,
            waiting=0.08 * sent / 190,
            own=0.3 * sent / 190,
        ),
        "request_ms": histogram(random.lognormal(4.6, 0.5, requests)),
        "batch_texts": histogram(np.minimum(32, random.integers(24, 40, requests)).astype(float)),
        "token_counts": histogram(lengths),
        "context": CONTEXT,
        "endpoints": [
            EndpointShare(
                name=f"http://10.0.0.{number + 1}:11434",
                requests=requests // endpoints,
                texts=sent // endpoints,
                tokens=71 * sent // endpoints,
                seconds=sent / 300 / endpoints,
                faults=faults if number == 0 else {},
                rested_s=4.2 if number == 0 and faults else 0.0,
            )
            for number in range(endpoints)
        ],
        "faults": {kind: Fault(count=count, lost_s=count * 2.1) for kind, count in faults.items()},
        "map": vector_map(min(texts, 2000), texts, random),
        "places": [
            FailurePlace(kind="EmptyText", source=f"docs/part-{number}.jsonl", line=17 * number + 3)
            for number in range(min(failed, 3))
        ],
        **changed,
    }  # fmt: skip
    return Report(**values)


def timeline(texts: int, failed: int, random: np.random.Generator) -> Timeline:
    """Return a timeline of at most 300 buckets."""
    seconds = max(1, (texts + failed) // 400)
    width = next(w for w in (1, 2, 5, 10, 20, 30, 60, 120, 300) if seconds / w <= 300)
    buckets = -(-seconds // width)
    shares = random.normal(1, 0.06, buckets).clip(0.2)
    shares[: max(1, buckets // 30)] *= 0.5
    counts = np.diff(np.round(np.cumsum(shares / shares.sum()) * texts), prepend=0).astype(int)
    lost = np.zeros(buckets, int)
    lost[buckets // 2] = failed
    met = np.zeros(buckets, int)
    if texts > 1000:
        met[[buckets // 3, buckets // 3 + 1, buckets // 2]] = 1
    return Timeline(
        start=START,
        width_s=width,
        texts=counts.tolist(),
        tokens=(counts * 71).tolist(),
        failed=lost.tolist(),
        requests=(counts // 30 + 1).tolist(),
        faults=met.tolist(),
    )


def histogram(values: NDArray[np.float64]) -> Histogram:
    """Return a histogram in the bins of runs: single numbers, then eight bins a doubling."""
    if not len(values):
        return Histogram()
    wide = [(8 + eighth) << doubled for doubled in range(1, 12) for eighth in range(8)]
    edges = np.array([*range(16), *wide])
    counts, _ = np.histogram(np.floor(values), edges)
    filled = np.flatnonzero(counts)
    first, last = int(filled[0]), int(filled[-1]) + 1
    return Histogram(
        edges=edges[first : last + 1].tolist(),
        counts=counts[first:last].tolist(),
        sum=float(values.sum()),
        max=float(np.floor(values).max()),
    )


def vector_map(points: int, of: int, random: np.random.Generator) -> Map:
    """Return a map of points in eight clouds."""
    category = random.integers(-1, len(TOPICS), points)
    centers = random.normal(0, 1, (len(TOPICS) + 1, 2))
    places = centers[category] + random.normal(0, 0.28, (points, 2))
    return Map(
        of=of,
        x=np.round(places[:, 0], 4).tolist(),
        y=np.round(places[:, 1], 4).tolist(),
        explained=(0.183, 0.091),
        color_by="topic",
        categories=TOPICS,
        category=category.tolist(),
    )


HOSTILE = "<script>alert(1)</script>\"'`&\u202e\x00\ud800 {0} %s $x_1$ " + "長" * 400


def hostile() -> tuple[Manifest, Report]:
    """Return a run all of whose names are made to break a page."""
    made = manifest(30, 3)
    counts = made.counts.model_copy(
        update={
            "failed_by_blame_and_kind": {f"{HOSTILE}:{HOSTILE}": 2, "document:EmptyText": 1},
            "rows_by_token_count_source": {HOSTILE: 30},
        }
    )
    names = ("model", "digest", "endpoint", "endpoint_version", "prefix", "options", "on_too_long")
    made = made.model_copy(
        update={
            "provenance": {**made.provenance, **dict.fromkeys(names, HOSTILE)},
            "job": {
                "output": {"path": f"s3://bucket/{HOSTILE}"},
                "inputs": [{"path": HOSTILE, "size": 1}],
                "beam": {"runner": HOSTILE},
            },
            "counts": counts,
            "effort": {"requests": 3.0, f"faults.{HOSTILE}": 1.0},
            "recount": {HOSTILE: {"asked": 1, "agreed": 1}},
        }
    )
    told = report(30, 3)
    return made, told.model_copy(
        update={
            "endpoints": [EndpointShare(name=HOSTILE, texts=1, faults={HOSTILE: 1})],
            "faults": {HOSTILE: Fault(count=1)},
            "places": [FailurePlace(kind=HOSTILE, source=HOSTILE, line=1, text=HOSTILE)],
            "map": told.map.model_copy(
                update={
                    "color_by": HOSTILE,
                    "categories": [HOSTILE] * 8,
                    "texts": [HOSTILE] * len(told.map.x),
                }
            ),
        }
    )


def largest() -> tuple[Manifest, Report]:
    """Return the run that has most to show: every part as full as it can be."""
    long = "&" * 300
    kinds = {f"document:Kind{number}{long}": number + 1 for number in range(50)}
    made = manifest(1_000_000, sum(kinds.values()))
    made = made.model_copy(
        update={
            "job": {**made.job, "inputs": inputs(5_000)},
            "counts": made.counts.model_copy(update={"failed_by_blame_and_kind": kinds}),
        }
    )
    told = report(100_000, endpoints=200)
    width, buckets = 3600, 300
    full = [10**9] * buckets
    return made, told.model_copy(
        update={
            "timeline": Timeline(
                start=START, width_s=width, texts=full, tokens=full, failed=full, requests=full,
                faults=full,
            ),
            "endpoints": [
                one.model_copy(update={"name": one.name + long, "faults": dict.fromkeys(kinds, 1)})
                for one in told.endpoints
            ],
            "faults": {kind: Fault(count=1, lost_s=1.0) for kind in kinds},
            "places": [
                FailurePlace(kind=kind.partition(":")[2], source=long, line=10**9, text="&" * 80)
                for kind in kinds
                for _ in range(3)
            ],
            "map": told.map.model_copy(update={"texts": ["&" * 80] * 2_000}),
        }
    )  # fmt: skip
