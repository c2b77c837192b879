import io
import json
from pathlib import Path

import pytest
from PIL import Image

from processors.media.sniff import HEAD_BYTES, Kind, sniff


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PNG", Kind.PNG),
        ("JPEG", Kind.JPEG),
        ("WEBP", Kind.WEBP),
        ("GIF", Kind.GIF),
        ("AVIF", Kind.AVIF),
        ("TIFF", Kind.TIFF),
        ("BMP", Kind.BMP),
        ("ICO", Kind.ICO),
        ("JPEG2000", Kind.JP2),
        ("PPM", Kind.PNM),
    ],
)
def test_what_pillow_writes_is_recognised(name: str, kind: Kind) -> None:
    out = io.BytesIO()
    Image.new("RGB", (20, 20)).save(out, name)

    assert sniff(out.getvalue()[:HEAD_BYTES]) is kind
    assert kind.is_image
    assert not kind.is_recording


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Kind.HEIC),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Kind.AVIF),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", Kind.MP4),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Kind.MOV),
        (b"\0\0\0\x14ftypM4A \0\0\0\0M4A ", Kind.M4A),
        (b"\0\0\0\x08wide\0\0\0\0mdat", Kind.MOV),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x84webm", Kind.WEBM),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x88matroska", Kind.MKV),
        (b"RIFF\x24\0\0\0WAVEfmt ", Kind.WAV),
        (b"ID3\x04\0\0\0\0\0\0", Kind.MP3),
        (b"\xff\xfb\x90\x64", Kind.MP3),
        (b"fLaC\0\0\0\x22", Kind.FLAC),
        (b"OggS\0\x02", Kind.OGG),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='x'>", Kind.SVG),
        (b"<svg>", Kind.SVG),
        (b'\x10\0\0\0\0\0\0\0{"a":{"dtype":', Kind.SAFETENSORS),
        (b'\xef\xbb\xbf {"a": 1}', Kind.JSON),
        (b"[1, 2]", Kind.JSON),
    ],
)
def test_first_bytes_tell_the_kind(head: bytes, kind: Kind) -> None:
    assert sniff(head) is kind


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"BM",
        b"BMW is a car, not a picture",
        b"RIFF\0\0\0\0AVI ",
        b"\xff\xf1\x50\x80",  # AAC, whose sync looks like that of MP3
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f{",  # a header longer than the format allows
        b"P7\n",
        b"{plain text in braces}",
        b"#EXTM3U\nhttp://inside/",
        b"\0" * 64,
    ],
)
def test_what_only_looks_alike_is_nothing(head: bytes) -> None:
    assert sniff(head) is None


def test_a_name_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text(json.dumps({"no": "picture"}))

    assert sniff(path.read_bytes()) is Kind.JSON
