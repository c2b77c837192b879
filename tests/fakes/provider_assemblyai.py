"""AssemblyAI's side of the fake: upload, submit, look, list."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from catalog.clock import Clock
from tests.fakes.provider_files import transcript_facts
from tests.fakes.provider_server import FakeServer, Reply, Seen, answer

KEY = "assembly-key"
_MAX_PAGE = 200


@dataclass
class Transcript:
    """A submit that was accepted."""

    transcript_id: str
    payload: dict[str, Any]
    created: datetime
    polls: int = 0


@dataclass
class TranscriptPlan:
    """What becomes of transcriptions: ``polls`` that find it at work, then this."""

    polls: int = 0
    error: str | None = None
    facts: dict[str, Any] = field(default_factory=transcript_facts)


class AssemblyAiSide:
    """Routes of ``api.assemblyai.com``."""

    def __init__(self, server: FakeServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self.plan = TranscriptPlan()
        self.submits: list[Transcript] = []
        self.bodies: dict[str, bytes] = {}
        one = r"/v2/transcript/(?P<id>[^/]+)"
        server.add("aai.upload", "POST", r"/v2/upload", self._upload)
        server.add("aai.submit", "POST", r"/v2/transcript", self._take)
        server.add("aai.list", "GET", r"/v2/transcript", self._list)
        server.add("aai.get", "GET", one, self._get)

    def accept(self, payload: dict[str, Any]) -> Transcript:
        """Take in a transcription, also one that somebody else submitted."""
        created = self._clock.now()
        self.submits.append(Transcript(str(uuid4()), payload, created))
        return self.submits[-1]

    def _take(self, seen: Seen, _found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        payload = seen.json()
        if not payload.get("audio_url"):
            return answer(400, {"error": "audio_url is required"})
        transcript = self.accept(payload)
        return answer(200, self._facts(transcript, "queued"))

    def _get(self, seen: Seen, found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        transcript = next(
            (one for one in self.submits if one.transcript_id == found["id"]), None
        )
        if transcript is None:
            return answer(404, {"error": "Transcript not found"})
        transcript.polls += 1
        if transcript.polls <= self.plan.polls:
            status = "queued" if transcript.polls == 1 else "processing"
            return answer(200, self._facts(transcript, status))
        if self.plan.error is not None:
            failed = self._facts(transcript, "error") | {"error": self.plan.error}
            return answer(200, failed)
        facts = self._facts(transcript, "completed") | self.plan.facts
        body = json.dumps(facts, indent=1).encode()
        self.bodies[transcript.transcript_id] = body
        return Reply(200, body, {"content-type": "application/json"})

    def _list(self, seen: Seen, _found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        limit = min(int(seen.query.get("limit", "10")), _MAX_PAGE)
        newest = [*reversed(self.submits)]
        before = seen.query.get("before_id")
        if before is not None:
            ids = [one.transcript_id for one in newest]
            newest = newest[ids.index(before) + 1 :]
        page = newest[:limit]
        items = [
            {
                "id": one.transcript_id,
                "resource_url": f"{self._server.url}/v2/transcript/{one.transcript_id}",
                "status": "processing",
                # As they write it: UTC, no zone.
                "created": one.created.astimezone(UTC).replace(tzinfo=None).isoformat(),
                "completed": None,
                "audio_url": one.payload["audio_url"],
                "error": None,
            }
            for one in page
        ]
        details = {
            "limit": limit,
            "result_count": len(page),
            "current_url": f"{self._server.url}/v2/transcript?limit={limit}",
            "prev_url": None,
            "next_url": None,
        }
        return answer(200, {"page_details": details, "transcripts": items})

    def _upload(self, seen: Seen, _found: re.Match[str]) -> Reply:
        if refused := _refused(seen):
            return refused
        return answer(200, {"upload_url": f"{self._server.url}/upload/{uuid4()}"})

    def webhook(self, transcript: Transcript) -> tuple[dict[str, str], bytes]:
        """Make headers and body of the webhook that tells of a transcription."""
        asked = transcript.payload
        name = asked["webhook_auth_header_name"]
        facts = {"transcript_id": transcript.transcript_id, "status": "completed"}
        return {name: asked["webhook_auth_header_value"]}, json.dumps(facts).encode()

    def _facts(self, transcript: Transcript, status: str) -> dict[str, Any]:
        asked = transcript.payload
        return {
            "id": transcript.transcript_id,
            "status": status,
            "audio_url": asked["audio_url"],
            "text": None,
            "words": None,
            "utterances": None,
            "webhook_url": asked.get("webhook_url"),
            "webhook_auth": "webhook_auth_header_name" in asked,
            "webhook_auth_header_name": asked.get("webhook_auth_header_name"),
            "speech_models": asked.get("speech_models"),
            "speaker_labels": asked.get("speaker_labels", False),
            "something_new": {"z": 3},
        }


def _refused(seen: Seen) -> Reply | None:
    if seen.headers.get("authorization") == KEY:
        return None
    return answer(401, {"error": "Authentication error, API token missing/invalid"})
