"""Addresses: what OLLAMA_HOST may say, and what may be shown of an address."""

import pytest

from embed_pipeline import address
from embed_pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        ("example.com", "http://example.com:11434"),
        ("example.com:1234", "http://example.com:1234"),
        (":66000", "http://127.0.0.1:11434"),
        (":-1", "http://127.0.0.1:11434"),
        ("example.com:http", "http://example.com:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("[::]", "http://[::1]:11434"),
        ("[::]:80", "http://[::1]:80"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (" 1.2.3.4 ", "http://1.2.3.4:11434"),
        ('"1.2.3.4"', "http://1.2.3.4:11434"),
        ('" 1.2.3.4 "', "http://1.2.3.4:11434"),
        ("'1.2.3.4'", "http://1.2.3.4:11434"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("http://1.2.3.4:4321", "http://1.2.3.4:4321"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("HTTPS://1.2.3.4", "https://1.2.3.4:443"),
        ("https://example.com/ollama", "https://example.com:443/ollama"),
        ("https://example.com:8443/ollama/", "https://example.com:8443/ollama"),
        ("http://user:pw@example.com", "http://user:pw@example.com:80"),
    ],
)
def test_every_form_of_ollama_host_is_understood(value: str, url: str) -> None:
    assert address.from_environment({"OLLAMA_HOST": value}) == url


def test_without_ollama_host_the_default_is_meant() -> None:
    assert address.from_environment({}) == "http://127.0.0.1:11434"


def test_another_scheme_is_refused() -> None:
    with pytest.raises(ConfigError, match="OLLAMA_HOST has the scheme 'ftp': use http or https"):
        address.from_environment({"OLLAMA_HOST": "ftp://example.com"})


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://localhost:11434", "http://localhost:11434"),
        ("https://example.com/ollama/", "https://example.com/ollama"),
        ("http://[::1]:11434/", "http://[::1]:11434"),
        ("http://alice:secret@host", "http://alice:secret@host"),
    ],
)
def test_a_base_url_loses_only_its_last_slash(url: str, base: str) -> None:
    assert address.checked(url) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:11434",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host:port",
        "http://[::1",
    ],
)
def test_what_is_no_base_url_is_refused_with_the_cure(url: str) -> None:
    with pytest.raises(ValueError, match=r"use http://HOST:PORT, 'worker', 'embedded' or 'auto'"):
        address.checked(url)


@pytest.mark.parametrize("more", ["?token=secret", "/?token=secret", "#secret", "?"])
def test_an_address_with_a_query_is_told_so_without_it(more: str) -> None:
    with pytest.raises(ValueError, match=r"^'http://host/b/?' has a query or a fragment") as caught:
        address.checked(f"http://alice:pw@host/b{more}")
    assert "leave out '?' or '#' and what follows" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:11434", "http://host:11434"),
        ("http://alice:secret@host:11434/base", "http://host:11434/base"),
        ("http://secret@host", "http://host"),
        ("https://host/base?token=secret#secret", "https://host/base"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("http://[::1", "an address that cannot be parsed"),
        ("localhost:11434", "localhost:11434"),
    ],
)
def test_a_masked_url_has_no_secrets(url: str, shown: str) -> None:
    assert address.masked(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "alice:secret@host:11434",
        "http:/alice:secret@host",
        "http://alice:sec#ret@host",
        "http://alice:sec/ret@host",
        "http://alice:sec?ret@host",
        "secret@[::1",
    ],
)
def test_a_password_in_a_wrong_address_is_shown_neither_masked_nor_in_the_error(url: str) -> None:
    with pytest.raises(ValueError, match="is not an address") as caught:
        address.checked(url)
    for shown in (address.masked(url), str(caught.value)):
        assert "sec" not in shown.partition("write special")[0]
        assert "alice" not in shown
