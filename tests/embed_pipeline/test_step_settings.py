"""Settings of single steps: checked as those of a job file, errors name the step and the key."""

import pytest

from embed_pipeline import step_settings
from embed_pipeline.endpoint import Batching, Endpoint
from embed_pipeline.errors import ConfigError

URL = "http://127.0.0.1:1"


def test_flat_arguments_and_groups_make_the_settings_of_a_job_file() -> None:
    given = {"endpoint": {"keep_alive": "5m"}, "batching": None}
    found = step_settings.asking("EmbedText", given, endpoint__url=URL, endpoint__model="m")
    assert found == {
        "endpoint": Endpoint(url=URL, model="m", keep_alive="5m"),
        "batching": Batching(),
    }


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ({"keepalive": "5m"}, "EmbedText: endpoint.keepalive: unknown key; did you mean 'keep_al"),
        ({"timeouts": {"read": 0}}, "EmbedText: endpoint.timeouts.read: Input should be greater"),
        ({"model": "n"}, "EmbedText: model and endpoint.model are the same: give one of them"),
        ({"timeouts": {"read": True}}, "EmbedText: endpoint.timeouts.read: must be a number, not "),
        ("http://x", "EmbedText: endpoint: must be a group of settings"),
    ],
)
def test_an_error_names_the_step_and_the_key(endpoint: object, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        step_settings.asking(
            "EmbedText",
            {"endpoint": endpoint},  # type: ignore[dict-item]
            endpoint__url=URL,
            endpoint__model="m",
        )
    assert str(raised.value).startswith(message)


def test_an_endpoint_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ChunkText: url is 'auto', which workers cannot res"):
        step_settings.asking("ChunkText", {"endpoint": {"model": "all-minilm"}})


def test_a_corpus_has_its_defaults_where_nothing_is_given() -> None:
    found = step_settings.corpus("ReadCorpus", {"files": "x.csv", "id": None, "limit": 3})
    assert (found.id, found.limit) == ("id", 3)


def test_an_output_without_a_path_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"WriteDataset: output: Field required"):
        step_settings.output("WriteDataset", None)
