"""How far the embedded endpoint is from the published example of its model.

    python -m benchmarks.fidelity

The twenty values and the token counts are those printed in the API's own documentation of
`POST /api/embed` for all-minilm.
"""

import numpy as np

from benchmarks.results import record
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened

PRINTED = {
    "Why is the sky blue?": (
        0.010071029, -0.0017594862, 0.05007221, 0.04692972, 0.054916814,
        0.008599704, 0.105441414, -0.025878139, 0.12958129, 0.031952348,
    ),
    "Why is the grass green?": (
        -0.0098027075, 0.06042469, 0.025257962, -0.006364387, 0.07272725,
        0.017194884, 0.09032035, -0.051705178, 0.09951512, 0.09072481,
    ),
}  # fmt: skip


def main() -> None:
    """Measure, print and record."""
    with (
        opened(Endpoint(url="embedded", model="all-minilm")) as endpoint,
        Client(endpoint) as client,
    ):
        together = client.embed(list(PRINTED)).answer
        counts = [client.embed([text]).answer.token_count for text in PRINTED]
    printed = np.array(list(PRINTED.values()))
    record(
        "fidelity",
        {
            "unit": "largest difference to the twenty printed values",
            "largest difference": float(np.abs(together.vectors[:, :10] - printed).max()),
            "token counts": [*counts, together.token_count],
        },
        {"texts": list(PRINTED)},
    )


if __name__ == "__main__":
    main()
