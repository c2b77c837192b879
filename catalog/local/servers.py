"""Starts one bundled server alone, for tests and experiments.

``stack.Stack`` runs the same binaries with the same options, supervised.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from catalog.clock import SystemClock
from catalog.errors import StackError
from catalog.local import mongod, replica_set, typesense_server
from catalog.local.child import Child, ChildSpec
from catalog.local.ports import free_port

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that was started here; it also ends with this process.

    ``uri`` and ``url`` are the same address; ``api_key`` is empty for MongoDB.
    """

    uri: str
    child: Child
    api_key: str = ""

    @property
    def url(self) -> str:
        """The address, as HTTP servers call it."""
        return self.uri

    @property
    def pid(self) -> int:
        """Process id."""
        return self.child.pid

    def stop(self) -> None:
        """End it cleanly; idempotent."""
        self.child.terminate()
        if not self.child.wait(_STOP_SECONDS):
            self.child.kill()
            self.child.wait(_STOP_SECONDS)
        self.child.finish()


def start_mongod(directory: Path, port: int | None = None) -> RunningServer:
    """Run a one-node replica set on ``directory`` and wait until it takes writes.

    Call it on the main thread.

    Args:
        directory: Created when missing; what is in there is kept.
        port: A free one when not given.

    Raises:
        StackError: It ended, or took longer than a minute.
    """
    return start_mongod_on(directory / "data", directory / "log", port)


def start_mongod_on(data: Path, log: Path, port: int | None = None) -> RunningServer:
    """Likewise, on a directory of MongoDB's own files; see ``start_mongod``."""
    chosen = port or free_port()
    data.mkdir(parents=True, exist_ok=True)
    command = mongod.command(mongod.find_binary(), data, chosen)
    child = Child(ChildSpec("mongodb", command, log), SystemClock())
    _wait_for(child, lambda: replica_set.is_primary(chosen))
    return RunningServer(replica_set.uri_of(chosen), child)


def start_typesense(directory: Path) -> RunningServer:
    """Run an engine on ``directory`` and wait until it takes requests.

    Call it on the main thread.

    Raises:
        StackError: It ended, or took longer than a minute.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    api_key = secrets.token_hex(16)
    configuration = typesense_server.write_configuration(
        directory,
        port=port,
        peering_port=free_port(other_than=[port]),
        api_key=api_key,
    )
    command = typesense_server.command(typesense_server.ensure_binary(), configuration)
    child = Child(ChildSpec("typesense", command, directory / "log"), SystemClock())
    url = f"http://127.0.0.1:{port}"
    _wait_for(child, lambda: typesense_server.is_healthy(url))
    return RunningServer(url, child, api_key)


def _wait_for(child: Child, is_ready: Callable[[], bool]) -> None:
    clock = SystemClock()
    while child.exit_code is None and child.lived_seconds < _START_SECONDS:
        if is_ready():
            return
        clock.wait(Event(), 0.1)
    child.kill()
    child.wait(_STOP_SECONDS)
    child.finish()
    raise StackError(f"{child.spec.name} did not start. Its last words:\n{child.tail}")
