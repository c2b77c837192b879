"""The data directory of the one-machine stack: layout, lock, state and secrets.

One ``catalog up`` at a time holds the lock (``flock``: the kernel gives it back when
the holder dies, however it dies, so there is no stale lock).
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from threading import Event
from typing import Any

from catalog.clock import Clock
from catalog.errors import StackError

_LOCK_PATIENCE_SECONDS = 1.0
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once per data directory; readable by its owner alone."""

    typesense_api_key: str
    admin_token: str
    link_secret: str


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One child process as last seen by the supervisor.

    ``started_at`` is the process's creation time in seconds since 1970, which tells
    it from a later process of the same id.
    """

    pid: int
    started_at: float
    port: int | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class StackState:
    """What ``catalog up`` writes down for its next start and for other commands.

    Attributes:
        ports: By server; chosen once and kept.
        pid: Of ``catalog up``, while it runs.
        phase: ``starting``, ``ready``, ``stopping`` or ``stopped``.
        started_at: ISO 8601, UTC.
        facts: Addresses and keys as in the ready line.
        admin_token: Bearer token of the admin.
        processes: Children by name.
    """

    ports: dict[str, int] = field(default_factory=dict)
    pid: int | None = None
    phase: str = "stopped"
    started_at: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    admin_token: str | None = None
    processes: dict[str, ProcessState] = field(default_factory=dict)


class DataDirectory:
    """Everything that ``catalog up`` keeps, in one directory."""

    def __init__(self, path: Path) -> None:
        """Name the directory; nothing is created yet."""
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.mongo = self.path / "mongo"
        self.typesense = self.path / "typesense"
        self.storage = self.path / "storage"
        self._lock = self.path / "lock"
        self._state = self.path / "state.json"
        self._secrets = self.path / "secrets.json"
        self._restoring = self.path / "restoring"

    def create(self) -> None:
        """Create what is missing, readable by this user alone.

        Raises:
            StackError: It cannot be created or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.logs, self.mongo, self.typesense, self.storage):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as exc:
            raise StackError(
                f"The data directory {self.path} cannot be used: {exc.strerror}. "
                "Choose another with --data-dir."
            ) from exc

    @contextmanager
    def locked(self, clock: Clock) -> Iterator[None]:
        """Hold the directory inside this block.

        Raises:
            StackError: Another ``catalog up`` holds it; names its process.
        """
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
        except OSError as exc:
            raise StackError(
                f"The data directory {self.path} cannot be used: {exc.strerror}."
            ) from exc
        try:
            self._acquire(descriptor, clock)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """Tell the process id of the ``catalog up`` that runs here, if one does."""
        try:
            with self._lock.open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(lock.read() or 0)
        except (FileNotFoundError, ValueError):
            return None
        except OSError as exc:
            raise StackError(
                f"The data directory {self.path} cannot be read: {exc.strerror}."
            ) from exc
        return None

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Make it out of a backup inside this block; until that ends it is no good."""
        self._restoring.touch()
        yield
        self._restoring.unlink()

    def check_whole(self) -> None:
        """Refuse what a restore that was interrupted has left behind.

        Raises:
            StackError: It has; says what to do.
        """
        if self._restoring.exists():
            raise StackError(
                f"A restore into {self.path} was interrupted, so records are missing. "
                "Run `catalog restore` again with --force."
            )

    def secrets(self) -> Secrets:
        """Read the secrets; makes them the first time."""
        kept = self._read(self._secrets)
        made = Secrets(
            **{
                f.name: kept.get(f.name) or secrets.token_hex(24)
                for f in fields(Secrets)
            }
        )
        if asdict(made) != kept:
            self._write(self._secrets, kept | asdict(made))
        return made

    def read_state(self) -> StackState:
        """Read what the last ``catalog up`` wrote; empty when there was none."""
        kept = self._read(self._state)
        known = {f.name for f in fields(StackState)}
        try:
            state = StackState(**{k: v for k, v in kept.items() if k in known})
            processes = {k: _process(v) for k, v in kept.get("processes", {}).items()}
        except (TypeError, AttributeError):
            return StackState()  # of another version, or edited: start afresh
        return replace(state, processes=processes)

    def write_state(self, state: StackState) -> None:
        """Replace the state, whole or not at all.

        Raises:
            OSError: The disk is full or read-only.
        """
        self._write(self._state, asdict(state))

    def _acquire(self, descriptor: int, clock: Clock) -> None:
        """Take the lock; patient for a moment, since ``holder`` touches it too."""
        deadline = clock.monotonic() + _LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                if clock.monotonic() >= deadline:
                    pid = os.pread(descriptor, 20, 0).decode() or "?"
                    raise StackError(
                        f"The catalog already runs on {self.path} (pid {pid}). See "
                        "`catalog status`, or choose another --data-dir."
                    ) from exc
                clock.wait(Event(), 0.05)
            else:
                return

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        except OSError as exc:
            raise StackError(f"{path} cannot be read: {exc.strerror}.") from exc
        return content if isinstance(content, dict) else {}

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        partial = path.with_suffix(".part")
        descriptor = os.open(
            partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY
        )
        with os.fdopen(descriptor, "w") as out:
            json.dump(content, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)


def _process(kept: dict[str, Any]) -> ProcessState:
    return ProcessState(**kept)
