"""Freshness tokens: how far the record was, as text that a caller can pass on.

Pure. ``catalog.services.freshness`` gives them out and waits for the index to reach
them.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import blake2b

from catalog.errors import InvalidRequestError

PARAMETER = "waitFor"
"""Name of the parameter that takes a token, for the errors."""

_VERSION = b"\x01"
_ID_BYTES = 6
_TIME_BYTES = 8
_CHECK_BYTES = 6
_LENGTH = len(_VERSION) + 2 * _ID_BYTES + _TIME_BYTES + _CHECK_BYTES
"""A multiple of three, so that base64 needs no padding and has one spelling only."""

_UNKNOWN = bytes(_ID_BYTES)


@dataclass(frozen=True, slots=True)
class FreshnessToken:
    """A cluster time, and whose it is.

    Attributes:
        replica_set: Digest of the replica set's id; zeros where it is not known.
        database: Digest of the database's name.
        cluster_time: seconds << 32 | increment.
    """

    replica_set: bytes
    database: bytes
    cluster_time: int

    def is_kin_of(self, other: "FreshnessToken") -> bool:
        """Whether both are of one catalog, as far as that is known."""
        unknown = _UNKNOWN in (self.replica_set, other.replica_set)
        same_servers = unknown or self.replica_set == other.replica_set
        return same_servers and self.database == other.database


def make_token(replica_set: str, database: str, cluster_time: int) -> FreshnessToken:
    """Make a token; ``replica_set`` is empty where it is not known."""
    return FreshnessToken(
        replica_set=_digest("replica set", replica_set) if replica_set else _UNKNOWN,
        database=_digest("database", database),
        cluster_time=cluster_time,
    )


def encode_token(token: FreshnessToken) -> str:
    """Write a token as 36 characters of base64url."""
    body = (
        _VERSION
        + token.replica_set
        + token.database
        + token.cluster_time.to_bytes(_TIME_BYTES, "big")
    )
    return urlsafe_b64encode(body + _check(body)).decode()


def decode_token(text: str) -> FreshnessToken:
    """Read what ``encode_token`` wrote.

    Raises:
        InvalidRequestError: It is mistyped, cut off, or never was a token.
    """
    try:
        raw = urlsafe_b64decode(text.encode("ascii"))
    except (Base64Error, ValueError) as exc:
        raise _malformed() from exc
    # The decoder passes over foreign characters: only the one spelling counts.
    if len(raw) != _LENGTH or urlsafe_b64encode(raw).decode() != text:
        raise _malformed()
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if check != _check(body) or body[:1] != _VERSION:
        raise _malformed()
    ids = body[len(_VERSION) : -_TIME_BYTES]
    return FreshnessToken(
        replica_set=ids[:_ID_BYTES],
        database=ids[_ID_BYTES:],
        cluster_time=int.from_bytes(body[-_TIME_BYTES:], "big"),
    )


def _malformed() -> InvalidRequestError:
    problem = "It is no token of a catalog; pass X-Catalog-Token on as it was sent."
    return InvalidRequestError(PARAMETER, problem)


def _digest(kind: str, name: str) -> bytes:
    text = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=_ID_BYTES).digest()


def _check(body: bytes) -> bytes:
    # Against typing errors, not forgery: a forged token buys nothing but a wait.
    return blake2b(body, digest_size=_CHECK_BYTES, person=b"freshness").digest()
