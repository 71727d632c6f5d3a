"""Read a corpus: its files become documents, and what is none of them a failure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline import interrupt
from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.files import FileInfo
from embed_pipeline.reading import read
from embed_pipeline.records import Document, Failed
from embed_pipeline.shards import Shard, split

FAILED = "failed"


class ReadResult(NamedTuple):
    """Hold what reading a corpus gives.

    Attributes:
        documents: A PCollection of Document.
        failed: A PCollection of Failed, of stage "read".
    """

    documents: beam.PCollection[Document]
    failed: beam.PCollection[Failed]


@dataclass
class ReadCorpus(beam.PTransform):
    """Read the documents of a corpus.

    Wires `find_files`, `split` and `read`. The shards are spread over the workers, never the
    documents; on a runner with one worker they come in the order of the corpus. Once the process
    is asked to stop (`interrupt`), what is being read ends early, without an error: whoever set
    that flag must not take the result for the whole corpus.

    Attributes:
        corpus: The settings.
        files: The corpus's files, where the caller has looked already; None: the first step looks.
    """

    corpus: Corpus
    files: Sequence[FileInfo] | None = None

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, pbegin: beam.pvalue.PBegin) -> ReadResult:
        """Return the documents and the failures of the corpus."""
        results = (
            pbegin
            | "Settings" >> beam.Create([(self.corpus, self.files)], reshuffle=False)
            | "FindAndSplit" >> beam.FlatMapTuple(_shards_by_index)
            | "Spread" >> beam.GroupByKey()
            | "Read"
            >> beam.FlatMap(_read, self.corpus)
            .with_output_types(Document, failed=Failed)
            .with_outputs(FAILED, main="documents")
        )
        return ReadResult(results["documents"], results[FAILED])


def _shards_by_index(corpus: Corpus, files: Sequence[FileInfo] | None) -> list[tuple[int, Shard]]:
    """Return a corpus's shards by index: unlike the random keys of a Reshuffle, it keeps order."""
    found = find_files(corpus) if files is None else files
    return [(shard.index, shard) for shard in split(corpus, found)]


def _read(indexed: tuple[int, Iterable[Shard]], corpus: Corpus) -> Iterator[Any]:
    for shard in indexed[1]:
        for result in read(corpus, shard):
            if interrupt.stop_requested():
                return
            if isinstance(result, Failed):
                yield beam.pvalue.TaggedOutput(FAILED, result)
            else:
                yield result
