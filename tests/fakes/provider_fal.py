"""fal.ai's side of the fake: the queue, results, signed webhooks and their keys."""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.provider_files import png, safetensors
from tests.fakes.provider_server import FakeServer, Reply, Seen, answer

KEY = "key-id:key-secret"


@dataclass
class FalRequest:
    """A submit that was accepted."""

    request_id: str
    endpoint: str
    payload: dict[str, Any]
    webhook: str | None
    polls: int = 0
    cancelled: bool = False


@dataclass
class FalPlan:
    """What becomes of requests.

    Attributes:
        positions: In the queue, one a poll.
        running: Polls that say ``IN_PROGRESS`` after those.
        failure: ``error`` and ``error_type`` of the completed status.
        result: Answered instead of the usual result.
        url_base: Of the addresses given out; the fake's own by default.
    """

    positions: tuple[int, ...] = ()
    running: int = 0
    failure: dict[str, Any] = field(default_factory=dict)
    result: Reply | None = None
    url_base: str | None = None


class FalSide:
    """Routes of ``queue.fal.run``, ``rest.fal.ai`` (keys) and the CDN."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.plan = FalPlan()
        self.submits: list[FalRequest] = []
        self.files: dict[str, Reply] = {}
        self.key = Ed25519PrivateKey.generate()
        part = r"[^/]+"
        requests = rf"/(?P<app>{part}/{part})/requests/(?P<id>{part})"
        server.add("fal.status", "GET", rf"{requests}/status", self._status)
        server.add("fal.cancel", "PUT", rf"{requests}/cancel", self._cancel)
        server.add("fal.result", "GET", requests, self._result)
        server.add("fal.keys", "GET", r"/\.well-known/jwks\.json", self._keys)
        server.add("fal.file", "GET", rf"/files/b/(?P<name>{part})", self._file)
        server.add(
            "fal.submit", "POST", rf"/(?P<endpoint>{part}(/{part})+)", self._take
        )

    def request(self, request_id: str) -> FalRequest | None:
        return next((one for one in self.submits if one.request_id == request_id), None)

    # --- the queue -----------------------------------------------------------------

    def _take(self, seen: Seen, found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        request = FalRequest(
            str(uuid4()), found["endpoint"], seen.json(), seen.query.get("fal_webhook")
        )
        if not request.payload.get("prompt") and "images_data_url" not in (
            request.payload
        ):
            return missing_prompt()
        self.submits.append(request)
        facts = {
            "status": "IN_QUEUE",
            "request_id": request.request_id,
            "gateway_request_id": request.request_id,
            "queue_position": 0,
            "something_new": {"x": 1},
            **self._addresses(request),
        }
        return answer(200, facts)

    def _status(self, seen: Seen, found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        request = self.request(found["id"])
        if request is None or not _is_of(request, found["app"]):
            return answer(404, {"detail": "Request not found"})
        at, plan = request.polls, self.plan
        request.polls += 1
        facts: dict[str, Any] = {
            "request_id": request.request_id,
            "something_new": [],
            **self._addresses(request),
        }
        if at < len(plan.positions):
            facts |= {"status": "IN_QUEUE", "queue_position": plan.positions[at]}
            return answer(202, facts)
        if at < len(plan.positions) + plan.running:
            return answer(202, facts | {"status": "IN_PROGRESS", "logs": None})
        done = {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 1.5}}
        return answer(200, facts | done | plan.failure)

    def _result(self, seen: Seen, found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        request = self.request(found["id"])
        if request is None or not _is_of(request, found["app"]):
            return answer(404, {"detail": "Request not found"})
        return self.plan.result or answer(200, self.result(request))

    def _cancel(self, seen: Seen, found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        request = self.request(found["id"])
        if request is None or not _is_of(request, found["app"]):
            return answer(404, {"status": "NOT_FOUND"})
        request.cancelled = True
        return answer(202, {"status": "CANCELLATION_REQUESTED"})

    def _addresses(self, request: FalRequest) -> dict[str, str]:
        base = self.plan.url_base or self._server.url
        app = "/".join(request.endpoint.split("/")[:2])
        one = f"{base}/{app}/requests/{request.request_id}"
        return {
            "response_url": one,
            "status_url": f"{one}/status",
            "cancel_url": f"{one}/cancel",
        }

    # --- results -------------------------------------------------------------------

    def result(self, request: FalRequest) -> dict[str, Any]:
        """Make what the endpoint answers, and the files that it names."""
        made = f"{self._server.url}/files/b/{request.request_id}"
        if "train" in request.endpoint:
            model, config = f"{made}-lora.safetensors", f"{made}-config.json"
            self.files.setdefault(_name(model), Reply(body=safetensors()))
            self.files.setdefault(_name(config), Reply(body=b'{"rank": 16}'))
            return {
                "diffusers_lora_file": {"url": model, "file_name": "lora.safetensors"},
                "config_file": {"url": config, "content_type": "application/json"},
                "debug_preprocessed_output": None,
            }
        size = request.payload.get("image_size", {"width": 8, "height": 6})
        images = []
        for number in range(int(request.payload.get("num_images", 1))):
            url = f"{made}-{number}.png"
            picture = png(size["width"], size["height"])
            self.files.setdefault(_name(url), Reply(body=picture))
            images.append({"url": url, **size, "content_type": "image/png"})
        return {
            "images": images,
            "timings": {"inference": 1.5},
            "seed": request.payload.get("seed", 7),
            "has_nsfw_concepts": [False] * len(images),
            "prompt": request.payload["prompt"],
            "something_new": {"y": 2},
        }

    def break_files(self, reply: Reply) -> None:
        """Let every file of requests accepted so far be this."""
        for request in self.submits:
            self.result(request)
        self.files = dict.fromkeys(self.files, reply)

    def _file(self, seen: Seen, found: re.Match[str]) -> Reply:
        # Public: whoever sends the key here has leaked it.
        if "authorization" in seen.headers:
            return answer(400, {"detail": "no credentials, please"})
        return self.files.get(found["name"]) or answer(404, {"detail": "Not found"})

    # --- webhooks ------------------------------------------------------------------

    def _keys(self, _seen: Seen, _found: re.Match[str]) -> Reply:
        return answer(200, self.jwks())

    def jwks(self) -> dict[str, Any]:
        """Give the key set: one key that is used, one of a kind nobody asked for."""
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {
            "keys": [
                {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
                {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "x": x},
            ]
        }

    def webhook(
        self, request: FalRequest, at: datetime, *, error: str | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Make headers and body of the webhook that tells of a request."""
        facts: dict[str, Any] = {
            "request_id": request.request_id,
            "gateway_request_id": str(uuid4()),
            "status": "ERROR" if error else "OK",
            "payload": {} if error else self.result(request),
        }
        if error:
            facts["error"] = error
        body = json.dumps(facts).encode()
        return signed(self.key, request.request_id, at, body), body


def signed(
    key: Ed25519PrivateKey, request_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """Sign a webhook as fal.ai does."""
    timestamp = str(int(at.timestamp()))
    digest = hashlib.sha256(body).hexdigest()
    message = f"{request_id}\nuser-1\n{timestamp}\n{digest}"
    return {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": "user-1",
        "X-Fal-Webhook-Timestamp": timestamp,
        "X-Fal-Webhook-Signature": key.sign(message.encode()).hex(),
    }


def missing_prompt() -> Reply:
    """Answer in a model's form of error: 422 with a list."""
    fault = {
        "loc": ["body", "prompt"],
        "msg": "Field required",
        "type": "missing",
        "url": "https://docs.fal.ai/errors#missing",
        "input": {},
    }
    return answer(422, {"detail": [fault]}, x_fal_retryable="false")


def no_runner() -> Reply:
    """Answer in the infrastructure's form of error: 503 with a type."""
    facts = {"detail": "No runner", "error_type": "runner_scheduling_failure"}
    return answer(
        503,
        facts,
        x_fal_error_type="runner_scheduling_failure",
        x_fal_retryable="true",
    )


def _refused(seen: Seen) -> Reply | None:
    if seen.headers.get("authorization") == f"Key {KEY}":
        return None
    return answer(
        401, {"detail": "Cannot access application. Authentication required."}
    )


def _is_of(request: FalRequest, app: str) -> bool:
    return "/".join(request.endpoint.split("/")[:2]) == app


def _name(url: str) -> str:
    return url.rpartition("/")[2]
