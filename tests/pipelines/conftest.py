"""Fixtures of this folder's tests."""

from tests.support.object_store import s3, s3_server

__all__ = ["s3", "s3_server"]
