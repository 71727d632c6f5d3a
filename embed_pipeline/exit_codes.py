"""Every exit code of a job, what it says, and what a scheduler should make of it."""

from enum import IntEnum
from textwrap import wrap
from typing import Self


class ExitCode(IntEnum):
    """Say how a job ended.

    Attributes:
        meaning: What has happened, as a sentence.
        advice: What a scheduler should do, or "" where somebody has stopped the job on purpose.
    """

    meaning: str
    advice: str

    PUBLISHED = 0, "The dataset is published.", "go on"
    FAILED = 1, "Nothing is published; trying again may help.", "try again, later"
    WRONG = 2, "Usage, the job file, or input that cannot work.", "not try again"
    TOO_MANY_FAILED = (
        3,
        "Published, but more failed than `output.max_failed_fraction` allows.",
        "look into `failures/`",
    )
    REFUSED = (
        4,
        "Refused: going on would damage or mix datasets (duplicate ids, another model).",
        "not try again",
    )
    TIME_IS_UP = (
        5,
        "The time of `--max-runtime` is over; nothing is published, what is done is kept.",
        "go on with it, now or the next night",
    )
    INTERRUPTED = 130, "Interrupted by SIGINT; nothing is published.", ""
    TERMINATED = 143, "Interrupted by SIGTERM; nothing is published.", ""

    def __new__(cls, value: int, meaning: str = "", advice: str = "") -> Self:
        """Make a code of a number, with its words."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning, code.advice = meaning, advice
        return code


def listed(width: int = 79) -> str:
    """Return all codes with their meanings, a line or more each, as `--help` shows them."""
    lines = []
    for code in ExitCode:
        number, indent = f"{code:>5}  ", " " * 7
        lines += wrap(code.meaning, width, initial_indent=number, subsequent_indent=indent)
    return "\n".join(lines)


def of_signal(number: int) -> ExitCode:
    """Return the code of a job that SIGINT or SIGTERM has ended: 128 plus its number."""
    return ExitCode(128 + number)
