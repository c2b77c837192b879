"""Event streams of real processes over the real change stream."""

import asyncio
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any

import aiohttp
import pytest
from pymongo.database import Database

from tests.integration.api.serving import ApiProcess

Jobs = Database[dict[str, Any]]


@pytest.fixture
def job(mongo_database: Jobs) -> str:
    mongo_database["jobs"].insert_one(
        {
            "jobId": "running",
            "userId": "user123",
            "type": "lora-training",
            "status": "processing",
            "progress": 10,
            "createdAt": datetime(2025, 1, 1, tzinfo=UTC),
        }
    )
    return "running"


def _update(database: Jobs, **fields: object) -> None:
    database["jobs"].update_one({"jobId": "running"}, {"$set": fields})


async def _until(response: aiohttp.ClientResponse, text: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(20):
        while text not in seen:
            chunk = await response.content.readany()
            assert chunk, seen
            seen += chunk
    return seen


def test_a_stream_follows_a_job_to_its_end_and_can_be_resumed(
    api_process: ApiProcess, mongo_database: Jobs, job: str
) -> None:
    address = f"{api_process.url}/api/stream/job/{job}"

    async def scenario() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{address}?userId=user123") as response:
                assert response.content_type == "text/event-stream"
                await _until(response, b"id: processing/10\n")
                _update(mongo_database, progress=55)
                await _until(response, b"id: processing/55\n")
            _update(mongo_database, status="completed", progress=100)
            resumed = {"Last-Event-ID": "processing/55"}
            async with session.get(address, headers=resumed) as response:
                rest = await response.read()
            assert b"processing" not in rest
            assert b"id: completed/100/done\n" in rest
            known = {"Last-Event-ID": "completed/100/done"}
            async with session.get(address, headers=known) as response:
                assert response.status == 204
            async with session.get(f"{address}?userId=user456") as response:
                assert response.status == 404

    asyncio.run(scenario())


def test_a_deleted_job_ends_its_stream(
    api_process: ApiProcess, mongo_database: Jobs, job: str
) -> None:
    async def scenario() -> None:
        address = f"{api_process.url}/api/stream/job/{job}"
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            await _until(response, b"id: processing/10\n")
            mongo_database["jobs"].delete_one({"jobId": job})
            await _until(response, b'"deleted":true')

    asyncio.run(scenario())


def test_five_hundred_streams_neither_slow_the_api_nor_hold_it_up(
    api_process: ApiProcess, mongo_database: Jobs, job: str
) -> None:
    """A stream per thread froze the API at 40; waiting connections blocked its end."""
    address = f"{api_process.url}/api/stream/job/{job}"

    async def p50(session: aiohttp.ClientSession) -> float:
        times: list[float] = []
        for _ in range(60):
            started = time.perf_counter()
            async with session.get(f"{api_process.url}/api/jobs/{job}") as response:
                await response.read()
            times.append(time.perf_counter() - started)
        return median(times)

    async def scenario() -> float:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            await p50(session)
            alone = await p50(session)
            streams = await asyncio.gather(*(session.get(address) for _ in range(500)))
            await asyncio.gather(*(_until(one, b"processing/10\n") for one in streams))
            beside = await p50(session)
            started = time.perf_counter()
            _update(mongo_database, progress=60)
            await asyncio.gather(*(_until(one, b"processing/60\n") for one in streams))
            fanned_out_seconds = time.perf_counter() - started
            seconds = await asyncio.to_thread(api_process.stop)
            ends = await asyncio.gather(*(one.read() for one in streams))

        assert beside < alone * 1.5 + 0.002
        assert fanned_out_seconds < 3
        assert all(b"done" not in rest for rest in ends)
        return seconds

    seconds = asyncio.run(scenario())

    assert seconds < 10
    assert api_process.process.returncode == 0
