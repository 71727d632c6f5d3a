"""Fixtures that every room's tests use."""

from collections.abc import Iterator

import pytest

from embed_pipeline import interrupt
from tests.support.scripted import ScriptedEndpoint, scripted


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with scripted() as found:
        yield found


@pytest.fixture(autouse=True)
def _no_stop_left_over() -> Iterator[None]:
    yield
    interrupt.clear()
