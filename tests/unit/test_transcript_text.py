import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.models.transcript import Segment
from catalog.transcripts import parse_text
from tests.unit.transcript_checks import check, numbered, said


def is_whole_somewhere(phrase: str, segments: tuple[Segment, ...]) -> bool:
    return any(f" {phrase} " in f" {segment.text} " for segment in segments)


class TestText:
    def test_paragraphs_are_utterances_without_times(self) -> None:
        content = parse_text(b"First line\ngoes on.\r\n\r\n\n  Second.  \n")

        assert said(content) == [
            (None, None, None, "First line goes on."),
            (None, None, None, "Second."),
        ]
        assert content.text == "First line goes on.\nSecond."
        assert (content.word_count, content.speakers) == (5, ())

    def test_bold_names_start_turns_that_last_over_paragraphs(self) -> None:
        content = parse_text(
            "**Mireille B. Reece, Psy.D:** Hello.\n\nStill me.\n\n**Adam**: Yes: *no*."
        )

        assert said(content) == [
            ("Mireille B. Reece, Psy.D", None, None, "Hello. Still me."),
            ("Adam", None, None, "Yes: no."),
        ]

    def test_plain_names_that_recur_are_speakers(self) -> None:
        content = parse_text("Anna: Hi.\nvan Wirdum (AvW): Hm.\n\nAnna: One: two.")

        assert [s[0] for s in said(content)] == ["Anna", "van Wirdum (AvW)", "Anna"]
        assert content.segments[2].text == "One: two."

    @pytest.mark.parametrize(
        "text",
        [
            "Note: this is prose.\n\nNote: and this.",
            "There is one thing: prose.\n\nMore.\n\nThere is one thing: prose.",
            "We talk. Merkle: the name.\n\nProse.\n\nMerkle: once.\n\nProse.",
            "https://example.org/a: b",
            "See 10:45 for that.",
        ],
    )
    def test_a_colon_in_prose_makes_no_speaker(self, text: str) -> None:
        content = parse_text(text)

        assert content.speakers == ()
        assert " ".join(content.text.split()) == " ".join(text.split())

    @pytest.mark.parametrize(
        "header",
        [
            "Speaker 0: {}",
            "Speaker 0 - {}:",
            "Speaker 0 {}",
            "Speaker 0: [{}]",
            "**Speaker 0:** [{}]",
            "Speaker 0 ({}):",
            "[{}] **Speaker 0:**",
        ],
    )
    def test_header_lines_give_speaker_and_range(self, header: str) -> None:
        content = parse_text(
            f"## Opening\n\n{header.format('00:00:06')} \n\nHello\nall.\n\nSo.\n\n"
            f"{header.format('01:00:34').replace('0 ', '1 ', 1)}\n\nThanks."
        )

        assert [row[1:] for row in said(content)] == [
            (None, None, "Opening"),
            (6000, 3_634_000, "Hello all. So."),
            (3_634_000, None, "Thanks."),
        ]
        assert content.segments[1].speaker == "Speaker 0"

    @pytest.mark.parametrize(
        ("time", "start_ms"),
        [
            (r"\[00:04:01.06\]", 241_060),
            ("[00:04:01]", 241_000),
            ("(00:04:01)", 241_000),
            ("[4:01]", 241_000),
            ("[4:01](https://example.org?t=241)", 241_000),
            ("[104:01,5]", 6_241_500),
        ],
    )
    def test_inline_times_start_an_utterance_and_leave_the_text(
        self, time: str, start_ms: int
    ) -> None:
        content = parse_text(f"**Jerod:** Before. {time} After.\n\n**Adam:** Later.")

        assert said(content) == [
            ("Jerod", None, None, "Before."),
            ("Jerod", start_ms, None, "After."),
            ("Adam", None, None, "Later."),
        ]

    def test_an_utterance_ends_where_a_timed_one_follows(self) -> None:
        content = parse_text("[00:10] One.\n\n[00:20] Two.\n\nThree.\n\n[00:05] Four.")

        assert [row[1:3] for row in said(content)] == [
            (10_000, 20_000),
            (20_000, None),
            (None, None),
            (5000, None),
        ]

    def test_a_time_on_its_own_line_belongs_to_what_follows(self) -> None:
        content = parse_text("00:01:00\n\n**Ann:** Hi.\n\n1:30\nHo.")

        assert said(content) == [
            ("Ann", 60_000, 90_000, "Hi."),
            ("Ann", 90_000, None, "Ho."),
        ]

    @pytest.mark.parametrize(
        "text",
        ["x[10:20] and [99:99] and 12:30", "(10:45) at noon", "[laughs 00:01:02]"],
    )
    def test_what_only_looks_like_a_time_stays(self, text: str) -> None:
        assert said(parse_text(text)) == [(None, None, None, text)]

    def test_markdown_is_made_readable(self) -> None:
        content = parse_text(
            "# Title #\n\n> - See [the **docs**](https://x.y/a_(b)) and "
            "<https://z.y>, `OP_VAULT`, \\[laughs\\], _this_ snake_case_x\n"
            "\n---\n\n* item <br/>two ![alt](i.png)"
        )

        assert [row[3] for row in said(content)] == [
            "Title",
            "- See the docs and https://z.y, OP_VAULT, [laughs], this snake_case_x",
            "item two alt",
        ]

    @pytest.mark.parametrize(
        "raw",
        [
            "\ufeffé ok",
            b"\xef\xbb\xbf\xc3\xa9 ok",
            "é ok".encode("utf-16"),
        ],
    )
    def test_byte_order_marks_are_understood(self, raw: bytes | str) -> None:
        assert parse_text(raw).text == "é ok"

    def test_invalid_bytes_are_replaced(self) -> None:
        assert parse_text(b"a\xff b\0c \xe9").text == "a\ufffd b\ufffdc \ufffd"

    @given(st.text(max_size=200))
    def test_any_text_is_read(self, text: str) -> None:
        check(parse_text(text))

    @given(st.binary(max_size=100))
    def test_any_bytes_are_read(self, raw: bytes) -> None:
        check(parse_text(raw))


class TestWindows:
    @pytest.mark.parametrize("count", [1, 59, 60, 61, 72, 73, 108, 109, 500])
    def test_no_phrase_of_13_words_is_cut(self, count: int) -> None:
        text = numbered(count)
        words = text.split()

        segments = parse_text(text).segments

        for start in range(max(count - 12, 1)):
            phrase = " ".join(words[start : start + 13])
            assert is_whole_somewhere(phrase, segments)
        assert all(len(segment.text.split()) <= 60 for segment in segments)
        assert len(segments) == (1 if count <= 60 else -(-(count - 12) // 48))

    def test_no_phrase_of_24_chinese_characters_is_cut(self) -> None:
        text = "".join(chr(0x4E00 + n) for n in range(1000))

        segments = parse_text(text).segments

        for start in range(1000 - 23):
            assert any(text[start : start + 24] in segment.text for segment in segments)
        assert all(len(segment.text) <= 120 for segment in segments)

    def test_latin_words_inside_chinese_are_not_cut(self) -> None:
        text = "我们用Bitcoin存" * 60

        for segment in parse_text(text).segments:
            assert segment.text.replace("Bitcoin", "").isascii() is False
            assert not set(segment.text.replace("Bitcoin", "")) & set("Bitcoin")

    def test_a_word_without_an_end_is_cut_too(self) -> None:
        segments = parse_text("x" * 100_000).segments

        assert all(len(segment.text) <= 6000 for segment in segments)

    def test_short_utterances_stay_apart(self) -> None:
        segments = parse_text("**A:** Yes.\n\n**B:** No.\n\n**A:** Yes.").segments

        assert [s.utterance for s in segments] == [0, 1, 2]


HOSTILE = [
    *(part * 20_000 for part in "[*<`_:\n>#"),
    *(part * 20_000 for part in ["_a", "1:", "**a", "[(", "![](", "A:"]),
    *(part * 10_000 for part in ["> ", "- ", "A b c d e ", "A: "]),
    *(f"A{part * 20_000}x" for part in [" ", "\t ", ":", "-", "#"]),
    "[a](" + "(" * 20_000,
    "# " + " #" * 20_000 + "x",
    "# " + "#" * 20_000 + "x",
    "A" * 50_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_takes_no_longer(text: str) -> None:
    begun = time.process_time()

    check(parse_text(text))

    assert time.process_time() - begun < 2
