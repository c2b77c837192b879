"""One tortured world: own servers, a store, an indexer process, and the judge.

The environment variable ``TORTURE_CHECKOUT`` names another checkout whose indexer is
to be tortured instead (to bisect, or to show that an old one fails).
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pymongo.errors import PyMongoError

from tests.oracle import (
    NO_DIFFERENCES,
    Expected,
    answered,
    counted_facets,
    differences,
    expected_documents,
    expected_facets,
    exported,
    known_assets,
    known_segments,
    owner_key,
    torn_assets,
)
from tests.servers import Mongod, Typesense
from tests.torture.gateway import Gateway, Record
from tests.torture.outcome import Violation, pause
from tests.torture.watching import PHYSICAL, SequenceWatcher, await_that

DATABASE = "torture"
PREFIX = "torture_"
LEAST_RATE = 200
"""Writes per second that a row must have been under, or it proves nothing."""

SETTLE_SECONDS = 10.0
"""What the issue demands, from the moment at which writes are taken again."""


class Indexer:
    """``python -m indexer`` as a process of its own."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "indexer"],
                env=self._environment,
                cwd=os.environ.get("TORTURE_CHECKOUT"),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM; it must end within the five seconds that it promises, and some.

        Raises:
            Violation: It doesn't, or not with 0.
        """
        self.check()
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(15)
        except subprocess.TimeoutExpired as error:
            message = "the indexer does not end on SIGTERM"
            raise Violation(message) from error
        self._process = None
        if code != 0:
            message = f"the indexer ended with {code} on SIGTERM"
            raise Violation(message)

    def check(self) -> None:
        """The process must be running still.

        Raises:
            Violation: It ended by itself.
        """
        if self._process is not None and self._process.poll() is not None:
            message = f"the indexer ended by itself, code {self._process.returncode}"
            raise Violation(message)


class World:
    """Servers, store, platform and indexer of one run of one row."""

    ignored: frozenset[str] = frozenset()
    """Owners of jobs that the judge does not look at."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        most: int = 500,
        forgets_soon: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing runs yet.

        Args:
            folder: For everything; made here.
            seed: Of the platform.
            most: Jobs alive at once, about.
            forgets_soon: Whether MongoDB's oplog is as small as it can be.
            settings: Further ``CATALOG_`` variables of the indexer.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.storage = folder / "storage"
        self.storage.mkdir()
        self.mongod = Mongod(
            folder / "mongod",
            oplog_mb=16 if forgets_soon else 256,
            checkpoint_seconds=1 if forgets_soon else 60,
        )
        self.typesense = Typesense(folder / "typesense")
        self.gateway = Gateway(self.mongod.uri, DATABASE, self.storage, seed, most=most)
        self.random = self.gateway.random
        self.database = self.gateway.database
        self.engine = self.typesense.facts
        self._settings = dict(settings or {})
        self.indexer = self.indexer_with({})
        self.sequences = SequenceWatcher(self.engine, self.physical)
        self.worst_settle = 0.0

    def indexer_with(self, settings: Mapping[str, str]) -> Indexer:
        """Make an indexer of this world, some of its settings being others."""
        outside = {k: v for k, v in os.environ.items() if not k.startswith("CATALOG_")}
        environment = outside | {
            "CATALOG_MONGO_URI": self.mongod.uri,
            "CATALOG_MONGO_DB": DATABASE,
            "CATALOG_TYPESENSE_URL": self.engine.url,
            "CATALOG_TYPESENSE_API_KEY": self.engine.api_key,
            "CATALOG_INDEX_PREFIX": PREFIX,
            "CATALOG_STORAGE": f"file://{self.storage}",
            "CATALOG_RESCAN_SECONDS": "3",  # hints die with the process
            "CATALOG_LEASE_SECONDS": "3",
            **self._settings,
            **settings,
        }
        return Indexer(environment, self.folder / "indexer.log")

    # --- life ----------------------------------------------------------------------

    def open(self) -> None:
        self.mongod.start()
        self.typesense.start()

    def close(self) -> None:
        self.sequences.stop()
        self.indexer.kill()
        self.gateway.close()
        self.typesense.kill()
        self.mongod.kill()

    def begin(self, operations: int = 300) -> None:
        """Write something, start the indexer, and wait until all of it is indexed."""
        self.gateway.fill(operations)
        self.indexer.start()
        self.settle(60)
        self.sequences.start()

    def await_beat(self, seconds: float = 60) -> float:
        """Wait until an indexer works: until a heartbeat is written from now on.

        Returns:
            When that was (monotonic), as the other two like this one.
        """
        before = self._beat()
        await_that(lambda: self._beat() != before, seconds, "a heartbeat")
        return time.monotonic()

    def _beat(self) -> datetime | None:
        found = self.database["index_status"].find_one({}, {"beatAt": 1})
        return None if found is None else found["beatAt"]

    def await_mongod(self) -> float:
        """Wait until a write is acknowledged."""

        def is_writable() -> bool:
            self.gateway.client["probe"]["probe"].replace_one({"_id": 1}, {}, True)  # noqa: FBT003
            return True

        await_that(is_writable, 60, "a write to MongoDB")
        return time.monotonic()

    def await_typesense(self) -> float:
        """Wait until writes are taken again: deleting what is not there says 404."""
        names = self.physical()

        def is_writable() -> bool:
            for name in names:
                path = f"/collections/{name}/documents/nobody"
                try:
                    self.call("DELETE", path)
                except urllib.error.HTTPError as error:
                    if error.code != 404:  # 503: it replays its log
                        return False
            return True

        await_that(is_writable, 60, "a write to Typesense")
        return time.monotonic()

    # --- looking -------------------------------------------------------------------

    def call(self, method: str, path: str) -> Any:  # noqa: ANN401  (what the engine says)
        request = urllib.request.Request(
            self.engine.url + path,
            method=method,
            headers={"X-TYPESENSE-API-KEY": self.engine.api_key},
        )
        with answered(request, seconds=10) as answer:
            return orjson.loads(answer.read())

    def physical(self, kind: str = "") -> list[str]:
        """Names of all physical indexes that exist, as the engine tells them."""
        return sorted(
            index["name"]
            for index in self.call("GET", "/collections")
            if PHYSICAL.fullmatch(index["name"].removeprefix(PREFIX))
            and index["name"].startswith(PREFIX + kind)
        )

    def generations(self) -> list[Record]:
        return list(self.database["index_generations"].find().sort("_id"))

    def expected_jobs(self) -> list[Record]:
        """Job records that must be in the index as they say."""
        return list(
            self.gateway.jobs.find({"userId": re.compile("^(user-|marker)")})
            if self.ignored  # else whatever the driver can't even read
            else self.gateway.jobs.find()
        )

    def judge(self) -> dict[str, Any]:
        """Everything that is wrong right now; empty when nothing is."""
        expected = expected_documents(
            self.expected_jobs(),
            self.storage,
            self.database["annotations"].find(),
            self.database["objects"].find({"state": "present"}),
            self.database["extractions"].find({}, {"body": 0, "raw": 0}),
        )
        keys = [owner_key(user) for user in self.ignored]
        rows = list(
            self.database["assets"].find(
                {"ownerKey": {"$nin": keys}}, {"acl": 1, "docs": 1}
            )
        )
        return {
            what: parts
            for what, assets, segments in self._judged()
            if (parts := self._judge_one(assets, segments, expected, rows))
        }

    def _judge_one(
        self,
        assets_index: str,
        segments_index: str,
        expected: tuple[Expected, Expected],
        rows: list[Record],
    ) -> dict[str, Any]:
        url, key = self.engine.url, self.engine.api_key
        strange = {owner_key(user) for user in self.ignored}
        found, pieces = (
            [one for one in exported(url, key, index) if strange.isdisjoint(one["acl"])]
            for index in (assets_index, segments_index)
        )
        parts: dict[str, Any] = {
            "assets": differences(expected[0], known_assets(found)),
            "segments": differences(expected[1], known_segments(pieces)),
        }
        parts = {k: v for k, v in parts.items() if v != NO_DIFFERENCES}
        if torn := torn_assets(found, pieces, rows):
            parts["torn"] = torn
        if not self.ignored:  # facets count everything
            facets = expected_facets(expected[0])
            counted = counted_facets(url, key, assets_index)
            if counted != facets:
                parts["facets"] = {"expected": facets, "found": counted}
        return parts

    def _judged(self) -> Iterator[tuple[str, str, str]]:
        """What readers reach, and what a rollback would have them reach."""
        yield "serving", f"{PREFIX}assets", f"{PREFIX}segments"
        for generation in self.generations():
            if generation["state"] == "retiring":
                own = f"__g{generation['_id']}_{generation['schemaHash']}"
                what = f"retiring {generation['_id']}"
                yield what, f"{PREFIX}assets{own}", f"{PREFIX}segments{own}"

    def settle(
        self, seconds: float = SETTLE_SECONDS, *, since: float | None = None
    ) -> float:
        """Wait until nothing is wrong; nobody may write meanwhile.

        Args:
            seconds: How long it may take.
            since: From when on that counts (monotonic); from now on by default.

        Returns:
            After how many seconds that was so.

        Raises:
            Violation: Something is wrong still after that time.
        """
        begun = time.monotonic() if since is None else since
        found: object = None
        while True:
            looked_at = time.monotonic()
            at = looked_at - begun
            try:
                found = self.judge()
            except (OSError, PyMongoError) as error:  # no alias yet, say
                found = error
            if found == {} and at <= seconds:
                self.worst_settle = max(self.worst_settle, at)
                return at
            self.indexer.check()
            if at > seconds:
                message = (
                    f"not settled within {seconds:g} s: {str(found)[:3000]}\n"
                    f"status: {self.database['index_status'].find_one()}"
                )
                raise Violation(message)
            # Judging costs a core, and proxies share this process: a third of the time.
            self._await_word(max(0.1, 2 * (time.monotonic() - looked_at)))

    def _await_word(self, seconds: float) -> None:
        """Wait so long, or until the indexer begins to say that it is through.

        What it says proves nothing; it is judged all the sooner.
        """
        deadline = time.monotonic() + seconds
        is_old = self._is_said_to_be_through()
        while time.monotonic() < deadline:
            pause(0.05)
            if not is_old and self._is_said_to_be_through():
                return

    def _is_said_to_be_through(self) -> bool:
        try:
            status = self.database["index_status"].find_one({}, {"lagMs": 1})
        except PyMongoError:
            return False
        return status is not None and status.get("lagMs") == 0

    def demand_rate(self) -> None:
        """What was written must have been written fast enough to prove something."""
        if self.gateway.rate < LEAST_RATE:
            message = f"only {self.gateway.rate:.0f} writes a second: too slow to count"
            raise Violation(message)

    def figures(self) -> dict[str, float]:
        return {
            "operations": self.gateway.operations,
            "failed writes": self.gateway.failed,
            "writes per second": round(self.gateway.rate),
            "sequence samples": self.sequences.samples,
        }


@contextmanager
def running_world(world: World) -> Iterator[World]:
    """Open a world; its folder is kept when the block fails."""
    try:
        world.open()
        yield world
        world.indexer.check()
        world.sequences.check()
    finally:
        world.close()
    shutil.rmtree(world.folder, ignore_errors=True)
