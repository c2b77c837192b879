"""The audit log: who changed what through the API."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One write that succeeded.

    Attributes:
        entry_id: Unique; entries of one moment are ordered by it.
        at: When it was answered.
        expires_at: When MongoDB forgets it; ``None`` for never.
        user: In whose name; ``None`` for the admin, and for the machine's owner.
        through: ``open`` (nobody was asked for a token), ``key``, ``jwt`` or ``admin``.
        key_id: The API key that was used.
        method: Of HTTP.
        route: The route's pattern, such as ``/api/assets/{assetId}``.
        path: As it was called, percent-encoded, without the query.
        target: What the address names first: an asset, a job, a collection.
        status: HTTP status of the answer.
        request_id: As in the log and in ``X-Request-Id``.
    """

    entry_id: str
    at: datetime
    expires_at: datetime | None
    user: str | None
    through: str
    key_id: str | None
    method: str
    route: str
    path: str
    target: str | None
    status: int
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries; all that are given must fit. ``until`` is inclusive."""

    user: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
