"""The indexer is killed again and again; the index still equals the record."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo.database import Database

from tests.e2e.stack import BUCKET_URL, eventually
from tests.oracle import (
    NO_DIFFERENCES,
    differences,
    expected_documents,
    indexed_documents,
)
from tests.servers import TypesenseServer

Record = dict[str, Any]

KILLS = 20


class Platform:
    """A gateway that inserts, changes and deletes jobs; seeded."""

    def __init__(self, database: Database[Record], storage: Path, seed: int) -> None:
        self.jobs = database["jobs"]
        self.storage = storage
        self.random = random.Random(seed)
        self.alive: list[Record] = []
        self.made = 0
        self.operations = 0

    def step(self) -> None:
        self.operations += 1
        draw = self.random.random()
        if draw < 0.45 or len(self.alive) < 5:
            self._insert()
        elif draw < 0.85:
            self._update(self.random.choice(self.alive))
        else:
            job = self.alive.pop(self.random.randrange(len(self.alive)))
            self.jobs.delete_one({"_id": job["_id"]})

    def _words(self, count: int) -> str:
        return " ".join(
            self.random.choice(("amber", "birch", "cedar", "delta", "ember", "fjord"))
            for _ in range(count)
        )

    def _insert(self) -> None:
        self.made += 1
        type_ = self.random.choice(
            ("lora-training", "image-generation", "transcription")
        )
        job: Record = {
            "jobId": f"job-{self.made}",
            "userId": f"user-{self.random.randrange(3)}",
            "type": type_,
            "status": "completed",
            "createdAt": datetime(2025, 5, 1, tzinfo=UTC),
            "metadata": {
                "tags": [self._words(1)],
                "isPublic": self.random.random() < 0.3,
            },
        }
        if type_ == "lora-training":
            job["config"] = {"loraName": self._words(2)}
            job["versions"] = [
                {"version": 1, "modelUrl": "https://elsewhere.example/m"}
            ]
        elif type_ == "image-generation":
            job["config"] = {"prompt": self._words(6)}
            job["versions"] = [{"version": 1, "images": self._images(job)}]
        else:
            job["config"] = {}
            job["versions"] = [self._transcript(job, 1)]
        self.jobs.insert_one(job)
        self.alive.append(job)

    def _images(self, job: Record) -> list[Record]:
        count = self.random.randrange(1, 5)
        return [
            {"url": f"https://elsewhere.example/{job['jobId']}/image_{n + 1}.png"}
            for n in range(count)
        ]

    def _transcript(self, job: Record, version: int) -> Record:
        suffix = "" if version == 1 else f"v{version}/"
        key = f"transcripts/{job['userId']}/{job['jobId']}/{suffix}transcript.json"
        utterances = [
            {
                "speaker": "A",
                "text": self._words(9),
                "start": 1000 * n,
                "end": 1000 * n + 900,
            }
            for n in range(self.random.randrange(1, 30))
        ]
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(".part")
        text = " ".join(str(u["text"]) for u in utterances)
        partial.write_bytes(orjson.dumps({"text": text, "utterances": utterances}))
        partial.rename(path)
        return {"version": version, "transcriptUrl": f"{BUCKET_URL}/{key}"}

    def _update(self, job: Record) -> None:
        change = self.random.randrange(3)
        if change == 0:
            job["metadata"] = job["metadata"] | {"description": self._words(4)}
        elif change == 1:
            job["metadata"] = job["metadata"] | {
                "isPublic": not job["metadata"]["isPublic"],
                "tags": [self._words(1) for _ in range(self.random.randrange(2))],
            }
        elif job["type"] == "image-generation":
            job["versions"] = [{"version": 1, "images": self._images(job)}]
        elif job["type"] == "transcription":
            job["versions"] = [
                *job["versions"],
                self._transcript(job, len(job["versions"]) + 1),
            ]
        self.jobs.replace_one({"_id": job["_id"]}, job)


class Indexer:
    """``python -m indexer`` on the test's own database, storage and index prefix."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "indexer"],
                env=self._environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(with_signal)
        self.process.wait(15)


@contextmanager
def _writing(platform: Platform, per_second: float) -> Iterator[None]:
    done = threading.Event()

    def write() -> None:
        while not done.wait(1 / per_second):
            platform.step()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class World:
    """Everything that one recovery test stands on."""

    def __init__(
        self,
        database: Database[Record],
        uri: str,
        engine: TypesenseServer,
        prefix: str,
        folder: Path,
        seed: int,
    ) -> None:
        self.database, self.engine, self.prefix = database, engine, prefix
        self.storage = folder / "storage"
        self.storage.mkdir()
        self.platform = Platform(database, self.storage, seed)
        environment = os.environ | {
            "CATALOG_MONGO_URI": uri,
            "CATALOG_MONGO_DB": database.name,
            "CATALOG_TYPESENSE_URL": engine.url,
            "CATALOG_TYPESENSE_API_KEY": engine.api_key,
            "CATALOG_INDEX_PREFIX": prefix,
            "CATALOG_STORAGE": f"file://{self.storage}",
        }
        self.log = folder / "indexer.log"
        self.indexer = Indexer(environment, self.log)

    def differences(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        jobs = list(self.database["jobs"].find())
        expected = expected_documents(jobs, self.storage)
        found = indexed_documents(self.engine.url, self.engine.api_key, self.prefix)
        return differences(expected[0], found[0]), differences(expected[1], found[1])

    def assert_settles(self, seconds: float = 30) -> None:
        both = (NO_DIFFERENCES, NO_DIFFERENCES)
        deadline = time.monotonic() + seconds
        found: object = None
        while time.monotonic() < deadline:
            try:
                found = self.differences()
            except OSError as error:  # the alias is not there yet
                found = error
            if found == both:
                return
            time.sleep(0.3)  # noqa: TID251  (another process does the work)
        message = (
            f"the index does not settle: {str(found)[:3000]}\n"
            f"{self.log.read_text(errors='replace')[-3000:]}"
        )
        raise AssertionError(message)


@pytest.fixture
def world(
    mongo_database: Database[Record],
    mongo_uri: str,
    typesense_server: TypesenseServer,
    index_prefix: str,
    tmp_path: Path,
) -> Iterator[World]:
    seed = int(os.environ.get("CATALOG_TEST_SEED", "20251122"))
    world = World(
        mongo_database, mongo_uri, typesense_server, index_prefix, tmp_path, seed
    )
    yield world
    process = world.indexer.process
    if process is not None and process.poll() is None:
        process.kill()
        process.wait()


def test_twenty_kills_under_writes_lose_nothing(world: World) -> None:
    world.indexer.start()
    with _writing(world.platform, per_second=100):
        for _ in range(KILLS):
            time.sleep(world.platform.random.uniform(0.9, 2.2))  # noqa: TID251
            world.indexer.stop(signal.SIGKILL)
            world.indexer.start()

    world.assert_settles()

    assert world.platform.operations > 1000


def test_a_restart_in_the_middle_of_a_build_loses_nothing(world: World) -> None:
    for _ in range(3000):
        world.platform.step()
    world.indexer.start()
    generations = world.database["index_generations"]
    eventually(
        lambda: generations.find_one({"done": {"$gt": 0}}), what="the build begins"
    )
    world.indexer.stop(signal.SIGKILL)
    halfway = generations.find_one({"state": "building"})
    for _ in range(300):
        world.platform.step()

    world.indexer.start()
    world.assert_settles(60)

    assert halfway is not None, "the build was over before the kill"


def test_changes_made_while_the_indexer_is_stopped_are_caught_up(world: World) -> None:
    world.indexer.start()
    for _ in range(50):
        world.platform.step()
    world.assert_settles()
    world.indexer.stop()
    for _ in range(200):
        world.platform.step()

    world.indexer.start()

    world.assert_settles()
