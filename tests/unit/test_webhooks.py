from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ForbiddenError, InvalidRequestError
from catalog.models.ids import JobId
from catalog.webhooks import (
    WebhookFacts,
    WrongSignatureError,
    assemblyai_facts,
    fal_keys,
    verify_assemblyai,
    verify_fal,
    webhook_path,
)
from tests.fakes.provider_fal import signed

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = (OTHER.public_key(), KEY.public_key())
BODY = b'{"request_id": "r-1", "status": "OK", "payload": {"images": []}}'
HEADERS = signed(KEY, "r-1", NOW, BODY)


def test_what_fal_signed_is_accepted_however_often_it_comes() -> None:
    for _ in range(3):
        assert verify_fal(HEADERS, BODY, KEYS, NOW) == WebhookFacts("r-1", "OK")


def test_a_fixed_signature_of_a_fixed_key_fits() -> None:
    """Guards against a change that both the fake and the check would follow."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    message = (
        b"r-1\nuser-1\n1700000000\n"
        b"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )
    headers = {
        "x-fal-webhook-request-id": "r-1",
        "x-fal-webhook-user-id": "user-1",
        "x-fal-webhook-timestamp": "1700000000",
        "x-fal-webhook-signature": key.sign(message).hex(),
    }

    with pytest.raises(InvalidRequestError):  # signed, but `{}` names no request
        verify_fal(headers, b"{}", [key.public_key()], at)


@pytest.mark.parametrize("name", HEADERS)
def test_a_missing_header_is_forgery(name: str) -> None:
    headers = {key: value for key, value in HEADERS.items() if key != name}

    with pytest.raises(ForbiddenError):
        verify_fal(headers, BODY, KEYS, NOW)


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize(
    "change",
    ["", "x", "1" * 600, "1700000000", "-1", "١٢٣", "é", "00" * 64, "zz" * 64],
)
def test_a_changed_header_is_forgery(name: str, change: str) -> None:
    with pytest.raises(ForbiddenError):
        verify_fal({**HEADERS, name: change}, BODY, KEYS, NOW)


def test_a_changed_body_is_forgery() -> None:
    with pytest.raises(WrongSignatureError):
        verify_fal(HEADERS, BODY.replace(b"OK", b"KO"), KEYS, NOW)


def test_a_key_that_is_not_fals_is_forgery() -> None:
    with pytest.raises(WrongSignatureError):
        verify_fal(HEADERS, BODY, [OTHER.public_key()], NOW)
    with pytest.raises(WrongSignatureError):
        verify_fal(HEADERS, BODY, [], NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_what_was_signed_too_long_ago_or_ahead_is_refused(seconds: int) -> None:
    with pytest.raises(ForbiddenError, match="too old"):
        verify_fal(HEADERS, BODY, KEYS, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)

    assert verify_fal(HEADERS, BODY, KEYS, at).request_id == "r-1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"request_id": 1}',
        b'{"request_id": "a b"}',
        b'{"request_id": "r"}',
        b'{"request_id": "../x", "status": "OK"}',
    ],
)
def test_what_is_signed_and_says_nothing_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        verify_fal(signed(KEY, "r-1", NOW, body), body, KEYS, NOW)


@given(body=st.binary(max_size=50), signature=st.text(max_size=140))
def test_nothing_else_ever_comes_of_garbage(body: bytes, signature: str) -> None:
    headers = {**HEADERS, "X-Fal-Webhook-Signature": signature}

    with pytest.raises(ForbiddenError):
        verify_fal(headers, body, KEYS, NOW)


def test_only_whole_ed25519_keys_of_a_set_are_used() -> None:
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    import_ = {"kty": "OKP", "crv": "Ed25519"}
    x = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    jwks = {
        "keys": [
            {"kty": "RSA", "n": "AQAB"},
            {**import_, "x": x + "="},
            {**import_, "x": x[:-4]},
            {**import_, "x": "+/+/"},
            {**import_, "x": 7},
            {**import_, "crv": "X25519", "x": x},
            import_,
            "key",
        ]
    }

    (key,) = fal_keys(jwks)

    assert key.public_bytes(Encoding.Raw, PublicFormat.Raw) == bytes(range(32))
    assert raw != bytes(range(32))
    assert fal_keys({}) == fal_keys({"keys": None}) == ()


def test_assemblyai_must_send_the_nonce_back() -> None:
    verify_assemblyai("n-1", "n-1")
    for value, nonce in (("n-2", "n-1"), (None, "n-1"), ("", ""), ("é\ud800", "n-1")):
        with pytest.raises(ForbiddenError):
            verify_assemblyai(value, nonce)


def test_assemblyai_says_which_transcript() -> None:
    body = b'{"transcript_id": "t-1", "status": "completed"}'

    assert assemblyai_facts(body) == WebhookFacts("t-1", "completed")
    with pytest.raises(InvalidRequestError):
        assemblyai_facts(b'{"transcript_id": null}')


def test_a_webhooks_path_names_provider_job_and_nonce() -> None:
    assert webhook_path("fal", JobId("a/b c"), "00ff") == (
        "/api/webhooks/fal/a%2Fb%20c/00ff"
    )
