"""Port to the books on access logs: which files were read, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of access logs as it was read.

    Attributes:
        name: Store and key.
        etag: Of the content that was read.
        read_at: When; aware.
        lines: How many it has.
        counted: Fetches that were new.
        repeated: Fetches that other files, or an earlier reading, had told of.
        unknown: Fetches of objects that no asset consists of.
        too_old: Fetches from before the time whose marks are kept.
        malformed: Lines that could not be read.
        again_at: When to read it again, because assets may be there then; ``None``
            when it is done with.
        problem: Why the rest of it could not be read.
    """

    name: str
    etag: str
    read_at: datetime
    lines: int = 0
    counted: int = 0
    repeated: int = 0
    unknown: int = 0
    too_old: int = 0
    malformed: int = 0
    again_at: datetime | None = None
    problem: str | None = None


class UsageLogRepository(Protocol):
    """Records of ``usage_log_files``. Thread-safe."""

    def done(self, files: Mapping[str, str], now: datetime) -> frozenset[str]:
        """Tell which files need not be read now.

        Args:
            files: Etags by name, at most 1,000.
            now: The time; those to be read again by now are not done.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def save(self, file: LogFile) -> None:
        """Book a file that was read, in place of an earlier reading.

        Raises:
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...
