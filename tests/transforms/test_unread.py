"""Failures that nobody reads."""

import apache_beam as beam
import pytest
from apache_beam.testing import test_pipeline

from embed_pipeline.errors import EmptyText
from embed_pipeline.records import Failed
from embed_pipeline.transforms.unread import FailUnread

FAILED = Failed("a", "", None, "", None, "embed", EmptyText.__name__, "document", "it is empty")


def test_the_first_failure_ends_the_job_and_says_what_gives_it_a_reader() -> None:
    pipeline = test_pipeline.TestPipeline("FnApiRunner")
    none = pipeline | "None" >> beam.Create([])
    some = pipeline | "Some" >> beam.Create([FAILED])
    _ = (none, some) | beam.Flatten() | FailUnread("read them")
    with pytest.raises(Exception, match=r"document 'a': it is empty \[EmptyText\]; read them"):
        pipeline.run().wait_until_finish()


def test_no_failure_ends_nothing() -> None:
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        _ = pipeline | beam.Create([]) | FailUnread("read them")
