"""Fixtures that every room's tests use."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from embed_pipeline import interrupt
from tests.support.scripted import ScriptedEndpoint, scripted

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", action="store_true", help="also test the server of OLLAMA_HOST")
    parser.addoption("--engines", action="store_true", help="also run Prism and Flink")
    parser.addoption("--browser", action="store_true", help="also open the report in Chromium")
    parser.addoption("--dataflow", action="store_true", help="also test what Dataflow does")
    parser.addoption("--readers", action="store_true", help="also open datasets in other programs")


NOT_ASKED_FOR = {
    "live": "needs a real server: set OLLAMA_HOST and run `make live`",
    "engines": "starts Prism and Flink: run `make engines`",
    "browser": "opens pages in Chromium: run `make browser`",
    "dataflow": "needs apache-beam[gcp] and Go: run `make dataflow`",
    "readers": "needs the readers' packages: run `make readers`",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for name, reason in NOT_ASKED_FOR.items():
        if not config.getoption(f"--{name}"):
            for item in items:
                if item.get_closest_marker(name):
                    item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with scripted() as found:
        yield found


# Whose terminal it is, and which proxy its user has, is nothing the tests are about.
OF_THE_USER = """
    CLICOLOR_FORCE COLUMNS FORCE_COLOR LINES NO_COLOR TTY_COMPATIBLE TTY_INTERACTIVE
    all_proxy http_proxy https_proxy ALL_PROXY HTTP_PROXY HTTPS_PROXY
"""
for variable in OF_THE_USER.split():
    os.environ.pop(variable, None)
os.environ["TERM"] = "xterm-256color"

# A shell's background job ignores SIGINT, and so would every process that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _warnings_are_logged() -> None:
    logging.getLogger().setLevel(logging.WARNING)  # which commands change


@pytest.fixture(autouse=True)
def _no_stop_left_over() -> Iterator[None]:
    yield
    interrupt.clear()
