"""The arithmetic of a plan: from rates that were measured to settings, time and workers."""

from collections import Counter
from collections.abc import Sequence

from embed_pipeline.measuring import Rate, Setting, as_good
from embed_pipeline.sampling import Range


def choose(rates: Sequence[Rate], own: Setting) -> Rate:
    """Choose the least in flight, and of that the smallest batch, among the rates as good.

    The job's own setting is kept where it is as good with no more in flight.
    """

    def cost(rate: Rate) -> tuple[int, bool, int]:
        return rate.setting.in_flight, rate.setting != own, rate.setting.max_texts

    return as_good(rates, cost)


def enough_in_flight(rates: Sequence[Rate]) -> tuple[int, bool]:
    """Return from how many requests in flight on the rate does not rise, and if it was seen to.

    That is told by the batch size that was tried with most numbers of them. Where the most that
    were tried are the best, the endpoint may do with more.
    """
    sizes = Counter(rate.setting.max_texts for rate in rates)
    size = max(sizes, key=lambda one: sizes[one])
    levels = [rate for rate in rates if rate.setting.max_texts == size]
    most = max(rate.setting.in_flight for rate in levels)
    least = as_good(levels, lambda rate: rate.setting.in_flight).setting.in_flight
    return least, least < most


def per_process(in_flight: int, processes: int) -> int:
    """Return the requests in flight of each process that make up so many of all of them."""
    return max(1, -(-in_flight // processes))


def workers(in_flight: int, batching_in_flight: int, processes: int) -> int:
    """Return how many workers of so many processes it takes to have so much in flight."""
    return max(1, -(-in_flight // (batching_in_flight * processes)))


def time_of(tokens: Range, rate: Rate, start: float) -> Range:
    """Return how long a run takes, in seconds.

    Its time follows its tokens: a model's work is done a token at a time, and slices of the same
    corpus differ less in seconds a token than in seconds a text. What each text costs beside its
    tokens is in the rate, since the slices hold texts of the corpus' own lengths.

    Args:
        tokens: Of the corpus.
        rate: As measured; its slowest and fastest slices are the bounds.
        start: Seconds that a run takes whatever the corpus.
    """
    return Range(
        start + tokens.value / rate.tokens,
        start + tokens.low / rate.fastest,
        start + tokens.high / rate.slowest,
    )


def setting_of(rates: Sequence[Rate], setting: Setting) -> Rate:
    """Return the rate that was measured with a setting."""
    return next(rate for rate in rates if rate.setting == setting)
