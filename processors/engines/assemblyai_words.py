"""AssemblyAI's words for things: what a request says, and what its errors mean."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from catalog.models.generation import Transcription
from processors.engine import EngineError
from processors.http import Answer

_ENGLISH = frozenset({"en", "en_us", "en_uk", "en_au"})
_BRITISH = "en_gb"
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_MAX_LENGTH = 500

_UNREADABLE = re.compile(
    r"download|transcod|file (type|does|is)|audio (duration|file|is)|no spoken|"
    r"unsupported|corrupt|does not appear to contain audio",
    re.IGNORECASE,
)
_PASSING = re.compile(r"server error|internal|try again|unavailable", re.IGNORECASE)

_UNAUTHORIZED = (401, 403)
_TOO_MANY, _SERVER_ERROR = 429, 500


def payload_of(
    asked: Transcription, audio_url: str, speech_models: Sequence[str]
) -> dict[str, Any]:
    """Write the request of a transcription, but for its webhook.

    Args:
        asked: By the job; its ``model`` comes before the configured ones.
        audio_url: From which the recording can be read.
        speech_models: By priority.
    """
    payload: dict[str, Any] = {
        "audio_url": audio_url,
        "speech_models": [asked.model] if asked.model else list(speech_models),
        "speaker_labels": True,
    }
    if asked.speakers is not None:
        payload["speakers_expected"] = asked.speakers
    if asked.language is None:
        payload["language_detection"] = True
    else:
        payload["language_code"] = _language(asked.language)
    return payload


def refusal(answer: Answer) -> EngineError:
    """Say why a request was not accepted; of an answer with an error status."""
    text = shown(answer.json_object().get("error") or f"HTTP {answer.status}")
    if answer.status in _UNAUTHORIZED:
        return EngineError(
            "not_configured",
            f"AssemblyAI refused the key (CATALOG_ASSEMBLYAI_KEY): {text}",
            is_retryable=True,
            is_final=True,
        )
    if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
        return EngineError(
            "provider_unavailable", f"AssemblyAI: {text}", is_retryable=True
        )
    return EngineError("invalid_input", f"AssemblyAI: {text}", is_retryable=False)


def failure(error: object) -> EngineError:
    """Say why a transcription failed: the ``error`` of one with that status."""
    text = shown(error or "no reason given")
    if _UNREADABLE.search(text):
        code, is_retryable = "source_unreadable", False
    elif _PASSING.search(text):
        code, is_retryable = "provider_unavailable", True
    else:
        code, is_retryable = "provider_rejected", False
    return EngineError(code, f"AssemblyAI: {text}", is_retryable=is_retryable)


def shown(error: object) -> str:
    """Keep it short, and signatures of addresses out of it."""
    text = _QUERY.sub(r"\1?…", str(error)).strip()
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"


def created_at(item: Mapping[str, Any]) -> datetime | None:
    """Read when a listed transcript was created; times without a zone are UTC."""
    created = item.get("created")
    try:
        at = datetime.fromisoformat(created) if isinstance(created, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _language(code: str) -> str:
    """Write a code as AssemblyAI does: ``en_uk``, else the language alone."""
    written = code.lower().replace("-", "_")
    if written == _BRITISH:
        return "en_uk"
    return written if written in _ENGLISH else written.split("_")[0]
