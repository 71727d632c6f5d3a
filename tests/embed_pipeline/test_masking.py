"""What a server repeats of the secrets it was sent is not told."""

import base64

import pytest

from embed_pipeline.endpoint import Endpoint
from embed_pipeline.masking import secrets_of, without

FORMS = ("p%40ss-word", "p@ss-word", "YWxpY2U6cEBzcy13b3Jk", "header-secret", "bearer-secret")


def test_passwords_headers_and_tokens_are_secrets_in_every_form_they_are_sent_in() -> None:
    endpoint = Endpoint(
        url="http://alice:p%40ss-word@127.0.0.1:1",
        model="m",
        headers={"x-key": "header-secret"},
    )
    found = secrets_of(endpoint, ["bearer-secret", None])
    assert set(found) == {
        "p%40ss-word",
        "p@ss-word",
        "YWxpY2U6cEBzcy13b3Jk",
        "header-secret",
        "bearer-secret",
        "p%2540ss-word",  # and these forms escaped or encoded once more
        *(base64.b64encode(one.encode()).decode() for one in FORMS),
    }
    assert [len(one) for one in found] == sorted((len(one) for one in found), reverse=True)


@pytest.mark.parametrize(
    "told",
    [
        'say "ho" & <go>',
        "say%20%22ho%22%20%26%20%3Cgo%3E",
        "say+%22ho%22+%26+%3Cgo%3E",
        "say &quot;ho&quot; &amp; &lt;go&gt;",
        r"say \"ho\" & <go>",
        "c2F5ICJobyIgJiA8Z28+",
    ],
)
def test_a_secret_is_masked_however_a_server_writes_it(told: str) -> None:
    endpoint = Endpoint(url="http://127.0.0.1:1", model="m")
    found = secrets_of(endpoint, ['say "ho" & <go>'])
    assert without(found, f"refused: {told}!") == "refused: ***!"


def test_what_is_too_short_to_be_a_secret_is_told() -> None:
    endpoint = Endpoint(url="http://127.0.0.1:1", model="m", headers={"x-flag": "yes"})
    assert secrets_of(endpoint, []) == []


def test_each_secret_is_masked_wherever_it_stands() -> None:
    assert without(["long-secret", "secret"], "secret: long-secret, secret") == "***: ***, ***"
