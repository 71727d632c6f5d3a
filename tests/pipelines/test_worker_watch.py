"""The watch on worker processes: a death interrupts the main thread, nothing else does."""

import threading

import grpc
import pytest

from embed_pipeline.pipelines.worker_watch import watching_workers

DIED = "Worker subprocess exited with return code -9"


def end(name: str, error: Exception) -> None:
    """Let a thread of that name end with an error."""

    def fail() -> None:
        raise error

    thread = threading.Thread(target=fail, name=name)
    thread.start()
    thread.join()


def test_a_worker_s_death_interrupts_the_main_thread() -> None:
    def end_and_wait() -> None:
        end("run_worker", RuntimeError(DIED))
        threading.Event().wait(30)

    with watching_workers() as watch, pytest.raises(KeyboardInterrupt):
        end_and_wait()
    assert watch.died == DIED


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_other_threads_do_not() -> None:
    with watching_workers() as watch:
        end("another", RuntimeError(DIED))
        end("run_worker", RuntimeError("something else"))
    assert watch.died is None


def test_what_dies_as_the_job_ends_does_not_matter() -> None:
    with watching_workers() as watch:
        watch.ending = True
        end("run_worker", RuntimeError(DIED))
    assert watch.died is None


def test_a_worker_in_this_process_may_be_hung_up_on(capfd: pytest.CaptureFixture[str]) -> None:
    with watching_workers() as watch:
        end("read_grpc_client_inputs", grpc.RpcError("CANCELLED: hanging up"))
        end("run_worker_1-1", grpc.RpcError("CANCELLED: hanging up"))
    assert watch.died is None
    assert capfd.readouterr().err == ""


def test_the_hook_is_put_back() -> None:
    before = threading.excepthook
    with watching_workers():
        assert threading.excepthook is not before
    assert threading.excepthook is before
