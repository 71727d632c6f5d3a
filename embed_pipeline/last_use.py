"""When this process last used an endpoint's model, which tells who set the model's expiry."""

from datetime import UTC, datetime

from embed_pipeline.endpoint import Endpoint

_moments: dict[tuple[str, str], datetime] = {}


def note(endpoint: Endpoint) -> None:
    """Remember that a request to an endpoint's model has ended just now, however it ended.

    Args:
        endpoint: With one address.
    """
    _moments[_name(endpoint)] = datetime.now(UTC)


def moment(endpoint: Endpoint) -> datetime | None:
    """Return when a request of this process to the endpoint's model ended last, if one did."""
    return _moments.get(_name(endpoint))


def _name(endpoint: Endpoint) -> tuple[str, str]:
    return str(endpoint.url), endpoint.model
