"""report.json: what the report of a run is drawn from; it stands beside the manifest."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from embed_pipeline import files
from embed_pipeline.errors import DatasetError

REPORT = "report.json"
PAGE = "report.html"
FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Timeline(_Part):
    """Tell what was done when, in buckets of `width_s` seconds from `start`, 300 at most.

    `start` is in seconds since the epoch, a multiple of the width. `texts` are those that came
    back, `failed` those of them without a vector; `faults` are tries of `requests` that failed.
    """

    start: int = 0
    width_s: int = 1
    texts: Sequence[int] = []
    tokens: Sequence[int] = []
    failed: Sequence[int] = []
    requests: Sequence[int] = []
    faults: Sequence[int] = []


class Seconds(_Part):
    """Tell where the time of the embed step went, summed over its bundles, of all processes.

    `wall` is what bundles took from start to end, what is done in the same stage included. `server`
    and `load` are the parts of it in which a bundle waited while the endpoint computed, or loaded
    the model; `waiting` is how long bundles were blocked otherwise (checks before the first text,
    network, queue at the server, pauses), `own` what they were not. The four add up to `wall`;
    `statistics.Statistics.spend` says how requests that overlap are split.

    `began` and `ended` are when the first bundle started and the last one ended, in seconds since
    the epoch; 0 where that is not known.

    `told` is whether all answers told how long the endpoint took. Where it is false, `waiting` has
    what cannot be told apart from it: `server`, `load` and `waiting` have a meaning as a sum only.
    """

    wall: float = 0.0
    server: float = 0.0
    load: float = 0.0
    waiting: float = 0.0
    own: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    told: bool = True


class Histogram(_Part):
    """Tell how many numbers are from each edge up to the next, their sum and the highest."""

    edges: Sequence[float] = [0]
    counts: Sequence[int] = []
    sum: float = 0.0
    max: float = 0.0


class EndpointShare(_Part):
    """Tell of one address, by its name without secrets.

    `texts` and `tokens` are what it brought vectors of and how it counts them, `seconds` how long
    requests took that it answered well, `rested_s` how long others were asked instead of it.
    """

    name: str
    requests: int = 0
    texts: int = 0
    tokens: int = 0
    seconds: float = 0.0
    faults: Mapping[str, int] = {}
    rested_s: float = 0.0


class Fault(_Part):
    """Tell of tries that failed with one kind of error; `lost_s` has the waits after them."""

    count: int
    lost_s: float = 0.0


class Map(_Part):
    """Show a sample of the vectors on the plane of their two principal components.

    `of` is how many rows the sample was drawn from, `explained` each axis' share of the variance.
    `category` is each point's place in `categories`, the values of the attribute `color_by`; -1
    where it has none. `texts` is empty unless `output.report_texts` is true.
    """

    of: int = 0
    x: Sequence[float] = []
    y: Sequence[float] = []
    explained: tuple[float, float] = (0.0, 0.0)
    color_by: str | None = None
    categories: Sequence[str] = []
    category: Sequence[int] = []
    texts: Sequence[str] = []


class FailurePlace(_Part):
    """Tell where a text stands that failed; `text` is null unless `output.report_texts` is true."""

    kind: str
    source: str
    line: int | None = None
    text: str | None = None


class Report(_Part):
    """Hold what the report of a run is drawn from, beside its manifest.

    All but `places` is of the texts this run embedded. Where ids that stand twice were dropped at
    the end (`on_duplicate`), `map` has none of them; the rest counts what was dropped, too.
    `context` is how many tokens the model reads, `places` has at most three failures a kind.
    """

    format: int = FORMAT
    run_id: str = ""
    timeline: Timeline = Timeline()
    seconds: Seconds = Seconds()
    request_ms: Histogram = Histogram()
    batch_texts: Histogram = Histogram()
    token_counts: Histogram = Histogram()
    context: int | None = None
    endpoints: Sequence[EndpointShare] = []
    faults: Mapping[str, Fault] = {}
    map: Map = Map()
    places: Sequence[FailurePlace] = []

    @property
    def embedded(self) -> int:
        """The texts that got a vector, whatever became of their rows."""
        return sum(self.token_counts.counts)

    def to_json(self) -> bytes:
        """Return the report as it is stored."""
        return orjson.dumps(self.model_dump()) + b"\n"


def read_report(dataset: str) -> Report | None:
    """Read what a dataset's report is drawn from; None where there is none.

    Raises:
        DatasetError: It is damaged, or of a newer format.
    """
    path = files.join(dataset, REPORT)
    if not files.exists(path):
        return None
    try:
        found: Any = orjson.loads(files.read_bytes(path))
        if found["format"] > FORMAT:
            raise DatasetError(
                f"{path} is of format {found['format']}, written by a newer version; this one "
                f"reads format {FORMAT}: install the newer version"
            )
        return Report.model_validate(found)
    except (orjson.JSONDecodeError, LookupError, TypeError, ValidationError) as error:
        raise DatasetError(
            f"{path} is damaged, or no report of a run; the dataset does not need it: delete it"
        ) from error


def quantile(histogram: Histogram, share: float) -> float:
    """Return the number below which a share of all are; 0 where there is none.

    Within a bin numbers are taken to be evenly spread: it is exact to the width of a bin.

    Args:
        histogram: Of the numbers.
        share: From 0 to 1.
    """
    wanted = share * sum(histogram.counts)
    below = 0.0
    for number, count in enumerate(histogram.counts):
        if count and below + count >= wanted:
            low, high = histogram.edges[number], histogram.edges[number + 1]
            if high - low == 1:  # of a single whole number
                return float(min(low, histogram.max))
            return min(low + (high - low) * (wanted - below) / count, histogram.max)
        below += count
    return histogram.max
