"""Every error of this package, as one tree.

    EmbedPipelineError
      ConfigError            the job file, a flag or the input as a whole is wrong     exit code 2
      RefusedError           going on would damage or mix datasets                     exit code 4
        EngineChanged          the engine is another one than the snapshot was made with
      InterruptedJobError    a signal asked the job to stop                            exit code 130
        TimeIsUp               --max-runtime is over                                   exit code 5
      DatasetError           a dataset or a part of it cannot be read or written       exit code 1
      DocumentError          one document's fault, found without asking the endpoint
        UnreadableLine         a line is not what its format promises
        MissingField           a document has no text or no id
        WrongType              text or id is not a string
        EmptyText              nothing but white space
        BadCharacter           a lone surrogate, a NUL, or one that alone is too long for a piece
        BadAttribute           an attribute does not fit the dataset's schema
      EndpointError          the endpoint's answer, or none
        TransientError         trying again may help
          ConnectionFailed       no connection: refused, no such host, none in time
          ConnectionLost         reset or cut short, in mid-request or in mid-response
          RequestTimedOut        no whole answer in time
          Overloaded             429, 503, 502, 504, 408
          TokenUnavailable       whoever gives the token for the endpoint does not, for now
          ModelLoadFailed        500 while the model loads
          RunnerCrashed          the model's process died in mid-request (often a 400)
          VectorNotFinite        NaN or infinity
          WrongAnswer            200, but not the vectors that were asked for
          ServerFault            any other 5xx
        PermanentError         trying again cannot help
          TextTooLong            the text exceeds the context, or 413 from a proxy
          ModelNotFound          no such model there
          NotAnEndpoint          something else answers at this address
          Unauthorized           401, 403, or no token is given for the endpoint
          CannotEmbed            501: the model has no embeddings
          RequestRejected        any other 4xx, and options of a wrong type
          ModelChanged           another model under the same name than at the start
          VectorsContradicted    a vector that was given before turns out to be another text's
          NothingSucceeds        no text has got a vector for so long that going on is hopeless

`retry` wraps one request, `scope` says what a failure that outlives its retries means: "text", the
texts of the request are to be told apart until the guilty one stands alone; "job", no text can
succeed, so the job stops.
"""

from typing import ClassVar, Literal

Scope = Literal["text", "job"]


class EmbedPipelineError(Exception):
    """Be the base of every error this package raises on purpose."""

    exit_code: int = 1


class ConfigError(EmbedPipelineError):
    """Report a job file, flag or input that cannot work, before any work was done."""

    exit_code = 2


class RefusedError(EmbedPipelineError):
    """Refuse to go on where that would damage or mix datasets."""

    exit_code = 4


class InterruptedJobError(EmbedPipelineError):
    """Report that a signal ended the job; whole part files are kept."""

    exit_code = 130


class EngineChanged(RefusedError):
    """Report that the engine has turned out to be another one than a snapshot was made with."""


class TimeIsUp(InterruptedJobError):
    """Report that the time a job was given is over; whole part files are kept."""

    exit_code = 5


class DatasetError(EmbedPipelineError):
    """Report a dataset that cannot be read or written."""


class DocumentError(EmbedPipelineError):
    """Be the base of faults of one document, found without asking the endpoint."""


class UnreadableLine(DocumentError):
    """Report a line that is not what its format promises."""


class MissingField(DocumentError):
    """Report a document without a text or an id."""


class WrongType(DocumentError):
    """Report a text or id that is not a string."""


class EmptyText(DocumentError):
    """Report a text of nothing but white space."""


class BadCharacter(DocumentError):
    """Report a text with a lone surrogate, a NUL, or a character too long for a piece."""


class BadAttribute(DocumentError):
    """Report an attribute that does not fit the dataset's schema."""


class EndpointError(EmbedPipelineError):
    """Report what the endpoint answered, or that it did not.

    Args:
        message: What happened, where, and what to do. No secrets.
        status: The HTTP status, or None where there was no answer.
        retry_after: Seconds the endpoint asked to wait, or None.

    Attributes:
        attempts: Requests that ended in this error, repetitions included.
        lost_s, throttled_s: Seconds those took with the waits between them, and the part of them
            that was waited because the endpoint was too busy.
        faults: How often each kind of error was met on the way.
        elsewhere: Whether another address is there to try at once.
        address: Where it was met, without secrets, or "".
    """

    scope: ClassVar[Scope] = "job"

    def __init__(
        self, message: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, status, retry_after)
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.attempts = 1
        self.lost_s = 0.0
        self.throttled_s = 0.0
        self.faults: dict[str, int] = {}
        self.elsewhere = False
        self.address = ""

    def __str__(self) -> str:
        return self.message


class TransientError(EndpointError):
    """Be the base of failures that may pass when tried again.

    `tries` bounds how often one request is tried when this is its answer; None leaves that to the
    job's retry settings.
    """

    tries: ClassVar[int | None] = None


class ConnectionFailed(TransientError):
    """Report that there is no connection: refused, none in time, or a host that is unknown."""


class ConnectionLost(TransientError):
    """Report a connection that broke in mid-request or in mid-response."""

    scope = "text"
    tries = 3


class RequestTimedOut(TransientError):
    """Report that no whole answer came in time."""

    scope = "text"
    tries = 1


class Overloaded(TransientError):
    """Report that the endpoint, or a proxy before it, is too busy."""


class TokenUnavailable(TransientError):
    """Report that whoever gives the token for the endpoint cannot be reached or is in trouble."""


class ModelLoadFailed(TransientError):
    """Report that the model could not be loaded, perhaps for want of memory."""


class RunnerCrashed(TransientError):
    """Report that the model's process died in mid-request."""

    scope = "text"
    tries = 3


class VectorNotFinite(TransientError):
    """Report NaN or infinity in a vector."""

    scope = "text"
    tries = 2


class WrongAnswer(TransientError):
    """Report a success that does not hold the vectors asked for."""

    scope = "text"
    tries = 2


class ServerFault(TransientError):
    """Report any other 5xx."""

    scope = "text"
    tries = 3


class PermanentError(EndpointError):
    """Be the base of failures that no repetition can heal."""


class TextTooLong(PermanentError):
    """Report a text that exceeds the model's context, or a request a proxy finds too large."""

    scope = "text"


class ModelNotFound(PermanentError):
    """Report a model the endpoint does not have."""


class NotAnEndpoint(PermanentError):
    """Report that something else answers at this address."""


class Unauthorized(PermanentError):
    """Report that the endpoint wants other credentials, or that there are none for it."""


class CannotEmbed(PermanentError):
    """Report a model without embeddings."""


class RequestRejected(PermanentError):
    """Report a request the endpoint will never accept, for one of its texts or for all."""

    scope = "text"


class ModelChanged(PermanentError):
    """Report that another model answers under the name than at the start.

    Attributes:
        since: When the model was last seen to be the same, in seconds since the epoch: what was
            embedded after that is not to be trusted; 0.0 where that is not known, so that nothing
            is. None where the other model has given no vector.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        retry_after: float | None = None,
        since: float | None = 0.0,
    ) -> None:
        super().__init__(message, status, retry_after)
        self.args = (*self.args, since)  # some runners make an error anew from its arguments
        self.since = since


class VectorsContradicted(PermanentError):
    """Report that a vector turned out to be another text's."""


class NothingSucceeds(PermanentError):
    """Report that no text has got a vector for so long that going on is hopeless."""
