"""From a fresh clone to the first vector: cloning, setting up, embedding one text.

The packages of the lock file are downloaded into a folder before, which is timed apart, as it is
the network's time. Each round then clones this checkout's last commit, makes an environment, and
installs without the network what `make setup` installs. One text is embedded twice: by a machine
that has the model's weights but has not built the graph, and once more. The weights are copied from
the user's cache, and not timed.

    python -m benchmarks.first_vector
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import record
from benchmarks.spread import spread
from embed_pipeline.embedded.model import prepare

ROOT = Path(__file__).parent.parent
ROUNDS = 5
TEXT = "Why is the sky blue?"
MODEL = Path("embed_pipeline") / "all-minilm-l6-v2"  # where a cache holds the weights
Command = list[str | Path]
PIP = ("pip", "--quiet", "--disable-pip-version-check")


def seconds(command: Command, folder: Path, variables: Mapping[str, str] | None = None) -> float:
    """Return the wall time of a command that succeeds."""
    began = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment(), **(variables or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    return time.perf_counter() - began


def environment() -> dict[str, str]:
    """Return this process' environment without what names a checkout or a server."""
    left_out = ("PYTHONPATH", "OLLAMA_HOST", "VIRTUAL_ENV", "EMBED_PIPELINE_WEIGHTS")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def download(folder: Path) -> dict[str, float]:
    """Download the lock file's packages; return the seconds and the megabytes."""
    seconds([sys.executable, "-m", "venv", "downloading"], folder)
    pip: Command = [folder / "downloading/bin/python", "-m", *PIP]
    lock: Command = ["--require-hashes", "--requirement", ROOT / "requirements.lock"]
    took = seconds([*pip, "download", "--no-deps", *lock, "--dest", folder / "packages"], folder)
    size = sum(path.stat().st_size for path in (folder / "packages").iterdir())
    return {"seconds": round(took, 1), "MB": round(size / 1e6)}


def once(packages: Path, folder: Path) -> dict[str, float]:
    """Return one round's seconds, part by part."""
    clone = folder / "clone"
    took = {"clone": seconds(["git", "clone", "--quiet", ROOT, clone], folder)}
    took["environment"] = seconds([sys.executable, "-m", "venv", ".venv"], clone)
    pip: Command = [".venv/bin/python", "-m", *PIP]
    offline: Command = ["install", "--no-index", "--find-links", packages]
    lock: Command = ["--require-hashes", "--requirement", "requirements.lock"]
    took["packages"] = seconds([*pip, *offline, *lock], clone)
    here: Command = ["install", "--no-deps", "--no-build-isolation", "--editable", "."]
    took["project"] = seconds([*pip, *here], clone)
    weights, cached = prepare().weights, folder / "cache" / MODEL
    cached.mkdir(parents=True)
    for path in (weights.tensors, weights.tokenizer):
        shutil.copy(path, cached)
    embed: Command = [clone / ".venv/bin/embed-pipeline", "embed", "--text", TEXT]
    cache = {"XDG_CACHE_HOME": str(folder / "cache")}
    took["first vector"] = seconds(embed, clone, cache)
    took["second vector"] = seconds(embed, clone, cache)
    return took


def total(took: Mapping[str, float]) -> float:
    """Return the seconds from nothing to the first vector."""
    return sum(value for part, value in took.items() if part != "second vector")


def main() -> None:
    """Measure, print and record."""
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        downloaded = download(Path(folder))
        for number in range(ROUNDS):
            here = Path(folder) / f"round-{number}"
            here.mkdir()
            rounds.append(once(Path(folder) / "packages", here))
            shutil.rmtree(here)
    record(
        "first_vector",
        {
            "unit": "seconds of wall time; the download is not in the total",
            "download of the packages": downloaded,
            "parts": [{part: round(value, 2) for part, value in one.items()} for one in rounds],
            "clone to first vector, s": round(spread(map(total, rounds)).median, 1),
        },
        {"text": [TEXT]},
    )


if __name__ == "__main__":
    main()
