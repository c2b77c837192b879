"""Turns written lines into what AssemblyAI would have answered for the recording."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

_ABSENT = (
    "acoustic_model audio_end_at audio_start_from auto_chapters_result "
    "auto_highlights_result chapters content_safety_labels custom_spelling entities "
    "error iab_categories_result language_model punctuate_result redact_pii_policies "
    "sentiment_analysis_results speakers_expected summary summary_model summary_type "
    "topics webhook_auth_header_name webhook_status_code webhook_url"
)
"""Keys that the service sends as ``null`` unless they were asked for."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one speaker said without being interrupted."""

    speaker: str
    text: str


def parse_lines(script: str) -> tuple[Line, ...]:
    """Read ``A: text`` lines; an indented line goes on with the one before."""
    lines: list[Line] = []
    for row in script.strip().splitlines():
        if row.startswith(" "):
            lines[-1] = Line(lines[-1].speaker, f"{lines[-1].text} {row.strip()}")
        else:
            speaker, _, text = row.partition(": ")
            lines.append(Line(speaker, text.strip()))
    return tuple(lines)


def plain_text(lines: Iterable[Line]) -> str:
    """Write ``transcript.txt``: everything that was said, one line an utterance."""
    return "\n".join(line.text for line in lines) + "\n"


def assemblyai_response(
    lines: Iterable[Line], *, transcript_id: str, audio_url: str, seed: int
) -> bytes:
    """Write ``transcript.json``.

    Args:
        lines: In order.
        transcript_id: The service's own id.
        audio_url: What was transcribed.
        seed: Of the timing.

    Returns:
        JSON in the shape of ``GET /v2/transcript/{id}``: times in whole
        milliseconds, ``audio_duration`` in whole seconds.
    """
    random = Random(seed)  # noqa: S311  (reproducible, no secret)
    clock_ms = random.randint(200, 900)
    utterances: list[dict[str, object]] = []
    words: list[dict[str, object]] = []
    for line in lines:
        spoken = []
        for text in line.text.split():
            length_ms = 90 + 55 * len(text) + random.randint(0, 60)
            spoken.append(
                {
                    "text": text,
                    "start": clock_ms,
                    "end": clock_ms + length_ms,
                    "confidence": round(random.uniform(0.86, 1.0), 5),
                    "speaker": line.speaker,
                }
            )
            pause_ms = 320 if text[-1] in ".?!" else 130 if text[-1] in ",:" else 25
            clock_ms += length_ms + pause_ms
        utterances.append(
            {
                "speaker": line.speaker,
                "text": line.text,
                "start": spoken[0]["start"],
                "end": spoken[-1]["end"],
                "confidence": round(random.uniform(0.9, 0.99), 5),
                "words": spoken,
            }
        )
        words += spoken
        clock_ms += random.randint(150, 800)
    answer: dict[str, object] = {
        "id": transcript_id,
        "status": "completed",
        "audio_url": audio_url,
        "audio_duration": clock_ms // 1000 + 1,
        "language_code": "en_us",
        "language_detection": False,
        "speech_model": "best",
        "speech_model_used": "best",
        "punctuate": True,
        "format_text": True,
        "speaker_labels": True,
        "dual_channel": False,
        "auto_chapters": False,
        "auto_highlights": False,
        "filter_profanity": False,
        "redact_pii": False,
        "throttled": False,
        "webhook_auth": False,
        "confidence": round(random.uniform(0.92, 0.98), 5),
        "text": " ".join(str(utterance["text"]) for utterance in utterances),
        "words": words,
        "utterances": utterances,
    }
    answer |= dict.fromkeys(_ABSENT.split())
    return json.dumps(answer, ensure_ascii=False, indent=1).encode()
