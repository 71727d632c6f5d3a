"""How the addresses of an endpoint are, as the processes that send to them tell it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import orjson

from embed_pipeline import files
from embed_pipeline.locations import name
from embed_pipeline.staging import Run

State = Literal["not asked yet", "well", "slowed", "resting", "gone"]  # the worst is the last
WORST_LAST: tuple[State, ...] = get_args(State)
TOLD = "health-"  # how the files' names begin
OLD = 4  # times what lies between two writings of a file, after which it tells nothing any more
SURELY_FRESH = 10.0  # seconds a file is believed at least


class Address(NamedTuple):
    """Hold how one address is.

    Attributes:
        name: The address, without secrets.
        state: `resting` after a fault of the server, `slowed` while it gets fewer requests at once
            than the settings allow, `gone` where the job goes on without it.
        rests_s: Seconds it still rests.
        in_flight: Requests it has.
        at_most: Requests it may have at once now.
        requests: Requests it got so far.
        faults: How often each kind of error was met there.
    """

    name: str
    state: State = "not asked yet"
    rests_s: float = 0.0
    in_flight: int = 0
    at_most: int = 0
    requests: int = 0
    faults: Mapping[str, int] = {}


class Health(NamedTuple):
    """Hold how an endpoint is.

    Attributes:
        addresses: Each address of it.
        waiting: Requests that wait for an address with room, or for their next try.
        retries: Requests so far that repeated an earlier one.
    """

    addresses: tuple[Address, ...] = ()
    waiting: int = 0
    retries: int = 0

    @property
    def in_flight(self) -> int:
        """Return the requests under way, at all addresses."""
        return sum(one.in_flight for one in self.addresses)


def merged(every: Iterable[Health]) -> Health:
    """Return what several processes tell as one; of an address, the worst state they know."""
    found: dict[str, list[Address]] = {}
    waiting = retries = 0
    for one in every:
        waiting, retries = waiting + one.waiting, retries + one.retries
        for address in one.addresses:
            found.setdefault(address.name, []).append(address)
    return Health(tuple(_together(same) for same in found.values()), waiting, retries)


def _together(same: Sequence[Address]) -> Address:
    """Return one address as several processes know it."""
    faults: dict[str, int] = {}
    for one in same:
        for kind, number in one.faults.items():
            faults[kind] = faults.get(kind, 0) + number
    return Address(
        same[0].name,
        max((one.state for one in same), key=WORST_LAST.index),
        max(one.rests_s for one in same),
        sum(one.in_flight for one in same),
        sum(one.at_most for one in same),
        sum(one.requests for one in same),
        faults,
    )


def tell(run: Run, process: str, health: Health, every: float) -> None:
    """Write what a process knows beside what it writes for a run.

    Args:
        run: The run.
        process: The process's name.
        health: What it knows.
        every: Seconds until it tells again.
    """
    told = {
        "at": time.time(),
        "every": every,
        "waiting": health.waiting,
        "retries": health.retries,
        "addresses": [one._asdict() for one in health.addresses],
    }
    files.write_bytes(files.join(run.staging, f"{TOLD}{process}.json"), orjson.dumps(told))


def read_health(run: Run, now: float | None = None) -> Health:
    """Return what all processes of a run tell; those that have ceased to tell are left out.

    Args:
        run: The run.
        now: Seconds since the epoch; None: the clock's.
    """
    now = time.time() if now is None else now
    found = []
    for info in files.list_folder(run.staging):
        if name(info.path).startswith(TOLD):
            try:
                told = orjson.loads(files.read_bytes(info.path))
            except (OSError, orjson.JSONDecodeError):  # committed meanwhile
                continue
            if now - told["at"] <= max(SURELY_FRESH, OLD * told["every"]):
                found.append(_parsed(told))
    return merged(found)


def _parsed(told: Mapping[str, Any]) -> Health:
    """Return what a file tells; keys of other versions are passed over."""
    addresses = tuple(
        Address(**{key: one[key] for key in Address._fields if key in one})
        for one in told["addresses"]
    )
    return Health(addresses, told.get("waiting", 0), told.get("retries", 0))
