"""API keys and the audit log in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from catalog.errors import AlreadyExistsError, NotFoundError
from catalog.models.api_key import ApiKey, KeyId
from catalog.models.audit import AuditEntry, AuditQuery
from catalog.models.ids import UserId
from catalog.models.page import Page
from catalog.repositories.keys import USED_AGAIN_SECONDS
from tests.fakes.failing import Failing


class FakeKeyRepository(Failing):
    """See ``KeyRepository``; counts the look-ups and the notes of use."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[KeyId, ApiKey] = {}
        self.looked = 0
        self.noted = 0

    def add(self, key: ApiKey) -> None:
        self.check()
        if key.key_id in self.kept:
            raise AlreadyExistsError("API key", key.key_id)
        self.kept[key.key_id] = key

    def find(self, digest: str) -> ApiKey | None:
        self.check()
        self.looked += 1
        return next((k for k in self.kept.values() if k.digest == digest), None)

    def all(self, user_id: UserId | None = None) -> tuple[ApiKey, ...]:
        self.check()
        found = [k for k in self.kept.values() if user_id in (None, k.user_id)]
        return tuple(sorted(found, key=lambda key: key.created_at, reverse=True))

    def revoke(self, key_id: KeyId, at: datetime) -> ApiKey:
        self.check()
        if key_id not in self.kept:
            raise NotFoundError("API key", key_id)
        key = self.kept[key_id]
        self.kept[key_id] = key.evolve(revoked_at=key.revoked_at or at)
        return self.kept[key_id]

    def touch(self, key_id: KeyId, at: datetime) -> None:
        self.check()
        last = self.kept[key_id].last_used_at
        if last is None or at - last >= timedelta(seconds=USED_AGAIN_SECONDS):
            self.kept[key_id] = self.kept[key_id].evolve(last_used_at=at)
            self.noted += 1


class FakeAuditRepository(Failing):
    """See ``AuditRepository``; pages are counted through."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, AuditEntry] = {}

    def add(self, entries: Sequence[AuditEntry]) -> None:
        self.check()
        for entry in entries:
            self.entries.setdefault(entry.entry_id, entry)

    def page(
        self, query: AuditQuery, limit: int, page_token: str | None = None
    ) -> Page[AuditEntry]:
        self.check()
        found = [
            one
            for one in self.entries.values()
            if query.user in (None, one.user)
            and query.target in (None, one.target)
            and (query.since is None or one.at >= query.since)
            and (query.until is None or one.at <= query.until)
        ]
        found.sort(key=lambda one: (one.at, one.entry_id), reverse=True)
        start = int(page_token or 0)
        end = start + limit
        token = str(end) if end < len(found) else None
        return Page(tuple(found[start:end]), len(found), token)
