"""Share links in memory, and passwords that cost nothing."""

from datetime import datetime, timedelta

from catalog.errors import ConflictError
from catalog.models.ids import ShareId, UserId
from catalog.models.page import Page
from catalog.models.share_link import ShareLink
from tests.fakes.failing import Failing


class FakeShareLinkRepository(Failing):
    """See ``ShareLinkRepository``."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[ShareId, ShareLink] = {}
        self.tries: dict[ShareId, tuple[datetime, int]] = {}

    def create(self, link: ShareLink) -> ShareLink:
        self.check()
        self.kept[link.share_id] = link
        return link

    def find(self, share_id: ShareId) -> ShareLink | None:
        self.check()
        return self.kept.get(share_id)

    def by_token(self, token_hash: str) -> ShareLink | None:
        self.check()
        links = self.kept.values()
        return next((one for one in links if one.token_hash == token_hash), None)

    def page(
        self, user_id: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[ShareLink]:
        self.check()
        found = [one for one in self.kept.values() if user_id in (None, one.user_id)]
        start = int(page_token or 0)
        end = start + limit
        token = str(end) if end < len(found) else None
        return Page(tuple(found[start:end]), len(found), token)

    def save(self, link: ShareLink) -> ShareLink:
        self.check()
        known = self.kept.get(link.share_id)
        if known is None or known.revision != link.revision:
            message = "somebody else was faster"
            raise ConflictError(message)
        saved = link.evolve(revision=link.revision + 1, uses=known.uses)
        self.kept[saved.share_id] = saved
        return saved

    def use(self, share_id: ShareId, now: datetime) -> bool:
        self.check()
        link = self.kept.get(share_id)
        if link is None or link.revoked_at is not None:
            return False
        if link.max_uses is not None and link.uses >= link.max_uses:
            return False
        self.kept[share_id] = link.evolve(uses=link.uses + 1, last_used_at=now)
        return True

    def attempt(
        self, share_id: ShareId, now: datetime, *, most: int, within_seconds: int
    ) -> bool:
        self.check()
        first, count = self.tries.get(share_id, (now, 0))
        if now - first >= timedelta(seconds=within_seconds):
            first, count = now, 0
        self.tries[share_id] = (first, min(count + 1, most))
        return count < most

    def forgive(self, share_id: ShareId) -> None:
        self.check()
        self.tries.pop(share_id, None)


class PlainPasswords:
    """See ``Passwords``."""

    def hash(self, password: str) -> str:
        return f"kept:{password}"

    def matches(self, password: str, kept: str) -> bool:
        return kept == f"kept:{password}"
