"""A real S3 server on loopback, for the tests of what reads and writes files."""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Return the options a URL needs to reach the server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"endpoint_override=http://{host}:{port}&region=us-east-1"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an empty bucket, and put credentials into the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store, _ = fs.FileSystem.from_uri(f"s3://bucket?{s3_server}&allow_bucket_creation=true")
    store.create_dir("bucket")
    store.delete_dir_contents("bucket")
    return f"s3://bucket?{s3_server}"
