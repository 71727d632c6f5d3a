"""Different texts that share a vector are asked for again, each alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embed_pipeline import errors
from embed_pipeline.audit import SAME, Audit, Suspect, marks_of
from embed_pipeline.client import Embeds, Tries
from embed_pipeline.outcomes import Effort
from embed_pipeline.probes import PROBES
from embed_pipeline.sizing import Sizing


@dataclass
class SecondLook:
    """Tell whether the vectors of a request can be believed.

    Attributes:
        client: Where to ask again.
        audit: Knows which texts share a vector.
        sizing: Its tokenizer, if there is one, tells texts that no model can tell apart.
        effort: Where it is counted.
    """

    client: Embeds
    audit: Audit
    sizing: Sizing
    effort: Effort

    def check(self, sent: Sequence[str], tries: Tries) -> None:
        """Look at an answer; remember its vectors if they are believed.

        Raises:
            WrongAnswer: Different texts share a vector wrongly, or at a server that is stuck.
            VectorsContradicted: The vector that an earlier request gave cannot be believed either.
            EndpointError: It could not be found out; that says nothing of the vectors.
        """
        marks = marks_of(tries.answer.vectors)
        for suspect in self.audit.suspects(sent, marks):
            self.effort.suspects += 1
            try:
                earlier = self._mixed_up(suspect)
            except errors.EndpointError:
                self.effort.count(tries)
                raise
            if earlier is not None:
                self.effort.count(tries)
                raise _error(earlier=earlier)
            self.audit.rightly_shared(suspect.mark)
            self.effort.shared += 1
        self.audit.remember(sent, marks)

    def _mixed_up(self, suspect: Suspect) -> bool | None:
        """Tell whether two texts share their vector wrongly.

        Returns:
            None where they share it rightly; else whether the earlier one's row is wrong, too.
        """
        tokenizer = self.sizing.limits.tokenizer
        if tokenizer is not None and tokenizer.same(suspect.text, suspect.other):
            return None
        if not self.audit.may_ask():
            return None
        one, other = (self.client.embed([text]) for text in (suspect.text, suspect.other))
        self.effort.count(one)
        self.effort.count(other)
        alone = other.answer.vectors[0]
        if np.abs(one.answer.vectors[0] - alone).max() > SAME:
            return suspect.earlier and not suspect.is_of(alone)
        try:
            self.effort.count(self.client.embed(PROBES, 1))
        except errors.WrongAnswer as error:  # a server that is stuck gives all texts the same
            self.effort.count(error)
            return suspect.earlier
        return None


def _error(*, earlier: bool) -> errors.EndpointError:
    """Return the error of texts that got a vector that is not their own."""
    error: errors.EndpointError = errors.WrongAnswer(
        "two different texts got one vector, and asked again, each alone, they do not", 200
    )
    if earlier:
        error = errors.VectorsContradicted(
            "the endpoint has given two different texts one vector, and asked again, does not "
            "stand by it: vectors that are written already may be wrong, so nothing of this run "
            "is to be used; see the server's log, and run again",
            200,
        )
    error.attempts = 0  # the requests themselves are counted already
    error.faults = {type(error).__name__: 1}
    return error
