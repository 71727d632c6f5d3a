"""What a plan looks like."""

import io
from typing import Any

import pytest
from rich.console import Console

from embed_pipeline.pipelines.plan_report import duration, print_plan, size

PLAN: dict[str, Any] = {
    "endpoint": {"url": "http://one:11434", "version": "0.24.0", "kind": "server"},
    "limits": {"context": 256, "context_source": "server"},
    "on_too_long": "truncate",
    "sampled_documents": 2_000,
    "documents": {"value": 1_234_567.0, "low": 1_200_000.0, "high": 1_270_000.0},
    "failed": 1_234.0,
    "too_long": 0.064,
    "texts": {"value": 1_233_333.0, "low": 1_199_000.0, "high": 1_269_000.0},
    "tokens": {"value": 106_000_000.0, "low": 101_000_000.0, "high": 111_000_000.0},
    "tokens_counted": True,
    "start_seconds": 3.21,
    "start_is_local": True,
    "bytes": 2_345_678_901.0,
    "rates": [
        {
            "max_texts": 32, "in_flight": 2, "own": True, "chosen": False,
            "texts_per_second": 101.4, "tokens_per_second": 8_721.0,
            "seconds": 12_158.0, "low": 11_000.0, "high": 14_000.0,
        },
        {
            "max_texts": 64, "in_flight": 2, "own": False, "chosen": True,
            "texts_per_second": 123.4, "tokens_per_second": 10_612.0,
            "seconds": 9_992.0, "low": 9_000.0, "high": 11_000.0,
        },
    ],
    "processes": 1,
    "chosen": {"max_texts": 64, "in_flight": 2},
    "enough_in_flight": 2,
    "enough_was_seen": True,
    "workers": 1,
}  # fmt: skip


def printed(**changes: Any) -> str:
    out = io.StringIO()
    print_plan(Console(file=out, width=80), {**PLAN, **changes})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_a_plan_fits_80_columns() -> None:
    assert printed() == (
        "documents  about 1,230,000 (1,200,000 to 1,270,000), 2,000 of them sampled\n"
        "failures   about 1,230\n"
        "tokens     about 106,000,000 (101,000,000 to 111,000,000), 86 a text, counted here\n"
        "too long   6.4% of the documents are cut; the model reads 256 tokens\n"
        "endpoint   http://one:11434 0.24.0\n"
        "\n"
        "max_texts  in_flight  texts/s  tokens/s  whole run\n"
        "       32          2      101     8,720      3.4 h  the job's\n"
        "       64          2      123    10,600      2.8 h  chosen\n"
        "\n"
        "time     about 3.4 h (3.1 h to 3.9 h), 3.2 s of it to start and end\n"
        "chosen   --set job.batching.max_texts=64 --set job.batching.in_flight=2\n"
        "         about 2.8 h (2.5 h to 3.1 h)\n"
        "size     2.3 GB\n"
        "workers  1 with in_flight 2; more than 2 in flight gain nothing at this endpoint"
    )


def test_what_is_counted_has_no_range() -> None:
    assert "documents  2,400, 2,000 of" in printed(
        documents={"value": 2_400, "low": 2_400, "high": 2_400}
    )


def test_the_job_s_own_settings_may_be_the_best() -> None:
    out = printed(rates=[{**PLAN["rates"][0], "chosen": True}])
    assert "the job's, chosen" in out
    assert "chosen   the job's own settings" in out
    assert "--set" not in out


def test_what_is_not_known_is_said() -> None:
    limits = {"context": 256, "context_source": "assumed"}
    out = printed(too_long=None, tokens_counted=False, limits=limits)
    assert "not known which texts are; the model reads 256 tokens, which is assumed" in out
    assert "as the endpoint counts" in out


def test_split_documents_are_told_with_their_pieces() -> None:
    out = printed(on_too_long="chunk")
    assert "pieces     about 1,230,000 (1,200,000 to 1,270,000)" in out
    assert "of the documents are split" in out


def test_of_a_distributed_run_start_and_workers_are_told() -> None:
    out = printed(start_is_local=False, processes=2, workers=2, enough_was_seen=False)
    assert "max_texts  in flight of all  texts/s" in out
    assert "to start and end here; workers take longer" in out
    assert "2 with 2 processes of in_flight 2, or more: more than 2 in flight were not tried" in out


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1.23, "1.2 s"), (16.4, "16 s"), (119, "119 s"), (200, "3 min"), (30_000, "8.3 h")],
)
def test_times_have_the_unit_that_suits_them(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_sizes_have_the_unit_that_suits_them() -> None:
    assert (size(3_770_637), size(12_345_678_901)) == ("3.8 MB", "12.3 GB")
