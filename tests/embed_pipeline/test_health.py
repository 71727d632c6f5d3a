"""How addresses are: told by each process in a file, added up by readers."""

import time
from pathlib import Path

import orjson

from embed_pipeline.health import Address, Health, merged, read_health, tell
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID

ONE = Address("http://a:1", "well", 0.0, 2, 4, 10, {"Overloaded": 1})
OTHER = Address("http://a:1", "resting", 7.0, 1, 1, 5, {"Overloaded": 2, "ServerFault": 1})


def test_processes_add_up_and_the_worst_state_is_told() -> None:
    found = merged([Health((ONE,), 1, 3), Health((OTHER, Address("http://b:1")), 2, 4)])
    faults = {"Overloaded": 3, "ServerFault": 1}
    together = Address("http://a:1", "resting", 7.0, 3, 5, 15, faults)
    assert found == Health((together, Address("http://b:1")), 3, 7)
    assert found.in_flight == 3


def test_what_processes_tell_is_read(tmp_path: Path) -> None:
    run = Run(str(tmp_path), RUN_ID)
    tell(run, "host-1", Health((ONE,), 1, 3), 0.5)
    tell(run, "host-2", Health((OTHER,), 0, 0), 0.5)
    assert read_health(run) == merged([Health((ONE,), 1, 3), Health((OTHER,))])


def test_who_tells_again_is_counted_once(tmp_path: Path) -> None:
    run = Run(str(tmp_path), RUN_ID)
    for retries in (1, 2):
        tell(run, "host-1", Health((ONE,), 0, retries), 0.5)
    assert read_health(run).retries == 2


def test_who_has_ceased_to_tell_is_left_out(tmp_path: Path) -> None:
    run = Run(str(tmp_path), RUN_ID)
    tell(run, "local", Health((ONE,)), 0.5)
    tell(run, "remote", Health((OTHER,)), 60.0)
    now = time.time()
    assert len(read_health(run, now + 5).addresses) == 1
    assert read_health(run, now + 100) == Health((OTHER,))
    assert read_health(run, now + 300) == Health()


def test_keys_of_another_version_are_passed_over(tmp_path: Path) -> None:
    run = Run(str(tmp_path), RUN_ID)
    address = {"name": "http://a:1", "state": "well", "color": "blue"}
    told = {"at": time.time(), "every": 0.5, "addresses": [address], "mood": "good"}
    path = Path(run.staging) / "health-x.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(orjson.dumps(told))
    assert read_health(run) == Health((Address("http://a:1", "well"),))


def test_a_run_nobody_works_for_tells_nothing(tmp_path: Path) -> None:
    assert read_health(Run(str(tmp_path), RUN_ID)) == Health()
