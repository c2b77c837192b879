"""The freshness contract on a real replica set; the test plays the indexer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import pymongo
import pytest
from pymongo.database import Database
from starlette.testclient import TestClient

from api.app import create_app
from catalog.config import Settings
from catalog.freshness import encode_token, make_token
from catalog.graph import Catalog
from catalog.repositories.index_state import Generation, GenerationState
from catalog.repositories.mongo.feed import MongoChangeFeed
from catalog.repositories.mongo.generations import MongoGenerationRepository
from catalog.repositories.mongo.index_state import MongoIndexRequestRepository
from catalog.repositories.mongo.jobs import MongoJobRepository
from tests.fakes.catalog import FakeParts

Mongo = Database[dict[str, Any]]


@dataclass
class World:
    """The API over a real MongoDB, and what the indexer would save there."""

    database: Mongo
    client: TestClient

    @property
    def feed(self) -> MongoChangeFeed:
        return MongoChangeFeed(self.database)

    def settle(self, time: int | None = None, *, number: int = 1) -> None:
        """Save a serving generation that has everything up to ``time``, or now."""
        MongoGenerationRepository(self.database).save(
            Generation(
                number,
                "schema",
                GenerationState.SERVING,
                settled_time=self.feed.current().cluster_time if time is None else time,
            )
        )

    def write(self, job_id: str) -> None:
        self.database["jobs"].insert_one({"jobId": job_id, "userId": "ann"})

    def token(self) -> str:
        token: str = self.client.get("/api/index/token").json()["token"]
        return token

    def reached(self, token: str, wait_ms: int = 50) -> bool:
        answer = self.client.get(f"/api/jobs?waitFor={token}&waitMs={wait_ms}")
        assert answer.status_code == 200, answer.text
        told = answer.json()["index"]["reached"]
        assert answer.headers["x-index-reached"] == str(told).lower()
        return bool(told)

    def refusal(self, token: str) -> str:
        answer = self.client.get("/api/jobs", params={"waitFor": token})
        assert (answer.status_code, answer.json()["field"]) == (400, "waitFor")
        return str(answer.json()["detail"])


def _catalog(database: Mongo) -> Catalog:
    return replace(
        FakeParts(settings=Settings(mongo_db=database.name)).catalog(),
        jobs=MongoJobRepository(database),
        feed=MongoChangeFeed(database),
        generations=MongoGenerationRepository(database),
        index_requests=MongoIndexRequestRepository(database),
    )


@contextmanager
def _world(database: Mongo) -> Iterator[World]:
    with TestClient(create_app(_catalog(database))) as client:
        yield World(database, client)


@pytest.fixture
def world(mongo_database: Mongo) -> Iterator[World]:
    with _world(mongo_database) as made:
        yield made


def test_a_write_is_reached_when_the_index_has_it_and_not_before(world: World) -> None:
    world.settle()
    world.write("one")
    token = world.token()

    before = world.reached(token)
    world.settle()

    assert not before
    assert world.reached(token)


def test_a_token_of_before_the_write_does_not_cover_it(world: World) -> None:
    early = world.token()
    world.settle()
    world.write("one")
    late = world.token()

    assert world.reached(early)
    assert not world.reached(late)


def test_the_answer_comes_as_soon_as_the_indexer_is_there(world: World) -> None:
    world.settle(1)
    world.write("one")
    token = world.token()
    indexer = threading.Timer(0.3, world.settle)
    indexer.start()
    started = perf_counter()

    reached = world.reached(token, 10_000)

    took = perf_counter() - started
    indexer.join()
    assert reached
    assert 0.25 < took < 3


def test_without_an_indexer_the_wait_ends_in_time_and_says_so(world: World) -> None:
    token = world.token()
    started = perf_counter()

    assert not world.reached(token, 500)
    assert 0.5 <= perf_counter() - started < 2


def test_of_two_generations_the_newer_one_that_serves_counts(world: World) -> None:
    world.settle()
    token = world.token()
    world.settle(1, number=2)

    assert not world.reached(token)


def test_a_write_through_the_api_brings_its_token(world: World) -> None:
    world.settle()

    answer = world.client.post("/api/admin/reindex")

    token = answer.headers["x-catalog-token"]
    assert world.database["index_requests"].count_documents({}) == 1
    assert not world.reached(token)
    world.settle()
    assert world.reached(token)


def test_two_processes_understand_each_others_tokens(world: World) -> None:
    world.settle()
    token = world.token()
    world.settle()

    with _world(world.database) as other:
        assert other.reached(token)


def test_a_token_of_another_database_is_refused(
    world: World, mongo_client: pymongo.MongoClient[dict[str, Any]]
) -> None:
    with _world(mongo_client[world.database.name + "_b"]) as other:
        foreign = other.token()

    assert "another catalog" in world.refusal(foreign)


def test_a_token_of_another_replica_set_is_refused(world: World) -> None:
    time = world.feed.current().cluster_time
    foreign = make_token("0123456789abcdef01234567", world.database.name, time)

    assert "another catalog" in world.refusal(encode_token(foreign))


def test_a_token_of_the_time_before_a_restored_backup_is_refused(world: World) -> None:
    world.settle()
    now = world.feed.current()
    ahead = make_token(
        now.replica_set, world.database.name, now.cluster_time + (3600 << 32)
    )

    assert "restored from a backup" in world.refusal(encode_token(ahead))


def test_while_mongodb_is_away_nothing_is_reached_and_nothing_is_a_5xx(
    world: World,
) -> None:
    token = world.token()
    nowhere = pymongo.MongoClient[dict[str, Any]](
        "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"
    )
    away = replace(
        _catalog(world.database),
        feed=MongoChangeFeed(nowhere["catalog"]),
        generations=MongoGenerationRepository(nowhere["catalog"]),
    )
    with TestClient(create_app(away)) as client:
        answer = client.get(
            "/api/assets/search", params={"waitFor": token, "waitMs": 300}
        )
    nowhere.close()

    assert answer.status_code == 200
    assert answer.json()["index"]["reached"] is False


def test_fifty_waiters_at_once_are_all_answered(world: World) -> None:
    world.settle(1)
    token = world.token()
    indexer = threading.Timer(0.5, world.settle)
    indexer.start()
    told: list[bool] = []

    def wait() -> None:
        told.append(world.reached(token, 10_000))

    waiters = [threading.Thread(target=wait) for _ in range(50)]
    for waiter in waiters:
        waiter.start()
    for waiter in waiters:
        waiter.join()
    indexer.join()

    assert told == [True] * 50
