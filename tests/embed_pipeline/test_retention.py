"""Settings of a store."""

from typing import Any

import pytest
from pydantic import ValidationError

from embed_pipeline.retention import Retention


def test_the_current_snapshot_and_the_one_before_are_kept() -> None:
    assert Retention() == Retention(keep_snapshots=2, max_deleted_fraction=0.5, ids_are_keys=False)


@pytest.mark.parametrize(
    "wrong", [{"keep_snapshots": 0}, {"max_deleted_fraction": 1.1}, {"max_deleted_fraction": -0.1}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Retention.model_validate(wrong)
