"""The tree of errors: as its description says, and able to travel between processes."""

import inspect
import pickle
import re
from collections.abc import Iterator

import pytest

from embed_pipeline import errors
from embed_pipeline.errors import EmbedPipelineError, EndpointError

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, EmbedPipelineError)
]
LEAVES = [kind for kind in CLASSES if not any(k.__bases__[0] is kind for k in CLASSES)]
ENDPOINT_LEAVES = [kind for kind in LEAVES if issubclass(kind, EndpointError)]


def described() -> Iterator[tuple[str, str]]:
    """Yield each class the docstring lists, with its parent, by indentation."""
    above: list[tuple[int, str]] = [(0, "Exception")]
    for line in str(errors.__doc__).splitlines():
        found = re.match(r"( {4,})([A-Z]\w+)", line)
        if not found:
            continue
        depth, name = len(found[1]), found[2]
        while above[-1][0] >= depth:
            above.pop()
        yield name, above[-1][1]
        above.append((depth, name))


def test_the_described_tree_is_the_tree() -> None:
    assert dict(described()) == {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}


def test_every_endpoint_error_is_transient_or_permanent() -> None:
    assert len(ENDPOINT_LEAVES) == 19
    for kind in ENDPOINT_LEAVES:
        assert issubclass(kind, errors.TransientError) != issubclass(kind, errors.PermanentError)


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_a_leaf_says_in_its_own_words_what_happened_and_what_to_do(
    kind: type[EmbedPipelineError],
) -> None:
    for words in (vars(kind)["happened"], vars(kind)["cure"]):
        assert words.endswith(".")
        assert "](" not in words


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_a_leaf_survives_pickling_with_its_message(kind: type[EmbedPipelineError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("what, where, cure")))  # noqa: S301 (our own bytes)
    assert type(copy) is kind
    assert str(copy) == "what, where, cure"


@pytest.mark.parametrize("kind", ENDPOINT_LEAVES, ids=lambda kind: kind.__name__)
def test_an_endpoint_error_survives_pickling_with_its_facts(kind: type[EndpointError]) -> None:
    error = kind("what", 503, 2.5)
    error.attempts, error.lost_s, error.throttled_s = 4, 1.5, 0.5
    error.faults = {"Overloaded": 4}
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert (copy.message, copy.status, copy.retry_after) == ("what", 503, 2.5)
    assert (copy.attempts, copy.lost_s, copy.throttled_s) == (4, 1.5, 0.5)
    assert copy.faults == {"Overloaded": 4}


@pytest.mark.parametrize("since", [None, 0.0, 12.5])
def test_a_changed_model_tells_when_it_was_last_the_same_however_it_is_passed_on(
    since: float | None,
) -> None:
    error = errors.ModelChanged("what", since=since)
    assert pickle.loads(pickle.dumps(error)).since == since  # noqa: S301 (our own bytes)
    assert errors.ModelChanged("what, and where", *error.args[1:]).since == since


def test_a_changed_model_of_which_nothing_is_known_was_never_the_same() -> None:
    assert errors.ModelChanged("what").since == 0.0


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.RefusedError, 4),
        (errors.EngineChanged, 4),
        (errors.InterruptedJobError, 130),
        (errors.TimeIsUp, 5),
        (errors.DatasetError, 1),
        (errors.ConnectionFailed, 1),
        (errors.EmptyText, 1),
    ],
)
def test_exit_codes(kind: type[EmbedPipelineError], code: int) -> None:
    assert kind.exit_code == code


def test_only_these_can_be_one_texts_fault() -> None:
    assert {kind.__name__ for kind in ENDPOINT_LEAVES if kind.scope == "text"} == {
        "ConnectionLost",
        "RequestRejected",
        "RequestTimedOut",
        "RunnerCrashed",
        "VectorNotFinite",
        "WrongAnswer",
        "ServerFault",
        "TextTooLong",
    }
