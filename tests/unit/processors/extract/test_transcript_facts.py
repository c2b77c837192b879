import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.extract import transcript_facts
from processors.extract.result import Cause, ExtractError
from processors.extract.transcript_facts import (
    MAX_BYTES,
    extract_transcript,
    extract_transcript_text,
)


def word(text: str, start: Any, end: Any, speaker: Any = None) -> dict[str, Any]:  # noqa: ANN401  (any JSON value)
    return {"text": text, "start": start, "end": end, "speaker": speaker}


def facts_of(source: dict[str, Any]) -> dict[str, Any]:
    return dict(extract_transcript(json.dumps(source).encode()).facts)


def refused(data: bytes) -> Cause:
    with pytest.raises(ExtractError) as caught:
        extract_transcript(data)
    return caught.value.cause


def test_a_transcript_tells_its_facts() -> None:
    facts = facts_of(
        {
            "status": "completed",
            "text": "Hello there. Hello you.",
            "language_code": "en_us",
            "audio_duration": 12,
            "speech_model_used": "universal",
            "utterances": [
                word("Hello there.", 100, 1100, "A"),
                word("Hello you.", 2000, 2500, "B"),
                word("Bye.", 3000, 3250, "A"),
            ],
            "chapters": [
                {"start": 0, "end": 9, "headline": "Greeting", "gist": "", "x": 1},
                {"headline": "without a time"},
                "no chapter",
            ],
        }
    )

    assert facts == {
        "wordCount": 5,
        "speakers": ("A", "B"),
        "durationSeconds": 12.0,
        "language": "en_us",
        "engine": "universal",
        "chapters": ({"startMs": 0, "endMs": 9, "headline": "Greeting"},),
        "speakingTime": ({"speaker": "A", "ms": 1250}, {"speaker": "B", "ms": 500}),
    }


def test_without_utterances_words_are_summed_up() -> None:
    words = [word("a", 0, 100, "A"), word("b", 300, 350, "A"), word("c", 500, 400, "B")]

    facts = facts_of({"text": "a b c", "words": words})

    assert facts["speakingTime"] == ({"speaker": "A", "ms": 150},)


def test_nothing_is_invented_where_the_transcript_is_silent() -> None:
    assert facts_of({"text": "Hello."}) == {"wordCount": 1}


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", Cause.EMPTY),
        (b" \n", Cause.EMPTY),
        (b'{"status": "queued"}', Cause.EMPTY),
        (b'{"status": "error", "error": "no audio"}', Cause.CORRUPT),
        (b"{", Cause.CORRUPT),
        (b"[" * 100_000, Cause.CORRUPT),
        (b'{"text": 5}', Cause.CORRUPT),
        (b"[]", Cause.UNSUPPORTED),
        (b"x" * (MAX_BYTES + 1), Cause.TOO_LARGE),
    ],
)
def test_what_cannot_be_read_has_a_cause(data: bytes, cause: Cause) -> None:
    assert refused(data) is cause


def test_a_byte_order_mark_is_tolerated() -> None:
    data = b"\xef\xbb\xbf" + json.dumps({"text": "Hello."}).encode()

    assert extract_transcript(data).facts == {"wordCount": 1}


def test_a_text_tells_words_speakers_and_keywords() -> None:
    text = (
        "**Ann:** The lighthouse keeper left.\n\n**Bob:** The lighthouse keeper slept."
    )

    facts = extract_transcript_text(text.encode()).facts

    assert facts["speakers"] == ("Ann", "Bob")
    assert facts["keywords"] == ("lighthouse keeper",)


def test_names_of_speakers_are_no_keywords() -> None:
    lines = "**Ann:** Bob, your lighthouse!\n\n**Bob:** Ann, Bob fears the lighthouse."

    assert extract_transcript_text(lines.encode()).facts["keywords"] == ("lighthouse",)
    spoken = [
        word("Hello Zelda, the lighthouse shines.", 0, 9, "Impa"),
        word("Zelda, Impa says the lighthouse is dark.", 10, 19, "Zelda"),
    ]
    assert facts_of({"utterances": spoken})["keywords"] == ("lighthouse",)


@given(
    st.dictionaries(
        st.sampled_from(["text", "status", "words", "utterances", "chapters"]),
        st.recursive(
            st.none() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["text", "start", "speaker"]), inner)
            ),
        ),
    )
)
def test_any_transcript_is_read_or_refused(source: dict[str, Any]) -> None:
    try:
        told = extract_transcript(json.dumps(source).encode()).extractor
    except ExtractError as error:
        told = error.cause.value

    assert told in {transcript_facts.EXTRACTOR, Cause.CORRUPT, Cause.EMPTY}
