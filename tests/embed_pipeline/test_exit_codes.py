"""Exit codes: the numbers schedulers know, with their words."""

import json
import pickle
import signal

import pytest

from embed_pipeline.exit_codes import ExitCode, listed, of_signal


def test_the_numbers_are_those_schedulers_know() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 130, 143]


@pytest.mark.parametrize("code", list(ExitCode))
def test_a_code_says_what_it_means(code: ExitCode) -> None:
    assert code.meaning.endswith(".")


def test_a_code_says_what_a_scheduler_should_do_unless_it_was_stopped_on_purpose() -> None:
    assert [code for code in ExitCode if not code.advice] == [
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
    ]


def test_a_code_is_a_number_wherever_it_goes() -> None:
    code = pickle.loads(pickle.dumps(ExitCode.REFUSED))  # noqa: S301 (our own bytes)
    assert code is ExitCode.REFUSED
    assert (f"{code}", json.dumps(code), code + 0) == ("4", "4", 4)


def test_a_signal_has_the_code_shells_give_it() -> None:
    assert of_signal(signal.SIGINT) is ExitCode.INTERRUPTED
    assert of_signal(signal.SIGTERM) is ExitCode.TERMINATED


def test_the_list_for_people_keeps_its_width() -> None:
    lines = listed(60).splitlines()
    assert lines[:2] == [
        "    0  The dataset is published.",
        "    1  Nothing is published; trying again may help.",
    ]
    assert lines[3:5] == [
        "    3  Published, but more failed than",
        "       `output.max_failed_fraction` allows.",
    ]
    assert max(map(len, lines)) <= 60
