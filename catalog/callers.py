"""Who calls, as a token proves it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from catalog.models.api_key import KeyId, Permission
from catalog.models.ids import GroupId, UserId

Means = Literal["admin", "key", "jwt"]
"""What proved it: the admin's token, an API key, a JSON web token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token belongs to, and what it may be used for.

    Attributes:
        means: What proved it.
        user_id: The user; ``None`` for the admin's token alone.
        permissions: With the lesser ones that each includes.
        groups: As the token says; groups of our own are added later.
        key_id: The API key.
        expires_at: Until when the token is good.
    """

    means: Means
    user_id: UserId | None
    permissions: frozenset[Permission]
    groups: tuple[GroupId, ...] = ()
    key_id: KeyId | None = None
    expires_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """Whether he sees and may do everything."""
        return Permission.ADMIN in self.permissions

    @property
    def may_write(self) -> bool:
        """Whether he may change anything at all."""
        return Permission.WRITE in self.permissions


class WebTokens(Protocol):
    """Checks JSON web tokens (RFC 7519)."""

    def check(self, token: str) -> Caller:
        """Establish who calls; may fetch the issuer's keys.

        Raises:
            UnauthenticatedError: The token is not good; says why.
            DependencyUnavailableError: The issuer's keys can't be had; retryable.
        """
        ...
