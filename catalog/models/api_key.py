"""API keys: what lets a program call in a user's name."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NewType

from pydantic import AwareDatetime

from catalog.models.base import Model
from catalog.models.ids import UserId

KeyId = NewType("KeyId", str)
"""Names an API key in lists and logs; opens nothing."""


class Permission(StrEnum):
    """What a token may be used for; each allows those before it, too."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_ASCENDING = tuple(Permission)


def with_lesser(permissions: Iterable[Permission]) -> frozenset[Permission]:
    """Add what the given permissions allow as well: who may write may read."""
    highest = max((_ASCENDING.index(one) for one in permissions), default=-1)
    return frozenset(_ASCENDING[: highest + 1])


class ApiKey(Model):
    """What is known of an API key; never the key itself.

    Attributes:
        key_id: Names it.
        digest: SHA-256 (hex) of the key: enough, since the key has 256 random bits.
        hint: How the key begins, so that a person knows it again.
        user_id: In whose name it calls.
        name: What it is for, as its maker says.
        permissions: What it may be used for.
        expires_at: From when on it is refused; ``None`` for never.
        revoked_at: Since when it is refused.
        last_used_at: Exact to a minute.
    """

    key_id: KeyId
    digest: str
    hint: str
    user_id: UserId
    name: str | None = None
    permissions: frozenset[Permission]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    last_used_at: AwareDatetime | None = None
