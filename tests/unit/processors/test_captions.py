import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.captions import (
    LINE_CHARACTERS,
    LINES,
    MAX_MS,
    Caption,
    captions_of,
    srt,
    vtt,
)
from tests.fakes.provider_files import transcript_facts


def word(text: str, start: int, end: int, speaker: str | None = None) -> dict[str, Any]:
    return {"text": text, "start": start, "end": end, "speaker": speaker}


def test_a_caption_ends_with_its_speaker_and_stays_until_the_next() -> None:
    captions = captions_of(transcript_facts())

    assert captions == [
        Caption(250, 2800, ("Smoke from hundreds of wildfires in Canada",)),
        Caption(3100, 5050, ("is triggering air quality alerts.",)),
        Caption(6000, 7650, ("Throughout the United States?",)),
    ]


def test_both_formats_are_written_as_their_players_read_them() -> None:
    captions = [
        Caption(0, 1500, ("one", "a < b && c -->")),
        Caption(3_599_999, 3_600_001, ("two",)),
    ]

    assert srt(captions) == (
        "1\n00:00:00,000 --> 00:00:01,500\none\na < b && c →\n"
        "\n"
        "2\n00:59:59,999 --> 01:00:00,001\ntwo\n"
    )
    assert vtt(captions) == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.500\none\na &lt; b &amp;&amp; c --&gt;\n"
        "\n00:59:59.999 --> 01:00:00.001\ntwo\n"
    )


def test_nothing_to_say_is_a_whole_file_all_the_same() -> None:
    assert captions_of({"text": "no times", "words": None, "utterances": []}) == []
    assert (srt([]), vtt([])) == ("", "WEBVTT\n")


def test_words_alone_are_cut_at_pauses() -> None:
    words = [word("one", 0, 100), word("two", 150, 300), word("three", 4000, 4100)]

    assert [c.lines for c in captions_of({"words": words})] == [
        ("one two",),
        ("three",),
    ]


def test_an_utterance_without_words_is_shared_out_over_its_time() -> None:
    text = " ".join(["lighthouse"] * 40)
    spoken = {"utterances": [{"text": text, "start": 0, "end": 40_000}]}

    captions = captions_of(spoken)

    assert " ".join(" ".join(c.lines) for c in captions) == text
    assert captions[0].start_ms == 0
    assert 39_000 < captions[-1].end_ms < 41_000


def test_scripts_without_spaces_get_none() -> None:
    words = [word("今日", 0, 100), word("は", 100, 200), word("OK", 200, 300)]

    assert captions_of({"words": words})[0].lines == ("今日は OK",)


TIMES = st.none() | st.integers(-5, 60_000) | st.floats() | st.booleans()
WORDS = st.lists(
    st.fixed_dictionaries(
        {"text": st.none() | st.text(max_size=90), "start": TIMES, "end": TIMES},
        optional={"speaker": st.sampled_from(["A", "B", None, 3])},
    ),
    max_size=30,
)
BLOCK = re.compile(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}\Z")


@given(
    transcript=st.fixed_dictionaries(
        {
            "words": st.none() | WORDS,
            "utterances": st.none()
            | st.lists(
                st.fixed_dictionaries(
                    {
                        "words": WORDS,
                        "text": st.text(max_size=200),
                        "start": TIMES,
                        "end": TIMES,
                    }
                ),
                max_size=4,
            ),
        }
    )
)
def test_whatever_the_words_captions_are_small_apart_and_well_formed(
    transcript: dict[str, Any],
) -> None:
    captions = captions_of(transcript)

    last = 0
    for caption in captions:
        assert last <= caption.start_ms < caption.end_ms
        assert caption.end_ms - caption.start_ms <= MAX_MS
        assert 1 <= len(caption.lines) <= LINES
        assert all(0 < len(line) <= LINE_CHARACTERS for line in caption.lines)
        last = caption.end_ms
    blocks = vtt(captions).split("\n\n")
    assert len(blocks) == 1 + len(captions)
    for block in blocks[1:]:
        time, *lines = block.rstrip("\n").split("\n")
        assert BLOCK.match(time)
        assert all("-->" not in line and "<" not in line for line in lines)
    numbered = srt(captions).split("\n\n") if captions else []
    assert [block.split("\n")[0] for block in numbered] == [
        str(number) for number in range(1, len(captions) + 1)
    ]
