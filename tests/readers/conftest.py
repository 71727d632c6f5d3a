"""Fixtures of the readers: the datasets, a PostgreSQL, what Spark finds, a store of two nights."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.readers import postgres, sample
from tests.readers.found import Places
from tests.readers.sample import QUERIES, Sample

ROOT = Path(__file__).parents[2]
SPARKS = {
    "3.5": os.environ.get("SPARK3_PYTHON", str(ROOT / ".venv-spark3/bin/python")),
    "4": sys.executable,
}


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Sample]:
    """Return a dataset of each type and encoding of vectors."""
    folder = tmp_path_factory.mktemp("samples")
    kinds = [(kind, encoding) for kind in sample.TYPES for encoding in sample.ENCODINGS]
    return {kind: sample.make(folder / str(number), *kind) for number, kind in enumerate(kinds)}


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """Run a PostgreSQL; yield how to connect to it."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def spark(
    samples: dict[tuple[str, str], Sample], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], sample.Told]:
    """Return what tells what a version of Spark finds in each dataset; each is started once."""
    folder = tmp_path_factory.mktemp("spark")

    @cache
    def told(version: str) -> sample.Told:
        if not shutil.which("java"):
            reason = "Spark needs Java"
            (pytest.fail if os.environ.get("READERS_REQUIRED") else pytest.skip)(reason)
        asked = {
            "folders": [one.data for one in samples.values()],
            "queries": [query.tolist() for query in QUERIES],
        }
        output = folder / f"{version}.json"
        done = subprocess.run(
            [SPARKS[version], str(Path(__file__).with_name("spark_job.py")), str(output)],
            input=json.dumps(asked),
            cwd=folder,
            env={**os.environ, "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(output.read_text()))

    return told


@pytest.fixture
def places(
    tmp_path: Path, spark: Callable[[str], sample.Told], request: pytest.FixtureRequest
) -> Places:
    return Places(tmp_path, lambda: str(request.getfixturevalue("database")), spark)
