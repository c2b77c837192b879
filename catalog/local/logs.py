"""Log files of the children: rotated, and never a reason for anything to stop."""

import re
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO

MAX_BYTES = 10 * 1024 * 1024
BACKUPS = 3
_TAIL_LINES = 60
_CHUNK_BYTES = 64 * 1024
_DISK_FULL = re.compile(
    rb"no space left on device|errno[ :=]*28\b|ENOSPC|disk quota exceeded"
    rb"|not enough disk space|insufficient free space",
    re.IGNORECASE,
)


class RotatingLog:
    """An append-only file that is renamed to ``.1``, ``.2`` … when it grows.

    Thread-safe. A full disk loses log lines, nothing else: ``write`` never raises.
    """

    def __init__(
        self, path: Path, *, max_bytes: int = MAX_BYTES, backups: int = BACKUPS
    ) -> None:
        """Append to ``path``; at most ``max_bytes * (backups + 1)`` are kept."""
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self.lost_bytes = 0

    def write(self, data: bytes) -> None:
        """Append ``data``, which may be any part of a line."""
        with self._lock:
            try:
                self._append(data)
            except OSError:
                self.lost_bytes += len(data)
                self._close()

    def close(self) -> None:
        """Close the file; a later ``write`` opens it again."""
        with self._lock:
            self._close()

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
        if self._file.tell() and self._file.tell() + len(data) > self._max_bytes:
            self._close()
            self._rotate()
            self._file = self._path.open("ab", buffering=0)
        self._file.write(data)

    def _rotate(self) -> None:
        for number in range(self._backups, 0, -1):
            older = self._backup(number)
            newer = self._backup(number - 1) if number > 1 else self._path
            if newer.exists():
                newer.replace(older)

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # nothing is buffered, so nothing is lost
                self._file.close()
            self._file = None


class LogPump:
    """Moves what a child prints into its log, and remembers the last lines."""

    def __init__(self, source: BinaryIO, log: RotatingLog, *, name: str) -> None:
        """Start to read ``source`` until its end, on a thread of its own."""
        self._source = source
        self._log = log
        self._tail: deque[bytes] = deque(maxlen=_TAIL_LINES)
        self._rest = b""
        self._thread = threading.Thread(
            target=self._run, name=f"log-{name}", daemon=True
        )
        self._thread.start()

    def finish(self, timeout_seconds: float = 1.0) -> None:
        """Wait for the rest; a grandchild may still hold the pipe open."""
        self._thread.join(timeout_seconds)

    @property
    def tail(self) -> str:
        """The last lines that the child printed."""
        lines = [*tuple(self._tail), self._rest]
        return b"\n".join(line for line in lines if line).decode(errors="replace")

    @property
    def is_disk_full(self) -> bool:
        """Whether the child's last words were about a full disk."""
        return says_disk_full(self.tail)

    def _run(self) -> None:
        with self._source as source:
            while chunk := source.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]  # a BufferedReader
                self._log.write(chunk)
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                self._rest = self._rest[-_CHUNK_BYTES:]
                self._tail.extend(line[:2000] for line in lines)
        self._log.close()


def says_disk_full(text: str) -> bool:
    """Recognise the words with which a server dies of a full disk."""
    return _DISK_FULL.search(text.encode()) is not None
