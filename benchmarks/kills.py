"""A refresh of 20,000 texts that is SIGKILLed ten times: what is embedded twice, what comes of it.

The embedded endpoint stands behind the proxy of the tests, which tells what was answered. A job is
killed at a random request, and started again; a part file is closed every two seconds. Texts that
were answered and are in no whole part file are lost, and embedded twice: no more of them than one
checkpoint is worth, the largest part file that one closed, and what is on its way to the file. In
the end the rows are those of a refresh that nobody disturbed.

    python -m benchmarks.kills
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from benchmarks.results import record
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened
from tests.support.faulty import Fault, FaultyProxy, Incident, faulty
from tests.support.promise import sent

TEXTS, KILLS, SEED = 20_000, 10, 6
CHECKPOINT_SECONDS = 2
A_REQUEST = 32  # texts
UNDER_WAY = 4 * A_REQUEST  # texts in requests, and answered but not yet taken for writing
LATE_SECONDS = 0.3  # that a kill comes after a request, at most
WORDS = ("river", "stone", "harbor", "lamp", "winter", "garden", "copper", "signal", "paper")


class Kill(NamedTuple):
    """Say what a kill has cost.

    Attributes:
        answered: Texts that got their vectors in that run.
        lost: Those of them that are in no whole part file.
        checkpoint: Rows of the largest part file that runs have closed so far.
    """

    answered: int
    lost: int
    checkpoint: int


class Killed(NamedTuple):
    """Hold what came of a refresh that was killed again and again.

    Attributes:
        kills: What each has cost.
        embedded_twice: Answers for texts beyond the first.
        kept_but_sent: Texts in a whole part file that were sent again all the same.
        difference: That a value of a vector is off the undisturbed refresh's, at most.
    """

    kills: list[Kill]
    embedded_twice: int
    kept_but_sent: int
    difference: float


Moment = tuple[int, float]  # the number of a request in a run, and seconds after it


def corpus_of(count: int) -> dict[str, str]:
    """Return short texts by id, each different and always the same."""
    drawing = random.Random(SEED)  # noqa: S311 (no secret)
    return {f"d{n}": f"{' '.join(drawing.choices(WORDS, k=6))} {n}" for n in range(count)}


def command(folder: Path, url: str, corpus: Mapping[str, str]) -> list[str]:
    """Write a corpus and the file of its job; return the command that refreshes FOLDER/store."""
    folder.mkdir()
    lines = (json.dumps({"id": name, "text": text}) + "\n" for name, text in corpus.items())
    (folder / "corpus.jsonl").write_text("".join(lines))
    job = {
        "corpus": {"files": str(folder / "corpus.jsonl")},
        "endpoint": {"url": url, "model": "all-minilm"},
        "batching": {"max_texts": A_REQUEST},
        "tokens": {"recount": 0},
        "output": {"path": str(folder / "store"), "checkpoint_seconds": CHECKPOINT_SECONDS},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump({"job": job}))
    return [sys.executable, "-m", "embed_pipeline", "refresh", str(folder / "job.yaml"), "--quiet"]


def refreshed(job: list[str]) -> None:
    """Run a refresh to its end."""
    done = subprocess.run(job, check=False, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr


def rows_of(store: Path) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of a store's current snapshot, by id."""
    number = json.loads((store / "current.json").read_bytes())["snapshot"]
    table = pq.read_table(store / f"snapshots/{number:06d}/data", columns=["id", "vector"])
    vectors = np.stack(table["vector"].to_numpy())
    found = dict(zip(table["id"].to_pylist(), vectors, strict=True))
    assert len(found) == table.num_rows, "an id stands twice"
    return found


def kept(store: Path) -> list[set[str]]:
    """Return the texts of each whole part file that runs have left."""
    notes = sorted(store.glob("snapshots/*/staging/*/data-*.json"))
    tables = [pq.read_table(note.with_suffix(".parquet"), columns=["text"]) for note in notes]
    return [set(table["text"].to_pylist()) for table in tables]


class Killing:
    """Run one refresh again and again, and kill it.

    Args:
        job: Its command.
        store: Its store.
        proxy: What it talks to.
        texts: Those of its corpus.
    """

    def __init__(self, job: list[str], store: Path, proxy: FaultyProxy, texts: set[str]) -> None:
        self._job = job
        self._store = store
        self._proxy = proxy
        self._texts = texts
        self._whole: set[str] = set()
        self.kills: list[Kill] = []
        self.answers: Counter[str] = Counter()
        self.kept_but_sent = 0

    def kill(self, at: int, late: float) -> None:
        """Start it, and kill it at its n-th request that holds texts, or so many seconds later."""
        begun = len(self._proxy.asked)
        numbered = max((one.number for one in self._proxy.asked), default=0)
        process: list[subprocess.Popen[bytes]] = []

        def strike(incident: Incident) -> None:
            incident.proxy.closing.wait(late)
            process[0].send_signal(signal.SIGKILL)
            incident.reset()

        self._proxy.script = (Fault("SIGKILL", strike).since(numbered + at),)
        with subprocess.Popen(
            self._job, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as started:
            process.append(started)
            code = started.wait(timeout=600)
        self._proxy.script = ()
        assert code == -signal.SIGKILL, f"it ended by itself, with exit code {code}"
        got = self._took(begun)
        parts = kept(self._store)
        self._whole = set().union(*parts)
        self.kills.append(Kill(len(got), len(got - self._whole), max(map(len, parts), default=0)))

    def finish(self) -> None:
        """Run it to its end."""
        begun = len(self._proxy.asked)
        refreshed(self._job)
        self._took(begun)

    def _took(self, begun: int) -> set[str]:
        """Count what was answered since; return its texts."""
        asked = self._proxy.asked[begun:]
        got = Counter(
            text for one in asked if one.good for text in one.texts if text in self._texts
        )
        self.answers += got
        self.kept_but_sent += len(self._whole & sent(asked))
        return set(got)


def killed(folder: Path, url: str, corpus: Mapping[str, str], kills: Iterable[Moment]) -> Killed:
    """Refresh a store, killed again and again, and another one without that; compare them.

    Args:
        folder: Where they go.
        url: Of the endpoint.
        corpus: Text by id.
        kills: At which request of each run, and how many seconds later.
    """
    refreshed(command(folder / "undisturbed", url, corpus))
    texts = set(corpus.values())
    with faulty(url, (), texts) as proxy:
        store = folder / "killed" / "store"
        killing = Killing(command(folder / "killed", proxy.url, corpus), store, proxy, texts)
        for at, late in kills:
            killing.kill(at, late)
        killing.finish()
    found, wanted = rows_of(store), rows_of(folder / "undisturbed" / "store")
    assert found.keys() == wanted.keys() == corpus.keys(), "rows are missing"
    return Killed(
        killing.kills,
        sum(count - 1 for count in killing.answers.values()),
        killing.kept_but_sent,
        max(float(np.abs(found[name] - wanted[name]).max()) for name in wanted),
    )


def moments(kills: int, texts: int) -> Iterator[Moment]:
    """Yield random moments, such that no run ends by itself before it is killed."""
    drawing = random.Random(SEED)  # noqa: S311 (no secret)
    most = texts // A_REQUEST // kills
    for _ in range(kills):
        yield drawing.randrange(1, most), drawing.uniform(0, LATE_SECONDS)


def result(found: Killed, texts: int) -> dict[str, Any]:
    """Return what is recorded."""
    return {
        "texts": texts,
        "kills": [one._asdict() for one in found.kills],
        "checkpoint seconds": CHECKPOINT_SECONDS,
        "texts under way, at most": UNDER_WAY,
        "embedded twice": found.embedded_twice,
        "lost beyond a checkpoint": max(
            one.lost - one.checkpoint - UNDER_WAY for one in found.kills
        ),
        "in whole part files, and sent again": found.kept_but_sent,
        "largest difference": found.difference,
    }


def main() -> None:
    """Measure, print and record."""
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Endpoint(url="embedded", model="all-minilm")) as endpoint,
    ):
        found = killed(Path(folder), endpoint.address, corpus_of(TEXTS), moments(KILLS, TEXTS))
    record("kills", result(found, TEXTS))


if __name__ == "__main__":
    main()
