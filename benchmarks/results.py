"""Record what a benchmark measured, with what it was measured on."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("apache-beam", "pyarrow", "httpx", "numpy", "onnxruntime", "pysimdjson")


def record(name: str, found: dict[str, Any]) -> None:
    """Print a result and write it to results/NAME.json."""
    machine = {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
    when = datetime.now(UTC).date().isoformat()
    text = json.dumps({"benchmark": name, "date": when, "machine": machine, **found}, indent=2)
    print(text)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def _processor() -> str:
    """Return the processor's name as Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
