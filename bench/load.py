"""The load generator: a process of its own, so that it measures and does not share.

Reads one JSON object from standard input: ``{connections, seconds, warmup_seconds,
requests: [[method, url, headers, body], …]}``; a request may be a list of such, sent
one after the other. Prints ``{requests, seconds, latencies_ms, errors}``.
"""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp


async def _worker(
    session: aiohttp.ClientSession,
    requests: list[list[list[Any]]],
    first: int,
    step: int,
    until: float,
    latencies: list[float],
    errors: list[str],
) -> None:
    index = first
    while time.perf_counter() < until:
        steps = requests[index % len(requests)]
        index += step
        start = time.perf_counter()
        for method, url, headers, body in steps:
            async with session.request(method, url, headers=headers, data=body) as got:
                payload = await got.read()
                if got.status != 200:
                    errors.append(f"{got.status} {payload[:200]!r}")
        latencies.append((time.perf_counter() - start) * 1000)


async def _run(plan: dict[str, Any]) -> dict[str, Any]:
    connections = plan["connections"]
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=False
    ) as session:
        out: tuple[list[float], list[str], float] = ([], [], 0.0)
        for seconds in (plan["warmup_seconds"], plan["seconds"]):
            latencies, errors = list[float](), list[str]()
            start = time.perf_counter()
            await asyncio.gather(
                *(
                    _worker(
                        session,
                        plan["requests"],
                        n,
                        connections,
                        start + seconds,
                        latencies,
                        errors,
                    )
                    for n in range(connections)
                )
            )
            out = (latencies, errors, time.perf_counter() - start)
    latencies, errors, elapsed = out
    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "latencies_ms": latencies,
        "errors": errors[:5],
        "error_count": len(errors),
    }


if __name__ == "__main__":
    json.dump(asyncio.run(_run(json.load(sys.stdin))), sys.stdout)
