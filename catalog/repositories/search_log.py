"""Port to the log of searches: what was asked, what was found, what was opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LoggedSearch:
    """One search as it was asked; nothing of what was found but how much.

    Attributes:
        search_id: 32 hexadecimal digits.
        at: When; aware.
        user_id: Who; ``None`` for the machine's owner and the admin.
        words: Folded: case, white space, form of letters.
        filters: What narrowed it, as ``name=value``, in order of name.
        found: How much was found.
        took_ms: How long it took.
        page: From 1.
        is_degraded: Whether MongoDB answered in the engine's stead.
    """

    search_id: str
    at: datetime
    user_id: str | None
    words: str
    filters: tuple[str, ...]
    found: int
    took_ms: float
    page: int = 1
    is_degraded: bool = False


@dataclass(frozen=True, slots=True)
class LoggedClick:
    """An asset that was opened out of what a search had found; position from 1."""

    search_id: str
    at: datetime
    user_id: str | None
    asset_id: str
    position: int


class SearchLogRepository(Protocol):
    """Records ``search_log search_clicks search_settings``. Thread-safe."""

    def add(self, searches: Sequence[LoggedSearch], until: datetime) -> None:
        """Log searches, but those of users who do not want it; idempotent.

        Args:
            searches: At most 1,000.
            until: When they are forgotten.

        Raises:
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...

    def click(self, click: LoggedClick, until: datetime) -> None:
        """Log a click, unless its user does not want it; the same counts once.

        Raises:
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...

    def searches(
        self,
        user_id: str | None,
        since: datetime,
        until: datetime,
        *,
        is_everybody: bool,
        limit: int,
    ) -> tuple[LoggedSearch, ...]:
        """Read one user's searches, or everybody's, the newest first.

        Raises:
            DependencyUnavailableError: MongoDB did not answer in time; retryable.
        """
        ...

    def clicks(self, searches: Sequence[LoggedSearch]) -> tuple[LoggedClick, ...]:
        """Read what the users of these searches themselves opened out of them.

        Raises:
            DependencyUnavailableError: MongoDB did not answer in time; retryable.
        """
        ...

    def is_wanted(self, user_id: str | None) -> bool:
        """Whether a user lets searches be logged; so it is until he says otherwise."""
        ...

    def want(self, user_id: str | None, *, is_wanted: bool) -> None:
        """Remember what a user wants; who does not want it has his log removed.

        Raises:
            DependencyUnavailableError: Repeating is harmless; retryable.
        """
        ...
