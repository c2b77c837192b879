"""Leaders that are stopped beyond their lease and woken up again, on real servers."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from catalog.clock import SystemClock
from catalog.search.base import IndexName
from catalog.search.generation import physical_name
from catalog.search.schema import schema_hash
from catalog.search.typesense.admin import TypesenseIndexAdmin
from catalog.search.typesense.keys import TypesenseIndexKeys
from tests.servers import TypesenseServer

TTL_SECONDS = 3.0
HANDOVERS = 5
REPOSITORY = Path(__file__).resolve().parents[3]


class Process:
    """A contender, and all that it has said."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.integration.indexer.contender"),
                json.dumps(settings),
            ],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self.said_at: dict[str, float] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said_at[line.strip()] = time.monotonic()
            self.said.append(line.strip())

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def is_stopped(self) -> bool:
        stat = Path(f"/proc/{self._process.pid}/stat")
        return stat.read_text().rpartition(")")[2].split()[0] == "T"

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Stage:
    """The truth, the index, and the two who contend for writing one into the other."""

    def __init__(
        self,
        mongo_uri: str,
        database: Database[Any],
        server: TypesenseServer,
        prefix: str,
    ) -> None:
        self._truth = database["truth"]
        self.lease = database["index_lease"]
        self._admin = TypesenseIndexAdmin(server.url, server.api_key, prefix)
        self.index = physical_name(prefix, IndexName.ASSETS, 1, schema_hash())
        self._admin.create(self.index, IndexName.ASSETS)
        self._settings = {
            "mongo_uri": mongo_uri,
            "database": database.name,
            "engine_url": server.url,
            "engine_key": server.api_key,
            "prefix": prefix,
            "index": self.index,
            "ttl_seconds": TTL_SECONDS,
        }

    @contextmanager
    def two(self, *, is_fenced: bool = True) -> Iterator[tuple[Process, Process]]:
        """Start two contenders; the first of those yielded leads."""
        settings = self._settings | {"is_fenced": is_fenced}
        processes = [Process(settings)]
        try:
            eventually(lambda: "leading 1" in processes[0].said)
            processes.append(Process(settings))
            yield processes[0], processes[1]
        finally:
            for process in processes:
                process.kill()

    def tell(self, value: int) -> None:
        self._truth.update_one({"_id": 1}, {"$set": {"value": value}}, upsert=True)

    def shown(self) -> int:
        """What the index says."""
        found = self._admin.export(self.index, ["_seq"])
        return int(found[0]["_seq"]) if found else 0

    def hand_over(self, leader: Process, other: Process, epoch: int) -> float:
        """Stop the leader between its read and its write, and let the other lead.

        Returns:
            Seconds from the stop until the other one led.
        """
        stale, newer = epoch * 10 + 1, epoch * 10 + 2
        leader.signal(signal.SIGUSR1)
        time.sleep(0.1)  # noqa: TID251  (a signal travels)
        self.tell(stale)
        eventually(leader.is_stopped)
        stopped_at = time.monotonic()
        eventually(lambda: f"leading {epoch + 1}" in other.said, seconds=30)
        took = other.said_at[f"leading {epoch + 1}"] - stopped_at
        self.tell(newer)
        eventually(lambda: self.shown() == newer)
        leader.signal(signal.SIGCONT)
        return took


def eventually(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # noqa: TID251  (other processes go on meanwhile)


def await_line(process: Process, line: str) -> None:
    eventually(lambda: line in process.said)


@pytest.fixture
def stage(
    socket_enabled: None,  # noqa: ARG001  (this fixture connects)
    mongo_uri: str,
    mongo_database: Database[Any],
    typesense_server: TypesenseServer,
    index_prefix: str,
) -> Iterator[Stage]:
    yield Stage(mongo_uri, mongo_database, typesense_server, index_prefix)
    TypesenseIndexKeys(
        typesense_server.url,
        typesense_server.api_key,
        index_prefix,
        clock=SystemClock(),
    ).revoke(before_epoch=10**6)


def test_a_leader_that_was_stopped_beyond_its_lease_writes_nothing_more(
    stage: Stage,
) -> None:
    with stage.two() as processes:
        for epoch in range(1, HANDOVERS + 1):
            leader, other = processes[(epoch + 1) % 2], processes[epoch % 2]
            stale, newer = epoch * 10 + 1, epoch * 10 + 2

            took = stage.hand_over(leader, other, epoch)

            await_line(leader, f"fenced {stale}")
            assert f"wrote {stale}" not in leader.said
            assert stage.shown() == newer
            assert took <= TTL_SECONDS + 5


def test_without_the_fence_the_same_leader_spoils_the_index(stage: Stage) -> None:
    with stage.two(is_fenced=False) as (leader, other):
        stage.hand_over(leader, other, 1)

        eventually(lambda: "wrote 11" in leader.said)
        assert stage.shown() == 11  # the truth is 12, and nobody will ever notice


def test_a_leader_that_ends_in_order_is_followed_at_once(stage: Stage) -> None:
    with stage.two() as (leader, other):
        time.sleep(2.0)  # noqa: TID251  (the second one has to be up and waiting)
        told_at = time.monotonic()
        leader.signal(signal.SIGTERM)

        eventually(leader.has_ended)
        eventually(lambda: "leading 2" in other.said)

        assert "ended 0" in leader.said
        assert other.said_at["leading 2"] - told_at < TTL_SECONDS


def test_a_leader_that_dies_is_followed_within_the_lease_and_five_seconds(
    stage: Stage,
) -> None:
    with stage.two() as (leader, other):
        died_at = time.monotonic()
        leader.signal(signal.SIGKILL)

        eventually(lambda: "leading 2" in other.said)

        assert other.said_at["leading 2"] - died_at <= TTL_SECONDS + 5
        stage.tell(7)
        eventually(lambda: stage.shown() == 7)
