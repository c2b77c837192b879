"""JSON web tokens: what is believed, and everything that must not be."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError, UnauthenticatedError
from catalog.jwks import HttpSigningKeys
from catalog.models.api_key import Permission
from catalog.web_tokens import (
    StaticKeys,
    TokenRules,
    WebTokenChecker,
    keys_of_set,
    static_keys,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
RULES = TokenRules("https://id.example", "catalog")
SECRET = "a shared secret of 64 bytes or more, as RFC 7518 wants it for HS512"

RSA = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:  # noqa: ANN401  (of any kind)
    form = PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_key().public_bytes(Encoding.PEM, form)
    return text.decode()


def claims(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    usual = {
        "iss": "https://id.example",
        "aud": "catalog",
        "sub": "ann",
        "exp": SECONDS + 300,
    }
    found = usual | changes
    return {name: value for name, value in found.items() if value is not None}


def signed(
    key: Any = RSA,  # noqa: ANN401
    algorithm: str = "RS256",
    headers: dict[str, Any] | None = None,
    **changes: Any,  # noqa: ANN401
) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def forged(header: dict[str, Any], payload: Any, signature: bytes = b"") -> str:  # noqa: ANN401
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    texts = (json.dumps(one).encode() for one in (header, payload))
    return ".".join([*map(part, texts), part(signature)])


def checker(keys: StaticKeys | None = None) -> WebTokenChecker:
    return WebTokenChecker(keys or static_keys(pem(RSA)), RULES, ManualClock(NOW))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "PS512"), (EC, "ES256"), (ED, "EdDSA")],
)
def test_a_good_token_says_who_calls(key: Any, algorithm: str) -> None:  # noqa: ANN401
    token = signed(key, algorithm, groups=["staff", "staff", 7, ""])

    caller = checker(static_keys(pem(key))).check(token)

    assert caller.user_id == "ann"
    assert caller.groups == ("staff",)
    assert caller.permissions == {Permission.READ, Permission.WRITE}
    assert not caller.is_admin


def test_a_shared_secret_works_for_the_algorithms_that_it_is_long_enough_for() -> None:
    both = checker(static_keys(SECRET)), checker(static_keys(SECRET[:32]))

    assert both[0].check(signed(SECRET, "HS512")).user_id == "ann"
    assert both[1].check(signed(SECRET[:32], "HS256")).user_id == "ann"
    with pytest.raises(UnauthenticatedError):
        both[1].check(signed(SECRET, "HS512"))


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid profile", {"read", "write"}),
        ("openid catalog:read", {"read"}),
        (["catalog:admin"], {"read", "write", "admin"}),
        ({"catalog:admin": 1}, {"read", "write"}),
    ],
)
def test_a_scope_of_ours_says_what_a_token_is_for(
    scope: object, expected: set[str]
) -> None:
    assert checker().check(signed(scope=scope)).permissions == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": SECONDS - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": SECONDS + 61},
        {"iat": SECONDS + 61},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"iss": ["https://id.example"]},
        {"aud": "another"},
        {"aud": None},
        {"aud": {"catalog": 1}},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\0b"},
        {"sub": "\ud800"},
        {"sub": "x" * 513},
    ],
    ids=str,
)
def test_a_token_that_says_something_wrong_is_refused(changes: dict[str, Any]) -> None:
    # Not by PyJWT's encode, which would refuse some of it itself.
    body = ".".join(
        base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=")
        for one in ({"alg": "HS256"}, claims(**changes))
    )
    algorithm = jwt.get_algorithm_by_name("HS256")
    proof = algorithm.sign(body.encode(), algorithm.prepare_key(SECRET))
    token = f"{body}.{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"

    with pytest.raises(UnauthenticatedError):
        checker(static_keys(SECRET)).check(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": SECONDS - 59},
        {"nbf": SECONDS + 59},
        {"aud": ["x", "catalog"]},
        {"exp": 10**30},
    ],
    ids=str,
)
def test_clocks_may_differ_a_little(changes: dict[str, Any]) -> None:
    assert checker().check(signed(**changes)).user_id == "ann"


@pytest.mark.parametrize(
    "token",
    [
        forged({"alg": "none"}, claims()),
        forged({"alg": "None"}, claims(), b"x"),
        forged({"alg": ""}, claims()),
        forged({"typ": "JWT"}, claims()),
        forged({"alg": ["RS256"]}, claims()),
        forged({"alg": "RS256", "kid": {"$ne": 1}}, claims(), b"x"),
        forged({"alg": "RS256", "crit": ["exp"], "exp": 1}, claims(), b"x"),
        forged({"alg": "RS256"}, ["no", "claims"], b"x"),
        "a.b.c",
        "..",
        "\0.\0.\0",
        "é.é.é",
        signed(OTHER),
        signed()[:-8] + "AAAAAAAA",
        # The public key as the secret of an HMAC (algorithm confusion).
        forged({"alg": "HS256"}, claims(), b"x" * 32),
        # A key that the token brings itself.
        signed(OTHER, headers={"jwk": {"kty": "oct", "k": "AAAA"}}),
        signed(OTHER, headers={"jku": "https://evil.example/jwks.json"}),
        f"{'W10' * 3000}.{'W10' * 3000}.x",
    ],
)
def test_forgeries_are_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        checker().check(token)


def test_the_public_key_is_no_secret() -> None:
    algorithm = jwt.get_algorithm_by_name("HS256")
    unsigned = forged({"alg": "HS256"}, claims())[:-1]
    proof = algorithm.sign(unsigned.encode(), pem(RSA).encode())
    token = f"{unsigned}.{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"

    with pytest.raises(UnauthenticatedError):
        checker().check(token)


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505  (that is the point)
        pem(ec.generate_private_key(ec.SECP256K1())),
        ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    ],
)
def test_keys_that_protect_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|secret|use"):
        static_keys(text)


# --- key sets ----------------------------------------------------------------------


def jwk(key: Any, key_id: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    algorithms: dict[type, Any] = {
        rsa.RSAPublicKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePublicKey: jwt.algorithms.ECAlgorithm,
    }
    public = key.public_key()
    kind = next(made for known, made in algorithms.items() if isinstance(public, known))
    return {**kind.to_jwk(public, as_dict=True), "kid": key_id, **changes}


def test_a_key_set_gives_what_can_be_used() -> None:
    found = keys_of_set(
        {
            "keys": [
                jwk(RSA, "one"),
                jwk(EC, "two", alg="ES256"),
                jwk(RSA, "encrypts", use="enc"),
                jwk(RSA, "confused", alg="HS256"),
                {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
                {"kty": "RSA"},
                "nonsense",
            ]
        }
    )

    assert [(key.key_id, len(key.algorithms)) for key in found] == [
        ("one", 6),
        ("two", 1),
    ]
    assert keys_of_set({"keys": "none"}) == ()


class Issuer(httpx.MockTransport):
    """Hands out a key set; counts."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        super().__init__(self._answer)
        self.keys: list[dict[str, Any]] = list(keys)
        self.is_away = False
        self.asked = 0

    def _answer(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.is_away:
            raise httpx.ConnectError("away")
        return httpx.Response(200, json={"keys": self.keys})


def test_a_new_key_of_the_issuer_is_found_at_once_and_forgeries_ask_for_little() -> (
    None
):
    clock, issuer = ManualClock(NOW), Issuer(jwk(RSA, "one"))
    keys = HttpSigningKeys("https://id.example/jwks", clock, issuer)
    check = WebTokenChecker(keys, RULES, clock).check

    assert check(signed(headers={"kid": "one"})).user_id == "ann"
    clock.advance(31)
    issuer.keys.append(jwk(OTHER, "two"))
    assert check(signed(OTHER, headers={"kid": "two"})).user_id == "ann"
    assert issuer.asked == 2
    for number in range(20):
        with pytest.raises(UnauthenticatedError):
            check(signed(OTHER, headers={"kid": f"unknown {number}"}))
    assert issuer.asked == 2
    with pytest.raises(UnauthenticatedError):
        check(signed(OTHER, headers={"kid": "one"}))


def test_while_the_issuer_is_away_known_keys_are_used_for_a_day() -> None:
    clock, issuer = ManualClock(NOW), Issuer(jwk(RSA, "one"))
    keys = HttpSigningKeys("https://id.example/jwks", clock, issuer)
    keys.get()
    issuer.is_away = True

    clock.advance(23 * 3600)
    assert len(keys.get()) == 1
    assert issuer.asked == 2
    clock.advance(3600)
    with pytest.raises(DependencyUnavailableError):
        keys.get()
    issuer.is_away = False
    clock.advance(30)
    assert len(keys.get()) == 1


def test_an_issuer_that_never_answered_is_asked_again_after_a_while_only() -> None:
    clock, issuer = ManualClock(NOW), Issuer()
    issuer.is_away = True
    keys = HttpSigningKeys("https://id.example/jwks", clock, issuer)

    for _ in range(5):
        with pytest.raises(DependencyUnavailableError):
            keys.get()

    assert issuer.asked == 1
