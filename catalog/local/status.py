"""``catalog status``: what runs, on which ports, and how far the index is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from catalog.clock import Clock
from catalog.local import http, replica_set, typesense_server
from catalog.local.data_directory import DataDirectory, ProcessState, StackState
from catalog.local.leftovers import find
from catalog.local.preflight import LOW_BYTES, NEEDED_BYTES, free_bytes, megabytes
from catalog.local.status_index import (
    STALE_BEAT_SECONDS,
    IndexBooks,
    index_text,
    status_json,
    sweeps_text,
)
from catalog.repositories.index_state import IndexStatus

_OK = 200


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """One child."""

    name: str
    pid: int
    port: int | None
    is_running: bool
    memory_bytes: int
    restarts: int


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What ``catalog status`` tells.

    Attributes:
        data_dir: The data directory.
        pid: Of ``catalog up``; ``None`` when it does not run.
        state: What it last wrote down.
        processes: The children.
        servers: Whether each answers, by name.
        index: The indexer's heartbeat, when it could be read.
        index_age_seconds: How old that is.
        free_bytes: Room on the disk of the data directory.
        books: What else the indexer has written down, when it could be read.
    """

    data_dir: Path
    pid: int | None
    state: StackState
    processes: tuple[ProcessReport, ...]
    servers: dict[str, bool]
    index: IndexStatus | None
    index_age_seconds: float | None
    free_bytes: int | None
    books: IndexBooks | None = None

    @property
    def is_running(self) -> bool:
        """Whether a ``catalog up`` holds the data directory."""
        return self.pid is not None

    @property
    def is_all_up(self) -> bool:
        """Whether everything runs, answers, and the indexer's heart beats."""
        age = self.index_age_seconds
        return (
            self.is_running
            and all(process.is_running for process in self.processes)
            and all(self.servers.values())
            and age is not None
            and age < STALE_BEAT_SECONDS
        )

    def as_json(self) -> dict[str, Any]:
        """Spell it for ``--json``."""
        return {
            "running": self.is_running,
            "allUp": self.is_all_up,
            "dataDir": str(self.data_dir),
            "pid": self.pid,
            "phase": self.state.phase if self.is_running else "stopped",
            "startedAt": self.state.started_at,
            **self.state.facts,
            "adminToken": self.state.admin_token,
            "servers": self.servers,
            "processes": [
                {
                    "name": process.name,
                    "pid": process.pid,
                    "port": process.port,
                    "running": process.is_running,
                    "memoryBytes": process.memory_bytes,
                    "restarts": process.restarts,
                }
                for process in self.processes
            ],
            "index": status_json(self.index) if self.index else None,
            "indexAgeSeconds": self.index_age_seconds,
            **(self.books or IndexBooks()).as_json(),
            "freeBytes": self.free_bytes,
        }


def gather(
    directory: DataDirectory,
    read_index: Callable[[], IndexStatus | None],
    clock: Clock,
    *,
    read_books: Callable[[], IndexBooks | None] = lambda: None,
) -> StatusReport:
    """Look at everything once.

    Args:
        directory: Of the stack.
        read_index: Reads the indexer's heartbeat; ``None`` when it cannot.
        clock: Tells the heartbeat's age.
        read_books: Reads what else it writes down; ``None`` when it cannot.
    """
    pid = directory.holder()
    state = directory.read_state()
    servers: dict[str, bool] = {}
    index: IndexStatus | None = None
    books: IndexBooks | None = None
    if pid is not None:
        servers = _ping(state)
        if servers["mongodb"]:
            index, books = read_index(), read_books()
    return StatusReport(
        data_dir=directory.path,
        pid=pid,
        state=state,
        processes=tuple(_look(name, it) for name, it in state.processes.items()),
        servers=servers,
        index=index,
        index_age_seconds=(
            (clock.now() - index.beat_at).total_seconds() if index else None
        ),
        free_bytes=free_bytes(directory.path) if pid is not None else None,
        books=books,
    )


def render(report: StatusReport, console: Console) -> None:
    """Print it for people."""
    if not report.is_running:
        console.print(
            f"Nothing runs on {report.data_dir}. Start it with `catalog up`.",
            highlight=False,
            soft_wrap=True,
        )
        return
    state = report.state
    console.print(f"[bold]catalog up[/bold] (pid {report.pid}), {state.phase}")
    console.print(_process_table(report))
    for name, address in state.facts.items():
        up = report.servers.get({"mongo": "mongodb"}.get(name, name))
        mark = "" if up is None else " (answers)" if up else " [red](no answer)[/red]"
        console.print(f"  {name:<16} {address}{mark}", highlight=False, soft_wrap=True)
    console.print(f"  {'adminToken':<16} {state.admin_token}", highlight=False)
    age = report.index_age_seconds or 0.0
    console.print(
        index_text(report.index, age, report.books),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if text := sweeps_text(report.books.sweeps if report.books else ()):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if report.free_bytes is not None and report.free_bytes < LOW_BYTES:
        left = megabytes(report.free_bytes)
        full = report.free_bytes < NEEDED_BYTES
        console.print(f"  disk             {'full' if full else 'low'}: {left} left")


def _process_table(report: StatusReport) -> Table:
    table = Table(box=None, pad_edge=True)
    table.add_column("process")
    for title in ("pid", "port", "memory", "restarts"):
        table.add_column(title, justify="right")
    for process in report.processes:
        memory = megabytes(process.memory_bytes) if process.is_running else "gone"
        port = str(process.port or "")
        restarts = str(process.restarts or "")
        table.add_row(process.name, str(process.pid), port, memory, restarts)
    return table


def _ping(state: StackState) -> dict[str, bool]:
    facts = state.facts
    answer = http.ask(f"{facts['api']}/health/ready") if "api" in facts else None
    mongo, typesense = facts.get("mongo"), facts.get("typesense")
    return {
        "api": answer is not None and answer.status == _OK,
        "mongodb": mongo is not None and replica_set.answers(mongo),
        "typesense": typesense is not None and typesense_server.is_healthy(typesense),
    }


def _look(name: str, process: ProcessState) -> ProcessReport:
    found = find(process)
    memory = 0
    if found is not None:
        try:
            memory = int(found.memory_info().rss)
        except psutil.Error:
            found = None
    return ProcessReport(
        name, process.pid, process.port, found is not None, memory, process.restarts
    )
