"""Search through the API against the very same requests straight to the engine.

A recording proxy sits once between API and engine to learn which requests one API call
makes; these are then replayed raw. So both sides do equal work in the engine.
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp import web
from urllib3.exceptions import HTTPError

from bench.corpus import Corpus
from bench.report import Figure, percentile, say
from bench.world import World, until
from catalog.local.ports import free_port

QUERIES = 300
FACETS = "type,tags,model"
PER_PAGE = 24

_ERRORS_SHARE = 0.001
"""Requests that may fail without ending the run, in which they are a figure with the
bound 0: an engine with all cores busy answers 408 now and then."""


class _Recorder:
    """Forwards to the engine and keeps the bodies of searches."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self.bodies: list[tuple[str, bytes]] = []
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.path == "/multi_search":
            self.bodies.append((request.path_qs, body))
        async with aiohttp.request(
            request.method,
            self._engine + request.path_qs,
            headers={"X-TYPESENSE-API-KEY": request.headers["X-TYPESENSE-API-KEY"]},
            data=body,
        ) as answer:
            content = await answer.read()
            return web.Response(
                status=answer.status, body=content, content_type="application/json"
            )


@contextmanager
def serving_api(world: World, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python -m api`` until the block ends."""
    process = world.start("api", environment)
    until(lambda: _is_live(world), "the API is live", 60)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def _is_live(world: World) -> bool:
    try:
        return world.http.request("GET", world.api + "/health/live").status == 200
    except HTTPError:  # it does not listen yet
        return False


def queries(world: World) -> list[str]:
    """Addresses of full searches: words by frequency, for owners by frequency."""
    corpus = Corpus(seed=23)
    return [
        f"{world.api}/api/assets/search?"
        + urlencode(
            {
                "userId": corpus.owner(),
                "q": corpus.query(),
                "facets": FACETS,
                "perPage": PER_PAGE,
            }
        )
        for _ in range(QUERIES)
    ]


def search(world: World, rounds: int, seconds: float) -> list[Figure]:
    """Measure requests per second at 16 connections and latency at one."""
    urls = queries(world)
    raw = _recorded(world, urls)
    headers = {"X-TYPESENSE-API-KEY": world.api_key, "Accept-Encoding": "identity"}
    raw_requests = [
        [["POST", world.url + path, headers, body.decode()] for path, body in bodies]
        for bodies in raw
    ]
    api_requests = [
        [["GET", url, {"Accept-Encoding": "identity"}, None]] for url in urls
    ]
    figures = list[Figure]()
    with serving_api(world):
        figures.append(Figure("API RSS, idle", world.rss_mib("api"), "MiB"))
        many = _compare(api_requests, raw_requests, 16, rounds, seconds)
        one = _compare(api_requests, raw_requests, 1, rounds, seconds)
        figures.append(Figure("API RSS, after the load", world.rss_mib("api"), "MiB"))
    api_rate, raw_rate = (
        median(r["rate"] for r in many[side]) for side in ("api", "raw")
    )
    api_p50, raw_p50 = (median(r["p50"] for r in one[side]) for side in ("api", "raw"))
    ratio = median(
        a["rate"] / r["rate"] for a, r in zip(many["api"], many["raw"], strict=True)
    )
    slower = median(
        a["p50"] / r["p50"] for a, r in zip(one["api"], one["raw"], strict=True)
    )
    errors = sum(r["errors"] for sides in (many, one) for r in sides["api"])
    refused = sum(r["errors"] for sides in (many, one) for r in sides["raw"])
    extra = sum(len(bodies) > 1 for bodies in raw) / len(raw)
    return [
        Figure("search, API, 16 connections", api_rate, "requests/s"),
        Figure("search, raw engine, 16 connections", raw_rate, "requests/s"),
        Figure("search, API / raw, 16 connections", ratio, "ratio", at_least=0.6),
        Figure("search, API, 1 connection, p50", api_p50, "ms"),
        Figure("search, raw engine, 1 connection, p50", raw_p50, "ms"),
        Figure("search p50, API / raw, 1 connection", slower, "ratio", at_most=1.7),
        Figure("search, API, requests that failed", errors, "", at_most=0),
        Figure("search, raw engine, requests that failed", refused, "", at_most=0),
        Figure("  queries with a second request for moments", extra * 100, "%"),
        *figures,
    ]


def _recorded(world: World, urls: list[str]) -> list[list[tuple[str, bytes]]]:
    """Learn the engine requests of each call, and that both give the same ids."""
    recorded = list[list[tuple[str, bytes]]]()
    with (
        _Recorder(world.url) as recorder,
        serving_api(world, CATALOG_TYPESENSE_URL=f"http://127.0.0.1:{recorder.port}"),
    ):
        hits = 0
        for url in urls:
            recorder.bodies.clear()
            answer = orjson.loads(world.http.request("GET", url).data)
            bodies = list(recorder.bodies)
            recorded.append(bodies)
            path, body = bodies[0]
            raw = orjson.loads(world.engine("POST", path, body))["results"][0]
            raw_ids = [hit["document"]["view"]["assetId"] for hit in raw["hits"]]
            api_ids = [hit["assetId"] for hit in answer["hits"]]
            if raw_ids != api_ids or answer["found"] != raw["found"]:
                message = f"{url}: the API answered other ids than the engine"
                raise RuntimeError(message)
            hits += len(api_ids)
        say(f"{len(urls)} queries recorded, {hits / len(urls):.1f} hits on average")
    return recorded


def _compare(
    api: list[Any], raw: list[Any], connections: int, rounds: int, seconds: float
) -> dict[str, list[dict[str, float]]]:
    measured: dict[str, list[dict[str, float]]] = {"api": [], "raw": []}
    for number in range(rounds):
        sides = [("api", api), ("raw", raw)]
        for side, requests in sides if number % 2 else reversed(sides):
            found = load(requests, connections, seconds, bearable=_ERRORS_SHARE)
            measured[side].append(found)
    return measured


def load(
    requests: list[Any],
    connections: int,
    seconds: float,
    warmup: float = 1.0,
    *,
    bearable: float = 0.0,
) -> dict[str, float]:
    """Run the load generator in a process of its own; rate, percentiles and errors.

    Raises:
        RuntimeError: More than this share of the requests failed.
    """
    plan = {
        "connections": connections,
        "seconds": seconds,
        "warmup_seconds": warmup,
        "requests": requests,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    if errors := result["error_count"]:
        message = f"{errors} errors under load: {result['errors']}"
        if errors > result["requests"] * bearable:
            raise RuntimeError(message)
        say(message)
    return {
        "rate": result["requests"] / result["seconds"],
        "errors": result["error_count"],
        "p50": percentile(result["latencies_ms"], 50),
        "p99": percentile(result["latencies_ms"], 99),
    }
