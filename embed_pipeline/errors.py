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

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

from embed_pipeline.exit_codes import ExitCode

Scope = Literal["text", "job"]


class EmbedPipelineError(Exception):
    """Be the base of every error this package raises on purpose.

    Attributes:
        exit_code: What a job ends with that meets it.
        happened, cure: What has happened and what to do, of the kind; the message says it of the
            case. Markdown without links; docs/errors.md is made of them.
    """

    exit_code: int = ExitCode.FAILED
    happened: ClassVar[str] = ""
    cure: ClassVar[str] = ""


class ConfigError(EmbedPipelineError):
    """Report a job file, flag or input that cannot work, before any work was done."""

    exit_code = ExitCode.WRONG
    happened = (
        "The job file, a flag, the input or the environment cannot work: an unknown key, a pattern "
        "that matches nothing, an output that exists, a model nobody has, a missing token."
    )
    cure = "Follow the message; it names the key or the file."


class RefusedError(EmbedPipelineError):
    """Refuse to go on where that would damage or mix datasets."""

    exit_code = ExitCode.REFUSED
    happened = (
        "Going on would damage or mix datasets: ids stand more than once or are positions, the "
        "endpoint's model has another digest than the dataset's or computes otherwise, most of a "
        "store's documents are gone from the corpus, an attribute has become something else, or "
        "another job is at work there."
    )
    cure = (
        "Follow the message. Make the ids unique, or in `run` set `corpus.on_duplicate`, in a "
        "pipeline `on_duplicate` of `WriteDataset`; give `search --url` the endpoint the dataset "
        "was made with."
    )


class InterruptedJobError(EmbedPipelineError):
    """Report that a signal ended the job; whole part files are kept."""

    exit_code = ExitCode.INTERRUPTED
    happened = "SIGINT (130) or SIGTERM (143) asked the job to stop. Whole part files are kept."
    cure = "Start it again; it goes on where it stopped."


class EngineChanged(RefusedError):
    """Report that the engine has turned out to be another one than a snapshot was made with."""

    happened = (
        "The model of a refresh has turned out to have another digest, context, dimension or "
        "tokenizer than the snapshot's. The refresh begins again by itself and embeds everything "
        "anew, which it says."
    )
    cure = "Nothing."


class TimeIsUp(InterruptedJobError):
    """Report that the time a job was given is over; whole part files are kept."""

    exit_code = ExitCode.TIME_IS_UP
    happened = "The time of `--max-runtime` is over. Whole part files are kept."
    cure = "Start it again; it goes on where it stopped."


class DatasetError(EmbedPipelineError):
    """Report a dataset that cannot be read or written."""

    happened = (
        "A dataset or an input file cannot be read or written, the manifest is missing, damaged or "
        "of a newer version, or rows are missing at the commit."
    )
    cure = "Repair or leave out the file it names; for a newer manifest, install the newer version."


class DocumentError(EmbedPipelineError):
    """Be the base of faults of one document, found without asking the endpoint."""


class UnreadableLine(DocumentError):
    """Report a line that is not what its format promises."""

    happened = (
        "A line is not what its format promises: no JSON object, another number of fields than the "
        "header, not UTF-8, more than 64 MiB."
    )
    cure = "Correct the line the message names."


class MissingField(DocumentError):
    """Report a document without a text or an id."""

    happened = "There is no text or no id, or it is null."
    cure = 'Name the right field in `corpus.text` or `corpus.id`; `id: ""` makes ids of the texts.'


class WrongType(DocumentError):
    """Report a text or id that is not a string."""

    happened = (
        "The text is not a string, or the id neither a string nor an integer (readers make floats "
        "of integers where one is missing). Or, stage `write`, a step between has changed a "
        "vector."
    )
    cure = (
        "Correct the field, declare or cast the column, or name another one; leave vectors as they "
        "are."
    )


class EmptyText(DocumentError):
    """Report a text of nothing but white space."""

    happened = "Nothing but white space."
    cure = "Leave the document out."


class BadCharacter(DocumentError):
    """Report a text with a lone surrogate, a NUL, or a character too long for a piece."""

    happened = (
        "A lone surrogate or a NUL: endpoints drop or replace them in silence, so that the vector "
        "would not be that of the text. Or, where documents are split, a character that alone "
        "exceeds `chunking.max_tokens`."
    )
    cure = (
        "Correct the decoding where the corpus is made; remove NULs; raise `chunking.max_tokens`."
    )


class BadAttribute(DocumentError):
    """Report an attribute that does not fit the dataset's schema."""

    happened = (
        "An attribute does not fit the dataset's schema, has no JSON (bytes, a lone surrogate), or "
        "has the name of another field."
    )
    cure = (
        "Declare it in `corpus.attributes` with a type that fits all rows, leave it out, or rename "
        "it."
    )


class FailedTry(NamedTuple):
    """Hold one try of a request that failed.

    Attributes:
        kind: The name of the error.
        address: Where it was met, without secrets, or "".
        seconds: How long it took, with the wait before the next try.
    """

    kind: str
    address: str
    seconds: float


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
        failed_tries: Those tries, one by one.
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
        self.failed_tries: Sequence[FailedTry] = ()
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

    happened = "No connection: refused, no such host, none within `timeouts.connect`."
    cure = "Start the endpoint; correct `endpoint.url`."


class ConnectionLost(TransientError):
    """Report a connection that broke in mid-request or in mid-response."""

    scope = "text"
    tries = 3
    happened = (
        "The connection was reset or cut short in mid-request or in mid-response: a server that "
        "was restarted, or that died of a text."
    )
    cure = "See the server's log; the text that does it alone stands in `failures/`."


class RequestTimedOut(TransientError):
    """Report that no whole answer came in time."""

    scope = "text"
    tries = 1
    happened = (
        "No whole answer in time. The request is cut in halves at once, and the next ones have "
        "half as many texts for a while."
    )
    cure = (
        "Smaller requests (`batching.max_chars`), or a longer `timeouts.read`; the text that is "
        "never answered alone stands in `failures/`."
    )


class Overloaded(TransientError):
    """Report that the endpoint, or a proxy before it, is too busy."""

    happened = "408, 429, 502, 503, 504; `Retry-After` is honored."
    cure = "Fewer requests in flight, fewer workers, or more servers."


class TokenUnavailable(TransientError):
    """Report that whoever gives the token for the endpoint cannot be reached or is in trouble."""

    happened = (
        "Whoever gives the token of `endpoint.auth` (the metadata server, Secret Manager) does not "
        "answer, answers 408, 429 or 5xx, or gives something that is no token. The endpoint was "
        "not asked."
    )
    cure = (
        "Nothing, if it passes; otherwise see whether the address in the message can be reached "
        "from the workers."
    )


class ModelLoadFailed(TransientError):
    """Report that the model could not be loaded, perhaps for want of memory."""

    happened = "The model cannot be loaded, perhaps for want of memory."
    cure = "Free memory there, a smaller model or a smaller `num_ctx`."


class RunnerCrashed(TransientError):
    """Report that the model's process died in mid-request."""

    scope = "text"
    tries = 3
    happened = "The server's model process died in mid-request, whatever the status."
    cure = "See the server's log; the text that does it alone stands in `failures/`."


class VectorNotFinite(TransientError):
    """Report NaN or infinity in a vector."""

    scope = "text"
    tries = 2
    happened = "NaN, infinity or null in a vector, or the server's report of one."
    cure = "Another model or version; the text stands in `failures/`."


class WrongAnswer(TransientError):
    """Report a success that does not hold the vectors asked for."""

    scope = "text"
    tries = 2
    happened = (
        "200, but not the vectors asked for: another number or dimension, a norm other than 1, one "
        "vector for different texts, no JSON, too large."
    )
    cure = "Look what answers there: a proxy, another server, a model that does not normalize."


class ServerFault(TransientError):
    """Report any other 5xx."""

    scope = "text"
    tries = 3
    happened = "Any other 5xx."
    cure = (
        "See the server's log. A document is to blame where it failed each time, alone, after "
        "short texts had succeeded."
    )


class PermanentError(EndpointError):
    """Be the base of failures that no repetition can heal."""


class TextTooLong(PermanentError):
    """Report a text that exceeds the model's context, or a request a proxy finds too large."""

    scope = "text"
    happened = (
        "With `tokens.on_too_long: fail`, the text is longer than the context: nothing was sent of "
        "it (`attempts` 0), or the endpoint refused it. Else the endpoint refuses every head of "
        "it, or a limit on the way does (413)."
    )
    cure = (
        "Shorten it, let it be cut or split (`tokens.on_too_long`), raise `num_ctx`, or use a "
        "model with a longer context; after a 413 raise the limit of the proxy."
    )


class ModelNotFound(PermanentError):
    """Report a model the endpoint does not have."""

    happened = "The endpoint does not have the model."
    cure = "`ollama pull MODEL` there, or correct `endpoint.model`."


class NotAnEndpoint(PermanentError):
    """Report that something else answers at this address."""

    happened = "Something else answers: 404 or 405 without JSON, a redirect, a web page."
    cure = "Correct `endpoint.url`."


class Unauthorized(PermanentError):
    """Report that the endpoint wants other credentials, or that there are none for it."""

    happened = (
        "401 or 403. On 401 the token is read or fetched again first, and a new one is tried once. "
        "Or whoever gives tokens refuses one for good, such as 403 or 404 from Secret Manager; the "
        "message names the address."
    )
    cure = (
        "Set `endpoint.auth` or `headers`, or allow this host there; grant the service account "
        "what the message names."
    )


class CannotEmbed(PermanentError):
    """Report a model without embeddings."""

    happened = "501: the model has no embeddings."
    cure = "Choose a model made for embeddings."


class RequestRejected(PermanentError):
    """Report a request the endpoint will never accept, for one of its texts or for all."""

    scope = "text"
    happened = (
        "Any other 4xx, and options of a wrong type. The job stops where every request is refused."
    )
    cure = (
        "Correct `endpoint.options`; the message ends with the server's own words. A text that is "
        "refused alone stands in `failures/`."
    )


class ModelChanged(PermanentError):
    """Report that another model answers under the name than at the start.

    Attributes:
        since: When the model was last seen to be the same, in seconds since the epoch: what was
            embedded after that is not to be trusted; 0.0 where that is not known, so that nothing
            is. None where the other model has given no vector.
    """

    happened = (
        "Another digest or context under the model's name than at the start, or other vectors for "
        "four short texts. It is looked at before the first text, every 60 s, after each broken "
        "connection and after the last text."
    )
    cure = (
        "Put the model back and run again: what was embedded while it was the right one is reused. "
        "With the new model everything is embedded anew."
    )

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

    happened = (
        "Two different texts got one vector, and asked again, each alone, the earlier one gets "
        "another: rows that are written may be wrong. Or the sample of rows that is sent again at "
        "the end got other vectors than the rows have; or the check at the start of a run found "
        "texts of a request mixed up."
    )
    cure = "See the server's log; run again: nothing of this run is reused."


class NothingSucceeds(PermanentError):
    """Report that no text has got a vector for so long that going on is hopeless."""

    happened = (
        "Texts were sent for `retry.stalled_seconds` (900) and none got a vector; or all documents "
        "of the corpus failed at the endpoint by errors that may pass."
    )
    cure = "See the last error, which the message holds, and the server's log."
