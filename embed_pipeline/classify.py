"""What an HTTP answer means: which error of errors.py it is, and so whether to try again.

The status alone does not tell: a model process that crashed in mid-request is reported as 400, a
wrong option as 500. The texts matched here are those of Ollama 0.13 to 0.33.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from embed_pipeline import errors
from embed_pipeline.address import masked

_CRASHED = re.compile(
    r"do embedding request:|error reading embed response:|unexpected server status:"
    r"|llama runner process|health resp:|server not responding|connection refused"
    r"|no slots available|unmarshal tokenize response|context canceled|\": EOF$|connection reset"
)
_TOO_LONG = re.compile(
    r"input length exceeds|input after truncation exceeds|cannot be truncated further"
)
_NOT_FINITE = re.compile(r"unsupported value: (NaN|[+-]?Inf)|NaN or Inf")
_WRONG_OPTION = re.compile(r'option "[^"]*" must be of')
_NOT_LOADED = re.compile(
    r"model failed to load|requires more system memory|timed out waiting for llama runner"
    r"|llama runner process has terminated|unable to load model|out of memory"
)
_TEXTS: tuple[tuple[re.Pattern[str], int, type[errors.EndpointError], str], ...] = (
    (_TOO_LONG, 400, errors.TextTooLong, "shorten it, or use a model with a longer context"),
    (_NOT_FINITE, 400, errors.VectorNotFinite, "the model computes no finite vector for it"),
    (_WRONG_OPTION, 400, errors.RequestRejected, "correct endpoint.options"),
    (_NOT_LOADED, 500, errors.ModelLoadFailed, "free memory there, or choose a smaller model"),
    (_CRASHED, 400, errors.RunnerCrashed, "the server's model process died in mid-request"),
)
_BUSY = {408, 429, 502, 503, 504}
MAX_SHOWN = 300


def classify(
    status: int, headers: Mapping[str, str], body: bytes, request: str
) -> errors.EndpointError:
    """Return the error an answer other than a success stands for.

    Args:
        status: HTTP status; 200 only where the body is not what was asked for.
        headers: The answer's headers, looked up by lower-case name.
        body: The answer's body, or its beginning.
        request: Method and address without secrets, to begin the message with.
    """
    text = _error_text(body)
    kind, advice = _kind(status, headers, text, is_json=text is not None)
    shown = text if text is not None else body.decode("utf-8", "replace")
    message = f"{request}: {status} {_shortened(shown)}".rstrip()
    return kind(f"{message} ({advice})", status, retry_after(headers))


def _kind(
    status: int, headers: Mapping[str, str], text: str | None, *, is_json: bool
) -> tuple[type[errors.EndpointError], str]:
    """Decide by status and text; the second value says what to do."""
    if status in (401, 403):
        return errors.Unauthorized, "set endpoint.auth or headers, or allow this host there"
    if status == 501:
        return errors.CannotEmbed, "choose a model made for embeddings"
    if status == 404 and is_json:
        return errors.ModelNotFound, "pull the model there, or correct endpoint.model"
    if status in (404, 405) or status < 400:
        where = f"; it points to {masked(headers['location'])}" if "location" in headers else ""
        return errors.NotAnEndpoint, f"no embed endpoint answers there: correct endpoint.url{where}"
    if status in _BUSY:
        return errors.Overloaded, "the server is too busy; fewer requests in flight may help"
    return _by_text(status, text or "")


def _by_text(status: int, text: str) -> tuple[type[errors.EndpointError], str]:
    """Decide among the other 4xx and 5xx, whose text says more than their status."""
    if status == 413:
        return errors.TextTooLong, "a limit on the way refuses so large a request; shorten the text"
    for pattern, lowest, kind, advice in _TEXTS:
        if status >= lowest and pattern.search(text):
            return kind, advice
    if status >= 500:
        return errors.ServerFault, "see the server's log"
    return errors.RequestRejected, "the server refuses this request for good"


def _error_text(body: bytes) -> str | None:
    """Return the text of `{"error": ...}`, or None where the body is something else."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict) or "error" not in answer:
        return None
    error = answer["error"]
    if isinstance(error, dict):  # the OpenAI-style form
        error = error.get("message", "")
    return str(error)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 1] + "…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds Retry-After asks to wait (a number or a date, RFC 9110), or None."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
