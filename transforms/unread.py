"""Failures that nobody reads end the job, since Beam drops what nobody reads in silence."""

import apache_beam as beam
from apache_beam.pvalue import PCollection

from embed_pipeline.errors import DocumentError
from embed_pipeline.records import Failed
from embed_pipeline.transforms.lineage import apart


class FailUnread(beam.PTransform):
    """Fail at the first failure.

    The local runner holds a flattened PCollection back until all before it has ended, so each part
    of one is looked at alone.

    Args:
        cure: What gives failures a reader, for the error.
    """

    def __init__(self, cure: str) -> None:
        super().__init__()
        self._cure = cure

    def expand(self, failed: PCollection) -> None:
        """Add the steps."""
        for number, part in enumerate(apart(failed)):
            _ = part | f"Fail {number}" >> beam.Map(_fail, self._cure)


def _fail(failed: Failed, cure: str) -> None:
    raise DocumentError(f"document {failed.id!r}: {failed.message} [{failed.kind}]; {cure}")
