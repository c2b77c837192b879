import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.extract.containers import iptc_of_resources
from processors.extract.picture import read_picture
from processors.extract.result import Cause, ExtractError
from tests.unit.processors.extract.pictures import (
    exif_of,
    iptc,
    jpeg_with,
    photoshop,
    picture,
    segment,
    xmp,
)

EXIF = exif_of({0x010F: "Canon"})
XMP = xmp("<dc:title>x</dc:title>")


def cause_of(data: bytes) -> Cause:
    with pytest.raises(ExtractError) as caught:
        read_picture(data)
    return caught.value.cause


def test_a_jpeg_keeps_everything_in_segments() -> None:
    data = jpeg_with(
        segment(0xE1, EXIF),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        photoshop(iptc(25, b"sea")),
        segment(0xFE, "grüße".encode()),
    )

    blobs = read_picture(data)

    assert (blobs.format, blobs.exif, blobs.xmp) == ("jpeg", EXIF, XMP)
    assert (blobs.iptc, blobs.texts) == (iptc(25, b"sea"), {"Comment": "grüße"})
    assert blobs.problems == []


def test_a_jpeg_that_is_cut_off_gives_what_came_before() -> None:
    data = jpeg_with(segment(0xE1, EXIF), segment(0xFE, b"said " * 50))

    blobs = read_picture(data[: len(EXIF) + 60])

    assert blobs.exif == EXIF
    assert blobs.texts["Comment"].startswith("said")
    assert blobs.problems == ["The file is cut off before its pixels."]


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF", "AVIF"])
def test_exif_is_found_in_every_format(kind: str) -> None:
    exif = exif_of({0x010F: "Canon"})

    assert b"Canon" in (read_picture(picture(kind, exif=exif)).exif or b"")


def test_a_webp_that_is_cut_off_gives_what_came_before() -> None:
    body = b"EXIF" + struct.pack("<I", len(EXIF)) + EXIF + b"XMP \x10\0\0\0<x"
    data = b"RIFF" + struct.pack("<I", 1000) + b"WEBP" + body

    blobs = read_picture(data)

    assert (blobs.exif, blobs.xmp) == (EXIF, b"<x")
    assert blobs.problems == ["The file is cut off."]


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", Cause.EMPTY),
        (b"hello", Cause.UNSUPPORTED),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Cause.UNSUPPORTED),
        (b"\x89PNG\r\n\x1a\n garbage", Cause.CORRUPT),
        (b"\xff\xd8 garbage", Cause.CORRUPT),
        (b"BM garbage", Cause.CORRUPT),
        (b"\0\0\0\x1cftypavif garbage", Cause.CORRUPT),
        (b"P6 100000 100000 255\n", Cause.TOO_LARGE),
    ],
)
def test_what_cannot_be_read_has_a_cause(data: bytes, cause: Cause) -> None:
    assert cause_of(data) is cause


@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"BM", b"RIFF1234WEBP"]
    ),
    st.binary(max_size=200),
)
def test_any_bytes_are_read_or_refused(head: bytes, rest: bytes) -> None:
    try:
        blobs = read_picture(head + rest)
    except ExtractError as error:
        told = str(error)
    else:
        told = blobs.format

    assert told


@given(st.binary(max_size=100))
def test_any_resources_are_survived(data: bytes) -> None:
    found = iptc_of_resources(b"8BIM" + data)

    assert found is None or found in data
