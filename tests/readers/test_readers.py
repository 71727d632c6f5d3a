"""Every reader opens data/ as docs/readers.md says: all rows, right types, the same neighbors."""

import numpy as np
import pytest

from tests.readers import sample
from tests.readers.found import READERS, Places, version
from tests.readers.sample import Sample
from tests.readers.table import ATTRIBUTES, ROWS

pytestmark = [
    pytest.mark.readers,
    pytest.mark.timeout(300),  # Spark is started once for all of its tests
    pytest.mark.filterwarnings("ignore"),  # readers warn of what is theirs
]

KINDS = [(kind, encoding) for kind in sample.TYPES for encoding in sample.ENCODINGS]
OPENED = [(name, *kind) for name in READERS for kind in KINDS if ROWS[name].opens(*kind)]
REFUSED = [(name, *kind) for name in READERS for kind in KINDS if not ROWS[name].opens(*kind)]
Samples = dict[tuple[str, str], Sample]


@pytest.mark.parametrize(("reader", "vector_type", "encoding"), OPENED)
def test_a_reader_finds_all_of_a_dataset(
    reader: str, vector_type: str, encoding: str, samples: Samples, places: Places
) -> None:
    found = READERS[reader](samples[vector_type, encoding].data, places)

    rows = sorted(found.rows, key=lambda row: row["id"])
    vectors = np.stack([np.asarray(row.pop("vector"), np.float32) for row in rows])
    assert rows == [sample.expected(number) for number in range(sample.ROWS)]
    tolerance = 1e-4 if ROWS[reader].normalizes else 0
    np.testing.assert_allclose(vectors, sample.vectors(vector_type), rtol=0, atol=tolerance)
    assert found.nearest == list(sample.NEAREST)
    assert found.types["vector"] == ROWS[reader].vector(vector_type)
    assert ", ".join(found.types[name] for name in ATTRIBUTES) == ROWS[reader].attributes


@pytest.mark.parametrize(("reader", "vector_type", "encoding"), REFUSED)
def test_a_reader_refuses_what_it_cannot_read(
    reader: str, vector_type: str, encoding: str, samples: Samples, places: Places
) -> None:
    with pytest.raises(
        Exception, match=r"(?i)float16|BYTE_STREAM_SPLIT|unsupported encoding|LogicalType"
    ):
        READERS[reader](samples[vector_type, encoding].data, places)


@pytest.mark.parametrize("reader", READERS)
def test_the_version_that_is_run_stands_in_the_table(reader: str, places: Places) -> None:
    assert version(reader, places) == ROWS[reader].version
