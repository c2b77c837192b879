"""From a bearer token to who calls.

Keys have 256 random bits, so that their SHA-256 is as good as a slow hash and costs a
microsecond. What was found is remembered for a second: that is how long a revoked key
may still be used.
"""

import logging
import re
import secrets

from catalog.callers import Caller, WebTokens
from catalog.clock import Clock
from catalog.errors import CatalogError, UnauthenticatedError
from catalog.models.api_key import ApiKey, Permission, with_lesser
from catalog.repositories.keys import USED_AGAIN_SECONDS, KeyRepository
from catalog.services.api_keys import PREFIX, digest_of

LOG = logging.getLogger(__name__)

KEY_SECONDS = 1.0
"""How long an API key is believed without looking: revoking takes effect by then."""

WEB_TOKEN_SECONDS = 60.0
"""How long a signature is believed without checking it; its expiry counts at once."""

MAX_TOKEN_LENGTH = 8192
"""Characters; web tokens with many groups have some thousand."""

_MOST = 10_000
"""Tokens remembered."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z", re.ASCII)
"""RFC 6750, section 2.1."""

_WEB_TOKEN_PARTS = 3


class Authenticator:
    """Knows whom a bearer token belongs to; thread-safe."""

    def __init__(
        self,
        keys: KeyRepository,
        web_tokens: WebTokens | None,
        clock: Clock,
        admin_token: str | None,
    ) -> None:
        """Remember nothing yet.

        Args:
            keys: The records of API keys.
            web_tokens: Checks web tokens; ``None`` where none are taken.
            clock: For expiry, and for how old what is remembered is.
            admin_token: Of the settings; ``None`` where there is none.
        """
        self._keys = keys
        self._web_tokens = web_tokens
        self._clock = clock
        self._admin = admin_token.encode() if admin_token else None
        self._known: dict[str, tuple[float, Caller]] = {}

    def known(self, token: str) -> Caller | None:
        """Tell from memory alone, if it is recent enough.

        Raises:
            UnauthenticatedError: No token looks like this, or it has expired.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            message = f"The token is longer than {MAX_TOKEN_LENGTH} characters."
            raise UnauthenticatedError(message)
        if self._admin and secrets.compare_digest(
            token.encode("utf-8", "replace"), self._admin
        ):
            return _ADMIN
        if not _TOKEN.match(token):
            raise UnauthenticatedError(_UNKNOWN)
        found = self._known.get(digest_of(token))
        if found is None or found[0] <= self._clock.monotonic():
            return None
        return self._unexpired(found[1])

    def identify(self, token: str) -> Caller:
        """Find out; asks MongoDB, or the token's issuer for its keys.

        Raises:
            UnauthenticatedError: The token is not good; says why.
            DependencyUnavailableError: Who would know did not answer; retryable.
        """
        caller = self.known(token)
        if caller is not None:
            return caller
        # Read before asking: what is found out must not seem newer than it is.
        now = self._clock.monotonic()
        digest = digest_of(token)
        if token.startswith(PREFIX):
            caller, kept_seconds = self._of_key(digest), KEY_SECONDS
        elif self._web_tokens and token.count(".") == _WEB_TOKEN_PARTS - 1:
            caller, kept_seconds = self._web_tokens.check(token), WEB_TOKEN_SECONDS
        else:
            raise UnauthenticatedError(_UNKNOWN)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[digest] = (now + kept_seconds, caller)
        return self._unexpired(caller)

    def _of_key(self, digest: str) -> Caller:
        key = self._keys.find(digest)
        if key is None:
            raise UnauthenticatedError(_UNKNOWN)
        if key.revoked_at is not None:
            raise UnauthenticatedError("This API key was revoked; ask for a new one.")
        caller = Caller(
            "key",
            key.user_id,
            with_lesser(key.permissions),
            key_id=key.key_id,
            expires_at=key.expires_at,
        )
        self._unexpired(caller)
        self._note_use(key)
        return caller

    def _note_use(self, key: ApiKey) -> None:
        now, last = self._clock.now(), key.last_used_at
        if last is not None and (now - last).total_seconds() < USED_AGAIN_SECONDS:
            return
        try:
            self._keys.touch(key.key_id, now)
        except CatalogError as error:  # it may call all the same
            LOG.warning("a key's use was not noted", extra={"cause": str(error)})

    def _unexpired(self, caller: Caller) -> Caller:
        if caller.expires_at is not None and caller.expires_at <= self._clock.now():
            raise UnauthenticatedError("This token has expired; get a new one.")
        return caller


_ADMIN = Caller("admin", None, with_lesser([Permission.ADMIN]))

_UNKNOWN = "This bearer token is not known; send one that is, or none."
