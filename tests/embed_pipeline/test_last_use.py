"""When a model was used last by this process."""

from datetime import UTC, datetime

from embed_pipeline import last_use
from embed_pipeline.endpoint import Endpoint


def test_a_model_that_nobody_used_has_no_moment() -> None:
    assert last_use.moment(Endpoint(url="http://127.0.0.1:1", model="never")) is None


def test_the_last_use_is_remembered_for_each_address_and_model() -> None:
    one = Endpoint(url="http://127.0.0.1:1", model="one")
    before = datetime.now(UTC)
    last_use.note(one)
    moment = last_use.moment(one)
    assert moment is not None
    assert before <= moment <= datetime.now(UTC)
    assert last_use.moment(one.model_copy(update={"model": "two"})) is None
    assert last_use.moment(one.model_copy(update={"url": "http://127.0.0.1:2"})) is None
