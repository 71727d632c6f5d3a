"""A job in a store with each file-system operation failing once, and with the process killed there.

CRASH_ALL=1 tries every operation in every way; by default all are tried in one, some in the others.
"""

import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from embed_pipeline import files
from embed_pipeline.engine import CANARY_TEXTS
from embed_pipeline.locations import parse
from embed_pipeline.store import CURRENT
from tests.support import trials
from tests.support.crashing import Ended, ForkServer, Mode, forking
from tests.support.scripted import TOO_LONG, Reply, ScriptedEndpoint, error, scripted
from tests.support.trials import Snapshot, Tree

ALL = os.environ.get("CRASH_ALL") == "1"
LANES = 2  # trials side by side
AGAIN = 3  # jobs that fail one after the other
MODES: tuple[Mode, ...] = ("killed", "before", "after")
FAILING = "a text that fails"
Documents = list[dict[str, Any]]
pytestmark = pytest.mark.timeout(900)  # many small jobs: each has a limit of its own


def first_night() -> Documents:
    return [{"id": f"d{n}", "text": f"text {n}", "n": n} for n in range(12)]


def second_night() -> Documents:
    return [*first_night()[:11], {"id": "d11", "text": "text of the second night", "n": 11}]


def last_night() -> Documents:
    """Return documents: one changed, one whose text another has, one with another attribute.

    One more is gone, two are new with the same text, and one has a text that fails.
    """
    found = second_night()
    found[0]["text"] = "changed"
    found[1]["text"] = "text 7"
    found[2]["n"] = 99
    del found[3]
    twins = [{"id": name, "text": "of twins", "n": 5} for name in ("twin", "other twin")]
    return [*found, *twins, {"id": "bad", "text": FAILING, "n": 0}]


def failing(texts: Sequence[str]) -> Reply | None:
    """Refuse one text for good."""
    return error(400, TOO_LONG) if FAILING in texts else None


class Lane:
    """Try one failing operation after the other on a store of its own.

    Args:
        folder: Where the corpus, the job file and what is said go.
        store: The store's path or URL.
        endpoint: What it embeds with.
        server: What runs the command line.
    """

    def __init__(
        self, folder: Path, store: str, endpoint: ScriptedEndpoint, server: ForkServer
    ) -> None:
        self.store = store
        self._endpoint = endpoint
        self._server = server
        self._corpus = folder / "corpus.jsonl"
        self._job = folder / "job.yaml"
        endpoint.script = failing
        job = {
            "corpus": {"files": str(self._corpus)},
            "endpoint": {"url": endpoint.url, "model": "all-minilm"},
            "tokens": {"recount": 0},
            "output": {"path": store, "max_failed_fraction": 0.1},
        }
        beam = {"no_pipeline_type_check": True}  # a third of the time of so small a job
        self._job.write_text(yaml.safe_dump({"beam": beam, "job": job}))
        self._argv: list[str] = []
        self._base: Tree = {}
        self._wanted = Snapshot({}, [], [])
        self._sent: Counter[str] = Counter()

    @property
    def refresh(self) -> list[str]:
        """Return the command that refreshes the store."""
        return ["refresh", str(self._job), "--quiet"]

    @property
    def adopt(self) -> list[str]:
        """Return the command that makes a store of a dataset."""
        return ["adopt", self.store]

    def do(self, argv: list[str], documents: Documents) -> None:
        """Run a command with a corpus, undisturbed."""
        self._corpus.write_text("".join(json.dumps(one) + "\n" for one in documents))
        ended = self._server.run(argv)
        assert ended.code == 0, ended.said

    def prepare(self, nights: Sequence[Documents]) -> None:
        """Refresh an empty store each night; the last night's refresh is what will fail."""
        trials.restore(self.store, {})
        for documents in nights[:-1]:
            self.do(self.refresh, documents)
        self._aim(self.refresh, nights[-1])

    def prepare_adoption(self) -> None:
        """Make a dataset; its adoption is what will fail."""
        trials.restore(self.store, {})
        self.do(["run", str(self._job), "--quiet"], [*first_night(), last_night()[-1]])
        self._aim(self.adopt, last_night())

    def _aim(self, argv: list[str], documents: Documents) -> None:
        """Take the store before a command as the base, and the one after it as the aim."""
        self._argv, self._base = argv, trials.tree(self.store)
        self._endpoint.requests.clear()
        self.do(argv, documents)
        self._sent = Counter(self._endpoint.texts)
        store = trials.tree(self.store)
        now = trials.current(store)
        assert now == trials.current(self._base) + 1
        assert not [*trials.problems(self.store, now), *trials.orphans(store)]
        self._wanted = trials.read(store, now)

    def tried(self, at: int, mode: Mode) -> list[str] | None:
        """Let an operation fail; return what does not hold after that, None: there is no such."""
        trials.restore(self.store, self._base)
        ended = self._fail(at, mode)
        if not ended.hit:
            assert ended.code == 0, ended.said
            return None
        left = trials.tree(self.store)
        found = [*self._after(ended, mode, left), *self._made_good(left)]
        return [f"{mode} {at}, {ended.hit}: {one}" for one in found]

    def tried_often(self, seed: int) -> list[str]:
        """Let operations of jobs one after the other fail; return what does not hold after that."""
        drawing = random.Random(seed)
        trials.restore(self.store, self._base)
        left, hits = self._base, list[str]()
        while len(hits) < AGAIN and trials.current(left) == trials.current(self._base):
            mode = drawing.choice(MODES)
            ended = self._fail(drawing.randrange(10, 80), mode)
            left = trials.tree(self.store)
            hits.append(f"{mode}, {ended.hit}")
        return [f"{hits}: {one}" for one in self._made_good(left)]

    def _fail(self, at: int, mode: Mode) -> Ended:
        ended = self._server.run(self._argv, parse(self.store).key, at, mode)
        assert "Traceback" not in ended.said, ended.said
        return ended

    def _made_good(self, left: Tree) -> Iterator[str]:
        """Yield what does not hold after another job."""
        self._endpoint.requests.clear()
        ended = self._server.run(self._argv)
        if ended.code:
            yield f"the next one ended with exit code {ended.code}: {ended.said}"
        else:
            yield from self._after_next(left)

    def _after(self, ended: Ended, mode: Mode, left: Tree) -> Iterator[str]:
        """Yield what does not hold of a store in which a job has failed."""
        before, now = trials.current(self._base), trials.current(left)
        allowed = (-9,) if mode == "killed" else (0, 1)
        if ended.code not in allowed and "cannot be written" not in ended.said:
            yield f"exit code {ended.code}"
        if ended.code == 0 and now == before:
            yield "exit code 0, and nothing is published"
        looks = ended.hit.startswith(("get_file_info ", "open_input", "fsync"))
        at_it = looks or CURRENT in ended.hit or ended.hit == f"open {self.store}"
        if ended.code == 1 and now != before and self._argv == self.refresh and not at_it:
            yield "exit code 1, and it is published"
        if now == before:
            lost = [name for name in self._base if left.get(name) != self._base[name]]
            changed = [
                number
                for number in range(1, before + 1)
                if trials.below(left, number) != trials.below(self._base, number)
            ]
            if lost != [".lock"][: len(lost)] or changed:
                yield f"not as they were: {lost}, snapshots {changed}"
        elif now == before + 1:
            yield from trials.differences(trials.read(left, now), self._wanted)
        else:
            yield f"the current snapshot is {now}"

    def _after_next(self, left: Tree) -> Iterator[str]:
        """Yield what does not hold after the next job, which ended well."""
        store, number = trials.tree(self.store), trials.current(self._base) + 1
        now = trials.current(store)
        if now != number:
            yield f"the current snapshot is {now} after the next one"
            return
        yield from trials.problems(self.store, now)
        yield from trials.differences(trials.read(store, now), self._wanted)
        yield from trials.wrong_log(store)
        if orphans := trials.orphans(store):
            yield f"orphans: {orphans}"
        sent = [text for text in self._endpoint.texts if text not in CANARY_TEXTS]
        if trials.current(left) == now and sent:
            yield f"sent again after the snapshot was published: {sent}"
        if twice := trials.kept_texts(left, number).intersection(sent):
            yield f"in whole parts, and sent again: {twice}"
        if not Counter(sent) <= self._sent:
            yield f"sent more often than where nothing fails: {sent}"


@contextmanager
def running(folder: Path, stores: Sequence[str]) -> Iterator[list[Lane]]:
    """Run a lane for each store, with an endpoint and a server of its own."""
    with ExitStack() as stack:
        lanes = []
        for number, store in enumerate(stores):
            own = folder / str(number)
            server = stack.enter_context(forking(own, every_write=ALL))
            lanes.append(Lane(own, store, stack.enter_context(scripted()), server))
        yield lanes


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lane]]:
    folder = tmp_path_factory.mktemp("lanes")
    with running(folder, [str(folder / f"store-{n}") for n in range(LANES)]) as found:
        yield found


def each(lanes: Sequence[Lane], mode: Mode, every: int = 1) -> None:
    """Let every n-th operation fail, as many as there are, and check that all holds."""
    numbers = itertools.count(1, 1 if ALL else every)
    broken: list[list[str]] = []  # by trial

    def work(lane: Lane) -> None:
        while (found := lane.tried(next(numbers), mode)) is not None:
            broken.append(found)

    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(work, lanes))
    assert len(broken) >= 3
    assert not any(broken), "\n".join(itertools.chain(*broken))


def on_all(lanes: Sequence[Lane], *nights: Documents) -> None:
    """Prepare all lanes side by side."""
    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(lambda lane: lane.prepare(nights), lanes))


@pytest.mark.parametrize(("mode", "every"), [("killed", 1), ("before", 6), ("after", 6)])
def test_a_refresh_that_fails_anywhere_leaves_the_store_whole_and_is_made_good(
    mode: Mode, every: int, lanes: list[Lane]
) -> None:
    on_all(lanes, first_night(), second_night(), last_night())
    each(lanes, mode, every)


def test_refreshes_that_fail_one_after_the_other_are_made_good(lanes: list[Lane]) -> None:
    on_all(lanes, first_night(), second_night(), last_night())
    seeds = range(60 if ALL else 6)
    with ThreadPoolExecutor(len(lanes)) as pool:
        found = pool.map(
            lambda lane, of_lane: [one for seed in of_lane for one in lane.tried_often(seed)],
            lanes,
            [seeds[n :: len(lanes)] for n in range(len(lanes))],
        )
    broken = list(itertools.chain(*found))
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("mode", "every"), [("killed", 4), ("before", 20), ("after", 20)])
def test_a_first_refresh_that_fails_anywhere_is_made_good(
    mode: Mode, every: int, lanes: list[Lane]
) -> None:
    on_all(lanes, [*first_night(), last_night()[-1]])
    each(lanes, mode, every)


@pytest.mark.parametrize(("mode", "every"), [("killed", 1), ("before", 4), ("after", 3)])
def test_an_adoption_that_fails_anywhere_leaves_the_dataset_or_the_store_whole(
    mode: Mode, every: int, lanes: list[Lane]
) -> None:
    for lane in lanes:
        lane.prepare_adoption()
    each(lanes, mode, every)


@pytest.mark.parametrize("mode", ["killed", "before", "after"] if ALL else ["killed"])
def test_on_an_object_store_a_refresh_that_fails_anywhere_is_made_good(
    mode: Mode, s3: str, tmp_path: Path
) -> None:
    with running(tmp_path, [files.join(s3, "store")]) as lanes:
        on_all(lanes, first_night(), last_night())
        each(lanes, mode, 11)
