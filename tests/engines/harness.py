"""Start and end the engines that jobs are tested and measured on, each as processes of its own.

    with harness.flink_cluster(folder) as engine:
        subprocess.run(["embed-pipeline", "run", "job.yaml", *engine.flags])

`make engines` fetches them. Everything listens on loopback, on free ports; what a process says
goes to a log in the folder, and into the error where it does not come up. Every process is the
leader of a session of its own, and its whole session is killed at the end, whatever ended the
block.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".engines"
PRISM = PLACE / "bin" / "prism"
FLINK = PLACE / "flink"
NEEDED = {
    "prism": "Prism is not there: install Go and run `make engines`",
    "flink": "Flink is not there: install Java 17 and Maven and run `make engines`",
}
JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
_FOLD = re.compile(r".{1,68}(?=.)")  # a line of a manifest has 72 bytes at most
SECONDS = 90.0  # that anything may take to come up on a busy machine
POLL_SECONDS = 0.05
SLOTS = 2
_JVM = [
    "-Xmx768m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
]
_KEPT_MS = 3_000  # a worker that is not needed is kept for another stage
_RESTART = {  # after longer than that, or a worker that was killed would be taken again
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "2",
    "restart-strategy.fixed-delay.delay": "5 s",
}
_QUICK = {  # a TaskManager that was killed is missed after seconds, not after a minute
    "heartbeat.interval": "1000",
    "heartbeat.timeout": "8000",
}
_KEEP_WORKERS = {  # from stage to stage; else Beam starts new ones for each
    "classloader.resolve-order": "parent-first",
}
_LOOPBACK = {
    "jobmanager.rpc.address": "localhost",
    "jobmanager.bind-host": "localhost",
    "rest.address": "localhost",
    "rest.bind-address": "localhost",
    "taskmanager.host": "localhost",
    "taskmanager.bind-host": "localhost",
}
_MEMORY = {  # Flink derives these in its shell scripts only
    "jobmanager.memory.process.size": "1024m",
    "taskmanager.cpu.cores": "2.0",
    "taskmanager.memory.task.heap.size": "256m",
    "taskmanager.memory.task.off-heap.size": "0m",
    "taskmanager.memory.managed.size": "128m",
    "taskmanager.memory.network.min": "512m",
    "taskmanager.memory.network.max": "512m",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
}


class Started:
    """Hold a process that leads a session of its own, and where its log is.

    Attributes:
        name: What it is.
        log: Path of all it says.
        process: The process.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it and all that it has started, as `kill -9` does, and take note of its end."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-8_000:]

    def until(self, there: Callable[[], bool]) -> None:
        """Wait until something is there; tell what the log says if the process does not make it."""
        give_up = time.monotonic() + SECONDS
        while not there():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(POLL_SECONDS)
            ended = self.process.returncode
            if ended is not None or time.monotonic() > give_up:
                state = f"ended with {ended}" if ended is not None else f"is not up in {SECONDS} s"
                raise RuntimeError(f"{self.name} {state}; {self.log} ends with:\n{self.said()}")


class Engine(NamedTuple):
    """Name an engine and the Beam flags that run a job on it."""

    name: str
    flags: tuple[str, ...]


@contextmanager
def fn_api(folder: Path) -> Iterator[Engine]:
    """Yield Beam's local runner, in one process."""
    yield Engine("FnApiRunner", ("--runner=FnApiRunner",))


@contextmanager
def fn_api_processes(folder: Path) -> Iterator[Engine]:
    """Yield Beam's local runner with two worker processes."""
    mode = "--direct_running_mode=multi_processing"
    yield Engine("FnApiRunner x 2", ("--runner=FnApiRunner", mode, "--direct_num_workers=2"))


@contextmanager
def prism(folder: Path) -> Iterator[Engine]:
    """Yield Prism, whose Python work is done in the process of the job."""
    with ExitStack() as ends:
        port, web = free_port(), free_port()
        command = [str(PRISM), f"--job_port={port}", f"--web_port={web}", "--log_kind=text"]
        server = _start(ends, "prism", command, folder)
        server.until(lambda: listens(port))
        yield Engine("Prism", (*_portable(port), *_working("LOOPBACK")))


@contextmanager
def embedded_flink(folder: Path) -> Iterator[Engine]:
    """Yield a job server with a Flink of its own; Python works in the process of the job."""
    with ExitStack() as ends:
        _configured(folder, {})
        port = _job_server(ends, folder, "[local]")
        flags = (*_portable(port), *_flink("[local]", "LOOPBACK"))
        yield Engine("embedded Flink", flags)


class Cluster:
    """Be a standalone Flink cluster: each part in a process of its own.

    Attributes:
        engine: Its name and flags.
        task_manager: The TaskManager that works now.
        pool: The pool that starts Python workers.
    """

    def __init__(self, ends: ExitStack, folder: Path) -> None:
        self._ends = ends
        self._folder = folder
        self._started = 0
        self._rest = free_port()
        rpc = free_port()
        ports = {"rest.port": str(self._rest), "jobmanager.rpc.port": str(rpc)}
        _configured(folder, {**_MEMORY, **_RESTART, **_QUICK, **_KEEP_WORKERS, **ports})
        entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        command = java(entry, "--configDir", str(folder), "--executionMode", "cluster")
        self.job_manager = _start(ends, "jobmanager", command, folder)
        self.job_manager.until(self._answers)
        self.task_manager = self.start_task_manager()
        self.pool_port = free_port()
        self.pool = self.start_pool()
        port = _job_server(ends, folder, f"localhost:{self._rest}")
        flink = _flink(f"localhost:{self._rest}", "EXTERNAL", f"localhost:{self.pool_port}")
        self.engine = Engine("Flink cluster", (*_portable(port), *flink))

    def start_task_manager(self) -> Started:
        """Start a TaskManager, and wait until the cluster knows it."""
        self._started += 1
        entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        slots = f"-Dtaskmanager.numberOfTaskSlots={SLOTS}"
        command = java(entry, "--configDir", str(self._folder), slots)
        name = f"taskmanager-{self._started}"
        self.task_manager = started = _start(self._ends, name, command, self._folder)
        started.until(lambda: "Successful registration at resource manager" in started.said())
        return started

    def start_pool(self) -> Started:
        """Start the pool of Python workers, and wait until it listens."""
        module = "apache_beam.runners.worker.worker_pool_main"
        command = [sys.executable, "-m", module, f"--service_port={self.pool_port}"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        environ = {"PATH": path, "PYTHONPATH": str(ROOT)}  # it starts `python`, which imports us
        self.pool = _start(self._ends, "pool", command, self._folder, environ)
        self.pool.until(lambda: listens(self.pool_port))
        return self.pool

    def jobs(self) -> dict[str, str]:
        """Return the state of each job the JobManager has seen, by its id."""
        return {one["id"]: one["status"] for one in self._asked("jobs")["jobs"]}

    def bytes_passed_on(self) -> int:
        """Return how many bytes the tasks of all jobs have passed on to the next ones."""
        every = (self._asked(f"jobs/{job}")["vertices"] for job in self.jobs())
        return sum(int(task["metrics"]["write-bytes"]) for tasks in every for task in tasks)

    def until_all_have_ended(self) -> None:
        """Wait until no job is under way."""
        ended = {"FINISHED", "FAILED", "CANCELED"}
        self.job_manager.until(lambda: ended.issuperset(self.jobs().values()))

    def workers(self) -> list[int]:
        """Return the process ids of the Python workers that are at work."""
        return children(self.pool.process.pid)

    def _answers(self) -> bool:
        try:
            self.jobs()
        except OSError:
            return False
        return True

    def _asked(self, what: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://localhost:{self._rest}/{what}", timeout=10) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
            return found


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Yield a standalone Flink: JobManager, TaskManager, job server and a Python worker pool."""
    with ExitStack() as ends:
        yield Cluster(ends, folder)


@contextmanager
def flink_cluster(folder: Path) -> Iterator[Engine]:
    """Yield the engine of such a cluster."""
    with cluster(folder) as found:
        yield found.engine


def missing(engine: str) -> str | None:
    """Return what to do where an engine ("prism" or "flink") is not there; None where it is."""
    if engine == "prism":
        return None if PRISM.is_file() else NEEDED[engine]
    return None if shutil.which("java") and any(FLINK.glob("*.jar")) else NEEDED[engine]


def listens(port: int) -> bool:
    """Tell whether somebody listens on a loopback port."""
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


def children(process_id: int) -> list[int]:
    """Return the processes that a process has started and that live."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process_id)], capture_output=True, text=True, check=False
    )
    return [int(one) for one in found.stdout.split()]


def java(entry: str, *arguments: str) -> list[str]:
    """Return the command that runs a class of Flink's or its job server's."""
    return ["java", *_JVM, "-cp", f"{FLINK}/*", entry, *arguments]


def job_server_jar(folder: Path) -> Path:
    """Return a jar that runs Beam's job server, and names all of Flink's as its class path.

    It is what `--flink_job_server_jar` takes; and what a job server uploads with each job, of which
    a cluster of ours needs nothing, is this jar of one file.
    """
    path = folder / "job-server.jar"
    jars = " ".join(one.as_uri() for one in sorted(FLINK.glob("*.jar")))
    lines = ["Manifest-Version: 1.0", f"Main-Class: {JOB_SERVER}", f"Class-Path: {jars}"]
    folded = [_FOLD.sub(r"\g<0>\r\n ", line) for line in lines]
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "\r\n".join(folded) + "\r\n")
    return path


def _job_server(ends: ExitStack, folder: Path, master: str) -> int:
    """Start Beam's job server for a Flink; return its port."""
    port = free_port()
    command = [
        "java",
        *_JVM,
        "-jar",
        str(job_server_jar(folder)),
        f"--flink-master={master}",
        f"--flink-conf-dir={folder}",
        "--job-host=localhost",
        f"--job-port={port}",
        f"--artifact-port={free_port()}",
        f"--expansion-port={free_port()}",
        f"--artifacts-dir={folder / 'artifacts'}",
    ]
    _start(ends, "jobserver", command, folder).until(lambda: listens(port))
    return port


def _configured(folder: Path, settings: Mapping[str, str]) -> None:
    """Write Flink's configuration."""
    lines = (f"{key}: {value}\n" for key, value in {**_LOOPBACK, **settings}.items())
    (folder / "config.yaml").write_text("".join(lines))


def _portable(port: int) -> tuple[str, str]:
    return ("--runner=PortableRunner", f"--job_endpoint=localhost:{port}")


def _flink(master: str, *environment: str) -> tuple[str, ...]:
    flags = (f"--flink_master={master}", f"--parallelism={SLOTS}")
    return (*flags, *_working(*environment), f"--environment_cache_millis={_KEPT_MS}")


def _working(kind: str, address: str = "") -> tuple[str, str]:
    """Return the flags that say where Python works."""
    return (f"--environment_type={kind}", f"--environment_config={address}")


def _start(
    ends: ExitStack,
    name: str,
    command: list[str],
    folder: Path,
    environ: Mapping[str, str] | None = None,
) -> Started:
    """Start a process that is killed, with all it has started, when the engine ends."""
    started = Started(name, command, folder, environ)
    ends.callback(started.kill)
    return started
