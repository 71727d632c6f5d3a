"""A browser, once for all pages."""

import os
from collections.abc import Iterator

import pytest

from tests.support import browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[browser.Browser]:
    """Give a browser; skip where there is none, fail where there must be one."""
    reason = browser.missing()
    if reason and os.environ.get("BROWSER_REQUIRED"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with browser.browser() as found:
        yield found
