"""The dataset card as a file beside the data; somebody's own README.md is left alone."""

import logging

from embed_pipeline import files
from embed_pipeline.card import MARKER, card
from embed_pipeline.manifest import Manifest

CARD = "README.md"

_log = logging.getLogger("embed_pipeline")


def write_card(dataset: str, manifest: Manifest) -> None:
    """Write the card of a dataset, over an older one of ours.

    A job never fails for it: what goes wrong is a warning.

    Args:
        dataset: The dataset's folder.
        manifest: What it holds.
    """
    path = files.join(dataset, CARD)
    try:
        if files.exists(path) and not is_card(path):
            _log.warning(
                "%s is no dataset card of ours, so it stays; move it away to get one next time",
                path,
            )
            return
        files.write_bytes(path, card(manifest).encode())
    except Exception as error:  # noqa: BLE001 (nothing a card can do is worth a night's vectors)
        _log.warning("%s, the dataset card, was not written: %r", path, error)


def is_card(path: str) -> bool:
    """Tell whether a file is a card that `write_card` wrote."""
    return MARKER.encode() in files.read_bytes(path).splitlines()


def drop_card(dataset: str) -> None:
    """Delete the card of a folder that is no dataset any more; nothing happens without one."""
    path = files.join(dataset, CARD)
    if files.exists(path) and is_card(path):
        files.delete(path)
