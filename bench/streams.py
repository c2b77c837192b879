"""Search beside 500 open event streams, and how soon the API then ends."""

import asyncio
import subprocess
import sys
import time
from statistics import median
from typing import Any

import aiohttp

from bench.report import Figure, say
from bench.search import load, queries, serving_api
from bench.world import World

STREAMS = 500


def streams(world: World, rounds: int, seconds: float) -> list[Figure]:
    """Compare the p50 of search at one connection without and with open streams."""
    job = {
        "jobId": "bench-streamed",
        "userId": "user-0",
        "type": "lora-training",
        "status": "processing",
        "progress": 1,
        "config": {},
    }
    world.database["jobs"].insert_one(job)
    address = f"{world.api}/api/stream/job/{job['jobId']}"
    requests: list[Any] = [[["GET", url, {}, None]] for url in queries(world)]
    alone, beside, ended = list[float](), list[float](), 0.0
    with serving_api(world) as process:
        for _ in range(rounds):
            alone.append(load(requests, 1, seconds)["p50"])
            with subprocess.Popen(
                [sys.executable, "-m", "bench.streams", address],
                stdout=subprocess.PIPE,
            ) as holder:
                assert holder.stdout is not None  # noqa: S101  (asked for above)
                holder.stdout.readline()
                beside.append(load(requests, 1, seconds)["p50"])
                if len(beside) == rounds:
                    start = time.perf_counter()
                    process.terminate()
                    process.wait(30)
                    ended = time.perf_counter() - start
                holder.terminate()
    ratio = median(b / a for a, b in zip(alone, beside, strict=True))
    say(f"{STREAMS} streams: {median(alone):.1f} ms alone, {median(beside):.1f} beside")
    return [
        Figure("search p50, beside 500 streams / alone", ratio, "ratio", at_most=1.5),
        Figure("API's exit with 500 open streams", ended, "s", at_most=10),
    ]


async def _hold(address: str) -> None:
    connector = aiohttp.TCPConnector(limit=STREAMS)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        answers = await asyncio.gather(*(session.get(address) for _ in range(STREAMS)))
        for answer in answers:
            answer.raise_for_status()
        print("open", flush=True)
        await asyncio.gather(*(answer.content.read() for answer in answers))


if __name__ == "__main__":
    asyncio.run(_hold(sys.argv[1]))
