"""The bearer token: where it is read, what is no token, and when it is renewed."""

import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embed_pipeline import errors
from embed_pipeline.auth import Bearer
from embed_pipeline.endpoint import Auth
from tests.support.scripted import Reply
from tests.support.token_server import TokenServer, asked_here, token_server

AUDIENCE = "https://embed.example.run.app"
IDENTITY = Auth(google_id_token=AUDIENCE)


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    with token_server() as server:
        asked_here(server, monkeypatch)
        yield server


class Clock:
    """A clock that stands where a test sets it, in seconds before the last token's expiry."""

    def __init__(self, tokens: TokenServer) -> None:
        self._tokens = tokens
        self.before_expiry = 3600.0

    def __call__(self) -> float:
        return list(self._tokens.issued.values())[-1][1] - self.before_expiry


# Tokens that are at hand


def test_without_settings_there_is_no_token() -> None:
    bearer = Bearer(None)
    assert bearer.current() is None
    assert bearer.renewed(None) is None
    assert bearer.secrets == ()


def test_a_token_is_read_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_TOKEN", " t0ken\n")
    assert Bearer(Auth(env="EMBED_TOKEN")).current() == "t0ken"


def test_a_token_in_a_file_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    bearer = Bearer(Auth(file=str(file)))
    file.write_text("new\n")
    assert bearer.current() == "old"
    assert bearer.renewed("old") == "new"
    assert bearer.current() == "new"
    assert bearer.secrets == ("old", "new")


@pytest.mark.parametrize("content", [None, "", " \n", "sec ret\nmore", "secrét", b"\xff"])
def test_a_file_without_a_token_is_an_error_that_names_it(
    tmp_path: Path, content: str | bytes | None
) -> None:
    file = tmp_path / "token"
    if isinstance(content, str):
        file.write_text(content, encoding="utf-8")
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=r"endpoint\.auth: .*token") as caught:
        Bearer(Auth(file=str(file)))
    assert "sec" not in str(caught.value)


def test_a_variable_that_is_not_set_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EMBED_TOKEN", raising=False)
    with pytest.raises(errors.ConfigError, match="environment variable EMBED_TOKEN holds no token"):
        Bearer(Auth(env="EMBED_TOKEN"))


# Tokens that are fetched


def test_a_token_is_fetched_with_the_first_request_and_kept(tokens: TokenServer) -> None:
    bearer = Bearer(IDENTITY)
    assert tokens.asked == []
    first = bearer.current()
    assert bearer.current() == first
    assert list(tokens.issued) == [first]


@pytest.mark.parametrize(
    ("lifetime", "still_good", "renewed"), [(3600, 61.0, 59.0), (100, 21.0, 19.0)]
)
def test_a_token_is_renewed_a_minute_or_a_fifth_of_its_time_before_it_expires(
    tokens: TokenServer, lifetime: int, still_good: float, renewed: float
) -> None:
    tokens.lifetime = lifetime
    clock = Clock(tokens)
    clock.before_expiry = lifetime
    bearer = Bearer(IDENTITY, clock)
    first = bearer.current()
    clock.before_expiry = still_good
    assert bearer.current() == first
    clock.before_expiry = renewed
    assert bearer.current() != first
    assert tokens.times("identity") == 2


def test_a_token_that_comes_again_is_not_asked_for_at_each_request(tokens: TokenServer) -> None:
    clock = Clock(tokens)
    bearer = Bearer(IDENTITY, clock)
    first = str(bearer.current())
    tokens.trouble = lambda path: (
        Reply(200, first.encode(), {"content-type": "text/html"})
        if (path.endswith("identity"))
        else None
    )
    clock.before_expiry = 50.0
    assert [bearer.current() for _ in range(9)] == [first] * 9
    assert tokens.times("identity") == 2
    clock.before_expiry = 9.0
    assert [bearer.current() for _ in range(9)] == [first] * 9
    assert tokens.times("identity") == 3


def test_a_clock_that_is_wrong_renews_on_refusal_only(tokens: TokenServer) -> None:
    clock = Clock(tokens)
    clock.before_expiry = -7200.0
    bearer = Bearer(IDENTITY, clock)
    first = bearer.current()
    assert [bearer.current() for _ in range(9)] == [first] * 9
    assert bearer.renewed(first) != first
    assert tokens.times("identity") == 2


def test_where_the_renewal_fails_the_token_is_used_until_it_expires(
    tokens: TokenServer, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(tokens)
    bearer = Bearer(IDENTITY, clock)
    first = bearer.current()
    tokens.trouble = lambda _: Reply(503, b"later")
    clock.before_expiry = 50.0
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        assert [bearer.current() for _ in range(9)] == [first] * 9
    assert tokens.times("identity") == 2
    assert caplog.text.count("503 later; using the token there is until it expires") == 1
    clock.before_expiry = 0.0
    with pytest.raises(errors.TokenUnavailable, match=r"GET http://127.*identity: 503 later$"):
        bearer.current()
    tokens.trouble = lambda _: None
    assert bearer.current() != first


def test_of_threads_that_meet_a_refusal_together_one_renews(tokens: TokenServer) -> None:
    bearer = Bearer(IDENTITY)
    used = bearer.current()
    together = threading.Barrier(16)

    def renew(_: int) -> str | None:
        together.wait()
        return bearer.renewed(used)

    with ThreadPoolExecutor(16) as threads:
        found = set(threads.map(renew, range(16)))
    assert len(found) == 1
    assert used not in found
    assert tokens.times("identity") == 2


def test_who_comes_late_with_an_old_token_gets_the_new_one(tokens: TokenServer) -> None:
    bearer = Bearer(IDENTITY)
    used = bearer.current()
    renewed = bearer.renewed(used)
    assert bearer.renewed(used) == renewed
    assert tokens.times("identity") == 2


def test_of_threads_that_have_no_token_yet_one_fetches(tokens: TokenServer) -> None:
    bearer = Bearer(IDENTITY)
    with ThreadPoolExecutor(16) as threads:
        found = set(threads.map(lambda _: bearer.current(), range(16)))
    assert found == set(tokens.issued)
    assert tokens.times("identity") == 1


def test_of_threads_that_wait_for_one_all_are_told_that_it_failed(tokens: TokenServer) -> None:
    tokens.trouble = lambda _: Reply(503, b"later")
    bearer = Bearer(IDENTITY)
    together = threading.Barrier(16)

    def ask(_: int) -> str:
        together.wait()
        with pytest.raises(errors.TokenUnavailable) as caught:
            bearer.current()
        return str(caught.value)

    with ThreadPoolExecutor(16) as threads:
        (told,) = set(threads.map(ask, range(16)))
    assert told.endswith("503 later")
    assert len(tokens.asked) < 16


def test_the_latest_tokens_are_secrets(tokens: TokenServer) -> None:
    bearer = Bearer(IDENTITY)
    for _ in range(10):
        bearer.renewed(bearer.current())
    assert bearer.secrets == tuple(tokens.issued)[-8:]
    assert not any(token in repr(bearer) for token in tokens.issued)


def test_settings_that_travel_hold_no_token(tokens: TokenServer) -> None:
    auth = Auth(google_id_token=AUDIENCE)
    token = str(Bearer(auth).current())
    assert token.encode() not in pickle.dumps(auth)
    assert token not in repr(auth)
    assert pickle.loads(pickle.dumps(auth)) == auth  # noqa: S301 (our own bytes)


def test_packages_that_are_missing_are_named_with_the_extra() -> None:
    program = (
        "import sys; sys.modules['google.auth'] = None\n"
        "from embed_pipeline.auth import Bearer\n"
        "from embed_pipeline.endpoint import Auth\n"
        "Bearer(Auth(google_id_token='https://a'))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ConfigError: endpoint.auth: tokens of Google Cloud need further" in found.stderr
    assert "pip install 'embed_pipeline[gcp]'" in found.stderr
