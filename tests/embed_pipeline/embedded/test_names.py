"""Model names, taken apart."""

import pytest

from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.names import ModelName, parse_name, request_name, require_embedded

ROOT = ("registry.ollama.ai", "library")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("m", ModelName(*ROOT, "m", "latest")),
        (" m:7b ", ModelName(*ROOT, "m", "7b")),
        ("m:local", ModelName(*ROOT, "m", "latest")),
        ("m:7b:local", ModelName(*ROOT, "m", "7b")),
        ("me/m", ModelName("registry.ollama.ai", "me", "m", "latest")),
        ("host.example:5000/me/m:t", ModelName("host.example:5000", "me", "m", "t")),
        ("M_1.0-x:T", ModelName(*ROOT, "M_1.0-x", "T")),
        ("m" * 80, ModelName(*ROOT, "m" * 80, "latest")),
    ],
)
def test_the_parts_that_were_left_out_are_filled_in(text: str, name: ModelName) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", " ", "!", "a b", ".m", "-m", "m:", "m::t", "/m", "me/", "a/b/c/d", "h/n.s/m", "m" * 81,
     f"{'n' * 81}/m", f"m:{'t' * 81}", f"{'h' * 351}/n/m", "m\n/x"],
)  # fmt: skip
def test_what_is_no_name_is_400(text: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_name(text)
    assert (caught.value.status, caught.value.message) == (400, "invalid model name")


def test_local_and_cloud_contradict_each_other() -> None:
    with pytest.raises(ContractError) as caught:
        parse_name('"é":1b-cloud:local')
    assert (caught.value.status, caught.value.message) == (
        400,
        r'use either :local or :cloud, not both: "\"é\":1b-cloud:local"',
    )


@pytest.mark.parametrize(
    ("text", "embedded"),
    [
        ("all-minilm", True),
        ("ALL-MINILM:L6-V2", True),
        ("Library/all-minilm:22m", True),
        ("all-minilm:33m", False),
        ("me/all-minilm", False),
        ("host.example/library/all-minilm", False),
        ("all-minilm-l6-v2", False),
    ],
)
def test_one_model_under_three_tags_is_embedded(text: str, embedded: bool) -> None:
    assert parse_name(text).embedded is embedded


@pytest.mark.parametrize(
    ("text", "cloud"),
    [
        ("m:cloud", True),
        ("m:1b-cloud", True),
        ("m:cloudy", False),
        ("m:xcloud", False),
        ("m", False),
    ],
)
def test_a_cloud_model_is_told_by_its_tag(text: str, cloud: bool) -> None:
    assert parse_name(text).cloud is cloud


@pytest.mark.parametrize(
    ("text", "installed"),
    [
        ("all-minilm", "all-minilm:latest"),
        ("registry.ollama.ai/Library/ALL-MINILM:22M", "all-minilm:22m"),
    ],
)
def test_the_embedded_models_name_is_the_listed_one(text: str, installed: str) -> None:
    name = parse_name(text)
    assert name.installed == installed
    assert require_embedded(name, text) == installed


def test_another_model_is_404_as_the_client_wrote_it() -> None:
    with pytest.raises(ContractError) as caught:
        require_embedded(parse_name(" Other "), " Other ")
    assert (caught.value.status, caught.value.message) == (
        404,
        'model " Other " not found, try pulling it first',
    )


def test_a_request_may_name_a_model_that_is_not_there() -> None:
    assert request_name("other:1b") == ModelName(*ROOT, "other", "1b")


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("", 404, "model '' not found"),
        ("a b", 400, "invalid model name"),
        ("m:cloud", 403, "ollama cloud is disabled: remote model is unavailable"),
    ],
)
def test_refusals_of_a_requests_name(text: str, status: int, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        request_name(text)
    assert (caught.value.status, caught.value.message) == (status, message)
