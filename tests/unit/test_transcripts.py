import gzip
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import MalformedRecordError
from catalog.models.transcript import TranscriptContent
from catalog.transcripts import parse_assemblyai, parse_text
from tests.unit.transcript_checks import check, numbered, said


def timed(text: str, start: int = 0, speaker: str | None = None) -> list[Any]:
    return [
        {"text": word, "start": start + 100 * n, "end": start + 100 * n + 90}
        | ({"speaker": speaker} if speaker else {})
        for n, word in enumerate(text.split())
    ]


class TestAssemblyAi:
    def test_utterances_become_segments_with_the_time_of_each_word(self) -> None:
        content = parse_assemblyai(
            {
                "text": "Good morning. Morning!",
                "language_code": "en_us",
                "audio_duration": 282,
                "speech_model_used": "universal",
                "acoustic_model": "default",
                "words": timed("Good morning. Morning!"),
                "utterances": [
                    {
                        "speaker": "B",
                        "start": 0,
                        "end": 190,
                        "text": "Good morning.",
                        "words": timed("Good morning."),
                    },
                    {
                        "speaker": "A",
                        "start": 200,
                        "end": 290,
                        "text": "Morning!",
                        "words": timed("Morning!", 200),
                    },
                ],
                "a_field_of_next_year": {"x": [1]},
            }
        )

        assert said(content) == [
            ("B", 0, 190, "Good morning."),
            ("A", 200, 290, "Morning!"),
        ]
        assert content.segments[0].word_starts_ms == (0, 100)
        assert content.speakers == ("B", "A")
        assert content.word_count == 3
        assert content.text == "Good morning. Morning!"
        assert (content.language, content.engine) == ("en_us", "universal")
        assert content.duration_seconds == 282.0

    def test_everything_may_be_null(self) -> None:
        fields = ["text", "words", "utterances", "audio_duration", "language_code"]

        content = parse_assemblyai(dict.fromkeys(fields))

        assert content == TranscriptContent(text="", segments=(), word_count=0)
        assert parse_assemblyai(b"{}") == content

    def test_inner_fields_may_be_null_too(self) -> None:
        nothing = dict.fromkeys(["text", "start", "end", "speaker", "words"])
        content = parse_assemblyai(
            {
                "words": [None, nothing],
                "utterances": [
                    None,
                    nothing,
                    nothing | {"text": "Hello  there"},
                    {"words": [nothing, {"text": "Hi"}, {"text": "you", "start": 5}]},
                ],
            }
        )

        assert said(content) == [
            (None, None, None, "Hello there"),
            (None, None, None, "Hi you"),
        ]
        assert content.word_count == 4

    def test_words_without_utterances_are_cut_at_sentences_speakers_and_pauses(
        self,
    ) -> None:
        long = " ".join(["a"] * 25)
        words = [
            *timed(f"{long} end. next one", 0, "A"),
            *timed("pause", 10_000, "A"),
            *timed("other", 10_100, "B"),
        ]

        content = parse_assemblyai({"words": words})

        assert said(content) == [
            ("A", 0, 2590, f"{long} end."),
            ("A", 2600, 2790, "next one"),
            ("A", 10_000, 10_090, "pause"),
            ("B", 10_100, 10_190, "other"),
        ]
        assert content.speakers == ("A", "B")

    def test_text_alone_has_paragraphs_and_no_times(self) -> None:
        content = parse_assemblyai({"text": "One\ntwo.\n\nThree."})

        assert said(content) == [
            (None, None, None, "One two."),
            (None, None, None, "Three."),
        ]
        assert content.word_count == 3

    def test_windows_of_timed_words_have_their_own_times(self) -> None:
        text = numbered(100)
        content = parse_assemblyai(
            {"utterances": [{"text": text, "words": timed(text), "speaker": "A"}]}
        )

        assert [(s[1], s[2]) for s in said(content)] == [(0, 5990), (4800, 9990)]
        assert [s.utterance for s in content.segments] == [0, 0]
        assert content.segments[1].word_starts_ms[0] == 4800

    def test_windows_of_an_utterance_with_a_range_carry_the_range(self) -> None:
        content = parse_assemblyai(
            {"utterances": [{"text": numbered(100), "start": 5, "end": 900}]}
        )

        assert [(s[1], s[2]) for s in said(content)] == [(5, 900), (5, 900)]

    def test_with_a_start_alone_only_the_first_window_has_it(self) -> None:
        content = parse_assemblyai(
            {"utterances": [{"text": numbered(100), "start": 5}]}
        )

        assert [(s[1], s[2]) for s in said(content)] == [(5, None), (None, None)]

    def test_words_spelt_otherwise_than_the_text_still_give_their_times(self) -> None:
        content = parse_assemblyai(
            {
                "utterances": [
                    {"text": "New York!", "words": timed("new york")},
                    {
                        "text": "in New York now",
                        "words": [
                            {"text": "in", "start": 1, "end": 2},
                            {"text": "New York", "start": 3, "end": 4},
                            {"text": "now", "start": 5, "end": 6},
                        ],
                    },
                ]
            }
        )

        assert content.segments[0].word_starts_ms == (0, 100)
        assert content.segments[1].word_starts_ms == (1, 3, 3, 5)
        check(content)

    def test_words_that_do_not_fit_the_text_give_it_no_times(self) -> None:
        content = parse_assemblyai(
            {"utterances": [{"text": "a b c", "words": timed("x y"), "start": 7}]}
        )

        assert said(content) == [(None, 7, None, "a b c")]
        assert content.segments[0].word_starts_ms == ()

    def test_chinese_is_windowed_by_characters_with_their_times(self) -> None:
        text = "".join(chr(0x4E00 + n) for n in range(300))
        words = [
            {"text": text[n : n + 2], "start": n, "end": n + 2}
            for n in range(0, 300, 2)
        ]

        content = parse_assemblyai({"utterances": [{"text": text, "words": words}]})

        assert [(s[1], s[2], len(s[3])) for s in said(content)] == [
            (0, 120, 120),
            (96, 216, 120),
            (192, 300, 108),
        ]
        assert parse_assemblyai({"words": words}).segments[0].text == text[:120]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"text": 1}, "text"),
            ({"words": {}}, "words"),
            ({"words": "abc"}, "words"),
            ({"words": [1]}, "words[0]"),
            ({"words": [{"text": "a", "start": "1"}]}, "words[0].start"),
            ({"words": [{"text": "a", "end": True}]}, "words[0].end"),
            ({"utterances": 5}, "utterances"),
            ({"utterances": [{}, []]}, "utterances[1]"),
            ({"utterances": [{"text": []}]}, "utterances[0].text"),
            ({"utterances": [{"speaker": {}}]}, "utterances[0].speaker"),
            ({"utterances": [{"words": [{"text": 1}]}]}, "utterances[0].words[0].text"),
            ({"audio_duration": "282"}, "audio_duration"),
            ({"language_code": 7}, "language_code"),
            ({"status": "error", "error": "no speech"}, "status"),
        ],
    )
    def test_a_wrong_type_is_named(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(MalformedRecordError) as caught:
            parse_assemblyai(json.dumps(change).encode())

        assert caught.value.field == field

    @pytest.mark.parametrize(
        "raw", [b"", b"{", b"[]", b'"x"', b"null", b"[" * 200_000, b'{"a":' * 200_000]
    )
    def test_what_is_no_object_is_malformed(self, raw: bytes) -> None:
        with pytest.raises(MalformedRecordError):
            parse_assemblyai(raw)

    @pytest.mark.parametrize("value", [-5, 1e300, float("nan"), float("inf"), 10**20])
    def test_an_impossible_time_is_unknown(self, value: float) -> None:
        content = parse_assemblyai(
            {"utterances": [{"text": "a", "start": value}], "audio_duration": value}
        )

        assert said(content) == [(None, None, None, "a")]
        assert content.duration_seconds is None

    def test_text_that_no_database_takes_is_repaired(self) -> None:
        raw = b'\xef\xbb\xbf{"text": "a\\ud800b \\u0000 \xff", "words": null}'

        content = parse_assemblyai(raw)

        content.text.encode()
        assert "\0" not in content.text

    def test_numbers_serve_as_speakers(self) -> None:
        content = parse_assemblyai(
            {"utterances": [{"text": "a", "speaker": 0}, {"text": "b", "speaker": ""}]}
        )

        assert content.speakers == ("0",)


def test_ten_hours_of_speech_are_read_in_less_than_two_seconds() -> None:
    words = timed(numbered(100_000))
    utterances = [
        {
            "text": " ".join(word["text"] for word in words[n : n + 90]),
            "words": words[n : n + 90],
            "speaker": "A",
        }
        for n in range(0, 100_000, 90)
    ]
    raw = json.dumps({"words": words, "utterances": utterances}).encode()
    text = "\n\n".join(f"**Ann:** [1:0{n % 10}] {numbered(50)}" for n in range(2000))

    begun = time.process_time()
    response = parse_assemblyai(raw)
    took_response = time.process_time() - begun
    begun = time.process_time()
    plain = parse_text(text)
    took_text = time.process_time() - begun

    assert (response.word_count, plain.word_count) == (100_000, 100_000)
    assert took_response < 2
    assert took_text < 2


def rows(shared_data: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((shared_data / "transcripts").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


@pytest.mark.data
def test_real_transcripts_are_read_with_their_words_speakers_and_times(
    shared_data: Path,
) -> None:
    count = timed_count = 0
    for row in islice(rows(shared_data), 0, None, 4):  # all take ten seconds
        content = parse_text(row["markdown"])
        check(content)
        count += 1
        timed_count += any(s.start_ms is not None for s in content.segments)
        assert content.segments, row["path"]
        assert content.word_count > 0.6 * row["n_words"], row["path"]
        if row["source"] == "changelog":
            missing = set(row["speakers"]) - set(content.speakers)
            assert missing <= {"Break", "Outro", "Intro"}, row["path"]

    assert count == 174
    assert timed_count > 30


@pytest.mark.data
def test_the_vendor_s_complete_response_is_read_to_the_word(shared_data: Path) -> None:
    path = shared_data / "no_licence_stated/assemblyai/transcript_completed_full.json"
    if not path.is_file():
        pytest.skip("the folder without a stated licence was dropped")

    content = parse_assemblyai(path.read_bytes())

    check(content)
    assert content.speakers == ("A", "B")
    assert (content.word_count, content.duration_seconds) == (861, 282.0)
    assert (content.language, content.engine) == ("en_us", "universal")
    first = content.segments[0]
    assert first.word_starts_ms[first.text.split().index("wildfires")] == 1640
    assert all(segment.word_starts_ms for segment in content.segments)
    assert content.segments[-1].utterance == 19
