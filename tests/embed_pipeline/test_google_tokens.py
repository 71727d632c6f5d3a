"""Tokens of Google Cloud, against a token server of our own in its place."""

import logging
import math
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed_pipeline import errors
from embed_pipeline.google_tokens import API_VARIABLE, IdentityToken, Secret
from tests.support.scripted import Reply
from tests.support.token_server import SECRET, TokenServer, asked_here, token_server

AUDIENCE = "https://embed.example.run.app"


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    with token_server() as server:
        asked_here(server, monkeypatch)
        yield server


# Identity tokens


def test_an_identity_token_comes_from_the_metadata_server_with_its_expiry(
    tokens: TokenServer,
) -> None:
    token, expires_at = IdentityToken(AUDIENCE)()
    assert tokens.issued == {token: (AUDIENCE, expires_at)}


def test_an_identity_token_comes_for_the_key_of_a_service_account(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", tokens.key_file(tmp_path / "key.json"))
    fetch = IdentityToken(AUDIENCE)
    found = [fetch(), fetch()]
    assert tokens.issued == {token: (AUDIENCE, expiry) for token, expiry in found}
    assert [path for path, _ in tokens.asked] == ["/token", "/token"]


def test_a_renewal_is_one_request(tokens: TokenServer) -> None:
    fetch = IdentityToken(AUDIENCE)
    fetch()
    tokens.asked.clear()
    fetch()
    assert [path.rsplit("/", 1)[1] for path, _ in tokens.asked] == ["identity"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_token_server_in_trouble_is_asked_once_and_told_of(
    tokens: TokenServer, status: int
) -> None:
    fetch = IdentityToken(AUDIENCE)
    fetch()
    tokens.trouble = lambda _: Reply(status, b"in trouble")
    with pytest.raises(errors.TokenUnavailable, match=rf"identity: {status} in trouble$") as caught:
        fetch()
    assert caught.value.status == status
    assert tokens.times("identity") == 2


def test_no_token_server_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    with token_server() as server:
        asked_here(server, monkeypatch)
        server.go_down()
        with pytest.raises(
            errors.TokenUnavailable,
            match=r"^endpoint\.auth\.google_id_token: GET http.*no answer .*not Google Cloud",
        ):
            IdentityToken(AUDIENCE)()
        server.come_back()


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_for_good_and_says_what_to_do(tokens: TokenServer, status: int) -> None:
    reply = Reply(status, b"no service account here")
    tokens.trouble = lambda path: reply if path.endswith("identity") else None
    with pytest.raises(errors.Unauthorized) as caught:
        IdentityToken(AUDIENCE)()
    assert f"identity: {status} no service account here (attach a service" in str(caught.value)
    assert caught.value.status == status


def test_a_machine_without_a_service_account_is_told_so(tokens: TokenServer) -> None:
    reply = Reply(404, b"Not Found")
    tokens.trouble = lambda path: reply if "service-accounts" in path else None
    for source in (IdentityToken(AUDIENCE), Secret(SECRET)):
        with pytest.raises(errors.Unauthorized, match=r"404 Not Found \(attach a service account"):
            source()


def test_a_key_that_is_refused_is_told_in_the_servers_words_without_what_was_sent(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", tokens.key_file(tmp_path / "key.json"))
    said = b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'
    tokens.trouble = lambda _: Reply(400, said, {"content-type": "application/json"})
    with pytest.raises(errors.Unauthorized, match=r"/token: 400 Invalid JWT Signature\. \("):
        IdentityToken(AUDIENCE)()
    tokens.trouble = lambda _: Reply(400, tokens.asked[-1][1]["assertion"].encode())
    with pytest.raises(errors.Unauthorized, match=r"/token: 400 \*\*\* \("):
        IdentityToken(AUDIENCE)()


@pytest.mark.parametrize("said", ["a.page", "tok3n-of-garbage", '{"to": "ken"}', "a.b.c"])
def test_what_is_no_token_may_pass_and_is_not_told(tokens: TokenServer, said: str) -> None:
    reply = Reply(200, said.encode(), {"content-type": "text/html"})
    tokens.trouble = lambda path: reply if path.endswith("identity") else None
    with pytest.raises(errors.TokenUnavailable, match=r"what came is no token \(\w+\)$") as caught:
        IdentityToken(AUDIENCE)()
    assert said not in str(caught.value)


@pytest.mark.parametrize("source", [IdentityToken(AUDIENCE), Secret(SECRET)])
def test_credentials_that_are_not_there_are_an_error_of_the_settings(
    source: IdentityToken | Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(errors.ConfigError, match=r"no Google credentials \(.*key file of one"):
        source()


def test_a_key_file_that_is_none_is_an_error_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key.json"
    file.write_text('{"type": "service_account", "private_key": "k3y"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(errors.ConfigError, match="no Google credentials") as caught:
        IdentityToken(AUDIENCE)()
    assert "k3y" not in str(caught.value)


# Secrets


@pytest.mark.parametrize("name", [SECRET, f"{SECRET}/versions/latest"])
def test_a_secret_is_its_latest_version(tokens: TokenServer, name: str) -> None:
    tokens.secrets = {f"{SECRET}/versions/1": "old", f"{SECRET}/versions/2": "new\n"}
    assert Secret(name)() == ("new", math.inf)


def test_a_version_can_be_named(tokens: TokenServer) -> None:
    tokens.secrets = {f"{SECRET}/versions/1": "old", f"{SECRET}/versions/2": "new"}
    assert Secret(f"{SECRET}/versions/1")() == ("old", math.inf)


def test_a_secret_is_had_with_the_key_of_a_service_account(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", tokens.key_file(tmp_path / "key.json"))
    tokens.secrets = {f"{SECRET}/versions/1": "the-token"}
    assert Secret(SECRET)() == ("the-token", math.inf)
    assert tokens.times("computeMetadata") == 0


def test_a_secret_that_is_missing_ends_it(tokens: TokenServer) -> None:
    tokens.secrets = {f"{SECRET}/versions/1": "old"}
    name = f"{SECRET}/versions/7"
    with pytest.raises(errors.Unauthorized, match=rf"404 .* not found\. \(see that {name} exists"):
        Secret(name)()


def test_a_secret_one_may_not_read_names_the_role(tokens: TokenServer) -> None:
    tokens.trouble = lambda path: Reply(403, b"denied") if path.startswith("/v1/") else None
    with pytest.raises(
        errors.Unauthorized, match=r"403 denied \(grant the role Secret Manager Sec"
    ):
        Secret(SECRET)()


@pytest.mark.parametrize("secret", ["", "two\nlines", "umläut"])
def test_a_secret_that_is_no_token_is_an_error_that_names_it(
    tokens: TokenServer, secret: str
) -> None:
    tokens.secrets = {f"{SECRET}/versions/1": secret}
    with pytest.raises(errors.ConfigError, match=f"the secret {SECRET}/versions/latest holds no"):
        Secret(SECRET)()


def test_secret_manager_in_trouble_may_pass(tokens: TokenServer) -> None:
    tokens.trouble = lambda path: Reply(503, b"later") if path.startswith("/v1/") else None
    with pytest.raises(errors.TokenUnavailable, match=r"latest:access: 503 later$"):
        Secret(SECRET)()


@pytest.mark.parametrize("said", [b"a page", b"[]", b"{}", b'{"payload": {"data": "%"}}'])
def test_what_is_no_secret_may_pass(tokens: TokenServer, said: bytes) -> None:
    tokens.trouble = lambda path: Reply(200, said) if path.startswith("/v1/") else None
    with pytest.raises(errors.TokenUnavailable, match=r"what came is no token \(\w+\)$"):
        Secret(SECRET)()


@pytest.mark.parametrize("said", [b"[]", b"{}"])
def test_metadata_that_is_none_may_pass(tokens: TokenServer, said: bytes) -> None:
    reply = Reply(200, said, {"content-type": "application/json"})
    tokens.trouble = lambda path: reply if path.startswith("/computeMetadata/") else None
    for source in (IdentityToken(AUDIENCE), Secret(SECRET)):
        with pytest.raises(errors.TokenUnavailable, match=r"what came is no token \(\w+\)$"):
            source()


def test_secret_manager_that_is_not_there_may_pass(
    tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(API_VARIABLE, f"http://127.0.0.1:{taken.getsockname()[1]}/")
        with pytest.raises(errors.TokenUnavailable, match=r"/v1/projects/.*: no answer"):
            Secret(SECRET)()


def test_neither_token_nor_secret_is_logged_or_told(
    tokens: TokenServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens.secrets = {f"{SECRET}/versions/1": "the-secret"}
    identity, _ = IdentityToken(AUDIENCE)()
    Secret(SECRET)()
    tokens.trouble = lambda path: (
        Reply(403, f"not {tokens.access[-1]}".encode()) if "/v1/pro" in path else None
    )
    with pytest.raises(errors.Unauthorized, match=r"403 not \*\*\* \("):
        Secret(SECRET)()
    assert "the-secret" not in caplog.text
    assert not any(token in caplog.text for token in (identity, *tokens.access))
