"""Submitting over HTTP: shapes, headers, who asks, and every refusal by name."""

import json
from time import perf_counter
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.middleware import MAX_BODY_BYTES
from api.schemas.problems import Problem
from api.schemas.submissions import SubmittedJob
from catalog.config import Settings
from catalog.errors import DependencyUnavailableError
from tests.fakes.assets import FakeAssetRepository
from tests.fakes.catalog import FakeParts
from tests.unit.api.assets.samples import MODEL_KEY, image, lora

TRAIN, GENERATE, TRANSCRIBE = (
    "/api/lora/train",
    "/api/images/generate",
    "/api/transcribe",
)
IMAGES: dict[str, Any] = {
    "userId": "user123",
    "model": "flux-lora",
    "inputs": {"prompt": "jf at a lighthouse"},
}
TALK = {"userId": "user123", "url": "https://x.test/podcast.mp3"}
SEED_TRAINING = {
    "userId": "user123",
    "videoUrl": "https://x.test/v.mp4",
    "loraName": "jesse_avatar",
    "metadata": {
        "tags": ["avatar", "headshot", "professional"],
        "description": "Jesse professional headshot avatar",
        "isPublic": False,
    },
}


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts(settings=Settings(admin_token=SecretStr("admin"), jobs_per_user=3))
    made.assets = FakeAssetRepository(lora(), image())
    made.store.objects[MODEL_KEY] = b"model"
    return made


def refusal(answer: Any, status: int) -> dict[str, Any]:  # noqa: ANN401
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    facts: dict[str, Any] = answer.json()
    Problem.model_validate(facts)
    assert "x-catalog-token" not in answer.headers
    return facts


# --- what is accepted --------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "body", "type_"),
    [
        (TRAIN, SEED_TRAINING, "lora-training"),
        (
            GENERATE,
            IMAGES | {"inputs": {"prompt": "x", "loras": [{"path": "lora"}]}},
            "image-generation",
        ),
        (TRANSCRIBE, TALK, "transcription"),
    ],
)
def test_the_seeds_requests_are_accepted(
    client: TestClient, address: str, body: dict[str, Any], type_: str
) -> None:
    answer = client.post(address, json=body)

    assert answer.status_code == 202, answer.text
    found = answer.json()
    SubmittedJob.model_validate(found)
    job_id = found["jobId"]
    assert len(job_id) == 32
    assert int(job_id, 16)
    assert found["status"] == found["job"]["status"] == "queued"
    assert found["streamUrl"] == f"/api/stream/job/{job_id}"
    assert answer.headers["location"] == f"/api/jobs/{job_id}"
    assert "idempotency-replayed" not in answer.headers
    assert len(answer.headers["x-catalog-token"]) == 36
    assert found["job"]["type"] == type_
    assert found["job"]["createdAt"] == "2025-12-01T12:00:00Z"
    assert "_id" not in found["job"]
    assert client.get(answer.headers["location"]).json() == found["job"]


def test_the_record_keeps_the_metadata_of_the_seed(client: TestClient) -> None:
    job = client.post(TRAIN, json=SEED_TRAINING).json()["job"]

    assert job["metadata"] == SEED_TRAINING["metadata"]
    assert job["config"] == {
        "videoUrl": "https://x.test/v.mp4",
        "images": [],
        "loraName": "jesse_avatar",
    }
    assert job["sourceVideo"] == {
        "url": "https://x.test/v.mp4",
        "filename": "v.mp4",
    }


@pytest.mark.parametrize(
    ("query", "named", "headers"),
    [
        ("", "user123", {}),
        ("?userId=user123", None, {}),
        ("?userId=user123", "user123", {}),
        ("?userId=user123", None, {"Authorization": "Bearer admin"}),
        ("", "user123", {"Authorization": "Bearer admin"}),
    ],
)
def test_the_body_or_the_address_says_whose_job_it_is(
    client: TestClient, query: str, named: str | None, headers: dict[str, str]
) -> None:
    body = {k: v for k, v in (IMAGES | {"userId": named}).items() if v is not None}

    answer = client.post(GENERATE + query, json=body, headers=headers)

    assert answer.json()["job"]["userId"] == "user123"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?userId=ann", "bob"),
        ("", None),
        ("", ""),
        ("", 5),
        ("", "a/b"),
        ("", ".."),
        ("", "x" * 513),
        ("?userId=", None),
    ],
)
def test_a_job_of_nobody_or_of_two_is_refused(
    client: TestClient, query: str, named: object
) -> None:
    body = {k: v for k, v in (IMAGES | {"userId": named}).items() if v is not None}

    assert refusal(client.post(GENERATE + query, json=body), 400)["field"] == "userId"


def test_a_token_that_is_not_known_is_refused(client: TestClient) -> None:
    headers = {"Authorization": "Bearer wrong"}

    refusal(client.post(GENERATE, json=IMAGES, headers=headers), 401)


# --- repetition --------------------------------------------------------------------


def test_a_repeated_request_is_answered_by_the_same_job(
    client: TestClient, parts: FakeParts
) -> None:
    key = {"Idempotency-Key": "my key ~1"}
    first = client.post(GENERATE, json=IMAGES, headers=key)

    again = client.post(GENERATE, json=IMAGES, headers=key)
    other = client.post(TRANSCRIBE, json=TALK, headers=key)

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert refusal(other, 409)["code"] == "idempotency_conflict"
    assert len(parts.jobs.records) == 1


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"tab\there", "ü".encode(), b"\x7f"])
def test_a_key_is_1_to_255_printable_characters(client: TestClient, key: bytes) -> None:
    headers = {b"Idempotency-Key": key}

    answer = client.post(GENERATE, json=IMAGES, headers=headers)

    assert refusal(answer, 400)["field"] == "Idempotency-Key"


def test_a_key_of_255_characters_is_taken(client: TestClient) -> None:
    headers = {"Idempotency-Key": "x" * 255}

    assert client.post(GENERATE, json=IMAGES, headers=headers).status_code == 202


def test_who_has_too_many_open_jobs_waits(client: TestClient) -> None:
    for _ in range(3):
        assert client.post(GENERATE, json=IMAGES).status_code == 202

    facts = refusal(client.post(TRANSCRIBE, json=TALK), 429)

    assert facts["code"] == "quota_exceeded"
    assert "3 jobs" in facts["detail"]
    assert client.post(GENERATE, json=IMAGES | {"userId": "b"}).status_code == 202


def test_while_mongodb_is_away_it_can_be_tried_again(
    client: TestClient, parts: FakeParts
) -> None:
    parts.submissions.fail_next(DependencyUnavailableError("mongodb", "away"))

    answer = client.post(GENERATE, json=IMAGES)

    refusal(answer, 503)
    assert answer.headers["retry-after"] == "1"


# --- bad bodies --------------------------------------------------------------------


def changed(**inputs: object) -> dict[str, Any]:
    return IMAGES | {"inputs": {"prompt": "x"} | inputs}


def nested(levels: int) -> object:
    found: object = "x"
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("address", "body", "field", "words"),
    [
        (
            GENERATE,
            IMAGES | {"modelName": "x"},
            "modelName",
            "not known; known are userId",
        ),
        (GENERATE, {"userId": "u", "inputs": {"prompt": "x"}}, "model", "required"),
        (GENERATE, {"userId": "u", "model": "m"}, "inputs", "required"),
        (GENERATE, changed(prompt="  "), "inputs.prompt", "at least 1"),
        (GENERATE, changed(width=100), "inputs.width", "multiple of 8"),
        (GENERATE, changed(seed=2**63), "inputs.seed", "64 bits"),
        (GENERATE, changed(seed=10**40), "inputs.seed", ""),
        (GENERATE, changed(numImages=True, width="?"), "inputs.width", "integer"),
        (GENERATE, changed(loras=[{"path": "no"}]), "inputs.loras.0.path", "no LoRA"),
        (
            GENERATE,
            changed(loras=[{"path": "lora"}, {"path": "pic-1"}]),
            "inputs.loras.1.path",
            "of type 'image'",
        ),
        (GENERATE, changed(loras=[{"path": "lora", "x": 1}]), "inputs.loras.0.x", ""),
        (GENERATE, changed(extra="a\0b"), "inputs.extra", "NUL"),
        (GENERATE, changed(**{"a\0b": 1}), "inputs", "NUL"),
        (GENERATE, changed(**{"$ref": 1}), "inputs", "$ in front"),
        (GENERATE, changed(extra=[{"n": -(2**63)}]), "inputs.extra.0.n", "64 bits"),
        (GENERATE, changed(extra=nested(40)), "inputs.extra", "32 levels"),
        (GENERATE, changed(**{f"x{n}": 1 for n in range(51)}), "inputs", "50 further"),
        (GENERATE, IMAGES | {"metadata": {"tags": "a"}}, "metadata.tags", ""),
        (GENERATE, IMAGES | {"metadata": {"tagz": []}}, "metadata.tagz", "not known"),
        (GENERATE, IMAGES | {"metadata": {"tags": [" "]}}, "metadata.tags.0", ""),
        (GENERATE, IMAGES | {"type": "transcription"}, "type", "image-generation"),
        (GENERATE, ["a"], "body", "JSON object"),
        (GENERATE, None, "body", "JSON object"),
        (TRAIN, {"userId": "u", "loraName": "x"}, "videoUrl", "videoUrl or images"),
        (
            TRAIN,
            {"userId": "u", "loraName": "x", "images": ["https://x.test/a"] * 1001},
            "images",
            "1000",
        ),
        (TRAIN, SEED_TRAINING | {"videoUrl": "http://x.test/v"}, "videoUrl", "https"),
        (TRAIN, SEED_TRAINING | {"videoUrl": "file:///etc/x"}, "videoUrl", "https"),
        (TRAIN, SEED_TRAINING | {"steps": 0}, "steps", "greater"),
        (TRAIN, SEED_TRAINING | {"captionStyle": "x"}, "captionStyle", "tags, trig"),
        (
            TRAIN,
            {"userId": "u", "loraName": "x", "images": ["https://x.test/a"] * 3},
            "images",
            "4 images at least, not on 3",
        ),
        (TRANSCRIBE, {"userId": "u"}, "url", "url or upload"),
        (TRANSCRIBE, TALK | {"upload": "https://x"}, "url", "url or upload"),
        (TRANSCRIBE, TALK | {"url": "x" * 3000}, "url", "2048"),
        (TRANSCRIBE, TALK | {"language": "english!"}, "language", "pattern"),
        (TRANSCRIBE, TALK | {"speakers": 51}, "speakers", "50"),
    ],
)
def test_what_cannot_be_asked_for_is_named(
    client: TestClient,
    parts: FakeParts,
    address: str,
    body: object,
    field: str,
    words: str,
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(address, content=json.dumps(body), headers=headers)

    facts = refusal(answer, 400)
    assert (facts["field"].partition(".0.0")[0], facts["code"]) == (
        field,
        "invalid_request",
    )
    assert words in facts["detail"]
    assert len(facts["detail"]) < 1000
    assert parts.jobs.records == []


def test_all_fields_at_fault_are_named(client: TestClient) -> None:
    body = changed(width=1, height=2) | {"a": 1, "model": ""}

    facts = refusal(client.post(GENERATE, json=body), 400)

    assert facts["field"] == "model"
    assert "Also at fault: a, inputs.height, inputs.width." in facts["detail"]


def test_a_great_many_faults_make_no_great_answer(client: TestClient) -> None:
    body = IMAGES | {f"{'n' * 300}{number}": 1 for number in range(2000)}

    answer = client.post(GENERATE, json=body)

    refusal(answer, 400)
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nothing",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"userId": "\\ud800"}',
        b'{"userId": "\xed\xa0\x80"}',
        b'{"userId": "\xff"}',
        b"[" * 5000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"[" + b"9" * 5000 + b"]",
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_is_refused(client: TestClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    facts = refusal(client.post(GENERATE, content=content, headers=headers), 400)

    assert facts["field"] == "body"


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application"]
)
def test_a_body_must_be_said_to_be_json(client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}

    answer = client.post(GENERATE, content=json.dumps(IMAGES), headers=headers)

    assert refusal(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "kind",
    ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"],
)
def test_json_has_several_names(client: TestClient, kind: str) -> None:
    headers = {"Content-Type": kind}

    answer = client.post(GENERATE, content=json.dumps(IMAGES), headers=headers)

    assert answer.status_code == 202


@pytest.mark.parametrize("address", [TRAIN, GENERATE, TRANSCRIBE, "/api/jobs/x/retry"])
def test_a_body_too_large_is_refused_however_it_is_sent(
    client: TestClient, address: str
) -> None:
    headers = {"Content-Type": "application/json"}
    pieces = (b" " * 65536 for _ in range(MAX_BODY_BYTES // 65536 + 1))

    whole = client.post(address, content=b" " * (MAX_BODY_BYTES + 1), headers=headers)
    in_pieces = client.post(address, content=pieces, headers=headers)

    assert refusal(whole, 413)["code"] == "body_too_large"
    assert refusal(in_pieces, 413)["code"] == "body_too_large"


def test_a_long_name_over_many_values_takes_no_room_for_each(
    client: TestClient,
) -> None:
    body = changed(**{"n" * 400_000: [[]] * 100_000}) | {"userId": "a/b"}
    started = perf_counter()

    facts = refusal(client.post(GENERATE, json=body), 400)

    # A path for each value would be 40 GB to write.
    assert perf_counter() - started < 5
    assert facts["field"] == "userId"


def test_what_a_platform_adds_to_the_inputs_is_kept(client: TestClient) -> None:
    extras = {
        "safety_tolerance": "2",
        "x.y": {"deep": [1.5, None, True, {"ü": "\U0001f600"}]},
        "big": 2**63 - 1,
    }

    answer = client.post(GENERATE, json=changed(**extras))

    inputs = answer.json()["job"]["config"]["inputs"]
    assert {name: inputs[name] for name in extras} == extras


def test_other_methods_are_not_possible(client: TestClient) -> None:
    answer = client.get(TRAIN)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_the_document_says_what_to_send(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    for address, name in (
        (TRAIN, "LoraTrainingBody"),
        (GENERATE, "ImageGenerationBody"),
        (TRANSCRIBE, "TranscriptionBody"),
    ):
        body = document["paths"][address]["post"]["requestBody"]
        assert body["required"] is True
        assert body["content"]["application/json"]["schema"]["$ref"].endswith(name)
        [example] = document["components"]["schemas"][name]["examples"]
        assert client.post(address, json=example).status_code == 202, address
