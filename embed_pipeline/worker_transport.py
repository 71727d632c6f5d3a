"""HTTP to the endpoint of this machine, which is made sure of before a request needs it."""

from embed_pipeline import errors
from embed_pipeline.endpoint import WORKER, Endpoint
from embed_pipeline.ensuring import ensure
from embed_pipeline.transport import Transport


def transport_to(endpoint: Endpoint) -> Transport:
    """Return what exchanges requests and bodies with an endpoint.

    Args:
        endpoint: With one address; it may be `worker`.

    Raises:
        ConfigError: The token or the certificate authority cannot be read.
    """
    return WorkerTransport(endpoint) if endpoint.url == WORKER else Transport(endpoint)


class WorkerTransport(Transport):
    """Exchange requests and bodies with the endpoint of this machine; threads may share it.

    It is made sure of before the first request, and again after a connection that failed or broke.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._is_there = self._was_there = False

    def exchange(
        self, method: str, path: str, body: bytes | None, seconds: float, limit: int
    ) -> bytes:
        """Send one request and return the body of its answer; see `Transport.exchange`.

        Raises:
            ConfigError: There is no endpoint, and there cannot be one.
            EndpointError: There is no answer, or another status than 200.
        """
        if not self._is_there:
            self._make_sure()
        try:
            return super().exchange(method, path, body, seconds, limit)
        except (errors.ConnectionFailed, errors.ConnectionLost):
            self._is_there = False
            raise

    def _make_sure(self) -> None:
        """Make sure of the endpoint; one that was there before may come back later."""
        try:
            ensure(self._endpoint)
        except errors.ConfigError as error:
            if not self._was_there:
                raise
            raise errors.ConnectionFailed(str(error)) from error
        self._is_there = self._was_there = True
