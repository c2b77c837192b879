"""Hand-written stand-ins for the terminal and the indexer's heartbeat."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catalog.local.child import ChildSpec
from catalog.repositories.index_state import IndexStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Notes:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.done_texts: list[str] = []
        self.warnings: list[str] = []
        self.waited_for: list[str] = []

    def waiting(self, text: str) -> None:
        self.waited_for.append(text)

    def done(self, text: str) -> None:
        self.done_texts.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def python(code: str, log: Path, name: str = "worker") -> ChildSpec:
    return ChildSpec(name=name, command=(sys.executable, "-c", code), log=log)


def heartbeat(
    *, seconds: float = 0.0, lag_ms: int = 0, dirty: int = 0, generation: int = 1
) -> IndexStatus:
    return IndexStatus(
        generation=generation,
        state="serving",
        lag_ms=lag_ms,
        applied=5,
        done=5,
        total=5,
        dirty=dirty,
        dead_letters=0,
        is_degraded=False,
        documents={"assets": 12, "segments": 340},
        beat_at=NOW + timedelta(seconds=seconds),
    )
