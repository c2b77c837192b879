"""JSON web tokens (RFC 7519) of somebody else's sign-in, checked by PyJWT.

The algorithm is the key's, never the token's: a key says which ones it is for, and a
token that names another (``none`` above all, or HS256 with a public key as the secret)
fits no key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.types import Options

from catalog.callers import Caller
from catalog.clock import Clock
from catalog.errors import UnauthenticatedError
from catalog.models.api_key import Permission, with_lesser
from catalog.models.ids import GroupId, UserId

MIN_RSA_BITS = 2048
"""RFC 7518, section 3.3."""

MAX_GROUPS = 1000
MAX_NAME_LENGTH = 512
_LAST_SECOND = 253_402_300_799
"""Of the year 9999."""

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_SHARED = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms of shared secrets, and the bytes that each needs (RFC 7518, 3.2)."""

_PERMISSIONS = {f"catalog:{one}": one for one in Permission}
"""What the claim ``scope`` may hold; other scopes are other programs' business."""

_USUAL = frozenset({Permission.READ, Permission.WRITE})

_OPTIONS: Options = {
    "require": ["exp", "iss", "aud"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
"""Times are compared here, by the catalog's clock."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What signatures are checked with.

    Attributes:
        key: As PyJWT takes it.
        algorithms: What it may be used for.
        key_id: ``kid`` of the tokens that it signed, where the issuer names it.
    """

    key: Any
    algorithms: frozenset[str]
    key_id: str | None = None


class SigningKeys(Protocol):
    """Where keys come from."""

    def get(self, *, renew: bool = False) -> tuple[SigningKey, ...]:
        """List all keys.

        Args:
            renew: No known key fits; look for new ones, unless that was done lately.

        Raises:
            DependencyUnavailableError: None are known; retryable.
        """
        ...


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """See ``SigningKeys``: always the same."""

    keys: tuple[SigningKey, ...]

    def get(self, *, renew: bool = False) -> tuple[SigningKey, ...]:
        """See ``SigningKeys.get``."""
        del renew
        return self.keys


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say.

    Attributes:
        issuer: ``iss``.
        audience: One of ``aud``.
        leeway_seconds: By how much clocks may differ.
        user_claim: Claim with the user's id.
        groups_claim: Claim with a list of groups.
    """

    issuer: str
    audience: str
    leeway_seconds: int = 60
    user_claim: str = "sub"
    groups_claim: str = "groups"


class WebTokenChecker:
    """See ``WebTokens``."""

    def __init__(self, keys: SigningKeys, rules: TokenRules, clock: Clock) -> None:
        """Check by ``rules`` and ``clock``, with ``keys``."""
        self._keys = keys
        self._rules = rules
        self._clock = clock

    def check(self, token: str) -> Caller:
        """See ``WebTokens.check``."""
        claims = self._verified(token)
        rules = self._rules
        expires_at = self._checked_times(claims)
        return Caller(
            "jwt",
            UserId(_user(claims.get(rules.user_claim))),
            _permissions(claims),
            groups=_groups(claims.get(rules.groups_claim)),
            expires_at=expires_at,
        )

    def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as exc:
            raise UnauthenticatedError(_MALFORMED) from exc
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str):
            raise UnauthenticatedError(_MALFORMED)
        fitting = _fitting(self._keys.get(), algorithm, key_id)
        if not fitting:
            fitting = _fitting(self._keys.get(renew=True), algorithm, key_id)
        for key in fitting:
            try:
                return self._decoded(token, key, algorithm)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidIssuerError, jwt.InvalidAudienceError) as exc:
                message = "This token was issued by somebody else, or for another use."
                raise UnauthenticatedError(message) from exc
            except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as exc:
                raise UnauthenticatedError(_MALFORMED) from exc
        message = "This token's signature fits no key of its issuer."
        raise UnauthenticatedError(message)

    def _decoded(self, token: str, key: SigningKey, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=self._rules.audience,
            issuer=self._rules.issuer,
            options=_OPTIONS,
        )

    def _checked_times(self, claims: Mapping[str, Any]) -> datetime:
        now, leeway = self._clock.now().timestamp(), self._rules.leeway_seconds
        expiry = _time(claims["exp"])
        if expiry + leeway <= now:
            raise UnauthenticatedError("This token has expired; get a new one.")
        for name in ("nbf", "iat"):
            if name in claims and _time(claims[name]) - leeway > now:
                message = "This token is not valid yet; compare the clocks."
                raise UnauthenticatedError(message)
        return datetime.fromtimestamp(min(expiry + leeway, _LAST_SECOND), UTC)


def _fitting(
    keys: Iterable[SigningKey], algorithm: str, key_id: object
) -> list[SigningKey]:
    """Choose the keys that may have signed: by id where both sides name one."""
    return [
        key
        for key in keys
        if algorithm in key.algorithms
        and (key_id is None or key.key_id is None or key.key_id == key_id)
    ]


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnauthenticatedError(_MALFORMED)
    # Integers of any size compare; only floats can be infinite, or no number.
    if isinstance(value, float) and not isfinite(value):
        raise UnauthenticatedError(_MALFORMED)
    return max(-_LAST_SECOND, min(value, _LAST_SECOND))


def _user(value: object) -> str:
    if not isinstance(value, str) or not _is_name(value):
        raise UnauthenticatedError("This token does not say whose it is.")
    return value


def _is_name(text: str) -> bool:
    return (
        0 < len(text) <= MAX_NAME_LENGTH
        and "\0" not in text
        and not any("\ud800" <= sign <= "\udfff" for sign in text)
    )


def _groups(value: object) -> tuple[GroupId, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list):
        return ()
    names = (one for one in found if isinstance(one, str) and _is_name(one))
    return tuple(map(GroupId, dict.fromkeys(names)))[:MAX_GROUPS]


def _permissions(claims: Mapping[str, Any]) -> frozenset[Permission]:
    """Read ``scope`` (RFC 8693) or ``scp``; one that says nothing of us is as usual."""
    found = claims.get("scope", claims.get("scp"))
    texts = found.split() if isinstance(found, str) else found
    named = texts if isinstance(texts, list) else []
    ours = [_PERMISSIONS[one] for one in map(str, named) if one in _PERMISSIONS]
    return with_lesser(ours) if ours else _USUAL


_MALFORMED = "This is no token that can be used: it is malformed, or forged."


# --- keys --------------------------------------------------------------------------


def static_keys(text: str) -> StaticKeys:
    """Read the key of the settings: a public key or certificate (PEM), or a secret.

    Raises:
        ValueError: It can't be used; says why.
    """
    text = text.replace("\\n", "\n").strip()
    if "PRIVATE KEY" in text:
        message = "this is a private key; only its public half is needed"
        raise ValueError(message)
    if not text.startswith("-----BEGIN"):
        length = len(text.encode())
        shared = frozenset(name for name, least in _SHARED.items() if length >= least)
        if not shared:
            message = f"a shared secret needs {min(_SHARED.values())} bytes at least"
            raise ValueError(message)
        return StaticKeys((SigningKey(text, shared),))
    try:
        if "CERTIFICATE" in text:
            key: Any = load_pem_x509_certificate(text.encode()).public_key()
        else:
            key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as exc:
        message = "no public key can be read from it"
        raise ValueError(message) from exc
    algorithms = _algorithms(key)
    if not algorithms:
        message = f"use RSA ({MIN_RSA_BITS} bits), P-256, P-384, P-521 or Ed25519"
        raise ValueError(message)
    return StaticKeys((SigningKey(key, algorithms),))


def keys_of_set(found: Mapping[str, Any]) -> tuple[SigningKey, ...]:
    """Read a JSON Web Key Set (RFC 7517); keys that can't be used are passed over.

    Secrets (``oct``) are, too: what everybody may fetch proves nothing.
    """
    listed = found.get("keys")
    return tuple(
        key
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and (key := _key_of(one)) is not None
    )


def _key_of(found: dict[str, Any]) -> SigningKey | None:
    if found.get("kty") not in ("RSA", "EC", "OKP") or found.get("use", "sig") != "sig":
        return None
    # PyJWT would guess without it, and what we take is decided by the key anyway.
    plain = {name: value for name, value in found.items() if name != "alg"}
    try:
        key = jwt.PyJWK.from_dict(plain).key
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    algorithms = _algorithms(key)
    if isinstance(found.get("alg"), str):
        algorithms &= {found["alg"]}
    key_id = found.get("kid")
    if not algorithms:
        return None
    return SigningKey(key, algorithms, key_id if isinstance(key_id, str) else None)


def _algorithms(key: object) -> frozenset[str]:
    """List what a public key may be used for; empty for none."""
    match key:
        case RSAPublicKey():
            return _RSA if key.key_size >= MIN_RSA_BITS else frozenset()
        case EllipticCurvePublicKey():
            found = _CURVES.get(key.curve.name)
            return frozenset({found}) if found else frozenset()
        case Ed25519PublicKey():
            return frozenset({"EdDSA"})
        case _:
            return frozenset()
