"""Making API keys, listing and revoking them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from catalog.clock import Clock
from catalog.errors import InvalidRequestError
from catalog.models.api_key import ApiKey, KeyId, Permission, with_lesser
from catalog.models.ids import UserId
from catalog.repositories.keys import KeyRepository

PREFIX = "cat_"
"""All API keys begin so: scanners of repositories find one that was left there."""

MAX_USER_LENGTH = 512
MAX_NAME_LENGTH = 200
MAX_DAYS = 3650

_HINT_LENGTH = len(PREFIX) + 4


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key just made: the only time that ``secret`` is told."""

    key: ApiKey
    secret: str


class ApiKeyService:
    """Users' API keys."""

    def __init__(
        self,
        keys: KeyRepository,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
    ) -> None:
        """Stand on the records.

        Args:
            keys: The records.
            clock: For when.
            new_id: Makes ids.
            new_secret: Makes 256 random bits, as text of ``A-Z a-z 0-9 - _``.
        """
        self._keys = keys
        self._clock = clock
        self._new_id = new_id
        self._new_secret = new_secret

    def create(
        self,
        user_id: str,
        permissions: Iterable[Permission],
        *,
        name: str | None = None,
        days: int | None = None,
    ) -> NewApiKey:
        """Make a key.

        Args:
            user_id: In whose name it calls.
            permissions: What it may be used for.
            name: What it is for.
            days: How long it is good; ``None`` for ever.

        Raises:
            InvalidRequestError: Something of it can't be used.
        """
        _check_text("user", user_id, MAX_USER_LENGTH)
        if name is not None:
            _check_text("name", name, MAX_NAME_LENGTH)
        if days is not None and not 0 < days <= MAX_DAYS:
            raise InvalidRequestError("days", f"A key lives 1 to {MAX_DAYS} days.")
        now = self._clock.now()
        secret = PREFIX + self._new_secret()
        key = ApiKey(
            key_id=KeyId(self._new_id()),
            digest=digest_of(secret),
            hint=secret[:_HINT_LENGTH],
            user_id=UserId(user_id),
            name=name,
            permissions=with_lesser(permissions),
            created_at=now,
            expires_at=now + timedelta(days=days) if days is not None else None,
        )
        if not key.permissions:
            raise InvalidRequestError("scopes", "Name read, write or admin.")
        self._keys.add(key)
        return NewApiKey(key, secret)

    def all(self, user_id: str | None = None) -> tuple[ApiKey, ...]:
        """List a user's keys, or everybody's, the newest first."""
        return self._keys.all(UserId(user_id) if user_id is not None else None)

    def revoke(self, key_id: str) -> ApiKey:
        """Have a key refused: within a second, by every process of the API.

        Raises:
            NotFoundError: There is none of this id.
        """
        return self._keys.revoke(KeyId(key_id), self._clock.now())


def digest_of(token: str) -> str:
    """Hash a token: what is kept of an API key, and looked it up by."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _check_text(field: str, text: str, most: int) -> None:
    if not text.strip() or len(text) > most:
        raise InvalidRequestError(field, f"It must have 1 to {most} characters.")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise InvalidRequestError(field, "It has characters that can't be kept.")
