"""The command that prints the JSON Schema of job files."""

import pytest

from embed_pipeline.job_schema import as_text
from embed_pipeline.pipelines.cli import invoke


def test_the_schema_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["config-schema"]) == 0
    assert capsys.readouterr() == (as_text(), "")
