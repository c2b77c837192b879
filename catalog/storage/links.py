"""Signed links of our own: cheap to make by the hundred, checked by the API.

A link names a key, when it expires, and how the answer is presented; all of it is
covered by an HMAC. (Presigning with boto3 costs 0.3 ms a link.)
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from catalog.clock import Clock
from catalog.errors import InvalidLinkError
from catalog.models.ids import ObjectKey
from catalog.storage.keys import check_key

FILES_PATH = "/api/files/"
"""Where the API serves signed links."""

WINDOW_SECONDS = 300
"""Links made within one window are equal, so a browser's cache can hold them."""

_SIGNATURE_BYTES = 16
_MAX_EXPIRY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class VerifiedLink:
    """What a link that we signed asks for; ``expires_at`` in unix seconds."""

    key: ObjectKey
    expires_at: int
    file_name: str | None
    is_attachment: bool


def rounded_expiry(now: datetime, seconds: int) -> int:
    """Tell when a link should expire, in unix seconds.

    Args:
        now: Aware.
        seconds: How long it must work at least.

    Returns:
        The first end of a window of 5 minutes that is not before ``now + seconds``.
    """
    return -int(-(now.timestamp() + seconds) // WINDOW_SECONDS) * WINDOW_SECONDS


class LinkSigner:
    """Makes and checks links with one secret; thread-safe."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        """Take the secret (all processes that share links share it) and the time."""
        self._secret = secret
        self._clock = clock

    def path(
        self,
        key: ObjectKey,
        *,
        expires_at: int,
        file_name: str | None = None,
        is_attachment: bool = False,
    ) -> str:
        """Make the path and query of a link.

        Args:
            key: Which object; need not exist.
            expires_at: Unix seconds, see ``rounded_expiry``.
            file_name: Name that a browser saves it under.
            is_attachment: Whether a browser must save, not show.

        Returns:
            ``/api/files/<key>?e=<expiry>[&n=<name>][&d=1]&s=<signature>``.

        Raises:
            InvalidObjectKeyError: No object can have such a key.
        """
        check_key(key)
        query = f"?e={expires_at}"
        if file_name is not None:
            file_name = file_name.encode("utf-8", "replace").decode()
            query += f"&n={quote(file_name, safe='')}"
        if is_attachment:
            query += "&d=1"
        signature = self._sign(key, expires_at, file_name, is_attachment=is_attachment)
        return f"{FILES_PATH}{quote(key)}{query}&s={signature}"

    def verify(self, key: str, params: Mapping[str, str]) -> VerifiedLink:
        """Check a link that came back.

        Args:
            key: The path below ``/api/files/``, percent-decoded.
            params: Query parameters, decoded; others than ours are ignored.

        Returns:
            What the link asks for.

        Raises:
            InvalidLinkError: It is not ours, was changed (field ``s``), or has
                expired (field ``e``).
        """
        expiry, signature = params.get("e", ""), params.get("s", "")
        if not (expiry.isascii() and expiry.isdigit()) or (
            len(expiry) > _MAX_EXPIRY_DIGITS
        ):
            raise InvalidLinkError("e", "The link is invalid: it has no expiry time.")
        expires_at = int(expiry)
        file_name, is_attachment = params.get("n"), params.get("d") == "1"
        expected = self._sign(key, expires_at, file_name, is_attachment=is_attachment)
        given = signature.encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected.encode()):
            raise InvalidLinkError("s", "The link is invalid: its signature is wrong.")
        if expires_at <= self._clock.now().timestamp():
            raise InvalidLinkError("e", "The link has expired; ask for a new one.")
        return VerifiedLink(ObjectKey(key), expires_at, file_name, is_attachment)

    def _sign(
        self, key: str, expires_at: int, file_name: str | None, *, is_attachment: bool
    ) -> str:
        name = "-" if file_name is None else f"+{file_name}"
        # A key has no NUL and the name comes last: no two links share a message.
        message = f"file-link\0{key}\0{expires_at}\0{is_attachment:d}\0{name}"
        encoded = message.encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._secret, encoded, "sha256")[:_SIGNATURE_BYTES]
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
