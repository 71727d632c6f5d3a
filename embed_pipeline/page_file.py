"""The page of a run as a file beside the data; somebody's own report.html is left alone."""

from embed_pipeline import files
from embed_pipeline.report import PAGE

MARKER = '<meta name="generator" content="embed-pipeline">'


def in_the_way(dataset: str) -> str:
    """Tell why a dataset's page cannot be written, and what to do; "" where it can.

    Args:
        dataset: The dataset's folder.
    """
    path = files.join(dataset, PAGE)
    if not files.exists(path) or is_page(path):
        return ""
    what = "is a folder" if files.is_folder(path) else "is no report of ours"
    return f"{path} {what}, so it stays; move it away, then `embed-pipeline report` draws ours"


def is_page(path: str) -> bool:
    """Tell whether there is a file at a path, and it is a page that we drew."""
    if not files.exists(path) or files.is_folder(path):
        return False
    return MARKER.encode() in files.read_bytes(path).partition(b"</head>")[0]


def drop_page(dataset: str) -> None:
    """Delete the page of a folder; nothing happens where there is none of ours."""
    path = files.join(dataset, PAGE)
    if is_page(path):
        files.delete(path)
