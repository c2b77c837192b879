"""The real servers and processes that a run measures, in a throw-away folder."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pymongo
import urllib3
from pymongo.database import Database

from catalog.local.ports import free_port
from catalog.local.servers import start_mongod, start_typesense

Record = dict[str, Any]


class World:
    """One MongoDB, one Typesense, one directory; processes started when asked."""

    def __init__(self, folder: Path, mongo_uri: str, url: str, api_key: str) -> None:
        self.folder = folder
        self.storage = folder / "storage"
        self.storage.mkdir()
        self.url, self.api_key = url, api_key
        self.client: pymongo.MongoClient[Record] = pymongo.MongoClient(
            mongo_uri, tz_aware=True
        )
        self.database: Database[Record] = self.client["bench"]
        self.http = urllib3.PoolManager(headers={"X-TYPESENSE-API-KEY": api_key})
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = os.environ | {
            "CATALOG_MONGO_URI": mongo_uri,
            "CATALOG_MONGO_DB": "bench",
            "CATALOG_TYPESENSE_URL": url,
            "CATALOG_TYPESENSE_API_KEY": api_key,
            "CATALOG_STORAGE": f"file://{quote(str(self.storage))}",
            "CATALOG_PORT": str(self.port),
            "CATALOG_LOG_LEVEL": "WARNING",
            "CATALOG_LINK_SECRET": "bench",
        }

    def start(
        self, module: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``python -m module``; its output goes to a file in the folder."""
        with (self.folder / f"{module}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=self._environment | dict(environment or {}),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.processes[module] = process
        return process

    def stop(self) -> None:
        """End all processes that were started here."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()

    def rss_mib(self, module: str) -> float:
        """Resident memory of a process, in MiB."""
        resident: int = psutil.Process(self.processes[module].pid).memory_info().rss
        return resident / 2**20

    def engine(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Call the engine; raises on anything but success."""
        answer = self.http.request(method, self.url + path, body=body, timeout=600)
        if answer.status >= 300:
            message = f"{method} {path}: {answer.status} {answer.data[:300]!r}"
            raise RuntimeError(message)
        return answer.data

    def store(self, key: str, content: bytes) -> None:
        """Put a file where the indexer finds it."""
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def status(self) -> Record:
        """The indexer's last heartbeat."""
        return self.database["index_status"].find_one() or {}


def until(
    look: Callable[[], object], what: str, seconds: float, every: float = 0.1
) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return
        time.sleep(every)  # noqa: TID251  (measuring real processes in real time)
    message = f"{what}: not within {seconds} s"
    raise TimeoutError(message)


@contextmanager
def running_world() -> Iterator[World]:
    """Start the servers, clean up afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="catalog-bench-"))
    mongod = start_mongod(folder / "mongo")
    try:
        engine = start_typesense(folder / "typesense")
        try:
            world = World(folder, mongod.uri, engine.url, engine.api_key)
            try:
                yield world
            finally:
                world.stop()
                world.client.close()
        finally:
            engine.stop()
    finally:
        mongod.stop()
        shutil.rmtree(folder, ignore_errors=True)
