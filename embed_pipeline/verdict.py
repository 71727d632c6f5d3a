"""What a check of an endpoint found: a promise holds, is broken, or could not be tried."""

from typing import Literal, NamedTuple

from embed_pipeline import errors

Finding = Literal["holds", "broken", "not known"]
ANOTHER_SERVER = "use another server, or a newer one"
# Errors that are answers, and stayed the same when the request was repeated.
ANSWERS = (
    errors.RunnerCrashed,
    errors.ServerFault,
    errors.TextTooLong,
    errors.VectorNotFinite,
    errors.WrongAnswer,
)


class Case(NamedTuple):
    """Name a text on which a promise is broken.

    Attributes:
        text: What was sent.
        cosine: Of its vector to the right one, or None where it got no vector.
    """

    text: str
    cosine: float | None


class Verdict(NamedTuple):
    """Hold what was found of one promise.

    Attributes:
        name: The promise.
        verdict: Whether it holds.
        detail: One line: what was seen, and where it does not hold, what to do.
        cases: The texts that are hit, the worst first.
    """

    name: str
    verdict: Finding
    detail: str
    cases: tuple[Case, ...] = ()


def failed(name: str, error: errors.EndpointError, cure: str = ANOTHER_SERVER) -> Verdict:
    """Return the verdict on a promise where a text that every endpoint takes got no good vector.

    An answer that did not come, or not in time, proves nothing.

    Args:
        name: The promise.
        error: What came instead.
        cure: What to do where the promise is broken.

    Raises:
        EndpointError: It concerns all texts, so that nothing can be said of a promise.
    """
    if error.scope == "job":
        raise error
    if isinstance(error, ANSWERS):
        return Verdict(name, "broken", f"{error}; {cure}")
    return Verdict(name, "not known", str(error))
