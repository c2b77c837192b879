import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.extract.png_chunks import MAX_TEXTS, MAX_UNPACKED, read_png
from tests.unit.processors.extract.pictures import (
    END,
    HEADER,
    PIXELS,
    chunk,
    exif_of,
    international,
    packed,
    png,
    text,
    xmp,
)


def test_all_three_kinds_of_text_are_read() -> None:
    data = png(
        text("a", "plain é"),
        packed("b", b"packed"),
        international("c", "日本"),
        international("d", "packed 日本", is_packed=True),
    )

    blobs = read_png(data)

    assert blobs.texts == {
        "a": "plain é",
        "b": "packed",
        "c": "日本",
        "d": "packed 日本",
    }
    assert blobs.problems == []


def test_utf_8_where_latin_1_should_be_is_read() -> None:
    data = png(chunk(b"tEXt", b"a\0" + "日本".encode()))

    assert read_png(data).texts == {"a": "日本"}


def test_texts_after_the_pixels_are_read() -> None:
    data = HEADER + PIXELS + text("a", "late") + END

    assert read_png(data).texts == {"a": "late"}


def test_of_several_texts_with_one_keyword_the_first_counts() -> None:
    assert read_png(png(text("a", "one"), text("a", "two"))).texts == {"a": "one"}


def test_a_wrong_checksum_is_noted_and_the_text_is_read() -> None:
    blobs = read_png(png(chunk(b"tEXt", b"a\0said", checksum=1)))

    assert blobs.texts == {"a": "said"}
    assert blobs.problems == ["The checksum of a tEXt is wrong."]


@pytest.mark.parametrize("end", [1, 4, 10, 30])
def test_a_file_that_is_cut_off_gives_what_came_before(end: int) -> None:
    data = HEADER + text("a", "said") + text("b", "x" * 100) + PIXELS + END

    blobs = read_png(data[: -len(PIXELS + END) - end])

    assert blobs.texts["a"] == "said"
    assert any("cut off" in problem for problem in blobs.problems)


def test_a_text_that_is_cut_off_gives_its_beginning() -> None:
    data = HEADER + text("a", "said " * 100)

    blobs = read_png(data[:-300])

    assert blobs.texts["a"].startswith("said said")
    assert blobs.problems == ["The file is cut off inside a tEXt chunk."]


def test_a_character_that_is_cut_in_half_is_left_out() -> None:
    whole = HEADER + chunk(b"tEXt", b"a\0" + "日本".encode())

    assert read_png(whole[:-5]).texts == {"a": "日"}


def test_a_packed_text_that_is_cut_off_gives_its_beginning() -> None:
    said = b"".join(str(number).encode() for number in range(10_000))
    body = b"a\0\0" + zlib.compress(said)

    blobs = read_png(png(chunk(b"zTXt", body[:-2000])))

    assert blobs.texts["a"].startswith("012345")
    assert blobs.problems == ["The text 'a' is cut off."]


def test_a_packed_text_that_is_none_is_noted() -> None:
    blobs = read_png(png(chunk(b"zTXt", b"a\0\0garbage"), text("b", "said")))

    assert blobs.texts == {"b": "said"}
    assert blobs.problems[0].startswith("The text 'a' can't be unpacked")


def test_texts_together_unpack_to_16_mib_at_most() -> None:
    bomb = b"x" * (MAX_UNPACKED - 1000)

    blobs = read_png(png(packed("a", bomb), packed("b", bomb), packed("c", bomb)))

    assert sum(map(len, blobs.texts.values())) <= MAX_UNPACKED + 2
    assert any("unpacks to too much" in problem for problem in blobs.problems)


def test_a_flood_of_texts_is_cut() -> None:
    blobs = read_png(png(*(text(f"k{n}", "x") for n in range(MAX_TEXTS + 5))))

    assert len(blobs.texts) == MAX_TEXTS
    assert blobs.problems == [f"There are more than {MAX_TEXTS} texts."]


def test_garbage_where_a_chunk_should_be_ends_the_reading() -> None:
    blobs = read_png(HEADER + text("a", "said") + bytes(100))

    assert blobs.texts == {"a": "said"}
    assert "is no chunk" in blobs.problems[0]


def test_exif_and_xmp_have_places_of_their_own() -> None:
    exif, packet = exif_of({0x010F: "Canon"}), xmp("")
    data = png(
        chunk(b"eXIf", exif), international("XML:com.adobe.xmp", packet.decode())
    )

    blobs = read_png(data)

    assert (blobs.exif, blobs.xmp, blobs.texts) == (exif, packet, {})


def test_the_profiles_of_imagemagick_are_unwrapped() -> None:
    exif = exif_of({0x010F: "Canon"})
    said = f"\nexif\n    {len(exif)}\n" + "\n".join(
        exif.hex()[at : at + 72] for at in range(0, len(exif.hex()), 72)
    )

    blobs = read_png(
        png(
            packed("Raw profile type exif", said.encode()),
            packed("Raw profile type iptc", b"\niptc\n 4\nzzzz"),
        )
    )

    assert (blobs.exif, blobs.texts) == (exif, {})
    assert blobs.problems == ["The profile 'iptc' is not in hexadecimal."]


KINDS = st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"IDAT", b"abcd"])


@given(st.lists(st.tuples(KINDS, st.binary(max_size=60))), st.binary(max_size=20))
def test_any_chunks_are_survived(
    chunks: list[tuple[bytes, bytes]], rest: bytes
) -> None:
    data = HEADER + b"".join(chunk(*each) for each in chunks) + rest

    blobs = read_png(data)

    assert all(isinstance(said, str) for said in blobs.texts.values())
