from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags

from processors.extract.exif import extract_exif
from processors.extract.exif_tags import decoded_comment
from processors.extract.xmp import MAX_XMP
from tests.unit.processors.extract.pictures import (
    exif_of,
    iptc,
    jpeg_with,
    photoshop,
    picture,
    segment,
    xmp,
)

BASE, DETAIL, GPS = ExifTags.Base, ExifTags.Base, ExifTags.GPS
PLACE: dict[int, Any] = {GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (52.0, 31.0, 12.0)}


def facts_of(
    main: dict[int, Any] | None = None,
    detail: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
) -> dict[str, Any]:
    return dict(extract_exif(picture(exif=exif_of(main, detail, gps))).facts)


def with_xmp(properties: str) -> bytes:
    return jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(properties)))


def test_camera_lens_and_rights_are_read() -> None:
    facts = facts_of(
        {
            BASE.Make: "Canon",
            BASE.Model: "EOS R5",
            BASE.Software: "GIMP",
            BASE.Orientation: 6,
            BASE.Artist: "A. Person",
            BASE.Copyright: "(c) A. Person",
            BASE.ImageDescription: "The sea",
        },
        {DETAIL.LensModel: "RF 50mm"},
    )

    assert facts == {
        "cameraMake": "Canon",
        "cameraModel": "EOS R5",
        "lens": "RF 50mm",
        "software": "GIMP",
        "orientation": 6,
        "artist": "A. Person",
        "copyright": "(c) A. Person",
        "description": "The sea",
        "hasLocation": False,
    }


@pytest.mark.parametrize(
    ("main", "detail", "taken_at"),
    [
        (
            {},
            {
                DETAIL.DateTimeOriginal: "2024:05:06 07:08:09",
                DETAIL.OffsetTimeOriginal: "+02:00",
            },
            "2024-05-06T07:08:09+02:00",
        ),
        ({}, {DETAIL.DateTimeOriginal: "2024:05:06 07:08:09"}, "2024-05-06T07:08:09"),
        ({BASE.DateTime: "2024:05:06 07:08:09"}, {}, "2024-05-06T07:08:09"),
        (
            {BASE.DateTime: "2024:05:06 07:08:09"},
            {DETAIL.DateTimeOriginal: "0000:00:00 00:00:00"},
            "2024-05-06T07:08:09",
        ),
        ({BASE.DateTime: "yesterday"}, {}, None),
        (
            {},
            {
                DETAIL.DateTimeOriginal: "2024:05:06 07:08:09",
                DETAIL.OffsetTimeOriginal: "+99:00",
            },
            "2024-05-06T07:08:09",
        ),
    ],
)
def test_the_time_has_an_offset_only_where_the_camera_knew_it(
    main: dict[int, Any], detail: dict[int, Any], taken_at: str | None
) -> None:
    assert facts_of(main, detail).get("takenAt") == taken_at


def test_of_a_place_only_its_existence_is_handed_on() -> None:
    data = picture(exif=exif_of(gps=PLACE))

    extracted = extract_exif(data)

    assert extracted.facts["hasLocation"] is True
    assert extracted.raw is None
    assert not {"52", "31.0"} & set(repr(extracted).split())
    assert "atitude" not in repr(extracted)


def test_a_place_in_xmp_counts_too() -> None:
    extracted = extract_exif(with_xmp("<exif:GPSLatitude>52,31N</exif:GPSLatitude>"))

    assert extracted.facts == {"hasLocation": True}


def test_a_picture_that_says_nothing_has_no_facts() -> None:
    assert extract_exif(picture()).facts == {}


def test_an_orientation_that_is_none_is_left_out() -> None:
    assert "orientation" not in facts_of({BASE.Orientation: 9})


def test_keywords_of_xmp_and_iptc_become_tag_suggestions() -> None:
    data = jpeg_with(
        segment(
            0xE1,
            b"http://ns.adobe.com/xap/1.0/\0"
            + xmp(
                "<dc:subject><rdf:Bag><rdf:li>Sea</rdf:li><rdf:li>Sky</rdf:li></rdf:Bag>"
                "</dc:subject><dc:description><rdf:Alt><rdf:li>Waves</rdf:li></rdf:Alt>"
                "</dc:description>"
            ),
        ),
        photoshop(
            iptc(25, b"sea")
            + iptc(25, b"Coast")
            + iptc(120, b"A caption")
            + iptc(80, b"Somebody")
            + iptc(116, b"Agency")
            + iptc(5, b"Title")
        ),
    )

    facts = extract_exif(data).facts

    assert facts["tagSuggestions"] == ("sea", "sky", "coast")
    assert (facts["description"], facts["title"]) == ("Waves", "Title")
    assert (facts["artist"], facts["copyright"]) == ("Somebody", "Agency")


def test_the_graph_that_comfyui_puts_into_camera_tags_is_no_camera() -> None:
    facts = facts_of({BASE.Make: 'workflow:{"a": 1}', BASE.Model: 'prompt:{"a": 1}'})

    assert facts == {"hasLocation": False}


@pytest.mark.parametrize(
    "packet",
    [
        b"<x",
        b"",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://example.org/x"><a/>',
        b"<a>" * 100_000,
        b"<a>" + b" " * MAX_XMP + b"</a>",
    ],
)
def test_a_packet_that_is_broken_or_hostile_is_noted(packet: bytes) -> None:
    data = picture("WEBP", xmp=packet)

    extracted = extract_exif(data)

    assert len(extracted.problems) == (1 if packet else 0)


def test_broken_exif_is_noted() -> None:
    extracted = extract_exif(jpeg_with(segment(0xE1, b"Exif\0\0garbage")))

    assert extracted.facts == {"hasLocation": False}
    assert extracted.problems[0].startswith("The EXIF can't be read")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"UNICODE\0" + "a dück".encode("utf-16-be"), "a dück"),
        (b"UNICODE\0" + "a dück".encode("utf-16-le"), "a dück"),
        (b"UNICODE\0" + "\ufeffa dück".encode("utf-16-le"), "a dück"),
        (b"UNICODE\0" + b"plain bytes after all", "plain bytes after all"),
        (b"UNICODE\0" + "日本語".encode("utf-16-be"), "日本語"),
        (b"UNICODE\0", ""),
        (b"ASCII\0\0\0a duck\0\0", "a duck"),
        (b"\0\0\0\0\0\0\0\0a duck", "a duck"),
        (b"JIS\0\0\0\0\0" + "日本".encode("iso2022_jp"), "日本"),
        (b"no prefix at all", "no prefix at all"),
        (b"", ""),
    ],
)
def test_a_user_comment_is_decoded_by_its_prefix(value: bytes, said: str) -> None:
    assert decoded_comment(value) == said


@given(st.binary(max_size=200))
def test_any_exif_is_survived(data: bytes) -> None:
    extracted = extract_exif(
        jpeg_with(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + data))
    )

    assert "hasLocation" in extracted.facts


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_xmp_and_iptc_are_survived(packet: bytes, records: bytes) -> None:
    data = jpeg_with(
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet),
        photoshop(b"\x1c\x02" + records),
    )

    assert extract_exif(data).extractor == "exif"
