"""Beam's worker image without a container engine: its boot program in an environment of its own.

The image is a Python with apache-beam, and Beam's `boot`, which installs what was staged and starts
the worker. Beam's local runner starts images with `docker`; here that is a script which starts
`boot` in the environment instead.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

_DOCKER = """#!/bin/sh
case "$1" in
run)
    while [ "${1#--id=}" = "$1" ]; do shift; done
    cd '{room}' || exit 1
    exec env -i HOME='{room}' PATH='{room}/bin:/usr/bin:/bin' {passed} \\
        RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 \\
        sh -c '"$0" "$@" >{room}/log 2>&1 & echo $! | tee {room}/pid' \\
        '{boot}' --semi_persist_dir='{room}/staged' "$@" ;;
inspect) case "$(ps -o stat= -p "$4")" in ''|Z*) echo exited ;; *) echo running ;; esac ;;
kill) kill "$2" ;;
container) cat '{room}/log' ;;
*) exit 1 ;;
esac
"""
_PASSED_ON = ("PIP_", "SSL_CERT_FILE", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


class WorkerImage:
    """Hold an environment with apache-beam and nothing that Beam does not need.

    Attributes:
        room: Its folder.
    """

    def __init__(self, room: Path, boot: Path) -> None:
        self.room = room
        subprocess.run([sys.executable, "-m", "venv", room], check=True)
        beam = f"apache-beam=={version('apache-beam')}"
        self.pip("install", "--no-compile", "--upgrade", beam, "setuptools")  # as in the image
        self._tools = room / "tools"
        self._tools.mkdir()
        passed = " ".join(
            f"{name}='{value}'" for name, value in os.environ.items() if name.startswith(_PASSED_ON)
        )
        docker = self._tools / "docker"
        script = _DOCKER.replace("{room}", str(room)).replace("{boot}", str(boot))
        docker.write_text(script.replace("{passed}", passed))
        docker.chmod(0o755)

    def pip(self, *arguments: str) -> str:
        """Return what pip says there."""
        command = [str(self.room / "bin/python"), "-I", "-m", "pip", *arguments, "--quiet"]
        return subprocess.check_output(command, text=True, cwd=self.room)

    @property
    def log(self) -> str:
        """Return what the worker's boot program said."""
        return (self.room / "log").read_text()

    @contextmanager
    def instead_of_docker(self) -> Iterator[None]:
        """Be what `docker run` starts, until the block ends."""
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{self._tools}:{before}"
        try:
            yield
        finally:
            os.environ["PATH"] = before
            with suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int((self.room / "pid").read_text()), signal.SIGTERM)
