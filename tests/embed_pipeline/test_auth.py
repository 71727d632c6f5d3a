"""The bearer token: where it is read, and what is no token."""

from pathlib import Path

import pytest

from embed_pipeline import errors
from embed_pipeline.auth import bearer_token
from embed_pipeline.endpoint import Auth


def test_without_settings_there_is_no_token() -> None:
    assert bearer_token(None) is None


def test_a_token_is_read_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_TOKEN", " t0ken\n")
    assert bearer_token(Auth(env="EMBED_TOKEN")) == "t0ken"


def test_a_token_is_read_from_a_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    assert bearer_token(Auth(file=str(file))) == "old"
    file.write_text("new\n")
    assert bearer_token(Auth(file=str(file))) == "new"


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
        bearer_token(Auth(file=str(file)))
    assert "sec" not in str(caught.value)


def test_a_variable_that_is_not_set_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EMBED_TOKEN", raising=False)
    with pytest.raises(errors.ConfigError, match="environment variable EMBED_TOKEN holds no token"):
        bearer_token(Auth(env="EMBED_TOKEN"))
