"""The files that are made of the code, in whole or in part."""

from pathlib import Path

from embed_pipeline import job_schema
from tests.reference import commands, faults, keys
from tests.reference.markdown import renewed

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "docs/configuration.md"
ERRORS = ROOT / "docs/errors.md"
SCHEMA = ROOT / "configs/job.schema.json"


def made() -> dict[Path, str]:
    """Return the files as they are to be, by their paths."""
    configuration = {**keys.regions(), **commands.regions()}
    return {
        CONFIGURATION: renewed(CONFIGURATION.read_text(encoding="utf-8"), configuration),
        ERRORS: renewed(ERRORS.read_text(encoding="utf-8"), faults.regions()),
        SCHEMA: job_schema.as_text(),
    }
