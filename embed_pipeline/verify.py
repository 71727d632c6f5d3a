"""Verify a dataset: does what its manifest says hold of the files that are there."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import files, snapshot_check
from embed_pipeline.errors import DatasetError
from embed_pipeline.faults import Faults, vector_norms
from embed_pipeline.figures import Figures, Tally
from embed_pipeline.footers import find_layout, wrong_columns, wrong_origin
from embed_pipeline.hashing import sha256_of
from embed_pipeline.locations import parse
from embed_pipeline.manifest import Counts, DataFile, Manifest
from embed_pipeline.ownership import FOLDERS
from embed_pipeline.recount import contradicted
from embed_pipeline.repeated_ids import SeenIds, described
from embed_pipeline.schema import Layout
from embed_pipeline.staging import MANIFEST

BATCH_ROWS = 8192  # checked at once, so that what numpy makes of them stays small
BLOCK_BYTES = 1 << 20
# What pyarrow raises for a damaged file, a name in its footer that is not UTF-8 among it.
UNREADABLE = (OSError, pa.ArrowException, UnicodeDecodeError)
RESTORE = "put the file back from a copy of the dataset, or make the dataset again"


class Problem(NamedTuple):
    """Say what does not hold.

    Attributes:
        file: Path below the dataset's folder.
        what: What is wrong there.
        cure: What to do.
    """

    file: str
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}; {self.cure}"


class Report(NamedTuple):
    """Hold what was found; a dataset without problems is what its manifest says.

    Attributes:
        figures: Of the rows that could be read.
        problems: In the order they were found.
    """

    figures: Figures
    problems: Sequence[Problem]


def verify(dataset: str, manifest: Manifest) -> Report:
    """Compare a dataset's files with its manifest, and check every row.

    Each file's bytes are read in order for their hash, then its row groups one by one, without the
    texts and attributes. In memory are one row group and 16 bytes a row. Nothing is written.

    Args:
        dataset: The dataset's folder, local or on an object store.
        manifest: Its manifest.

    Raises:
        OSError: The dataset's folders cannot be listed. A file that cannot be read is a problem.
    """
    return _Verification(dataset, manifest).report()


class _Verification:
    """Go through a dataset's files once; collect problems and figures on the way."""

    def __init__(self, dataset: str, manifest: Manifest) -> None:
        self._dataset = dataset
        self._manifest = manifest
        self._tally = Tally()
        self._problems: list[Problem] = []
        self._unknown: set[str] = set()  # folders of which not all rows could be read

    def report(self) -> Report:
        """Make every check."""
        sizes = self._sizes()
        layout = find_layout(self._manifest)
        if layout is None:
            what = "the columns it names are not those of a dataset of its job and dimension"
            self._problems.append(Problem(MANIFEST, what, RESTORE))
            self._unknown.add("data")
        else:
            ids = SeenIds(self._dataset, layout.output.column("id"))
            for file in self._manifest.data:
                self._check(file, sizes, partial(self._rows, file.path, layout, ids))
            self._problems += _repeated(ids)
        for file in self._manifest.failures:
            self._check(file, sizes, self._failures)
        unpaired = snapshot_check.unpaired(self._manifest)
        if unpaired:
            self._problems.append(Problem(MANIFEST, unpaired, RESTORE))
        if layout is not None:
            column = layout.output.column("id")
            beside = snapshot_check.contents(self._dataset, self._manifest, column)
            for file, content in beside:
                self._check(file, sizes, content)
        figures = self._tally.figures()
        self._problems += _miscounted(self._manifest.counts, figures, self._unknown)
        self._problems += _contradicted(self._manifest)
        return Report(figures, self._problems)

    def _place(self, path: str) -> str:
        return parse(files.join(self._dataset, path)).key

    def _sizes(self) -> dict[str, int]:
        """Return the size of each file in the dataset's folders; tell of those not listed."""
        manifest = self._manifest
        beside = [*manifest.index, *manifest.changes]
        listed = [*manifest.data, *manifest.failures, *beside]
        places = {self._place(file.path) for file in listed}
        sizes: dict[str, int] = {}
        more = snapshot_check.FOLDERS if beside or manifest.refresh else ()
        for folder in (*FOLDERS, *more):
            below = files.join(self._dataset, folder)
            for info in files.find(below) if files.exists(below) else ():
                place = parse(info.path).key
                sizes[place] = info.size
                if place not in places:
                    path = f"{folder}{place.removeprefix(parse(below).key)}"
                    what = f"the manifest does not list it, yet readers of {folder}/ take it in"
                    self._problems.append(Problem(path, what, "move it out of the dataset"))
        return sizes

    def _check(
        self,
        file: DataFile,
        sizes: Mapping[str, int],
        content: Callable[[pq.ParquetFile], Iterator[str]],
    ) -> None:
        """Check a file: its bytes, its number of rows, and its content."""
        try:
            for what in self._faults(file, sizes.get(self._place(file.path)), content):
                self._problems.append(Problem(file.path, what, RESTORE))
        except (*UNREADABLE, DatasetError) as error:
            what = str(error) if isinstance(error, DatasetError) else f"it cannot be read: {error}"
            self._problems.append(Problem(file.path, what, RESTORE))
            self._unknown.add(file.path.partition("/")[0])

    def _faults(
        self, file: DataFile, size: int | None, content: Callable[[pq.ParquetFile], Iterator[str]]
    ) -> Iterator[str]:
        """Yield what is wrong with a file.

        Raises:
            OSError, pa.ArrowException, UnicodeDecodeError, DatasetError: Its rows cannot be read.
        """
        if size is None:
            raise DatasetError("it is missing")
        path = files.join(self._dataset, file.path)
        if size != file.bytes:
            yield f"it has {size:,} bytes, the manifest says {file.bytes:,}"
        elif sha256_of(path) != file.sha256:
            yield "its bytes are not those that were written: their sha256 differs"
        with files.open_input(path) as stream:
            parquet = pq.ParquetFile(stream)
            rows = parquet.metadata.num_rows
            if rows != file.rows:
                yield f"it has {rows:,} rows, the manifest says {file.rows:,}"
            yield from content(parquet)

    def _rows(
        self, path: str, layout: Layout, ids: SeenIds, parquet: pq.ParquetFile
    ) -> Iterator[str]:
        """Check the content of a file of rows; add up its figures."""
        origin = wrong_origin(parquet, self._manifest.provenance)
        if origin:
            yield origin
        columns = wrong_columns(parquet, self._manifest.columns)
        if columns:
            raise DatasetError(f"its columns are not the manifest's: {columns}")
        name = layout.output.column
        names = [field.name for field in layout.schema()]
        if name("text") in names and not parquet.schema_arrow.field(name("text")).nullable:
            names.remove(name("text"))  # all there is to check of it is null, which it cannot hold
        faults = Faults()
        for batch in _batches(parquet, names):
            norms = vector_norms(batch, layout)
            faults.add(batch, layout, norms)
            ids.add(path, batch[name("id")])
            tokens, source = batch[name("token_count")], batch[name("token_count_source")]
            self._tally.add_rows(tokens, source, batch[name("truncated")], norms)
        yield from faults.described()

    def _failures(self, parquet: pq.ParquetFile) -> Iterator[str]:
        """Add up the figures of a file of failures."""
        names = ["blame", "kind"]
        types = [str(field.type) for field in parquet.schema_arrow if field.name in names]
        if types != ["string", "string"]:
            raise DatasetError("its columns are not those of failures")
        for batch in _batches(parquet, names):
            self._tally.add_failures(batch["blame"], batch["kind"])
        yield from ()


def _batches(parquet: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read some columns of a file in batches of BATCH_ROWS.

    Raises:
        OSError, pa.ArrowException: The file is damaged; so it is where a string is not UTF-8.
    """
    for group in range(parquet.num_row_groups):  # one by one: all of those named are read ahead
        for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
            batch.validate(full=True)
            yield batch


def _repeated(ids: SeenIds) -> Iterator[Problem]:
    """Tell of ids that stand more than once."""
    try:
        found = ids.repeated()
    except UNREADABLE as error:
        yield Problem("data", f"its ids cannot be read again: {error}", RESTORE)
        return
    if found:
        cure = "make the dataset again; corpus.on_duplicate says what becomes of such ids"
        yield Problem("data", described(found), cure)


def _miscounted(counts: Counts, figures: Figures, unknown: set[str]) -> Iterator[Problem]:
    """Tell where the manifest's counts are not what the files hold, so far as that is known."""
    tokens = figures.tokens.total if figures.tokens else 0
    pairs: list[tuple[str, str, Any]] = [
        ("data", "rows", figures.rows),
        ("data", "tokens", tokens),
        ("data", "rows_by_token_count_source", figures.rows_by_token_count_source),
        ("data", "rows_by_truncated", figures.rows_by_truncated),
        ("failures", "failed", figures.failed),
        ("failures", "failed_by_blame_and_kind", figures.failed_by_blame_and_kind),
    ]
    for folder, name, held in pairs:
        said = getattr(counts, name)
        if folder in unknown or (name == "rows_by_truncated" and not said):  # older manifests
            continue
        same = said == held if isinstance(held, int) else Counter(said) == Counter(held)
        if not same:
            what = f"counts.{name} is {said}, but the files hold {held}"
            yield Problem(MANIFEST, what, RESTORE)


def _contradicted(manifest: Manifest) -> list[Problem]:
    """Return the problem that the sample of counts has shown, if any."""
    told = contradicted(manifest.recount)
    if told is None:
        return []
    what, _, cure = told.partition("; ")
    return [Problem(MANIFEST, what, cure)]
