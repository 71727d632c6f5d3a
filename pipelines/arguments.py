"""What several commands make of their arguments, and of texts they show."""

from pydantic import ValidationError

from embed_pipeline.endpoint import Endpoint
from embed_pipeline.settings import explain


def named_endpoint(url: str, model: str) -> Endpoint:
    """Return the endpoint the flags name."""
    try:
        return Endpoint(url=url, model=model)
    except ValidationError as error:
        raise explain(error, Endpoint, "--url, --model") from error


def shortened(text: str, length: int = 100) -> str:
    """Return a text as one line of so many characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
