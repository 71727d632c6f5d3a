"""Settings of a store that is refreshed: the group store."""

from pydantic import Field

from embed_pipeline.settings import Settings


class Retention(Settings):
    """Say how many snapshots a store keeps, and what a refresh refuses to believe."""

    keep_snapshots: int = Field(
        default=2, ge=1, description="snapshots that are kept, the current one among them"
    )
    max_deleted_fraction: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of a snapshot's documents that may be gone from the corpus; more is "
        "refused, as a corpus that is half there looks the same",
    )
    ids_are_keys: bool = Field(
        default=False,
        description="whether ids that count 1, 2, 3 ... through a file are keys that stay with "
        "their documents; else a refresh refuses them as positions",
    )
