"""The fast reader and the tolerant one agree; what is unusual goes to the latter."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalog.transcript_usual import read_usual
from catalog.transcripts import parse_assemblyai

Response = dict[str, Any]


def _usual() -> Response:
    words: list[Any] = [
        {"text": text, "start": 100 * n, "end": 100 * n + 80, "speaker": "A"}
        for n, text in enumerate(
            ("It", "is", "a", "quiet", "evening,", "näive", "and", "calm.")
        )
    ]
    long: list[Any] = [
        {"text": f"w{n}", "start": 5000 + n, "end": 5001 + n} for n in range(150)
    ]
    return {
        "id": "x",
        "text": " It is a quiet evening.\n",
        "language_code": "en",
        "audio_duration": 12,
        "speech_model_used": "best",
        "words": [*words, *long],
        "utterances": [
            {
                "speaker": "A",
                "start": 0,
                "end": 780,
                "text": " ".join(w["text"] for w in words),
                "words": words,
            },
            {
                "speaker": None,
                "start": None,
                "end": None,
                "text": " ".join(w["text"] for w in long),
                "words": long,
            },
        ],
    }


def test_both_readers_agree_on_a_usual_response() -> None:
    response = _usual()

    found = read_usual(json.dumps(response).encode())

    assert found is not None
    assert found == parse_assemblyai(response)


@pytest.mark.data
def test_both_readers_agree_on_the_vendors_response(shared_data: Path) -> None:
    source = shared_data / "no_licence_stated/assemblyai/transcript_completed_full.json"
    raw = source.read_bytes()

    found = read_usual(raw)

    assert found is not None
    assert found == parse_assemblyai(json.loads(raw))


@pytest.mark.parametrize(
    "change",
    [
        {"utterances": None},
        {"utterances": []},
        {"text": None},
        {"text": " "},
        {"words": None},
        {"audio_duration": "12"},
        {"audio_duration": -1},
        {"language_code": 7},
        {"utterances": [{"text": "a b", "words": [{"text": "a"}]}]},
        {"utterances": [{"text": "a", "words": [{"text": "a", "start": -5}]}]},
        {"utterances": [{"text": "a", "words": [{"text": "a", "start": 1.5}]}]},
        {"utterances": [{"text": "a", "words": [{"text": "a"}], "speaker": 3}]},
        {"utterances": [{"text": "", "words": []}]},
    ],
)
def test_what_is_unusual_is_left_to_the_tolerant_reader(change: Response) -> None:
    assert read_usual(json.dumps(_usual() | change).encode()) is None


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b"{", b'{"text": "\\ud800"}'])
def test_what_is_no_response_is_left_to_the_tolerant_reader(raw: bytes) -> None:
    assert read_usual(raw) is None
