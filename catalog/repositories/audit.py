"""Port: the audit log."""

from collections.abc import Sequence
from typing import Protocol

from catalog.models.audit import AuditEntry, AuditQuery
from catalog.models.page import Page


class AuditRepository(Protocol):
    """Keeps the log of writes, as long as each entry says."""

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Keep entries; one that is known already is passed over.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def page(
        self, query: AuditQuery, limit: int, page_token: str | None = None
    ) -> Page[AuditEntry]:
        """List entries, the newest first.

        Raises:
            InvalidQueryError: The page token is not of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...
