"""Try again the documents of a dataset that have no vector.

python -m embed_pipeline.pipelines.retry_failures OUT
"""

import logging
import signal
import sys
from collections.abc import Mapping, Sequence

import apache_beam as beam
from apache_beam.pvalue import PCollection

from embed_pipeline import commit, errors, interrupt, locate
from embed_pipeline.amend import Amendment
from embed_pipeline.claims import RetryRun, claimed, tidy_up_after_dead
from embed_pipeline.commit import Target
from embed_pipeline.counted import counted
from embed_pipeline.engine import inspect
from embed_pipeline.exit_codes import ExitCode, of_signal
from embed_pipeline.made_with import MadeWith, check_same_engine, made_with
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.pipelines.execution import told
from embed_pipeline.pipelines.options import beam_options
from embed_pipeline.pipelines.preflight import preflight
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.provenance import provenance
from embed_pipeline.retriable import refuse_known, retriable_ids
from embed_pipeline.staging import new_run
from embed_pipeline.store import is_store
from embed_pipeline.transforms.amend import AmendDataset, ReadFailures
from embed_pipeline.transforms.embed import EmbedText


def retry_failures(
    dataset: str,
    terminal: Terminal,
    url: str | list[str] | None = None,
    headers: Mapping[str, str] = {},
) -> int:
    """Embed a dataset's failed documents again and commit the result; return the exit code.

    It runs in this process. What the endpoint has no part in (a text that is empty, an attribute
    that does not fit, a line that cannot be read) stays as it is.

    Args:
        dataset: The dataset's folder, local or on an object store.
        terminal: Where to tell of it.
        url: Another address of the endpoint, or several; None: what the dataset was made at.
        headers: Headers of every request, whose values no manifest holds.

    Raises:
        RefusedError: Another engine than the dataset's, an id that is a row already, another job
            is running there, or it is a store.
        EmbedPipelineError: Nothing was published: the dataset is as it was.
    """
    with terminal.telling_warnings():
        manifest = _read(dataset)
        tidy_up_after_dead(dataset, manifest)
        ids = retriable_ids(dataset, manifest.failures)
        if not ids:
            terminal.say(_nothing(dataset, manifest))
            return ExitCode.PUBLISHED
        made = made_with(dataset, manifest, url, headers)
        refuse_known(dataset, manifest.data, made.output.column("id"), ids)
        run = RetryRun(*new_run(dataset))
        with claimed(run, manifest), locate.opened(made.endpoint) as endpoint:
            made = made._replace(endpoint=endpoint)
            _check_engine(made, manifest, terminal)
            _run(_amendment(run, made, manifest), made, terminal, len(ids))
        return _summarized(dataset, manifest, made, terminal)


def build(p: beam.Pipeline, amendment: Amendment, made: MadeWith) -> PCollection:
    """Add the job to a pipeline; return its PCollection of one Manifest.

    Args:
        p: The pipeline.
        amendment: The dataset, and the run that was claimed for it.
        made: The settings its rows were made with; the endpoint has a concrete address.
    """
    return (
        p
        | "Read" >> ReadFailures(amendment)
        | "Embed"
        >> EmbedText(made.endpoint, made.batching, made.retry, made.tokens, run=amendment.run)
        | "Amend" >> AmendDataset(amendment)
    )


def _read(dataset: str) -> Manifest:
    """Return a dataset's manifest; refuse a store and its snapshots, which are never changed."""
    if not is_store(dataset):
        manifest = read_manifest(dataset)
        if manifest.refresh is None:
            return manifest
    raise errors.RefusedError(
        f"{dataset} is a store, or a snapshot of one: the next `embed-pipeline refresh` tries those"
        " again that failed by the server's fault"
    )


def _nothing(dataset: str, manifest: Manifest) -> str:
    failed = manifest.counts.failed
    if not failed:
        return f"nothing to try again: no document of {dataset} failed"
    return (
        f"nothing to try again: {dataset} has {counted(failed, 'document')} that failed, none of "
        "them by the endpoint, but by what they are"
    )


def _check_engine(made: MadeWith, manifest: Manifest, terminal: Terminal) -> None:
    """Refuse another engine before a text is sent."""
    preflight(made.endpoint, made.batching, terminal)
    engine = inspect(made.endpoint, made.retry, made.tokens)
    check_same_engine(manifest.provenance, provenance(made.endpoint, engine, made.tokens))


def _amendment(run: RetryRun, made: MadeWith, manifest: Manifest) -> Amendment:
    target = Target(run, commit.now(), made.output, made.attributes, "error", manifest.job)
    return Amendment(run, target, manifest)


def _run(amendment: Amendment, made: MadeWith, terminal: Terminal, total: int) -> None:
    """Run the pipeline to its end; errors of ours come out as they went in."""
    interrupt.clear()
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # its tracebacks; we tell better
    pipeline = beam.Pipeline(options=beam_options({}, ()))
    build(pipeline, amendment, made)
    with (
        terminal.watching(amendment.run, total, exact=True),
        interrupt.stop_on_signals(),
    ):
        try:
            pipeline.run().wait_until_finish()
        except (Exception, KeyboardInterrupt) as error:
            number = interrupt.stop_requested()
            if number is not None:
                raise _Interrupted(number) from error
            raise told(error) from error


class _Interrupted(errors.InterruptedJobError):
    """Report the signal that ended the job; the exit code is 128 plus its number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; the dataset is as it was")
        self.exit_code = of_signal(number)


def _summarized(dataset: str, old: Manifest, made: MadeWith, terminal: Terminal) -> int:
    """Tell what has become of the failures; return the exit code."""
    manifest = read_manifest(dataset)
    counts = manifest.counts
    last = manifest.retried[-1]
    kinds = [(*kind.split(":", 1), n) for kind, n in counts.failed_by_blame_and_kind.items()]
    left = ", ".join(f"{n:,} {name} ({blame})" for blame, name, n in kinds)
    terminal.say(
        f"{dataset}: tried {last.tried:,} of {counted(old.counts.failed, 'failed document')} "
        f"again, {counted(last.succeeded, 'new row')}; {counted(counts.rows, 'row')}, "
        f"{counts.failed:,} failed"
        f"{f' ({left})' if left else ''}"
    )
    if not counts.too_many_failed(made.output.max_failed_fraction):
        return ExitCode.PUBLISHED
    terminal.warn("more documents failed than output.max_failed_fraction allows (exit code 3)")
    return ExitCode.TOO_MANY_FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """Do as `embed-pipeline retry-failures` does; return the exit code."""
    from embed_pipeline.pipelines.cli import invoke  # noqa: PLC0415 (which imports this module)

    return invoke(["retry-failures", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
