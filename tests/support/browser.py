"""A headless Chromium, driven by Debian's chromedriver over WebDriver's plain HTTP.

Its profile is a temporary folder, and all its processes are of one session, which ends with the
block.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

NEEDED = ("chromium", "chromedriver")
MISSING = "a browser is not there: apt-get install --no-install-recommends chromium chromium-driver"
_STARTED = re.compile(r"started successfully on port (\d+)")


def missing() -> str:
    """Return what to install for these tests, or "" where all of it is there."""
    return "" if all(shutil.which(name) for name in NEEDED) else MISSING


class Browser:
    """Be one session of a browser.

    Args:
        client: Of the session's own address.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = self._client.post(path, json=body)
        found = answer.json()["value"]
        assert answer.status_code == 200, found
        return found

    def _devtools(self, command: str, **params: Any) -> Any:
        return self._post("goog/cdp/execute", {"cmd": command, "params": params})

    def look(
        self, *, width: int, dark: bool = False, paper: bool = False, height: int = 800
    ) -> None:
        """Take a width in CSS pixels, a color scheme and a medium for the pages to come."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        media = "print" if paper else "screen"
        self._devtools("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, page: Path) -> None:
        """Open a page of this machine and wait until it is loaded."""
        self._post("url", {"url": page.as_uri()})

    def run(self, script: str) -> Any:
        """Return what a function body returns in the page."""
        return self._post("execute/sync", {"script": script, "args": []})

    def complaints(self) -> list[str]:
        """Return what the console has got since it was last asked: errors, refused loads."""
        return [one["message"] for one in self._post("se/log", {"type": "browser"})]

    def screenshot(self) -> bytes:
        """Return the whole page as PNG, below the fold as well."""
        shot = self._devtools(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, fromSurface=True
        )
        return base64.b64decode(shot["data"])


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and end it with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = ["chromedriver", "--port=0", f"--log-path={home}/log"]
        environ = {**os.environ, "HOME": home, "TMPDIR": home}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environ
        ) as driver:
            try:
                yield from _session(_port(driver), home)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(driver.pid, signal.SIGKILL)


def _port(driver: "subprocess.Popen[str]") -> int:
    assert driver.stdout
    for line in driver.stdout:
        if found := _STARTED.search(line):
            return int(found[1])
    raise AssertionError("chromedriver has ended")


def _session(port: int, home: str) -> Iterator[Browser]:
    root = f"http://127.0.0.1:{port}"
    flags = ["--headless=new", "--disable-gpu", f"--user-data-dir={home}/profile"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # which root cannot have
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": {"args": [*flags, "--disable-dev-shm-usage"]},
        "goog:loggingPrefs": {"browser": "ALL"},
    }
    body = {"capabilities": {"alwaysMatch": wanted}}
    with httpx.Client(timeout=60, trust_env=False) as client:
        found = client.post(f"{root}/session", json=body).json()["value"]
        assert "sessionId" in found, found
        client.base_url = httpx.URL(f"{root}/session/{found['sessionId']}/")
        try:
            yield Browser(client)
        finally:
            client.delete(f"{root}/session/{found['sessionId']}")
