"""Port: the records of API keys."""

from datetime import datetime
from typing import Protocol

from catalog.models.api_key import ApiKey, KeyId
from catalog.models.ids import UserId

USED_AGAIN_SECONDS = 60.0
"""``last_used_at`` is written this often at most."""


class KeyRepository(Protocol):
    """Keeps what is known of API keys."""

    def add(self, key: ApiKey) -> None:
        """Keep a new key.

        Raises:
            AlreadyExistsError: Its id or digest is known.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def find(self, digest: str) -> ApiKey | None:
        """Read the key of a digest, whatever became of it.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def all(self, user_id: UserId | None = None) -> tuple[ApiKey, ...]:
        """List a user's keys, or everybody's, the newest first."""
        ...

    def revoke(self, key_id: KeyId, at: datetime) -> ApiKey:
        """Have a key refused from now on; revoked before, it stays as it was.

        Raises:
            NotFoundError: There is none of this id.
        """
        ...

    def touch(self, key_id: KeyId, at: datetime) -> None:
        """Note that a key was used, unless that was noted within a minute.

        What is noted may be lost when MongoDB fails over.
        """
        ...
