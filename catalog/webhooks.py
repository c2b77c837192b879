"""Tells a provider's webhook from a forged one, and reads what it says; pure.

A webhook only shortens a wait: what it says about a result is asked for again, from the
provider, with the key.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from catalog.errors import ForbiddenError, InvalidRequestError
from catalog.models.ids import JobId

ASSEMBLYAI_HEADER = "X-Catalog-Webhook"
"""Header of our choice that AssemblyAI sends the nonce in."""

FAL_WINDOW = timedelta(seconds=300)
"""How far fal's timestamp may be from our time, either way."""

MAX_KEYS = 32
"""Public keys that are tried; fal publishes a handful."""

_FAL_HEADERS = (
    "x-fal-webhook-request-id",
    "x-fal-webhook-user-id",
    "x-fal-webhook-timestamp",
    "x-fal-webhook-signature",
)
_MAX_HEADER = 512
_KEY_BYTES, _SIGNATURE_DIGITS = 32, 128
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}\Z")


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """What a verified webhook says.

    Attributes:
        request_id: The provider's id of the request.
        status: In the provider's words (``OK``, ``ERROR``; ``completed``, ``error``).
    """

    request_id: str
    status: str


Keys = tuple[Ed25519PublicKey, ...]


class PublicKeys(Protocol):
    """The keys of whoever signs."""

    def get(self, *, renew: bool = False) -> Keys:
        """List the keys that may have signed.

        Args:
            renew: Whether those at hand did not fit; looks for new ones if it is
                time to.

        Raises:
            DependencyUnavailableError: They can't be had now.
        """
        ...


class WrongSignatureError(ForbiddenError):
    """No key fits: it is forged, or the keys are not the newest."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("This webhook is not accepted: the signature is wrong.")


def webhook_path(provider: str, job_id: JobId, nonce: str) -> str:
    """Make the path at which a provider (an engine's ``name``) tells of a job."""
    return f"/api/webhooks/{provider}/{quote(job_id, safe='')}/{nonce}"


def fal_keys(jwks: Mapping[str, Any]) -> Keys:
    """Read the public keys of a JSON Web Key Set.

    Args:
        jwks: With ``keys``; others than ``OKP``/``Ed25519`` are passed over, and so
            are malformed ones.
    """
    keys = jwks.get("keys")
    found = (_key(entry) for entry in (keys if isinstance(keys, list) else ()))
    return tuple(key for key in found if key is not None)[:MAX_KEYS]


def verify_fal(
    headers: Mapping[str, str],
    raw_body: bytes,
    keys: Iterable[Ed25519PublicKey],
    now: datetime,
) -> WebhookFacts:
    """Check that fal.ai signed this, lately.

    The signature is Ed25519, in hex, over request id, user id, timestamp and the
    SHA-256 of the body in hex, joined by line feeds.

    Args:
        headers: Of the request; names in any case.
        raw_body: As received.
        keys: Any of them may have signed.
        now: Aware.

    Raises:
        ForbiddenError: A header is missing, the timestamp is out of its window, or no
            key fits.
        InvalidRequestError: fal signed it, but it says nothing that is understood.
    """
    given = {name.lower(): value for name, value in headers.items()}
    request_id, user_id, timestamp, signature = (
        given.get(name, "") for name in _FAL_HEADERS
    )
    if not all((request_id, user_id, timestamp, signature)) or any(
        len(given[name]) > _MAX_HEADER for name in _FAL_HEADERS
    ):
        raise _forbidden("a header of the signature is missing")
    if not (timestamp.isascii() and timestamp.isdigit()) or (
        abs(now.timestamp() - int(timestamp[:12])) > FAL_WINDOW.total_seconds()
    ):
        raise _forbidden("it is too old, or from the future")
    if len(signature) != _SIGNATURE_DIGITS or not _HEX.match(signature):
        raise _forbidden("the signature is malformed")
    digest = hashlib.sha256(raw_body).hexdigest()
    message = f"{request_id}\n{user_id}\n{timestamp}\n{digest}"
    # latin-1: as the server decoded the headers, so their very bytes are checked.
    signed = message.encode("latin-1", "replace")
    if not any(_fits(key, bytes.fromhex(signature), signed) for key in keys):
        raise WrongSignatureError
    body = _object(raw_body)
    return _facts(body.get("request_id"), body.get("status"))


def verify_assemblyai(header_value: str | None, nonce: str) -> None:
    """Check the header that AssemblyAI was asked to send; in constant time.

    Raises:
        ForbiddenError: It is missing, or another one.
    """
    given = (header_value or "").encode("utf-8", "replace")
    if not nonce or not hmac.compare_digest(given, nonce.encode("utf-8", "replace")):
        raise _forbidden(f"the header {ASSEMBLYAI_HEADER} is missing or wrong")


def assemblyai_facts(raw_body: bytes) -> WebhookFacts:
    """Read a verified webhook of AssemblyAI.

    Raises:
        InvalidRequestError: It says nothing that is understood.
    """
    body = _object(raw_body)
    return _facts(body.get("transcript_id"), body.get("status"))


def _key(entry: object) -> Ed25519PublicKey | None:
    if not isinstance(entry, Mapping) or (entry.get("kty"), entry.get("crv")) != (
        "OKP",
        "Ed25519",
    ):
        return None
    text = entry.get("x")
    if not isinstance(text, str) or not _BASE64URL.match(text := text.rstrip("=")):
        return None
    raw = _decoded(text)
    return Ed25519PublicKey.from_public_bytes(raw) if len(raw) == _KEY_BYTES else None


def _decoded(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _fits(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _object(raw_body: bytes) -> Mapping[str, Any]:
    try:
        body = orjson.loads(raw_body)
    except orjson.JSONDecodeError as exc:
        raise InvalidRequestError("body", "It must be JSON.") from exc
    if not isinstance(body, dict):
        raise InvalidRequestError("body", "It must be a JSON object.")
    return body


def _facts(request_id: object, status: object) -> WebhookFacts:
    if not isinstance(request_id, str) or not _ID.match(request_id):
        raise InvalidRequestError("body", "It names no request.")
    if not isinstance(status, str) or len(status) > _MAX_HEADER:
        raise InvalidRequestError("body", "It has no status.")
    return WebhookFacts(request_id, status)


def _forbidden(problem: str) -> ForbiddenError:
    return ForbiddenError(f"This webhook is not accepted: {problem}.")
