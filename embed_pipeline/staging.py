"""Where a run keeps what it writes until it is committed, and the names of its files.

Where renaming is cheap, parts are staged in `OUT/staging/<run>/` and renamed at commit. On object
stores a rename is a copy, so parts are written under their final names; what the manifest does not
list is deleted before the manifest is written.
"""

import re
import uuid
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from embed_pipeline import files
from embed_pipeline.errors import InterruptedJobError

Folder = Literal["data", "failures", "index", "changes"]
STAGING = "staging"
MANIFEST = "manifest.json"
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


class Run(NamedTuple):
    """Name one run and its output; names of its files derive from this.

    Attributes:
        path: The dataset's folder.
        run_id: Unique among the runs into that folder.
    """

    path: str
    run_id: str

    @property
    def staging(self) -> str:
        """Return the run's own folder."""
        return files.join(self.path, STAGING, self.run_id)

    @property
    def begun(self) -> str:
        """Return the path of the file that says which job and model the run is of."""
        return files.join(self.staging, "run.json")

    @property
    def given_up(self) -> str:
        """Return the path of the file that tells workers elsewhere that nobody waits for them."""
        return files.join(self.staging, "given-up.json")

    @property
    def manifest(self) -> str:
        """Return the path of the dataset's manifest."""
        return files.join(self.path, MANIFEST)

    def part(self, folder: Folder, writer: str, number: int) -> str:
        """Return the path of a part file, staged or under its final name."""
        if files.rename_is_cheap(self.path):
            return files.join(self.staging, f"{folder}-{writer}-{number:05d}.parquet")
        return files.join(self.path, folder, f"part-{self.run_id}-{writer}-{number:05d}.parquet")

    def origins(self, writer: str, number: int) -> str:
        """Return the path of the file that says where a part's rows were read from."""
        return files.join(self.staging, f"origins-{writer}-{number:05d}.parquet")

    def note(self, folder: Folder, writer: str, number: int) -> str:
        """Return the path of the note that a part file is whole; there it is described."""
        return files.join(self.staging, f"{folder}-{writer}-{number:05d}.json")

    def merged(self, folder: Folder, number: int) -> str:
        """Return the path of a file that is merged from parts."""
        return self.part(folder, "merged", number)

    def progress(self, writer: str) -> str:
        """Return the path of one writer's progress file."""
        return files.join(self.staging, f"progress-{writer}.json")


def new_run(path: str) -> Run:
    """Return a run of its own: the time it starts and a few random digits."""
    return Run(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}")


def give_up(run: Run) -> None:
    """Tell workers elsewhere to stop: an engine may go on with a job that was canceled."""
    files.write_bytes(run.given_up, b"{}")


def take_up(run: Run) -> None:
    """Take back that a run was given up, before it is committed after all."""
    if files.exists(run.given_up):
        files.delete(run.given_up)


def check_wanted(run: Run) -> None:
    """Stop where the launcher has given the run up.

    Raises:
        InterruptedJobError: It has.
    """
    if files.exists(run.given_up):
        raise InterruptedJobError("the launcher has given this run up; nothing is published")


def new_writer() -> str:
    """Return a name no other writer has, so that a repeated bundle overwrites nothing."""
    return uuid.uuid4().hex[:12]
