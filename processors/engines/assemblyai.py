"""AssemblyAI as an engine: submit an address, look, keep the answer whole."""

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from catalog.models.asset import FileRole
from catalog.models.generation import Transcription
from catalog.models.job import JobType
from catalog.webhooks import ASSEMBLYAI_HEADER
from processors.captions import captions_of, srt, vtt
from processors.engine import EngineError, Made, Output, Step, Waiting, Work
from processors.engines.assemblyai_words import (
    created_at,
    failure,
    payload_of,
    refusal,
)
from processors.engines.submission import Submissions, strange_step
from processors.http import Answer, Lost, NotSent, ProviderHttp

LOG = logging.getLogger(__name__)

NAME = "assemblyai"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}\Z")
_PATH = "v2/transcript"
_PAGE = 200
"""Transcripts of one page of the list: as many as it gives."""

_MAX_PAGES = 20
_SKEW = timedelta(minutes=2)
"""By which AssemblyAI's clock may be behind ours."""

_OK = range(200, 300)
_ERROR, _TIMEOUT, _NOT_FOUND, _SERVER_ERROR = 400, 408, 404, 500


class AssemblyAiEngine:
    """See ``Engine``."""

    name = NAME
    type = JobType.TRANSCRIPTION
    reads_addresses = True

    def __init__(
        self,
        http: ProviderHttp,
        submissions: Submissions,
        speech_models: Sequence[str],
    ) -> None:
        """Make transcripts.

        Args:
            http: The API, with the key.
            submissions: For the steps.
            speech_models: By priority, for jobs that name none.
        """
        self._http = http
        self._submissions = submissions
        self._speech_models = tuple(speech_models)

    def advance(self, work: Work, step: Step) -> Waiting | Made:
        """See ``Engine.advance``."""
        match step.get("phase"):
            case None:
                return self._submit(work)
            case "submitting":
                return self._find(work, step)
            case "submitted":
                return self._look(work, step)
            case _:
                raise strange_step(step)

    def cancel(self, work: Work, step: Step) -> None:
        """See ``Engine.cancel``: AssemblyAI documents no way to stop a transcription.

        (Deleting works on finished ones only.) What comes of it is simply not kept.
        """
        LOG.info(
            "transcription left to itself",
            extra={"job_id": work.job_id, "request_id": step.get("requestId")},
        )

    # --- submitting ----------------------------------------------------------------

    def _submit(self, work: Work) -> Waiting | Made:
        asked = work.request
        if not isinstance(asked, Transcription):
            message = f"This engine does not make {asked.type.value}."
            raise EngineError("engine_failed", message, is_retryable=False)
        if work.source_url is None:
            raise EngineError(
                "source_missing",
                "The recording has no address that AssemblyAI could read it from.",
                is_retryable=False,
            )
        payload = payload_of(asked, work.source_url, self._speech_models)
        step = self._submissions.begin(
            work,
            {
                "audioUrl": work.source_url,
                "models": payload["speech_models"],
                "isSearchable": True,
            },
        )
        if step["webhook"] is not None:
            payload |= {
                "webhook_url": step["webhook"],
                "webhook_auth_header_name": ASSEMBLYAI_HEADER,
                "webhook_auth_header_value": step["nonce"],
            }
        answer = self._http.post_once(self._http.url(_PATH), payload)
        match answer:
            case NotSent(reason):
                raise self._submissions.not_sent(work, reason)
            case Lost(reason):
                return self._submissions.lost(work, step, reason)
            case Answer():
                return self._answered(work, step, answer)

    def _answered(self, work: Work, step: Step, answer: Answer) -> Waiting | Made:
        if answer.status not in _OK:
            if answer.status == _TIMEOUT or answer.status >= _SERVER_ERROR:
                return self._submissions.lost(work, step, f"HTTP {answer.status}")
            self._submissions.forget(work)
            raise refusal(answer)
        transcript_id = answer.json_object().get("id")
        if not _is_id(transcript_id):
            return self._submissions.lost(work, step, "an answer without an id")
        kept = self._submissions.keep(work, step, {"requestId": transcript_id})
        return self._submissions.wait_for_result(kept, 0)

    def _find(self, work: Work, step: Step) -> Waiting | Made:
        """Go on with a transcript whose id a webhook or the list tells."""
        told = work.told.get("requestId")
        if _is_id(told) and self._is_ours(work, step, str(told)):
            found: str | None = str(told)
        else:
            found = self._listed(work, step)
        if found is None:
            return self._submissions.wait_for_word(step)
        kept = self._submissions.keep(work, step, {"requestId": found})
        return self._look(work, kept)

    def _listed(self, work: Work, step: Step) -> str | None:
        """Look for our address among the newest transcripts of the account."""
        since = self._submissions.clock.now() - self._submissions.age(step) - _SKEW
        params = {"limit": str(_PAGE)}
        for _ in range(_MAX_PAGES):
            answer = self._http.get(self._http.url(_PATH), work.check, params=params)
            if answer.status not in _OK:
                refused = refusal(answer)
                raise EngineError(refused.code, str(refused), is_retryable=True)
            listed = answer.json_object().get("transcripts")
            items = [
                item
                for item in (listed if isinstance(listed, list) else ())
                if isinstance(item, Mapping) and _is_id(item.get("id"))
            ]
            for item in items:
                at = created_at(item)
                if at is None or at < since:
                    continue
                if item.get("audio_url") == step.get("audioUrl") and self._is_ours(
                    work, step, str(item["id"])
                ):
                    return str(item["id"])
            oldest = created_at(items[-1]) if items else None
            if oldest is None or oldest < since:
                return None
            params["before_id"] = str(items[-1]["id"])
        return None

    def _is_ours(self, work: Work, step: Step, transcript_id: str) -> bool:
        """Tell whether a transcript is of this submit, not another of the same."""
        answer = self._http.get(self._one(transcript_id), work.check)
        webhook = answer.json_object().get("webhook_url")
        return answer.status in _OK and webhook == step.get("webhook")

    # --- after that ----------------------------------------------------------------

    def _look(self, work: Work, step: Step) -> Waiting | Made:
        answer = self._http.get(self._one(step["requestId"]), work.check)
        if answer.status == _NOT_FOUND:
            raise EngineError(
                "provider_rejected",
                f"AssemblyAI does not know {step['requestId']} any more; look at its "
                "dashboard before the job is retried.",
                is_retryable=True,
                is_final=True,
            )
        if answer.status >= _ERROR:
            refused = refusal(answer)
            raise EngineError(refused.code, str(refused), is_retryable=True)
        transcript = answer.json_object()
        match transcript.get("status"):
            case "completed":
                return self._made(work, step, answer.body, transcript)
            case "error":
                failed = failure(transcript.get("error"))
                if failed.is_retryable:
                    self._submissions.forget(work)
                raise failed
            case "queued":
                return self._submissions.wait_for_result(step, 0)
            case _:
                return self._submissions.wait_for_result(step, None)

    def _made(
        self, work: Work, step: Step, body: bytes, transcript: Mapping[str, Any]
    ) -> Made:
        captions = captions_of(transcript)
        text = transcript.get("text")
        files = (
            ("transcript.json", FileRole.TRANSCRIPT, "application/json", body),
            (
                "transcript.txt",
                FileRole.TEXT,
                "text/plain; charset=utf-8",
                _encoded(f"{text}\n" if isinstance(text, str) and text else ""),
            ),
            (
                "transcript.srt",
                FileRole.CAPTION,
                "application/x-subrip",
                _encoded(srt(captions)),
            ),
            (
                "transcript.vtt",
                FileRole.CAPTION,
                "text/vtt; charset=utf-8",
                _encoded(vtt(captions)),
            ),
        )
        outputs = []
        for name, role, content_type, content in files:
            path = work.folder / name
            path.write_bytes(content)
            outputs.append(Output(role, path, content_type))
        provenance = {
            "engine": NAME,
            "model": transcript.get("speech_model_used"),
            "requestedModels": list(step.get("models") or ()),
            "endpoint": self._http.url(_PATH),
            "requestId": step["requestId"],
        }
        return Made(tuple(outputs), provenance)

    def _one(self, transcript_id: str) -> str:
        return self._http.url(f"{_PATH}/{transcript_id}")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.match(value) is not None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
