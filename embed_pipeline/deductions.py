"""What is left out of a snapshot, counted as its manifest counts."""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from embed_pipeline.manifest import Counts
from embed_pipeline.output import Output
from embed_pipeline.owners import Naming, owners
from embed_pipeline.parts import TRUNCATED


class Deductions:
    """Count rows, failures and changes that are left out; the rest need not be read for that.

    Args:
        output: For the names of the columns.
        naming: How the rows name their documents.

    Attributes:
        rows, failed, changes: How many there are so far.
        split: Hashes of the documents that were split and are left out.
    """

    def __init__(self, output: Output, naming: Naming) -> None:
        self.rows = self.failed = self.changes = 0
        self.split: set[bytes] = set()
        self._tokens = 0
        self._naming = naming
        self._names = [output.column(one) for one in ("token_count", "token_count_source")]
        self._truncated_name = output.column("truncated")
        self._sources: Counter[str] = Counter()
        self._truncated: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def count_rows(self, gone: pa.Table) -> None:
        """Count rows."""
        tokens, sources = (gone[name] for name in self._names)
        self.rows += gone.num_rows
        self._tokens += pc.sum(tokens).as_py() or 0
        self._sources.update(sources.to_pylist())
        truncated = gone[self._truncated_name].to_pylist()
        self._truncated.update(TRUNCATED[one] for one in truncated)

    def count_failures(self, gone: pa.Table) -> None:
        """Count failures."""
        self.failed += gone.num_rows
        pairs = zip(gone["blame"].to_pylist(), gone["kind"].to_pylist(), strict=True)
        self._kinds.update(f"{blame}:{kind}" for blame, kind in pairs)
        came = gone.filter(pc.not_equal(gone["stage"], "read"))  # the others were never split
        columns, told = owners("failures", self._naming, came.schema)
        for batch in came.select(columns).to_batches():
            self.split.update(one for each in told(batch) for one in each if one is not None)

    def count_changes(self, gone: pa.Table) -> None:
        """Count changes."""
        self.changes += gone.num_rows

    def counts(self, old: Counts) -> Counts:
        """Return a manifest's counts without what was counted here."""
        split = old.chunked_documents
        return old.model_copy(
            update={
                "documents": old.documents - self.rows - self.failed,
                "rows": old.rows - self.rows,
                "failed": old.failed - self.failed,
                "tokens": old.tokens - self._tokens,
                "rows_by_token_count_source": _less(old.rows_by_token_count_source, self._sources),
                "rows_by_truncated": _less(old.rows_by_truncated, self._truncated),
                "failed_by_blame_and_kind": _less(old.failed_by_blame_and_kind, self._kinds),
                "chunked_documents": None if split is None else split - len(self.split),
            }
        )


def _less(old: Mapping[str, int], gone: Mapping[str, int]) -> dict[str, int]:
    """Return numbers by name without those that are gone; names of which none is left are gone."""
    left = {key: count - gone.get(key, 0) for key, count in old.items()}
    return {key: count for key, count in left.items() if count or not gone.get(key)}
