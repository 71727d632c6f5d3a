"""An endpoint held against the embedded model."""

from collections.abc import Iterator

import numpy as np
import pytest

from embed_pipeline.client import Client
from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.reference_check import AWKWARD_TEXTS, against_embedded, compared
from embed_pipeline.verdict import Case, Verdict
from tests.support.scripted import ScriptedEndpoint, error

ONCE = Retry(attempts=1)
RIGHT = np.eye(4, dtype=np.float32)
OLD = (
    "Ollama 0.13 to 0.24 tokenizes them wrong: use 0.30 or newer, or the embedded endpoint "
    "(--url embedded)"
)
NEW = "use the embedded endpoint for such texts (--url embedded), and never mix the two"


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


def judged(url: str, version: str = "0.24.0", model: str = "all-minilm") -> list[Verdict]:
    endpoint = Endpoint(url=url, model=model)
    with Client(endpoint, ONCE) as client:
        return against_embedded(client, endpoint, ONCE, version)


def test_texts_that_are_hit_are_named_with_their_share_the_worst_first() -> None:
    found = [RIGHT[0], np.array([0.6, 0.8, 0, 0], np.float32), None, RIGHT[3]]
    verdict = compared(["a", "C++", "NUL", "d"], found, RIGHT, "0.24.0")
    assert verdict.verdict == "broken"
    assert verdict.detail == f"2 of 4 awkward texts (50%) are hit: {OLD}"
    assert verdict.cases == (Case("NUL", None), Case("C++", float(np.float32(0.8))))


@pytest.mark.parametrize(("cosine", "hit"), [(0.9989, True), (0.9991, False)])
def test_a_text_is_hit_below_a_cosine_of_0_999(cosine: float, hit: bool) -> None:
    vector = np.array([cosine, (1 - cosine**2) ** 0.5, 0, 0], np.float32)
    assert compared(["a"], [vector], RIGHT[:1], "").verdict == ("broken" if hit else "holds")


@pytest.mark.parametrize(
    ("version", "cure"),
    [("0.24.0", OLD), ("0.0.0", OLD), ("", OLD), ("0.30.6", NEW), ("0.31.0-rc1", NEW)],
)
def test_what_to_do_depends_on_the_server_s_version(version: str, cure: str) -> None:
    assert compared(["a"], [RIGHT[1]], RIGHT[:1], version).detail.endswith(cure)


def test_the_embedded_model_is_itself(embedded: EmbeddedProcess) -> None:
    (found,) = judged(embedded.url)
    assert found.verdict == "holds"
    assert found.detail == "43 awkward texts, cosine 1.000000 at least to the embedded model"


def test_the_embedded_endpoint_is_not_held_against_itself(embedded: EmbeddedProcess) -> None:
    assert judged(embedded.url, "0.24.0-embedded") == []


def test_another_model_is_not_held_against_it(endpoint: ScriptedEndpoint) -> None:
    assert judged(endpoint.url, model="nomic-embed-text") == []
    assert endpoint.exchanges == []


def test_another_model_of_that_name_is_found_out(endpoint: ScriptedEndpoint) -> None:
    (found,) = judged(endpoint.url)
    assert found.verdict == "broken"
    assert found.detail == (
        "vectors have not 384 values: this is not the published all-minilm; pull it anew"
    )


def test_a_text_that_gets_no_vector_is_hit(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(400, "the input length exceeds the context length")
    (found,) = judged(endpoint.url)
    assert found.detail.startswith("43 of 43 awkward texts (100%) are hit")
    assert {case.cosine for case in found.cases} == {None}


def test_without_the_embedded_endpoint_nothing_is_known(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_PIPELINE_WEIGHTS", "no/such/folder")
    (found,) = judged(endpoint.url)
    assert found.verdict == "not known"
    assert found.detail.startswith("the embedded endpoint does not start: ")
    assert "\n" not in found.detail


def test_the_texts_differ_and_the_known_case_is_among_them() -> None:
    assert len(set(AWKWARD_TEXTS)) == len(AWKWARD_TEXTS) == 43
    assert "Extensive tutorial and documentation about C++" in AWKWARD_TEXTS
    assert all(len(word) <= 100 for text in AWKWARD_TEXTS for word in text.split())
