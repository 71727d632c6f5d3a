"""The embedded endpoint as an ASGI application: routes, and what happens to a request for vectors.

The event loop only moves bytes and keeps the order of the requests; decoding, tokenizing, computing
and encoding are done in threads. No text is logged.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from embed_pipeline.embedded import openai
from embed_pipeline.embedded.answers import EXCEPTION_HANDLERS, JSON, json_answer
from embed_pipeline.embedded.catalog import VERSION, Catalog, pull
from embed_pipeline.embedded.engine import (
    Context,
    Engine,
    InputTooLong,
    TextTokenizer,
    Vectors,
    shorten,
)
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.hosts import HostGuard
from embed_pipeline.embedded.model import Model
from embed_pipeline.embedded.requests import (
    EmbedRequest,
    parse_embed,
    parse_legacy,
    parse_openai,
)
from embed_pipeline.embedded.residency import Residency
from embed_pipeline.embedded.transport import read_body, watch

KEEP_ALIVE = 300.0  # seconds


def create_app(
    model: Model,
    *,
    keep_alive: float = KEEP_ALIVE,
    clock: Callable[[], float] = time.monotonic,
    loopback: bool = True,
) -> Starlette:
    """Make the application.

    Args:
        model: The files to serve.
        keep_alive: Seconds an idle model stays loaded where no request said otherwise.
        clock: What keep_alive is measured with; seconds.
        loopback: Whether it is served on loopback only; then a foreign Host header is refused.

    Returns:
        An application that loads the model at the first request which needs it.
    """
    endpoint = Endpoint(model, keep_alive, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        endpoint.residency.close()

    return Starlette(
        routes=endpoint.routes(),
        lifespan=lifespan,
        middleware=[Middleware(HostGuard, loopback=loopback)],
        exception_handlers=dict(EXCEPTION_HANDLERS),
    )


class Endpoint:
    """Answer the routes of the contract (sections 1 to 9)."""

    def __init__(self, model: Model, keep_alive: float, clock: Callable[[], float]) -> None:
        self._tokenizer = TextTokenizer(model.weights.tokenizer)
        self._catalog = Catalog(model, self._tokenizer)
        self.residency = Residency(
            lambda runner: Engine(model.graph, runner.num_thread), keep_alive, clock
        )

    def routes(self) -> list[Route]:
        """List the routes."""
        loaded = Route("/api/ps", self._loaded, methods=["GET"])
        if loaded.methods:
            loaded.methods.discard("HEAD")  # unlike the other GET routes
        return [
            Route("/", _root),
            Route("/api/version", _version),
            Route("/api/tags", self._tags),
            loaded,
            Route("/api/show", self._show, methods=["POST"]),
            Route("/api/pull", _pull, methods=["POST"]),
            Route("/api/embed", self._embed, methods=["POST"]),
            Route("/api/embeddings", self._legacy, methods=["POST"]),
            Route("/v1/embeddings", self._openai, methods=["POST"]),
        ]

    async def _tags(self, _: Request) -> Response:
        return json_answer(self._catalog.tags())

    async def _loaded(self, _: Request) -> Response:
        return json_answer(self._catalog.loaded(self.residency.resident()))

    async def _show(self, request: Request) -> Response:
        return json_answer(self._catalog.show(await read_body(request)))

    async def _embed(self, request: Request) -> Response:
        started = time.monotonic_ns()
        call, parse_ns = await asyncio.to_thread(_parse_timed, await read_body(request))
        vectors, tokens, load_ns = await self._compute(request, call)

        def encode() -> bytes:
            body: dict[str, object] = {
                "model": call.model,
                "embeddings": shorten(vectors, call.dimensions),
            }
            if call.texts:
                body["total_duration"] = time.monotonic_ns() - started
                # Neither what it waited while others computed, nor for a processor that they had:
                # that would look like a load.
                body["load_duration"] = max(parse_ns + load_ns, 1)
                body["prompt_eval_count"] = tokens
            return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)

        return Response(await asyncio.to_thread(encode), media_type=JSON)

    async def _legacy(self, request: Request) -> Response:
        call = await asyncio.to_thread(parse_legacy, await read_body(request))
        try:
            vectors, _, _ = await self._compute(request, call)
        except InputTooLong as error:
            raise ContractError(500, str(error)) from None
        # This answer has the digits of the float64.
        vector = vectors[0].astype(np.float64) if call.texts else []
        return json_answer({"embedding": vector})

    async def _openai(self, request: Request) -> Response:
        try:
            call = await asyncio.to_thread(parse_openai, await read_body(request))
            vectors, tokens, _ = await self._compute(request, call)
        except ContractError as error:
            return json_answer(openai.error_body(error), error.status)
        vectors = shorten(vectors, call.dimensions)
        body = await asyncio.to_thread(openai.answer, call, vectors, tokens)
        return Response(body, media_type=JSON)

    async def _compute(self, request: Request, call: EmbedRequest) -> tuple[Vectors, int, int]:
        """Return the vectors, the number of tokens, and how long loading took (nanoseconds)."""
        async with watch(request) as abandoned:
            async with self.residency.lease(call.name, call.runner, call.keep_alive) as lease:
                vectors, tokens = await asyncio.to_thread(
                    self._vectors, call, lease.engine, abandoned
                )
            if abandoned():
                raise ClientDisconnect
        if not np.isfinite(vectors).all():
            raise ContractError(500, "failed to encode response: json: unsupported value: NaN")
        return vectors, tokens, lease.load_ns

    def _vectors(
        self, call: EmbedRequest, engine: Engine, abandoned: Callable[[], bool]
    ) -> tuple[Vectors, int]:
        # Tokenizing is part of the turn: done beside another request's computing it only takes
        # processors from that, whose threads then wait for each other.
        context = Context(call.runner.num_ctx)
        tokens = self._tokenizer.encode(call.texts, context, truncate=call.truncate)
        return engine.embed(tokens, abandoned), sum(map(len, tokens))


def _parse_timed(body: bytes) -> tuple[EmbedRequest, int]:
    """Return the request, and the processor time it took to read it, in nanoseconds."""
    began = time.thread_time_ns()
    return parse_embed(body), time.thread_time_ns() - began


async def _root(_: Request) -> Response:
    return PlainTextResponse("Ollama is running")


async def _version(_: Request) -> Response:
    return json_answer({"version": VERSION})


async def _pull(request: Request) -> Response:
    lines, stream = pull(await read_body(request))
    if not stream:
        return json_answer(lines[0])
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    return Response(content, media_type="application/x-ndjson")
