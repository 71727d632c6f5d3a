"""What a launcher talks to on Google Cloud, on loopback: Dataflow's jobs, and a bucket to stage in.

Nothing is known of Google's own servers here but their interfaces, as the client libraries use
them. A job does what a test says: it runs what was staged, fails, or goes on until it is canceled.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

_JOB = re.compile(r"/v1b3/projects/[^/]+/locations/[^/]+/jobs(?:/([^/]+))?(?:/(\w+))?")
_OBJECT = re.compile(r"/(?:upload/)?storage/v1/b/([^/]+)(?:/o(?:/(.+))?)?")
CANCELLED = 5  # JOB_STATE_CANCELLED, as the client writes it
JOB_ID = "2026-11-23_00_00_00-1"


class DataflowService:
    """Take one job, and hold what was staged for it.

    Attributes:
        url: Where it listens.
        work: Called in a thread with the staged pipeline; what it raises is the job's error. The
            job runs until it returns. None: the job runs until it is canceled.
        created: Called once the job runs, before its launcher is told.
        job: The job's description, as it came.
        state: The job's state.
        messages: What the job's log says.
        objects: What was uploaded, by bucket and name.
    """

    def __init__(self) -> None:
        self.work: Callable[[beam_runner_api_pb2.Pipeline], object] | None = None
        self.created: Callable[[], object] = lambda: None
        self.job: dict[str, Any] = {}
        self.state = "JOB_STATE_PENDING"
        self.messages: list[dict[str, str]] = []
        self.objects: dict[str, bytes] = {}
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def staged(self, name: str) -> bytes:
        """Return what was uploaded under a name, in whatever folder."""
        (found,) = (data for path, data in self.objects.items() if path.endswith(f"/{name}"))
        return found

    @property
    def pipeline(self) -> beam_runner_api_pb2.Pipeline:
        """Return the staged pipeline."""
        found: beam_runner_api_pb2.Pipeline = beam_runner_api_pb2.Pipeline.FromString(
            self.staged("pipeline.pb")
        )
        return found

    def create(self, job: dict[str, Any]) -> None:
        self.job = job
        self.state = "JOB_STATE_RUNNING"
        self.created()

    def begin(self) -> None:
        if self.work is not None:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        assert self.work is not None
        try:
            self.work(self.pipeline)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the job's)
            self.messages.append(
                {
                    "id": "1",
                    "time": "2026-11-23T00:00:00Z",
                    "messageText": str(error),
                    "messageImportance": "JOB_MESSAGE_ERROR",
                }
            )
            self.state = "JOB_STATE_FAILED"
        else:
            self.state = "JOB_STATE_DONE"

    def described(self) -> dict[str, Any]:
        return {"id": JOB_ID, "projectId": "my-project", "currentState": self.state}


def run_here(pipeline: beam_runner_api_pb2.Pipeline) -> None:
    """Run a staged pipeline in this process, in the place of workers."""
    for environment in pipeline.components.environments.values():
        environment.CopyFrom(EmbeddedPythonEnvironment.default().to_runner_api(None))
    FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([])).wait_until_finish()


class _Handler(BaseHTTPRequestHandler):
    service: DataflowService
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _reply(self, found: Any, status: int = 200, **headers: str) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        job, stored = _JOB.fullmatch(path), _OBJECT.fullmatch(path)
        if job and job[2] == "messages":
            self._reply({"jobMessages": self.service.messages})
        elif job:
            self._reply(self.service.described())
        elif stored and not stored[2]:
            self._reply({"name": stored[1], "location": "EUROPE-WEST1"})
        else:
            self._reply({"error": {"code": 404, "message": path}}, 404)

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        stored = _OBJECT.fullmatch(url.path)
        body = self._body()
        if _JOB.fullmatch(url.path):
            self.service.create(json.loads(body))
            self._reply(self.service.described())
            self.service.begin()
        elif stored:
            name = parse_qs(url.query).get("name") or [json.loads(body)["name"]]
            self._reply({}, Location=f"{self.service.url}/put/{stored[1]}/{name[0]}")
        else:
            self._reply({"error": {"code": 404, "message": self.path}}, 404)

    def do_PUT(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self._body()
        if _JOB.fullmatch(path):
            assert json.loads(body)["requestedState"] == CANCELLED
            self.service.state = "JOB_STATE_CANCELLED"
            self._reply(self.service.described())
            return
        name = path.removeprefix("/put/")
        self.service.objects[name] = body
        import google_crc32c  # noqa: PLC0415 (there where these tests run)

        checksum = base64.b64encode(google_crc32c.Checksum(body).digest()).decode()
        self._reply({"name": name, "size": str(len(body)), "crc32c": checksum})


@contextmanager
def dataflow_service() -> Iterator[DataflowService]:
    found = DataflowService()
    try:
        yield found
    finally:
        found.close()
