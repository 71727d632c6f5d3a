"""No fault makes a job tell its secrets, in whatever it says or writes."""

import base64
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.faults.jobs import FaultJob, corpus_of
from tests.support import fault_kinds as kinds
from tests.support.faulty import Rule, faulty
from tests.support.scripted import ScriptedEndpoint

TOKEN, PASSWORD, HEADER = "token-of-7f3a91c2", "password-of-5e8d20b4", "header-of-c04b7e66"
BASIC = base64.b64encode(f"somebody:{PASSWORD}".encode()).decode()
SECRETS = (TOKEN, PASSWORD, HEADER, BASIC)
POISON = "a text that is poison"
CORPUS = corpus_of(64, poison=POISON)

FAULTS = [
    kinds.ECHO.on(POISON),
    kinds.RESET.since(5),
    kinds.REDIRECTED_BACK.since(5),
    kinds.UNAUTHORIZED_ECHO.since(5),
    kinds.REMOVED.since(5),
    kinds.RESTARTED_WITH_ANOTHER.at(5),
]


def told_in(folder: Path) -> str:
    """Return all that the files below a folder hold, as text; Parquet files unpacked as well."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found += [str(path), path.read_bytes().decode("utf-8", "replace")]
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found += [str(table.schema.metadata), str(table.to_pylist())]
    return "\n".join(found)


@pytest.mark.parametrize("rule", FAULTS, ids=lambda rule: rule.fault.name)
@pytest.mark.parametrize("given", ["a password in the address", "a token"])
def test_no_secret_is_told(
    given: str,
    rule: Rule,
    tmp_path: Path,
    endpoint: ScriptedEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("A_TOKEN", TOKEN)
    with faulty(endpoint.url, (rule,), set(CORPUS.values())) as proxy:
        url = proxy.url
        settings: dict[str, object] = {"headers": {"x-key": HEADER}}
        if given == "a token":
            settings["auth"] = {"env": "A_TOKEN"}
        else:
            url = url.replace("http://", f"http://somebody:{PASSWORD}@")
        hurried = {"attempts": 2, "total_seconds": 2, "stalled_seconds": 2}
        job = FaultJob(tmp_path, CORPUS, url, endpoint=settings, retry=hurried)
        job.run_here()
        if not (job.out / "manifest.json").exists():  # what was left is told of by the next run
            proxy.script, proxy.removed = (), False
            proxy.digest, proxy.replaced = None, False
            job.run_here()
        heard = str(proxy.heard)
    assert HEADER in heard
    assert (TOKEN if given == "a token" else BASIC) in heard
    said = capfd.readouterr()
    told = f"{said.out}\n{said.err}\n{told_in(job.out)}"
    assert [secret for secret in SECRETS if secret in told] == []
