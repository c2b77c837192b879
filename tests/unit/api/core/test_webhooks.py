from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient
from typing_extensions import override

from api.app import create_app
from catalog.errors import DependencyUnavailableError
from catalog.graph import Catalog
from catalog.models.ids import JobId
from catalog.webhooks import Keys
from tests.fakes.catalog import NOW, FakeParts
from tests.fakes.failing import Failing
from tests.fakes.provider_fal import signed

KEY, NEXT = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
BODY = b'{"request_id": "r-1", "status": "OK", "payload": {}}'
FAL = "/api/webhooks/fal/job-1/n-1"
ASSEMBLYAI = "/api/webhooks/assemblyai/job-1/n-1"


class FakeWaking(Failing):
    """Of ``QueueRepository`` what webhooks need: one job at one nonce."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Mapping[str, Any]] = []

    def wake(self, job_id: JobId, *, nonce: str, told: Mapping[str, Any]) -> bool:
        self.check()
        if (job_id, nonce) != ("job-1", "n-1"):
            return False
        self.told.append(told)
        return True


class FakeKeys(Failing):
    """``PublicKeys`` whose owner has a newer one."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed = 0

    def get(self, *, renew: bool = False) -> Keys:
        self.check()
        self.renewed += renew
        return (KEY.public_key(), *([NEXT.public_key()] if renew else []))


class Parts(FakeParts):
    """The catalog's fakes and these two."""

    def __init__(self) -> None:
        super().__init__()
        self.waking = FakeWaking()
        self.keys = FakeKeys()

    @override
    def catalog(self) -> Catalog:
        parts: dict[str, Any] = {"queue": self.waking, "fal_keys": self.keys}
        return replace(super().catalog(), **parts)


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def client(parts: Parts) -> TestClient:
    return TestClient(create_app(parts.catalog()), raise_server_exceptions=False)


def test_a_signed_webhook_is_told_to_the_queue_each_time_it_comes(
    client: TestClient, parts: Parts
) -> None:
    headers = signed(KEY, "r-1", NOW, BODY)

    answers = [client.post(FAL, content=BODY, headers=headers) for _ in range(2)]

    assert [one.status_code for one in answers] == [204, 204]
    assert parts.waking.told == [{"requestId": "r-1", "status": "OK"}] * 2
    assert parts.keys.renewed == 0


def test_a_key_that_is_newer_than_ours_is_looked_for(
    client: TestClient, parts: Parts
) -> None:
    headers = signed(NEXT, "r-1", NOW, BODY)

    assert client.post(FAL, content=BODY, headers=headers).status_code == 204
    assert parts.keys.renewed == 1


def test_a_forged_webhook_is_refused_before_the_queue_is_asked(
    client: TestClient, parts: Parts
) -> None:
    forged = signed(Ed25519PrivateKey.generate(), "r-1", NOW, BODY)

    answers = [
        client.post(FAL, content=BODY, headers=forged),
        client.post(FAL, content=BODY),
        client.post(FAL, content=BODY + b" ", headers=signed(KEY, "r-1", NOW, BODY)),
        client.post(ASSEMBLYAI, content=BODY),
        client.post(ASSEMBLYAI, content=BODY, headers={"X-Catalog-Webhook": "n-2"}),
    ]

    assert [one.status_code for one in answers] == [403] * 5
    assert answers[0].json()["code"] == "forbidden"
    assert parts.waking.told == []


@pytest.mark.parametrize("path", ["job-2/n-1", "job-1/n-2"])
def test_an_unknown_job_or_nonce_is_not_found(path: str, client: TestClient) -> None:
    headers = signed(KEY, "r-1", NOW, BODY)

    answer = client.post(f"/api/webhooks/fal/{path}", content=BODY, headers=headers)

    assert answer.status_code == 404


def test_assemblyai_bears_the_nonce_in_its_header(
    client: TestClient, parts: Parts
) -> None:
    body = b'{"transcript_id": "t-1", "status": "completed"}'

    answer = client.post(ASSEMBLYAI, content=body, headers={"X-Catalog-Webhook": "n-1"})

    assert answer.status_code == 204
    assert parts.waking.told == [{"requestId": "t-1", "status": "completed"}]


def test_a_body_that_can_t_be_read_is_a_bad_request(client: TestClient) -> None:
    headers = {"X-Catalog-Webhook": "n-1"}

    for body in (b"", b"{", b"[]", b'{"transcript_id": 7}'):
        answer = client.post(ASSEMBLYAI, content=body, headers=headers)
        assert answer.status_code == 400


def test_a_huge_body_is_refused(client: TestClient, parts: Parts) -> None:
    body = b" " * (1024 * 1024 + 1)

    for path in (FAL, ASSEMBLYAI):
        assert client.post(path, content=body).status_code == 413
    assert parts.waking.told == []


def test_what_has_no_signature_makes_us_fetch_no_keys(
    client: TestClient, parts: Parts
) -> None:
    parts.keys.fail_always(DependencyUnavailableError("fal", "ConnectError"))
    old = signed(KEY, "r-1", NOW - timedelta(hours=1), BODY)

    assert client.post(FAL, content=BODY).status_code == 403
    assert client.post(FAL, content=BODY, headers=old).status_code == 403


def test_without_keys_or_queue_the_provider_is_asked_to_come_again(
    client: TestClient, parts: Parts
) -> None:
    headers = signed(KEY, "r-1", NOW, BODY)
    parts.keys.fail_next(DependencyUnavailableError("fal", "ConnectError"))
    parts.waking.fail_next(DependencyUnavailableError("mongodb", "away"))

    answers = [client.post(FAL, content=BODY, headers=headers) for _ in range(3)]

    assert [one.status_code for one in answers] == [503, 503, 204]
    assert "fal is not available" in answers[0].json()["detail"]
