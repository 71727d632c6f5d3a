"""Every error, from the tree of errors."""

from collections.abc import Iterator
from typing import Any

from embed_pipeline import errors
from embed_pipeline.endpoint import Retry
from embed_pipeline.errors import DocumentError, EmbedPipelineError, EndpointError
from embed_pipeline.exit_codes import ExitCode
from tests.reference.markdown import table

RAISED_AS_THEY_ARE = (errors.InterruptedJobError, errors.RefusedError)  # beside kinds of their own


def leaves(kind: type[EmbedPipelineError] = EmbedPipelineError) -> Iterator[type[Any]]:
    """Yield every kind of error that is raised, in the order of the tree."""
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    if not below or kind in RAISED_AS_THEY_ARE:
        yield kind
    for one in below:
        yield from leaves(one)


def tries(kind: type[EndpointError]) -> int:
    """Return how often a request is sent, at most, before this is its end."""
    if issubclass(kind, errors.TransientError):
        return kind.tries or Retry().attempts
    return 1


def regions() -> dict[str, str]:
    """Return a table for each of the three kinds of errors."""
    of_job = [one for one in leaves() if not issubclass(one, DocumentError | EndpointError)]
    return {
        "errors of a job": table(
            ("Error", "Exit code", "What happened", "What to do"),
            [(f"`{one.__name__}`", _codes(one), one.happened, one.cure) for one in of_job],
        ),
        "errors of a document": table(
            ("Error", "What happened", "What to do"),
            [(f"`{one.__name__}`", one.happened, one.cure) for one in leaves(DocumentError)],
        ),
        "errors of the endpoint": table(
            ("Error", "What happened", "Tries", "Scope", "What to do"),
            [
                (f"`{one.__name__}`", one.happened, str(tries(one)), one.scope, one.cure)
                for one in leaves(EndpointError)
            ],
        ),
    }


def _codes(kind: type[EmbedPipelineError]) -> str:
    if kind is errors.InterruptedJobError:
        return f"{ExitCode.INTERRUPTED}, {ExitCode.TERMINATED}"
    return "none" if kind is errors.EngineChanged else str(int(kind.exit_code))
