"""Passwords are kept as Argon2id hashes, and never shown again."""

from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class Passwords(Protocol):
    """Hashes passwords, slowly on purpose; thread-safe."""

    def hash(self, password: str) -> str:
        """Make what is kept of a password."""
        ...

    def matches(self, password: str, kept: str) -> bool:
        """Tell whether what is kept was made of this password."""
        ...


class Argon2Passwords:
    """Argon2id with 19 MiB, two passes, one lane (OWASP's password storage advice)."""

    def __init__(self) -> None:
        """Choose the costs."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

    def hash(self, password: str) -> str:
        """See ``Passwords.hash``."""
        return self._hasher.hash(password)

    def matches(self, password: str, kept: str) -> bool:
        """See ``Passwords.matches``."""
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False
