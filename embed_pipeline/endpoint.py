"""Settings of an endpoint and of how it is asked: the groups endpoint, batching and retry."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from embed_pipeline import address, forms
from embed_pipeline.settings import Settings

AUTO = "auto"
EMBEDDED = "embedded"
WORKER = "worker"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}

_WORDS = (AUTO, EMBEDDED, WORKER)  # what stands for an address

KeepAlive = int | float | str
Positive = Annotated[float, Field(gt=0)]


def keep_alive_seconds(value: KeepAlive) -> float:
    """Return a keep_alive in seconds; negative stands for "never unload".

    Numbers are seconds; strings are durations such as "30m" or "1h30m" (Go's
    time.ParseDuration, which has no days).

    Raises:
        ValueError: The endpoint would refuse it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(  # noqa: TRY004 (pydantic collects ValueErrors)
            "keep_alive is a number of seconds or a duration such as '30m'"
        )
    if isinstance(value, int | float):
        return float(value)
    if value == "0":
        return 0.0
    parts = forms.GO_DURATION.findall(value)
    body = value.removeprefix("-")
    if not parts or "".join(number + unit for number, _, unit in parts) != body:
        cure = f"write {value} without quotes for seconds" if body.isdigit() else ""
        if value == "-1":
            cure = "write -1 without quotes to keep the model for ever"
        raise ValueError(
            f"the endpoint refuses keep_alive '{value}': use seconds, or a duration in h, m, s "
            f"such as '30m' or '24h'{'; ' + cure if cure else ''}"
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, _, unit in parts)
    return -seconds if value.startswith("-") else seconds


class Timeouts(Settings):
    """Set how long to wait for the endpoint, in seconds."""

    connect: Positive = Field(default=5.0, description="for a connection")
    load: Positive = Field(
        default=600.0, description="for the model to load, once, before the first text"
    )
    read: Positive = Field(
        default=120.0,
        description="for an answer, until the endpoint's speed is known; then 8 times the time "
        "expected, 30 (or this, if less) at least",
    )


class Auth(Settings):
    """Say where the bearer token comes from; it is never written down."""

    model_config = ConfigDict(json_schema_extra=forms.exactly_one)

    env: str | None = Field(
        default=None, description="name of the environment variable with the token"
    )
    file: str | None = Field(
        default=None,
        description="path of a file with the token, read again when the endpoint answers 401",
    )
    google_id_token: str | None = Field(
        default=None,
        pattern=r"^[!-~]+$",
        description="audience of a Google identity token: the URL of a Cloud Run service",
    )
    secret_manager: str | None = Field(
        default=None,
        pattern=r"^projects/[a-z0-9:.-]+/secrets/[A-Za-z0-9_-]+(/versions/[A-Za-z0-9_-]+)?$",
        description="a secret of Google Secret Manager that holds the token: projects/P/secrets/S, "
        "its latest version, or projects/P/secrets/S/versions/V",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "Auth":
        if sum(value is not None for _, value in self) != 1:
            raise ValueError("name one of env, file, google_id_token and secret_manager")
        return self

    @property
    def is_at_hand(self) -> bool:
        """Tell whether the token is in this process or on this machine, not to be fetched."""
        return self.env is not None or self.file is not None


class Worker(Settings):
    """Say what serves on each machine where `url` is `worker`."""

    port: int = Field(default=11435, ge=1, le=65535, description="its port, on loopback")
    server: Literal["auto", "embedded", "ollama"] = Field(
        default="auto",
        description="`ollama`: the binary on the machine's PATH, started with `serve`; `embedded`: "
        "the embedded endpoint; `auto`: the first if the binary is there, else the second",
    )
    idle_minutes: Positive = Field(
        default=10.0, description="it ends when nobody has asked it anything for so long"
    )


class Endpoint(Settings):
    """Name an endpoint, a model, and what every request to it carries."""

    url: str | list[str] = Field(
        default=AUTO,
        description="`auto`: the server OLLAMA_HOST (or localhost:11434) names if it has the "
        "model, else the embedded endpoint; `embedded`; http://HOST:PORT; a list of such "
        "addresses, of servers with the very same model, which share the work; or `worker`: an "
        "endpoint on each machine that embeds, started there when it is needed",
        json_schema_extra=forms.addresses(_WORDS),
    )
    model: str = Field(min_length=1, description="name of the model, as the endpoint knows it")
    dimensions: int | None = Field(
        default=None, ge=1, description="cut vectors to so many values (models trained for it)"
    )
    options: dict[str, Any] = Field(
        default={}, description="model options, the same on every request"
    )
    keep_alive: KeepAlive = Field(
        default="30m",
        union_mode="left_to_right",
        description="how long the model stays loaded after a request: seconds, '30m', or -1 for "
        "ever; one that would shorten the endpoint's own is not sent",
        json_schema_extra=forms.KEEP_ALIVE,
    )
    headers: dict[str, str] = Field(
        default={},
        repr=False,
        description="further headers of every request",
        json_schema_extra=forms.HEADERS,
    )
    auth: Auth | None = Field(
        default=None,
        description="bearer token: {env: NAME}, {file: PATH}, {google_id_token: AUDIENCE} or "
        "{secret_manager: NAME}",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of a certificate authority of one's own"
    )
    timeouts: Timeouts = Field(default_factory=Timeouts, description="waiting times, in seconds")
    worker: Worker = Field(
        default_factory=Worker, description="the endpoint on each machine, where url is `worker`"
    )

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str | list[str]) -> str | list[str]:
        if isinstance(url, str):
            return url if url in _WORDS else address.checked(url)
        urls = [address.checked(one) for one in url]
        if not urls or len(set(urls)) < len(urls):
            raise ValueError("a list of addresses names one at least, and none of them twice")
        return urls

    @field_validator("headers")
    @classmethod
    def _sendable_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not forms.HEADER_NAME.fullmatch(name):
                raise ValueError(f"'{name}' cannot be the name of a header")
            if not value.isascii() or not value.isprintable() or value != value.strip():
                raise ValueError(
                    f"the value of the header '{name}' must be printable ASCII, without white "
                    "space around it"
                )
        return headers

    @field_validator("keep_alive", mode="before")  # before "-1" is taken for a number
    @classmethod
    def _accepted_keep_alive(cls, value: Any) -> Any:
        keep_alive_seconds(value)
        return value

    @model_validator(mode="after")
    def _no_token_for_whoever_listens(self) -> "Endpoint":
        if self.url == WORKER and self.auth is not None:
            raise ValueError("auth is set, but with url 'worker' nobody asks for it: leave it out")
        return self

    @property
    def urls(self) -> list[str]:
        """Return every address as it is named: a word such as `worker` as that word."""
        return [self.url] if isinstance(self.url, str) else self.url

    @property
    def address(self) -> str:
        """Return the address to connect to; the first one of several."""
        if self.url == WORKER:
            return f"http://127.0.0.1:{self.worker.port}"
        return self.urls[0]

    @property
    def each(self) -> list["Endpoint"]:
        """Return the same settings with one address each."""
        return [self.model_copy(update={"url": url}) for url in self.urls]

    @property
    def masked_urls(self) -> str | list[str]:
        """Return `url` without secrets."""
        masked = [url if url in _WORDS else address.masked(url) for url in self.urls]
        return masked[0] if isinstance(self.url, str) else masked

    @property
    def masked_url(self) -> str:
        """Return the address without secrets, fit for logs and manifests; several with commas."""
        masked = self.masked_urls
        return masked if isinstance(masked, str) else ", ".join(masked)

    def __repr_args__(self) -> Any:
        """Show the address without secrets."""
        for name, value in super().__repr_args__():
            yield name, self.masked_urls if name == "url" else value


class Batching(Settings):
    """Bound one request, and how many are under way."""

    max_texts: int = Field(
        default=32,
        ge=1,
        description="texts in a request, at most; fewer for a while after a time-out",
    )
    max_chars: int = Field(
        default=16_000,
        ge=1,
        description="characters in a request, at most; a longer text goes alone",
    )
    max_tokens: int = Field(
        default=8_192,
        ge=1,
        description="tokens in a request, at most, where they are known; a longer text goes alone",
    )
    in_flight: int = Field(
        default=2,
        ge=1,
        le=64,
        description="requests under way at once, per address and process; fewer for a while where "
        "a server is too busy",
    )
    max_at_address: int = Field(
        default=16,
        ge=1,
        description="requests under way at once at one address, from all workers and processes "
        "together; a job that could have more is refused before it runs",
    )


class Retry(Settings):
    """Bound the repetition of one request; both bounds hold."""

    attempts: int = Field(default=30, ge=1, description="tries of one request, at most")
    total_seconds: Positive = Field(
        default=600.0, description="time for one request with all its tries"
    )
    stalled_seconds: Positive = Field(
        default=900.0,
        description="the job stops when texts were sent for so long and none got a vector",
    )
