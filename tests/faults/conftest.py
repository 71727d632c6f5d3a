"""Fixtures of the tests of faults."""

from tests.support.object_store import s3, s3_server

__all__ = ["s3", "s3_server"]
