"""How long a worker waits for a job, with a long queue before it."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from pymongo.database import Database

from bench.report import Figure, percentile
from bench.world import World
from catalog.clock import SystemClock
from catalog.models.job import JobType
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.queue import MongoQueueRepository
from catalog.repositories.mongo.queue_records import FRESH

WAITING = 100_000
USERS = 1_000
CLAIMS = 1_000
WORKERS = 4
_LEASE = timedelta(minutes=5)
_DATABASE = "bench_queue"


def queue(world: World) -> list[Figure]:
    """Claim from 100,000 waiting jobs: one worker alone, then four beside each other.

    The jobs lie in a database of their own, so the indexer does not follow them.
    """
    database = world.database.client[_DATABASE]
    ensure_indexes(database)
    _fill(database)
    database.client.admin.command("fsync")  # or the filling itself is measured
    kept = MongoQueueRepository(database)

    def claim(_: int) -> float:
        start = time.perf_counter()
        found = kept.claim(tuple(JobType), worker="bench", lease=_LEASE)
        took = time.perf_counter() - start
        if found is None:
            message = "the queue is empty"
            raise RuntimeError(message)
        return took * 1000

    alone = [claim(number) for number in range(CLAIMS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        beside = list(pool.map(claim, range(CLAIMS)))
    database.client.drop_database(_DATABASE)
    return [
        Figure("claim of 100,000 waiting, p50", percentile(alone, 50), "ms"),
        Figure(
            "claim of 100,000 waiting, p99", percentile(alone, 99), "ms", at_most=10
        ),
        Figure("claim, four workers, p99", percentile(beside, 99), "ms"),
    ]


def _fill(database: Database[dict[str, Any]]) -> None:
    now, types = SystemClock().now(), tuple(JobType)
    for first in range(0, WAITING, 5_000):
        jobs, queued = [], []
        for number in range(first, first + 5_000):
            job_id, user = f"job{number:06d}", f"user{number % USERS}"
            type_ = types[number % len(types)].value
            shared = {"userId": user, "type": type_}
            jobs.append({"_id": number, "jobId": job_id, "createdAt": now, **shared})
            place = {"priority": 1, "version": 1, "turn": number // USERS + 1}
            queued.append(
                {**FRESH, "_id": job_id, "root": number, **shared, **place}
                | {"submittedAt": now}
            )
        database["jobs"].insert_many(jobs)
        database["queue"].insert_many(queued)
