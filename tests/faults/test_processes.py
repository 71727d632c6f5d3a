"""Jobs whose processes, endpoints and disks are taken away: real ones, really killed."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from tests.faults.jobs import ALLOWED, ROOT, FaultJob, corpus_of
from tests.support import fault_kinds as kinds
from tests.support.faulty import Asked, Fault, FaultyProxy, Incident, Rule, faulty
from tests.support.ports import free_port
from tests.support.promise import answered, judge, kept_texts, sent, shown
from tests.support.scripted import ScriptedEndpoint, scripted, vector_of

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
CORPUS = corpus_of(200)
TEXTS = 32  # of a request, where the corpus is big
A_FILE = 1_000  # rows that are written at once, here more than 1 MB
UNDER_WAY = 4 * TEXTS  # in requests, and answered but not yet taken for writing
PATIENT = {"timeouts": {"connect": 2, "read": 20, "load": 20}}


def acting(name: str, do: Callable[[], object]) -> Fault:
    """Return a fault that does something in the tests' process, and then lets the request pass."""

    def act(incident: Incident) -> None:
        do()
        incident.send(incident.behind(), good=True)

    return Fault(name, act)


def holds(job: FaultJob, code: int, record: list[Asked]) -> None:
    """Check the promise for a run against scripted endpoints in which no text is guilty."""
    verdict = judge(job.corpus, job.out, code, truth=vector_of, record=record, allowed=ALLOWED)
    assert not verdict.broken


def completed(job: FaultJob, proxy: FaultyProxy, again: int) -> None:
    """Check that another run completes a job, and how much of it is sent again.

    Args:
        job: One that was stopped.
        proxy: What it talks to.
        again: Texts that had been answered, and may be sent again all the same, at most.
    """
    assert not shown(job.out)
    done, kept = answered(proxy.asked) & set(job.corpus.values()), kept_texts(job.out)
    proxy.script = ()
    before = len(proxy.asked)
    code = job.run_here()
    assert code == 0
    record = proxy.asked[before:]
    holds(job, code, record)
    assert not sent(record) & kept
    assert len(sent(record) & done) <= again


# The job itself is stopped.


@pytest.mark.parametrize("seed", range(2))
def test_a_job_that_is_killed_is_completed_by_another_run(
    seed: int, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    corpus = big_corpus(2_400)
    endpoint.context = endpoint.told_context = 4_000
    at = Random(seed).randrange(1_300 // TEXTS, 2_400 // TEXTS)
    job_process: list[subprocess.Popen[str]] = []
    kill = acting("SIGKILL", lambda: job_process[0].send_signal(signal.SIGKILL))
    with faulty(endpoint.url, (kill.at(at),), set(corpus.values())) as proxy:
        big = {"max_texts": TEXTS, "max_chars": 100_000}
        job = FaultJob(tmp_path, corpus, proxy.url, output={"file_mb": 1}, batching=big)
        with job.start() as process:
            job_process.append(process)
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert len(kept_texts(job.out)) >= A_FILE
        completed(job, proxy, A_FILE + UNDER_WAY)


@pytest.mark.parametrize("flags", [(), TWO_PROCESSES], ids=["one process", "two processes"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_job_that_is_asked_to_stop_keeps_what_was_done(
    number: signal.Signals,
    code: int,
    flags: tuple[str, ...],
    tmp_path: Path,
    endpoint: ScriptedEndpoint,
) -> None:
    job_process: list[subprocess.Popen[str]] = []
    stop = acting(number.name, lambda: job_process[0].send_signal(number))
    with faulty(endpoint.url, (stop.at(12),), set(CORPUS.values())) as proxy:
        job = FaultJob(tmp_path, CORPUS, proxy.url)
        with job.start(*flags) as process:
            job_process.append(process)
            _, said = process.communicate(timeout=60)
        assert process.returncode == code, said
        under_way = 2 * 8  # texts of a process
        completed(job, proxy, under_way * (2 if flags else 1))


def test_a_worker_process_that_is_killed_stops_the_job(
    tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    job_process: list[subprocess.Popen[str]] = []

    def kill(incident: Incident) -> None:
        os.kill(asking(incident, children(job_process[0].pid)), signal.SIGKILL)

    rule = Fault("the worker process is killed", kill).at(12)
    with faulty(endpoint.url, (rule,), set(CORPUS.values())) as proxy:
        job = FaultJob(tmp_path, CORPUS, proxy.url)
        with job.start(*TWO_PROCESSES) as process:
            job_process.append(process)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1, said
        completed(job, proxy, len(CORPUS))


def asking(incident: Incident, processes: list[int]) -> int:
    """Return which of some processes has sent a request: the one that holds the connection."""
    port = f":{incident.connection.getpeername()[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    inode = next(line[9] for line in lines if line[1].endswith(port))
    for pid in processes:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if str(descriptor.readlink()) == f"socket:[{inode}]":
                    return pid
    raise AssertionError("nobody holds the connection")


def children(parent: int) -> list[int]:
    """Return the processes below a process, at any depth."""
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        for pid in map(int, (task / "children").read_text().split()):
            found += [pid, *children(pid)]
    return found


# The disk is taken away.


def big_corpus(count: int) -> dict[str, str]:
    """Return texts that no compression makes small."""
    return {f"d{n}": f"{n} {Random(n).randbytes(1_200).hex()}" for n in range(count)}


def test_a_limit_on_the_size_of_files_stops_the_job(
    tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    corpus = big_corpus(300)
    with faulty(endpoint.url, (), set(corpus.values())) as proxy:
        endpoint.context = endpoint.told_context = 4_000
        job = FaultJob(tmp_path, corpus, proxy.url)
        limited = ("sh", "-c", 'ulimit -f 128; exec "$@"', "sh")  # blocks of 512 bytes
        with job.start(within=limited) as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1, said
        assert "Traceback" not in said
        completed(job, proxy, len(corpus))


def can_mount() -> bool:
    """Tell whether a small disk of one's own can be had."""
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="a small disk needs unshare and user namespaces")
def test_a_full_disk_stops_the_job(tmp_path: Path, endpoint: ScriptedEndpoint) -> None:
    corpus = big_corpus(1_500)
    disk = tmp_path / "disk"
    disk.mkdir()
    with faulty(endpoint.url, (), set(corpus.values())) as proxy:
        endpoint.context = endpoint.told_context = 4_000
        job = FaultJob(tmp_path, corpus, proxy.url, output={"path": str(disk / "out")})
        mount = f"mount -t tmpfs -o size=1m tmpfs {disk} && exec"
        with job.start(within=("unshare", "-rm", "sh", "-c", f'{mount} "$@"', "sh")) as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1, said
        assert "No space left on device" in said
        assert str(disk / "out") in said
        assert "Traceback" not in said


def test_an_output_that_vanishes_loses_nothing(tmp_path: Path, endpoint: ScriptedEndpoint) -> None:
    vanish = acting("the output vanishes", lambda: shutil.move(tmp_path / "out", tmp_path / "gone"))
    with faulty(endpoint.url, (vanish.at(20),), set(CORPUS.values())) as proxy:
        job = FaultJob(tmp_path, CORPUS, proxy.url)
        code = job.run_here()
        assert code in (0, 1)  # it is made anew where nothing was written before
        holds(job, code, proxy.asked)


def test_an_output_whose_place_is_taken_stops_the_job(
    tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    def take() -> None:
        shutil.move(tmp_path / "out", tmp_path / "gone")
        (tmp_path / "out").write_text("a file")

    taken = acting("a file takes the output's place", take)
    with faulty(endpoint.url, (taken.at(20),), set(CORPUS.values())) as proxy:
        job = FaultJob(tmp_path, CORPUS, proxy.url)
        code, said = job.run()
        assert code == 1, said
        assert str(job.out) in said
        assert "Traceback" not in said
        job.out.unlink()
        completed(job, proxy, len(CORPUS))


# The endpoint is taken away.


class Served:
    """Run the embedded endpoint as a process at one port; kill it and start it again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return at once."""
        command = [sys.executable, "-m", "embed_pipeline", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def wait(self) -> None:
        """Wait until it answers."""
        with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:
            client.get(f"{self.url}/api/version", timeout=30)


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    found.start()
    try:
        found.wait()
        yield found
    finally:
        found.kill()


def truth_at(url: str, texts: list[str]) -> dict[str, NDArray[np.float32]]:
    """Return what an endpoint gives for texts, each sent alone."""
    with httpx.Client(base_url=url, timeout=30) as client:
        return {
            text: np.asarray(
                client.post("/api/embed", json={"model": "all-minilm", "input": [text]}).json()[
                    "embeddings"
                ][0],
                dtype=np.float32,
            )
            for text in texts
        }


def test_an_endpoint_that_is_killed_and_started_again_costs_no_text(
    tmp_path: Path, served: Served, embedded: EmbeddedProcess
) -> None:
    def dying(incident: Incident) -> None:
        served.restart()
        incident.reset()

    kill = Fault("the endpoint is killed", dying)
    truth = truth_at(embedded.url, list(CORPUS.values()))
    with faulty(served.url, (kill.at(8),), set(CORPUS.values())) as proxy:
        job = FaultJob(
            tmp_path,
            CORPUS,
            proxy.url,
            endpoint=PATIENT,
            retry={"total_seconds": 60, "attempts": 30},
        )
        code = job.run_here()
        verdict = judge(job.corpus, job.out, code, truth=truth.__getitem__, record=proxy.asked)
    assert code == 0
    assert not verdict.broken
    assert verdict.rows == len(CORPUS)


def test_texts_that_tokenize_alike_share_a_vector_rightly(
    tmp_path: Path, embedded: EmbeddedProcess
) -> None:
    corpus = corpus_of(20, a="Hello World", b="hello world", c="HELLO   world")
    truth = truth_at(embedded.url, list(corpus.values()))
    job = FaultJob(tmp_path, corpus, embedded.url, endpoint=PATIENT)
    code = job.run_here()
    assert code == 0
    assert not judge(corpus, job.out, code, truth=truth.__getitem__).broken


def test_ten_clients_beside_the_job_cost_no_text(tmp_path: Path, embedded: EmbeddedProcess) -> None:
    truth = truth_at(embedded.url, list(CORPUS.values()))
    stopping = threading.Event()
    job = FaultJob(
        tmp_path,
        CORPUS,
        embedded.url,
        endpoint=PATIENT,
        retry={"total_seconds": 60, "attempts": 30},
    )
    body = {"model": "all-minilm", "input": ["a client of another kind"] * 4}

    def hammer() -> None:
        with httpx.Client(base_url=embedded.url, timeout=30) as client:
            while not stopping.is_set():
                client.post("/api/embed", json=body)

    threads = [threading.Thread(target=hammer) for _ in range(10)]
    for thread in threads:
        thread.start()
    try:
        code = job.run_here()
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert code == 0
    assert not judge(CORPUS, job.out, code, truth=truth.__getitem__).broken


# One endpoint of two is taken away.


@contextlib.contextmanager
def two() -> Iterator[tuple[FaultyProxy, FaultyProxy]]:
    """Run two proxies, each before an endpoint of its own."""
    texts = set(CORPUS.values())
    with (
        scripted() as one,
        scripted() as other,
        faulty(one.url, (), texts) as first,
        faulty(other.url, (), texts) as second,
    ):
        yield first, second


@pytest.mark.parametrize(
    "rule",
    [
        kinds.RESET.since(4),
        kinds.STALLED.since(4),
        kinds.BUSY.since(4),
        kinds.RESET.at(*range(4, 9)),
        kinds.REFUSED.at(4),
        kinds.UNAUTHORIZED.since(4),
        kinds.REMOVED.since(4),
        kinds.ZEROS.since(4),
        kinds.RESTARTED_WITH_ANOTHER.at(4),
    ],
    ids=[
        "dies",
        "hangs",
        "is busy",
        "is away for a while",
        "refuses for a while",
        "wants other credentials",
        "loses the model",
        "answers with zeros",
        "is started anew with another model",
    ],
)
def test_one_endpoint_of_two_that_fails_costs_no_text(rule: Rule, tmp_path: Path) -> None:
    with two() as (first, second):
        first.script = (rule,)
        job = FaultJob(tmp_path, CORPUS, [first.url, second.url])
        code = job.run_here()
        assert code == 0
        holds(job, code, [])


@pytest.mark.parametrize("which", [0, 1], ids=["the first", "the second"])
def test_a_model_swapped_at_one_endpoint_of_two_is_noticed_before_the_commit(
    which: int, tmp_path: Path
) -> None:
    with two() as proxies:
        proxies[which].script = (kinds.REPLACED.at(4),)
        job = FaultJob(tmp_path, CORPUS, [proxy.url for proxy in proxies])
        assert job.run_here() == 1
        assert not shown(job.out)


def test_a_model_pulled_anew_at_one_endpoint_of_two_that_gives_the_same_vectors_is_left_out(
    tmp_path: Path,
) -> None:
    with two() as (first, second):
        first.script = (kinds.SWAPPED.at(4),)
        job = FaultJob(tmp_path, CORPUS, [first.url, second.url])
        code = job.run_here()
        assert code == 0
        holds(job, code, [])


def test_two_endpoints_with_different_models_are_refused(tmp_path: Path) -> None:
    with two() as (first, second):
        second.digest = kinds.OTHER_DIGEST
        job = FaultJob(tmp_path, CORPUS, [first.url, second.url])
        assert job.run_here() == 4
        assert not answered([*first.asked, *second.asked]) & set(CORPUS.values())


def test_nobody_at_the_address_stops_the_job(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert FaultJob(tmp_path, CORPUS, url).run_here() == 1


def test_a_host_nobody_knows_stops_the_job(tmp_path: Path) -> None:
    assert FaultJob(tmp_path, CORPUS, "http://nobody.invalid:11434").run_here() == 1
