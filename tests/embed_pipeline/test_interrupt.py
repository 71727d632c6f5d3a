"""Stopping on signals, in this process and in processes that really get them."""

import signal
import subprocess
import sys
import threading

import pytest

from embed_pipeline import interrupt

WAITER = """
from embed_pipeline import interrupt
with interrupt.stop_on_signals():
    print("ready", flush=True)
    print(interrupt.wait(60), interrupt.stop_requested(), flush=True)
    try:
        print("again", flush=True)
        input()
    except KeyboardInterrupt:
        print("KeyboardInterrupt", flush=True)
"""


def test_nothing_is_requested_at_first() -> None:
    assert interrupt.stop_requested() is None


def test_the_first_signal_is_remembered() -> None:
    interrupt.request_stop(15)
    interrupt.request_stop(2)
    assert interrupt.stop_requested() == 15


def test_clear_forgets_the_request() -> None:
    interrupt.request_stop(15)
    interrupt.clear()
    assert interrupt.stop_requested() is None
    assert not interrupt.wait(0.001)


def test_a_wait_that_is_not_interrupted_returns_false() -> None:
    assert not interrupt.wait(0.001)
    assert not interrupt.wait(-1)


def test_a_wait_after_a_request_returns_at_once_every_time() -> None:
    interrupt.request_stop(2)
    assert [interrupt.wait(60), interrupt.wait(60), interrupt.wait(0)] == [True, True, True]


def test_a_request_wakes_all_waiting_threads() -> None:
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda: woken.append(interrupt.wait(60))) for _ in range(5)]
    for thread in threads:
        thread.start()
    interrupt.request_stop(15)
    for thread in threads:
        thread.join(30)
    assert woken == [True] * 5


def test_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interrupt.stop_on_signals():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_after_the_given_time_an_alarm_asks_to_stop() -> None:
    with interrupt.stop_on_signals(seconds=0.01):
        assert interrupt.wait(60)
    assert interrupt.stop_requested() == signal.SIGALRM


def test_an_alarm_does_not_outlive_what_it_was_set_for() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with interrupt.stop_on_signals(seconds=60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        assert signal.getsignal(signal.SIGALRM) != before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) == before


def test_without_a_time_no_alarm_is_set() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with interrupt.stop_on_signals():
        assert signal.getsignal(signal.SIGALRM) == before


def test_an_alarm_ends_at_once_what_does_not_see_the_request() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        interrupt.stop_on_signals(at_once=True, seconds=0.01),
    ):
        threading.Event().wait(60)
    assert interrupt.stop_requested() == signal.SIGALRM


def test_outside_the_main_thread_no_handler_is_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    inside = []

    def enter() -> None:
        with interrupt.stop_on_signals():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(30)
    assert inside == [before]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_wait_and_a_second_sigint_raises(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.stdout.readline() == f"True {int(number)}\n"
            assert process.stdout.readline() == "again\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "KeyboardInterrupt\n"
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_signals_that_somebody_else_has_taken_can_be_taken_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interrupt.stop_on_signals() as take:
        ours = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        take()
        assert signal.getsignal(signal.SIGTERM) == ours
    assert signal.getsignal(signal.SIGTERM) == before
