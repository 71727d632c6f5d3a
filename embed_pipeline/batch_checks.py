"""What every batch promises: a good vector for each text, in order, and the same as alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.answer import NORM_TOLERANCE
from embed_pipeline.client import Client
from embed_pipeline.verdict import ANOTHER_SERVER, Verdict

Vectors = NDArray[np.float32]

VECTORS, ORDER, SINGLE, DETERMINISM = "vectors", "order", "batch against single", "determinism"
# Engines round in different ways in batches of different shape; wrong vectors are far below that.
LEAST_COSINE = 0.999
SAME = 1e-6  # how far the values of vectors that are the same may lie apart
ONE_BY_ONE = f"{ANOTHER_SERVER}, or one text a request (batching.max_texts: 1)"
# Neither their length nor their letters stand in order, so that an endpoint which sorts them is
# found out; more than 16, where some engines have begun to go wrong.
TEXTS = (
    "Why is the sky blue?",
    "A cat",
    "The committee met on Monday to discuss the budget for the coming year and agreed on nothing.",
    "read a file line by line",
    "Bread is baked from flour, water, salt and yeast; the dough has to rest before it is baked.",
    "nine",
    "The train to the north leaves at seven in the morning from the second platform.",
    "music",
    "How do I open a network socket and wait for data without blocking?",
    "Rivers carry sand to the sea.",
    "x equals two",
    "The patient was given two doses a day, and after a week the fever had gone.",
    "old stone bridge over the river in the middle of the town",
    "Yes",
    "An index makes a query faster and every write slower, so measure before you add one.",
    "stars and planets",
    "The goalkeeper saved the last penalty, and the whole stadium stood up and sang for an hour.",
    "good morning",
)
# Of three texts, two are enough to tell every order.
FEW_TEXTS = ("the lamp stands beside the window", "Rain", "Two old boats")


class Answers(NamedTuple):
    """Hold the vectors of the same texts, asked for in different ways; shape (texts, dimension).

    Attributes:
        together: Of all texts in one request.
        alone: Of the first texts, all or fewer, each in a request of its own.
    """

    together: Vectors
    alone: Vectors


def each_alone(client: Client, texts: Sequence[str]) -> Vectors:
    """Return the vectors of texts, each asked for alone.

    Raises:
        EndpointError: One of them gets none.
    """
    return np.stack([client.embed([text]).answer.vectors[0] for text in texts])


def vectors(together: Vectors) -> Verdict:
    """Judge the length of vectors; their number and shape the client has seen to."""
    off = float(np.abs(np.linalg.norm(together.astype(np.float64), axis=1) - 1).max())
    detail = f"one a text, finite, their norms within {off:.0e} of 1"
    return Verdict(VECTORS, "holds" if off <= NORM_TOLERANCE else "broken", detail)


def order(answers: Answers) -> Verdict:
    """Judge whether each text of a request gets its own vector."""
    count = len(answers.together)
    shared = one_for_two(ORDER, answers.together)
    if shared is not None:
        return shared
    cosines = answers.alone @ answers.together.T
    places = cosines.argmax(axis=1)
    for text, place in enumerate(places.tolist()):
        if cosines[text, place] < LEAST_COSINE:
            detail = f"text {text + 1} has no such vector in a request of {count} as it has alone"
            return Verdict(ORDER, "not known", detail)
        if text != place:
            detail = f"in a request of {count}, text {text + 1} got the vector of another; "
            return Verdict(ORDER, "broken", detail + ONE_BY_ONE)
    return Verdict(ORDER, "holds", f"{count} texts of one request got their own vectors")


def one_for_two(name: str, found: Vectors) -> Verdict | None:
    """Return that a promise is broken where two of these different texts share a vector."""
    for first in range(len(found)):
        same = np.abs(found[first + 1 :] - found[first]).max(axis=1, initial=0.0) <= SAME
        if same.any():
            second = first + 1 + int(same.argmax())
            detail = (
                f"texts {first + 1} and {second + 1} of {len(found)} share a vector, but differ"
            )
            return Verdict(name, "broken", f"{detail}; {ANOTHER_SERVER}")
    return None


def batch_against_single(answers: Answers) -> Verdict:
    """Judge whether a text gets the same vector in a batch as alone, wherever it stands."""
    cosines = answers.alone @ answers.together.T
    least = min(1.0, float(cosines.max(axis=1).min()))
    nearest = answers.together[cosines.argmax(axis=1)]
    apart = float(np.abs(answers.alone - nearest).max())
    seen = f"cosine {least:.6f} at least, values {apart:.0e} apart at most"
    if least >= LEAST_COSINE:
        return Verdict(SINGLE, "holds", f"{seen} (cosine {LEAST_COSINE} is enough)")
    return Verdict(SINGLE, "broken", f"{seen} ({LEAST_COSINE} is asked for); {ONE_BY_ONE}")


def determinism(first: Vectors, second: Vectors) -> Verdict:
    """Judge whether the same request brings the same vectors twice."""
    apart = float(np.abs(first - second).max())
    if apart == 0:
        return Verdict(DETERMINISM, "holds", "the same texts got the same vectors, bit by bit")
    seen = f"the same texts got vectors whose values lie {apart:.0e} apart"
    if apart <= SAME:
        return Verdict(DETERMINISM, "holds", f"{seen} ({SAME:.0e} is allowed)")
    detail = f"{seen} ({SAME:.0e} is allowed); runs cannot be compared value by value"
    return Verdict(DETERMINISM, "broken", detail)
