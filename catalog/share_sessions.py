"""Signed proof that somebody opened a share link a while ago."""

import hmac
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

from catalog.clock import Clock
from catalog.models.share_link import ShareLink

SESSION_SECONDS = 3600
_MAX_EXPIRY_DIGITS = 12
_SIGNATURE_BYTES = 24


class ShareSessions:
    """Makes and checks session values with one secret; thread-safe.

    A value holds for one link and its password: a changed password ends it.
    """

    def __init__(self, secret: bytes, clock: Clock) -> None:
        """Take the secret (all processes of the API share it) and the time."""
        self._secret = secret
        self._clock = clock

    def issue(self, link: ShareLink) -> tuple[str, datetime]:
        """Make a value that holds for an hour, but no longer than the link."""
        until = self._clock.now() + timedelta(seconds=SESSION_SECONDS)
        if link.expires_at is not None:
            until = min(until, link.expires_at)
        expires_at = int(until.timestamp())
        value = f"{expires_at}.{self._sign(link, expires_at)}"
        return value, datetime.fromtimestamp(expires_at, UTC)

    def holds(self, link: ShareLink, value: str) -> bool:
        """Tell whether a value was made for a link, and still holds."""
        expiry, _, signature = value.partition(".")
        if not (expiry.isascii() and expiry.isdigit()) or (
            len(expiry) > _MAX_EXPIRY_DIGITS
        ):
            return False
        expires_at = int(expiry)
        expected = self._sign(link, expires_at).encode()
        given = signature.encode("utf-8", "replace")
        is_ours = hmac.compare_digest(given, expected)
        return is_ours and expires_at > self._clock.now().timestamp()

    def _sign(self, link: ShareLink, expires_at: int) -> str:
        parts = ("share-session", link.share_id, link.password_hash or "", expires_at)
        message = "\0".join(map(str, parts)).encode()
        digest = hmac.digest(self._secret, message, "sha256")[:_SIGNATURE_BYTES]
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
