"""A client that sends no more once its texts are given up."""

import threading
from collections.abc import Sequence

from embed_pipeline.client import Embeds, Tries
from embed_pipeline.errors import InterruptedJobError


class UntilGivenUp:
    """Embed with another client, until somebody says that it is of no use any more.

    Telling the texts of a request apart takes many requests, and a job that ends with an error
    waits for what is under way.

    Args:
        client: The other client.
        given_up: Set when no further request is to be sent.
    """

    def __init__(self, client: Embeds, given_up: threading.Event) -> None:
        self._client = client
        self._given_up = given_up

    def embed(
        self,
        texts: Sequence[str],
        tries: int | None = None,
        *,
        patient: bool = False,
        truncate: bool = False,
        at: str = "",
    ) -> Tries:
        """Embed texts in one request; see `Client.embed`.

        Raises:
            InterruptedJobError: They are given up.
            EndpointError: As the other client does.
        """
        if self._given_up.is_set():
            raise InterruptedJobError("the job ends; no further request is sent")
        return self._client.embed(texts, tries, patient=patient, truncate=truncate, at=at)
