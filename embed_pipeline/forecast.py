"""The plan of a job, kept beside its output, against which the next run of that job is held."""

from collections.abc import Mapping
from typing import Any

import orjson

from embed_pipeline import files
from embed_pipeline.endpoint import EMBEDDED

PLAN = "plan.json"
_SPEED = ("max_texts", "max_chars", "max_tokens", "in_flight")  # of batching, as far as it has them


def keep(output_path: str, plan: Mapping[str, Any]) -> str:
    """Write a plan into the root of an output, where no dataset's files are; return its path.

    Raises:
        OSError: It cannot be written.
    """
    path = files.join(output_path, PLAN)
    files.write_bytes(path, orjson.dumps(plan, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def expected(output_path: str, job: Mapping[str, Any], digest: str = "") -> dict[str, float] | None:
    """Return what the plan in an output says of a run: "seconds", "low" and "high".

    None where there is no plan, or it is one for another corpus, endpoint or setting. The embedded
    endpoint, whose address is another one in each run, is known by its model's digest.

    Args:
        output_path: The output's folder.
        job: As the manifest describes it.
        digest: The model's digest now, or "" where that is not known.
    """
    path = files.join(output_path, PLAN)
    if not files.exists(path):
        return None
    try:
        plan = orjson.loads(files.read_bytes(path))
        if plan["job"] != identity(job, plan["endpoint"], digest):
            return None
        for one in plan["estimates"]:
            if one["batching"] == _batching(job):
                return {name: float(one[name]) for name in ("seconds", "low", "high")}
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError):
        return None  # not a plan of ours, so not one of this run
    return None


def identity(job: Mapping[str, Any], planned: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return what of a job, beside its batching, decides how long it takes.

    Args:
        job: As the manifest describes it.
        planned: What the plan says of its endpoint: "kind" and "digest".
        digest: The model's digest in this run.
    """
    endpoint = {name: job["endpoint"].get(name) for name in ("model", "dimensions", "options")}
    same = planned["kind"] == EMBEDDED and planned["digest"] == digest
    endpoint["url"] = EMBEDDED if same else job["endpoint"]["url"]
    corpus = {name: value for name, value in job["corpus"].items() if name != "on_duplicate"}
    tokens = {name: value for name, value in job["tokens"].items() if name != "query_prefix"}
    found = {
        "inputs": job["inputs"],
        "corpus": corpus,
        "endpoint": endpoint,
        "tokens": tokens,
        "chunking": job.get("chunking"),
    }
    copied: dict[str, Any] = orjson.loads(orjson.dumps(found))  # as it is read from a file
    return copied


def _batching(job: Mapping[str, Any]) -> dict[str, Any]:
    return {name: job["batching"][name] for name in _SPEED if name in job["batching"]}


def estimate_of(batching: Mapping[str, Any], seconds: tuple[float, float, float]) -> dict[str, Any]:
    """Return one entry of a plan's "estimates".

    Args:
        batching: The settings of the group it is for.
        seconds: The expected time, and its bounds.
    """
    value, low, high = seconds
    kept = _batching({"batching": batching})
    return {"batching": kept, "seconds": value, "low": low, "high": high}
