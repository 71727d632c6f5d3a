"""The settings of an endpoint: what is accepted, what is refused, and what is never shown."""

import pickle

import pytest
from pydantic import ValidationError

from embed_pipeline.endpoint import Auth, Batching, Endpoint, Retry, Timeouts, keep_alive_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        ("0", 0.0),
        ("0s", 0.0),
        (10, 10.0),
        (0.5, 0.5),
        ("30s", 30.0),
        ("30m", 1800.0),
        ("24h", 86400.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1500ms", 1.5),
        ("2us", 2e-6),
        ("2µs", 2e-6),
        (-1, -1.0),
        ("-1s", -1.0),
        ("-5m", -300.0),
    ],
)
def test_keep_alive_in_the_forms_the_endpoint_accepts(value: float | str, seconds: float) -> None:
    assert keep_alive_seconds(value) == pytest.approx(seconds)
    assert Endpoint(model="m", keep_alive=value).keep_alive == (0 if value == "0" else value)


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("-1", "write -1 without quotes to keep the model for ever"),
        ("5", "write 5 without quotes for seconds"),
        ("1d", "such as '30m' or '24h'"),
        ("", "such as '30m' or '24h'"),
        ("abc", "such as '30m' or '24h'"),
        ("1h-30m", "such as '30m' or '24h'"),
        ("30 m", "such as '30m' or '24h'"),
        ("٣s", "such as '30m' or '24h'"),
        (True, "a number of seconds or a duration such as '30m'"),
        ([1], "a number of seconds or a duration such as '30m'"),
        (None, "a number of seconds or a duration such as '30m'"),
    ],
)
def test_keep_alive_that_the_endpoint_would_refuse_is_refused_with_the_cure(
    value: object, cure: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Endpoint.model_validate({"model": "m", "keep_alive": value})
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("keep_alive",)
    assert cure in problem["msg"]


def test_the_defaults() -> None:
    endpoint = Endpoint(model="all-minilm")
    assert (endpoint.url, endpoint.keep_alive, endpoint.options) == ("auto", "30m", {})
    assert endpoint.timeouts == Timeouts(connect=5, load=600, read=120)
    assert Batching() == Batching(max_texts=32, max_chars=16_000, max_tokens=8_192, in_flight=2)
    assert Retry() == Retry(attempts=30, total_seconds=600)


@pytest.mark.parametrize("url", ["auto", "embedded"])
def test_words_for_an_address_are_kept_and_shown(url: str) -> None:
    endpoint = Endpoint(url=url, model="m")
    assert (endpoint.url, endpoint.masked_url) == (url, url)


def test_an_address_without_scheme_is_refused() -> None:
    with pytest.raises(ValidationError, match="'localhost:11434' is not an address"):
        Endpoint(url="localhost:11434", model="m")


@pytest.mark.parametrize(
    "values",
    [
        {"model": ""},
        {"model": "m", "dimensions": 0},
        {"model": "m", "timeouts": {"read": 0}},
        {"model": "m", "timeouts": {"read": float("inf")}},
        {"model": "m", "options": [1]},
        {"model": "m", "keep-alive": 1},
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Endpoint.model_validate(values)


@pytest.mark.parametrize(
    "values",
    [{}, {"env": "A", "file": "b"}, {"file": "b", "google_id_token": "https://a"}],
)
def test_a_token_has_one_origin(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="name one of env, file, google_id_token and secret"):
        Auth.model_validate(values)


@pytest.mark.parametrize(
    "name", ["projects/my-project-7/secrets/a_B-1", "projects/example.com:p/secrets/s/versions/12"]
)
def test_a_secret_is_named_as_google_names_it(name: str) -> None:
    assert Auth(secret_manager=name).secret_manager == name


@pytest.mark.parametrize(
    "values",
    [
        {"secret_manager": "my-secret"},
        {"secret_manager": "projects/p/secrets/s/versions/"},
        {"secret_manager": "projects/p/secrets/../s"},
        {"secret_manager": "projects/p/secrets/s\n"},
        {"google_id_token": ""},
        {"google_id_token": "https://a b"},
    ],
)
def test_names_google_does_not_give_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        Auth.model_validate(values)


@pytest.mark.parametrize("name", ["", "X Key", "X-Këy", "X:"])
def test_a_name_no_header_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=f"'{name}' cannot be the name of a header"):
        Endpoint(model="m", headers={name: "secret"})


@pytest.mark.parametrize("value", ["sec\nret", "sec\rret", "secrét", " secret", "sec\x00ret"])
def test_a_value_no_header_can_have_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ValidationError, match="the value of the header 'X-Key'") as caught:
        Endpoint(model="m", headers={"X-Key": value})
    assert "sec" not in str(caught.value)


def test_secrets_are_not_in_the_representation() -> None:
    endpoint = Endpoint(
        url="http://alice:secret@host:1/base", model="m", headers={"X-Key": "hidden"}
    )
    for shown in (repr(endpoint), str(endpoint), f"{endpoint}", endpoint.masked_url):
        assert "secret" not in shown
        assert "alice" not in shown
        assert "hidden" not in shown
    assert "http://host:1/base" in repr(endpoint)


def test_secrets_are_not_in_a_refusal() -> None:
    with pytest.raises(ValidationError) as caught:
        Endpoint.model_validate(
            {
                "url": "alice:secret@host",
                "model": 5,
                "headers": {"X-Key": ["hidden"]},
                "auth": "hidden",
            }
        )
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Endpoint(model="m").model = "n"


def test_settings_survive_pickling() -> None:
    endpoint = Endpoint(
        url="https://host", model="m", headers={"A": "b"}, auth=Auth(env="T"), options={"a": [1]}
    )
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint  # noqa: S301 (our own bytes)


# Several addresses

TWO = ["http://one:11434", "https://alice:secret@two"]


@pytest.mark.parametrize(
    ("url", "urls", "address"),
    [
        ("auto", ["auto"], "auto"),
        ("http://one:11434", ["http://one:11434"], "http://one:11434"),
        (TWO, TWO, TWO[0]),
        ([TWO[1]], [TWO[1]], TWO[1]),
    ],
)
def test_an_endpoint_has_one_address_or_several(
    url: str | list[str], urls: list[str], address: str
) -> None:
    endpoint = Endpoint(url=url, model="m")
    assert (endpoint.urls, endpoint.address) == (urls, address)


def test_each_of_several_addresses_has_the_same_settings() -> None:
    endpoint = Endpoint(url=TWO, model="m", dimensions=4)
    assert endpoint.each == [Endpoint(url=url, model="m", dimensions=4) for url in TWO]


@pytest.mark.parametrize("url", [[], [TWO[0], TWO[0]]])
def test_a_list_of_addresses_names_one_at_least_and_none_twice(url: list[str]) -> None:
    with pytest.raises(ValidationError, match="names one at least, and none of them twice"):
        Endpoint(url=url, model="m")


@pytest.mark.parametrize("url", ["auto", "embedded", "alice:secret@host"])
def test_a_list_holds_addresses_only(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Endpoint(url=[TWO[0], url], model="m")
    assert "secret" not in str(caught.value)


def test_secrets_of_several_addresses_are_shown_nowhere() -> None:
    endpoint = Endpoint(url=TWO, model="m")
    assert endpoint.masked_urls == ["http://one:11434", "https://two"]
    assert endpoint.masked_url == "http://one:11434, https://two"
    assert Endpoint(url=TWO[1], model="m").masked_urls == "https://two"
    assert "secret" not in repr(endpoint)


def test_nothing_stalls_for_longer_than_a_quarter_of_an_hour_unless_that_is_set() -> None:
    assert Retry().stalled_seconds == 900.0
    with pytest.raises(ValidationError):
        Retry(stalled_seconds=0)


def test_worker_is_a_word_to_the_reader_and_an_address_to_the_client() -> None:
    endpoint = Endpoint.model_validate({"url": "worker", "model": "m", "worker": {"port": 12000}})
    assert endpoint.address == "http://127.0.0.1:12000"
    assert endpoint.masked_url == endpoint.masked_urls == "worker"
    assert endpoint.urls == ["worker"]
    assert endpoint.each == [endpoint]
    assert "url='worker'" in repr(endpoint)


def test_worker_is_not_one_of_several_addresses() -> None:
    with pytest.raises(ValidationError, match="is not an address"):
        Endpoint(url=["worker", "http://127.0.0.1:1"], model="m")


def test_worker_takes_no_token() -> None:
    with pytest.raises(ValidationError, match="with url 'worker' nobody asks for it"):
        Endpoint(url="worker", model="m", auth=Auth(env="TOKEN"))
