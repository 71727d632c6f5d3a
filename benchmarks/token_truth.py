"""Whether the numbers in the rows are true, on 20,000 real texts of mixed scripts.

A local job embeds the texts through a proxy, which only notes what the embedded endpoint counts for
each request. Then the endpoint is asked about each text alone:

- the count of its row must be that of a request with this text alone, or with its head alone where
  a head was sent;
- its row must say that it was cut just where the endpoint refuses the text as it is;
- the manifest's tokens must be what the endpoint counted for the requests that made the rows, whose
  texts the proxy must all have seen.

Beside that it is told how many heads are shorter than the endpoint's own cut would be: it may cut
in the middle of a character that is several tokens, such as a Korean syllable, and we do not.

    python -m benchmarks.token_truth
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow.parquet as pq

from benchmarks.mixed_texts import mixed_texts, scripts
from benchmarks.noting import Noted, noting
from benchmarks.results import record
from embed_pipeline.client import Client
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import TextTooLong
from embed_pipeline.locate import opened
from embed_pipeline.manifest import read_manifest
from embed_pipeline.tokens import Tokens

COUNT, MAX_TEXTS, ASKING = 20_000, 32, 4
COLUMNS = ["id", "text", "token_count", "token_count_source", "truncated"]
EXAMPLES = 5


class Truth(NamedTuple):
    """Hold what the endpoint says of one text alone.

    Attributes:
        token_count: Of what was sent of it.
        truncated: Whether it is refused as it is.
        own_cut: Tokens the endpoint leaves of it where it may cut it itself; else None.
    """

    token_count: int | None
    truncated: bool
    own_cut: int | None = None


def rows_of(texts: Sequence[str], url: str, folder: Path) -> list[dict[str, Any]]:
    """Run a local job over texts; return its dataset's rows, which is in the folder `out`."""
    with (folder / "corpus.jsonl").open("wb") as file:
        for number, text in enumerate(texts):
            file.write(orjson.dumps({"id": f"text-{number}", "text": text}) + b"\n")
    command = [sys.executable, "-m", "benchmarks.local_job", "--url", url]
    command += ["--folder", str(folder), "--max-texts", str(MAX_TEXTS)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=3600)
    paths = sorted((folder / "out" / "data").glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path, columns=COLUMNS).to_pylist()]


def truths(client: Client, sent: Mapping[str, str]) -> dict[str, Truth]:
    """Ask the endpoint about each text alone, given what was sent of it."""

    def truth(text: str) -> Truth:
        try:
            return Truth(client.embed([text]).answer.token_count, False)
        except TextTooLong:
            own = client.embed([text], truncate=True).answer.token_count
            return Truth(client.embed([sent[text]]).answer.token_count, True, own)

    with ThreadPoolExecutor(ASKING) as pool:
        return dict(zip(sent, pool.map(truth, sent), strict=True))


def sent_of(endpoint: Endpoint, texts: Sequence[str]) -> dict[str, str]:
    """Return what the pipeline sends of each text: all of it, or its head."""
    embedder = Embedder(endpoint, Batching(), Retry(), Tokens())
    try:
        pairs = zip(texts, embedder.prepare(texts), strict=True)
        return {text: one.text for text, one in pairs if not isinstance(one, TextTooLong)}
    finally:
        embedder.close()


def counted(noted: Sequence[Noted], outstanding: Counter[str]) -> int:
    """Add up what the endpoint counted for the requests that made the rows.

    Those are the ones whose texts all wait for their vectors; others try the endpoint out before
    the first row, or ask for rows again after the last.
    """
    total = 0
    for texts, tokens in noted:
        asked = Counter(texts)
        if tokens is not None and texts and asked <= outstanding:
            outstanding -= asked
            total += tokens
    return total


def differing(
    rows: Sequence[Mapping[str, Any]], found: Mapping[str, Truth], column: str
) -> list[tuple[str, Any, Any]]:
    """Return the rows whose column is not the truth: their text, the value and the truth."""
    triples = ((row["text"], row[column], getattr(found[row["text"]], column)) for row in rows)
    return [triple for triple in triples if triple[1] != triple[2]]


def main() -> None:
    """Measure, print and record."""
    texts = mixed_texts(COUNT)
    with (
        opened(Endpoint(url="embedded", model="all-minilm")) as endpoint,
        Client(endpoint) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        with noting(endpoint.address) as (url, noted):
            rows = rows_of(texts, url, Path(folder))
        manifest = read_manifest(str(Path(folder) / "out"))
        sent = sent_of(endpoint, texts)
        outstanding = Counter(sent.values())
        server_tokens = counted(noted, outstanding)
        found = truths(client, sent)
    sources = Counter(row["token_count_source"] for row in rows)
    wrong = {column: differing(rows, found, column) for column in ("token_count", "truncated")}
    for column, triples in wrong.items():
        for text, value, truth in triples[:EXAMPLES]:
            print(f"{column}: {value} in the row, {truth} in truth: {text[:200]!r}")
    tokens = manifest.counts.tokens
    record(
        "token_truth",
        {
            "texts": len(texts),
            "texts by script": scripts(texts),
            "texts that are too long": sum(truth.truncated for truth in found.values()),
            "rows": len(rows),
            "rows by source of their count": dict(sources),
            "rows missing": len(set(texts) - {row["text"] for row in rows}),
            "rows neither server nor verified": len(rows) - sources["server"] - sources["verified"],
            "token counts that are wrong": len(wrong["token_count"]),
            "truncated flags that are wrong": len(wrong["truncated"]),
            "heads shorter than the endpoint's own": sum(
                (truth.own_cut or 0) > (truth.token_count or 0) for truth in found.values()
            ),
            "texts no request was noted for": outstanding.total(),
            "tokens in the manifest": tokens,
            "tokens the server counted": server_tokens,
            "tokens apart": abs(tokens - server_tokens),
        },
        {"texts": texts},
    )


if __name__ == "__main__":
    main()
