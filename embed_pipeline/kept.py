"""Parts that were written but refused at the commit: kept, so that a rerun only commits them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from embed_pipeline import files
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.progress import running
from embed_pipeline.report import Report
from embed_pipeline.staging import RUN_ID, Run

KEPT = "kept.json"


class Kept(NamedTuple):
    """Name a run whose parts are whole, what they are, and the runs it has some of them from."""

    run: Run
    written: Written
    reused: tuple[Run, ...] = ()


def keep(run: Run, job: Mapping[str, Any], written: Written, reused: tuple[Run, ...] = ()) -> None:
    """Remember the parts of a run together with the job they are of."""
    found = {
        "identity": identity(job),
        "provenance": written.provenance,
        "documents": written.documents,
        "parts": [part._asdict() for part in written.parts],
        "failures": [part._asdict() for part in written.failures],
        "recount": written.recount,
        "chunked": written.chunked,
        "effort": written.effort,
        "repeated": written.repeated,
        "report": None if written.report is None else written.report.model_dump(),
        "reused": [one.run_id for one in reused],
    }
    files.write_bytes(files.join(run.staging, KEPT), orjson.dumps(found))


def find_kept(path: str, job: Mapping[str, Any], digest: str) -> Kept | None:
    """Return the newest run into an output whose kept parts are of this very job and model.

    Args:
        path: The dataset's folder.
        job: What the manifest tells of the job, its input files among it.
        digest: The model's digest now; "" never matches.
    """
    for run in reversed(running(path)):
        where = files.join(run.staging, KEPT)
        if not files.exists(where):
            continue
        found = orjson.loads(files.read_bytes(where))
        if found["identity"] == identity(job) and digest == found["provenance"]["digest"] != "":
            parts = [PartFile.noted(one) for one in found["parts"]]
            failures = [PartFile.noted(one) for one in found["failures"]]
            written = Written(
                found["provenance"],
                found["documents"],
                parts,
                failures,
                found["recount"],
                found["chunked"],
                found["effort"],
                found["repeated"],
                Report.model_validate(found["report"]) if found.get("report") else None,
            )
            reused = [name for name in found["reused"] if RUN_ID.fullmatch(name)]
            return Kept(run, written, tuple(Run(path, name) for name in reused))
    return None


def identity(job: Mapping[str, Any]) -> str:
    """Return what of a job decides on its rows, as canonical JSON.

    What only decides how they are fetched or committed may change between two runs.
    """
    deciding = {
        "inputs": job.get("inputs"),
        "corpus": _without(job.get("corpus"), {"on_duplicate"}),
        "endpoint": _only(job.get("endpoint"), {"model", "dimensions", "options"}),
        "tokens": _without(job.get("tokens"), {"recount", "query_prefix"}),
        "chunking": job.get("chunking"),
        "output": _only(job.get("output"), {"columns", "text", "vector_type", "vector_encoding"}),
    }
    return orjson.dumps(deciding, option=orjson.OPT_SORT_KEYS).decode()


def _without(group: Mapping[str, Any] | None, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in (group or {}).items() if name not in names}


def _only(group: Mapping[str, Any] | None, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in (group or {}).items() if name in names}
