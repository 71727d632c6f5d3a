"""A refresh of 20,000 texts that is SIGKILLed ten times: what is embedded twice, what comes of it.

The embedded endpoint stands behind the proxy of the tests, which tells what was answered, and when.
A job is killed at a random request, and started again; a part file is closed every two seconds.
Texts that were answered and are in no whole part file are lost, and embedded twice: those that were
answered in the last two seconds, and before that no more than may be on their way to the file. In
the end the rows are those of a refresh that nobody disturbed.

    python -m benchmarks.kills
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from benchmarks.results import record
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened
from embed_pipeline.stream import WINDOW
from tests.support.faulty import Answer, Fault, FaultyProxy, Incident, Request

TEXTS, KILLS, SEED = 20_000, 10, 6
CHECKPOINT_SECONDS = 2
A_REQUEST = 32  # texts
UNDER_WAY = (2 * WINDOW + 4) * A_REQUEST  # windows that wait for each other, requests, rows to come
LATE_SECONDS = 0.3  # that a kill comes after a request, at most
WORDS = ("river", "stone", "harbor", "lamp", "winter", "garden", "copper", "signal", "paper")


class Kill(NamedTuple):
    """Say what a kill has cost.

    Attributes:
        answered: Texts that got their vectors in that run.
        lost: Those of them that are in no whole part file.
        older: Those of these that were answered more than CHECKPOINT_SECONDS before the kill.
    """

    answered: int
    lost: int
    older: int


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

    @property
    def beyond(self) -> int:
        """Return how many texts more than a checkpoint's a kill has lost; below 0: none has."""
        return max(one.older for one in self.kills) - UNDER_WAY


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


class Watched(FaultyProxy):
    """A proxy that remembers when texts were answered.

    Attributes:
        answers: When, and which texts.
    """

    def __init__(self, upstream: str, texts: set[str]) -> None:
        self.answers: list[tuple[float, list[str]]] = []
        self._of_corpus = texts
        super().__init__(upstream, (), texts)

    def ask(self, request: Request) -> Answer:
        """Ask the endpoint behind, and remember when it has answered."""
        answer = super().ask(request)
        if request.path.endswith("/api/embed") and answer.status == 200:
            texts = self._of_corpus.intersection(json.loads(request.body)["input"])
            self.answers.append((time.monotonic(), sorted(texts)))
        return answer


class Killing:
    """Run one refresh again and again, and kill it.

    Args:
        job: Its command.
        store: Its store.
        proxy: What it talks to.
    """

    def __init__(self, job: list[str], store: Path, proxy: Watched) -> None:
        self._job = job
        self._store = store
        self._proxy = proxy
        self._whole: set[str] = set()
        self.kills: list[Kill] = []
        self.answers: Counter[str] = Counter()
        self.kept_but_sent = 0

    def kill(self, at: int, late: float) -> None:
        """Start it, and kill it at its n-th request that holds texts, or so many seconds later."""
        numbered = max((one.number for one in self._proxy.asked), default=0)
        process: list[subprocess.Popen[bytes]] = []
        struck: list[float] = []

        def strike(incident: Incident) -> None:
            incident.proxy.closing.wait(late)
            struck.append(time.monotonic())
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
        got = self._took()
        self._whole = set().union(*kept(self._store))
        lost = [(when, len(set(texts) - self._whole)) for when, texts in got]
        before = struck[0] - CHECKPOINT_SECONDS
        self.kills.append(
            Kill(
                sum(len(texts) for _, texts in got),
                sum(count for _, count in lost),
                sum(count for when, count in lost if when < before),
            )
        )

    def finish(self) -> None:
        """Run it to its end."""
        refreshed(self._job)
        self._took()

    def _took(self) -> list[tuple[float, list[str]]]:
        """Count what a run was answered; return it."""
        got, self._proxy.answers = self._proxy.answers, []
        texts = [text for _, some in got for text in some]
        self.answers.update(texts)
        self.kept_but_sent += len(self._whole.intersection(texts))
        return got


def killed(folder: Path, url: str, corpus: Mapping[str, str], kills: Iterable[Moment]) -> Killed:
    """Refresh a store, killed again and again, and another one without that; compare them.

    Args:
        folder: Where they go.
        url: Of the endpoint.
        corpus: Text by id.
        kills: At which request of each run, and how many seconds later.
    """
    refreshed(command(folder / "undisturbed", url, corpus))
    with closing(Watched(url, set(corpus.values()))) as proxy:
        store = folder / "killed" / "store"
        killing = Killing(command(folder / "killed", proxy.url, corpus), store, proxy)
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
        "lost beyond a checkpoint": found.beyond,
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
    record("kills", result(found, TEXTS), {"corpus": list(corpus_of(TEXTS).values())})


if __name__ == "__main__":
    main()
