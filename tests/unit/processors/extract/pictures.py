"""Pictures that tests make up, with metadata in every place that formats have."""

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image

USER_COMMENT = 0x9286


def chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    if checksum is None:
        checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


HEADER = b"\x89PNG\r\n\x1a\n" + chunk(
    b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
)
PIXELS = chunk(b"IDAT", zlib.compress(b"\0\0"))
END = chunk(b"IEND", b"")


def png(*chunks: bytes) -> bytes:
    """Make a picture of one pixel with chunks before it."""
    return HEADER + b"".join(chunks) + PIXELS + END


def text(keyword: str, said: str) -> bytes:
    return chunk(b"tEXt", keyword.encode() + b"\0" + said.encode("latin-1"))


def packed(keyword: str, said: bytes) -> bytes:
    return chunk(b"zTXt", keyword.encode() + b"\0\0" + zlib.compress(said))


def international(keyword: str, said: str, *, is_packed: bool = False) -> bytes:
    body = zlib.compress(said.encode()) if is_packed else said.encode()
    head = keyword.encode() + b"\0" + bytes([is_packed, 0]) + b"en\0" + b"\xc3\xbc\0"
    return chunk(b"iTXt", head + body)


def png_with(texts: Mapping[str, str]) -> bytes:
    return png(*(international(name, said) for name, said in texts.items()))


def exif_of(
    main: Mapping[int, Any] | None = None,
    detail: Mapping[int, Any] | None = None,
    gps: Mapping[int, Any] | None = None,
) -> bytes:
    exif = Image.Exif()
    for tag, value in (main or {}).items():
        exif[tag] = value
    exif.get_ifd(ExifTags.IFD.Exif).update(detail or {})
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return exif.tobytes()


def picture(kind: str = "JPEG", **settings: Any) -> bytes:  # noqa: ANN401  (Pillow's)
    target = BytesIO()
    Image.new("RGB", (8, 8)).save(target, kind, **settings)
    return target.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    """Make a JPEG with segments put at its very front."""
    plain = picture()
    return plain[:2] + b"".join(segments) + plain[2:]


def photoshop(records: bytes) -> bytes:
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    return segment(
        0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\0\0\0\x01A\0" + resource
    )


def iptc(dataset: int, value: bytes) -> bytes:
    return b"\x1c\x02" + bytes([dataset]) + struct.pack(">H", len(value)) + value


def xmp(properties: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:exif="http://ns.adobe.com/exif/1.0/">'
        f"{properties}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
