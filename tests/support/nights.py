"""Refreshes of a store, one night after another, and what was asked of the endpoint in each."""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from embed_pipeline import files
from embed_pipeline.engine import CANARY_TEXTS
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.probes import PROBES
from embed_pipeline.store import Store
from embed_pipeline.verify import verify
from tests.support.scripted import ScriptedEndpoint

QUIET_PATHS = {"/api/version", "/api/tags", "/api/ps"}  # what is asked where nothing is to do


class Night(NamedTuple):
    """Hold what a refresh did.

    Attributes:
        code: The exit code.
        said: What it said on standard error.
        told: What it said on standard output.
        texts: The texts that were sent, in their order; the canary's and those of checks left out.
        canaries: How often the canary's texts were sent.
        paths: What was asked for.
    """

    code: int
    said: str
    told: str
    texts: list[str]
    canaries: int
    paths: list[str]


class Nights:
    """Refresh one store again and again in this process; what is published is always verified.

    Args:
        folder: Where corpus and job file go.
        endpoint: Who is asked.
        store: The store's path; by default in the folder.
    """

    def __init__(self, folder: Path, endpoint: ScriptedEndpoint, store: str = "") -> None:
        self.corpus = folder / "corpus.jsonl"
        self.file = folder / "nightly.yaml"
        self.store = Store(store or str(folder / "store"))
        self.endpoint = endpoint
        self.settings: dict[str, Any] = {
            "corpus": {"files": str(self.corpus)},
            "endpoint": {"url": endpoint.url, "model": "all-minilm"},
            "retry": {"attempts": 2},
            "output": {"path": self.store.path, "max_failed_fraction": 1},
        }

    def documents(self, *found: Mapping[str, Any]) -> None:
        """Make these the corpus."""
        self.corpus.write_text("".join(json.dumps(one) + "\n" for one in found))

    def written(self, **groups: Mapping[str, Any]) -> Path:
        """Return the job file, written with some settings changed for this once."""
        settings = {**self.settings}
        for name, group in groups.items():
            settings[name] = {**settings.get(name, {}), **group}
        self.file.write_text(yaml.safe_dump({"job": settings}))
        return self.file

    def refresh(self, *flags: str, **groups: Mapping[str, Any]) -> Night:
        """Refresh, with some settings changed for this once."""
        endpoint = self.endpoint
        endpoint.exchanges.clear()
        endpoint.requests.clear()
        said, told = io.StringIO(), io.StringIO()
        with redirect_stderr(said), redirect_stdout(told):
            code = invoke(["refresh", str(self.written(**groups)), *flags])
        inputs = [one["input"] for one in endpoint.requests if one["input"] != list(PROBES)]
        canary = set(CANARY_TEXTS)
        sent = [text for texts in inputs for text in texts if text not in canary]
        canaries = sum(CANARY_TEXTS[0] in texts for texts in inputs)
        paths = [exchange.path for exchange in endpoint.exchanges]
        self.check()
        return Night(code, said.getvalue(), told.getvalue(), sent, canaries, paths)

    def check(self) -> None:
        """Prove that every snapshot of the store holds what its manifest says."""
        current = self.store.number()
        for number in self.store.numbers():
            if current is not None and number <= current:
                path = self.store.snapshot(number)
                problems = verify(path, read_manifest(path)).problems
                assert not problems, [str(one) for one in problems]

    @property
    def manifest(self) -> Manifest:
        """Return the manifest of the current snapshot."""
        found = self.store.manifest()
        assert found is not None
        return found

    @property
    def path(self) -> str:
        """Return the folder of the current snapshot."""
        return self.store.snapshot(self.store.number() or 0)

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the current snapshot by id."""
        return {one["id"]: one for one in self._read(self.manifest.data)}

    @property
    def failures(self) -> dict[str, dict[str, Any]]:
        """Return the failures of the current snapshot by id."""
        return {one["id"]: one for one in self._read(self.manifest.failures)}

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Return the change feed of the current snapshot."""
        return self._read(self.manifest.changes)

    @property
    def ops(self) -> dict[str, str]:
        """Return what has happened to each id."""
        found = {one["id"]: one["op"] for one in self.changes}
        assert len(found) == len(self.changes)
        return found

    def _read(self, listed: Sequence[Any]) -> list[dict[str, Any]]:
        tables: list[pa.Table] = []
        for one in listed:
            with files.open_input(files.join(self.path, one.path)) as stream:
                tables.append(pq.read_table(stream))
        return [row for table in tables for row in table.to_pylist()]
