"""The same commands against the real server OLLAMA_HOST names: `make live`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from embed_pipeline import address
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened
from embed_pipeline.manifest import read_manifest

pytestmark = pytest.mark.live
ROOT = Path(__file__).parent.parent.parent
TEXTS = ["Why is the sky blue?", "Why is the grass green?", "read a csv file", "open a socket"]


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "embed_pipeline", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
    )
    return done.stdout


def test_check_finds_the_model() -> None:
    found = command("check")
    assert address.from_environment() in found
    assert "256 tokens" in found


def test_vectors_and_counts_are_the_embedded_endpoint_s() -> None:
    answers = []
    for url in (address.from_environment(), "embedded"):
        with (
            opened(Endpoint(url=url, model="all-minilm")) as endpoint,
            Client(endpoint) as client,
        ):
            answers.append(client.embed(TEXTS).answer)
    cosines = np.einsum("ij,ij->i", answers[0].vectors, answers[1].vectors)
    assert cosines.min() > 0.9999
    assert answers[0].token_count == answers[1].token_count


def test_a_job_runs_unchanged(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        "".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(TEXTS))
    )
    command(
        "run",
        "configs/local.yaml",
        f"--set=job.corpus.files={corpus}",
        f"--set=job.output.path={tmp_path / 'out'}",
    )
    manifest = read_manifest(str(tmp_path / "out"))
    assert manifest.provenance["endpoint"] == address.from_environment()
    assert manifest.counts.tokens == 8 + 8 + 7 + 5
    assert pq.read_table(tmp_path / "out" / "data").num_rows == len(TEXTS)
    assert command("search", str(tmp_path / "out"), "csv", "-k", "1").split()[1] == "2"


def test_counts_and_truncation_are_what_the_server_says_of_each_text_alone(tmp_path: Path) -> None:
    texts = [*TEXTS, "word " * 300, "caf\u00e9 " * 300, "\u201cquoted\u201d words", "a + b = c"]
    corpus = tmp_path / "corpus.jsonl"
    rows = ({"id": str(number), "text": text} for number, text in enumerate(texts))
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command(
        "run",
        "configs/local.yaml",
        f"--set=job.corpus.files={corpus}",
        f"--set=job.output.path={tmp_path / 'out'}",
    )
    table = pq.read_table(tmp_path / "out" / "data").to_pylist()
    found = {row["text"]: row for row in table}
    with Client(Endpoint(url=address.from_environment(), model="all-minilm")) as client:
        for text in TEXTS:
            count = client.embed([text]).answer.token_count
            assert (found[text]["token_count"], found[text]["truncated"]) == (count, False)
    assert [found[text]["truncated"] for text in texts[4:]] == [True, True, False, False]
    assert max(row["token_count"] for row in table) <= 256
