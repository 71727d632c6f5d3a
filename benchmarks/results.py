"""Record what a benchmark measured, with what it was measured on, and read it again."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from embed_pipeline.embedded.model import prepare
from embed_pipeline.tokenizer import ModelTokenizer, read_tokenizer

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("apache-beam", "pyarrow", "httpx", "numpy", "onnxruntime", "pysimdjson", "tokenizers")
LOOKED_AT = 5_000  # texts of a corpus, evenly taken, that its lengths are told from
SHARES = (50, 95)


def record(
    name: str, found: Mapping[str, Any], corpora: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Print a result and write it to results/NAME.json.

    Args:
        name: The benchmark's.
        found: What it has measured.
        corpora: The texts it was measured with, by the corpus' name; their lengths are recorded.
    """
    when = datetime.now(UTC).date().isoformat()
    told = {
        "benchmark": name,
        "date": when,
        "machine": machine(),
        "lengths": {corpus: lengths(texts) for corpus, texts in (corpora or {}).items()},
        **found,
    }
    text = json.dumps(told, indent=2)
    print(text)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def read(name: str) -> dict[str, Any]:
    """Return a recorded result."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def machine() -> dict[str, Any]:
    """Return what a benchmark runs on."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(memory / 2**30, 1),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def lengths(texts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return p50 and p95 of the lengths of texts: characters, and tokens of all-minilm."""
    looked_at = list(texts[:: -(-len(texts) // LOOKED_AT)])
    tokenizer: ModelTokenizer = read_tokenizer(str(prepare().weights.tokenizer))
    counted = {"characters": list(map(len, looked_at)), "tokens": tokenizer.count(looked_at)}
    return {
        unit: {f"p{share}": round(float(np.percentile(counts, share))) for share in SHARES}
        for unit, counts in counted.items()
    }


def _processor() -> str:
    """Return the processor's name as Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
