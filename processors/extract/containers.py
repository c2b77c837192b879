"""Where a picture keeps what it says of itself: texts, EXIF, XMP, IPTC.

JPEG and WebP are walked here, PNG in ``png_chunks``; none is decoded. The other formats
are left to Pillow, which reads their headers only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_PROBLEMS: Final = 20

EXIF_MARK: Final = b"Exif\0\0"
XMP_MARK: Final = b"http://ns.adobe.com/xap/1.0/\0"
_PHOTOSHOP_MARK = b"Photoshop 3.0\0"
_IPTC_RESOURCE = 0x0404
_MAX_SEGMENTS = 10_000
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_SOS, _EOI, _APP1, _APP13, _COMMENT = 0xDA, 0xD9, 0xE1, 0xED, 0xFE


@dataclass(slots=True)
class Blobs:
    """Pieces of metadata as they stand in a file.

    Attributes:
        format: ``png``, ``jpeg``, ``webp``, or Pillow's name in lower case.
        texts: By keyword; of PNG its text chunks, of JPEG its ``Comment``.
        exif: TIFF structure, with or without ``EXIF_MARK`` before it.
        xmp: XML.
        iptc: IIM records.
        problems: What was broken, one sentence each.
    """

    format: str
    texts: dict[str, str] = field(default_factory=dict)
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    problems: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Keep a problem, each once."""
        if problem not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def decoded_text(text: bytes) -> str:
    """Decode a text chunk: UTF-8 where it is that, else Latin-1, which PNG demands.

    Many programs write UTF-8 into chunks that should hold Latin-1; a Latin-1 text with
    an accent is hardly ever valid UTF-8.
    """
    try:
        return text.decode()
    except UnicodeDecodeError as exc:
        whole = text[: exc.start]
        is_cut = exc.reason == "unexpected end of data" and not whole.isascii()
        return whole.decode() if is_cut else text.decode("latin-1")


def read_jpeg(data: bytes) -> Blobs:
    """Read the segments of a JPEG up to its pixels.

    Args:
        data: The file or its beginning; it starts with ``FF D8``.
    """
    blobs = Blobs("jpeg")
    for marker, body in _segments(data, blobs):
        if marker == _APP1 and body.startswith(EXIF_MARK):
            blobs.exif = blobs.exif or body
        elif marker == _APP1 and body.startswith(XMP_MARK):
            blobs.xmp = blobs.xmp or body.removeprefix(XMP_MARK)
        elif marker == _APP13 and body.startswith(_PHOTOSHOP_MARK):
            blobs.iptc = blobs.iptc or iptc_of_resources(
                body.removeprefix(_PHOTOSHOP_MARK)
            )
        elif marker == _COMMENT:
            blobs.texts.setdefault("Comment", decoded_text(body))
    return blobs


def read_webp(data: bytes) -> Blobs:
    """Read the chunks of a WebP.

    Args:
        data: The file or its beginning; it starts with ``RIFF``, ``WEBP`` at byte 8.
    """
    blobs = Blobs("webp")
    at = 12
    for _ in range(_MAX_SEGMENTS):
        if at + 8 > len(data):
            break
        kind = data[at : at + 4]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        body_end = at + 8 + length
        if kind == b"EXIF":
            blobs.exif = data[at + 8 : body_end]
        elif kind == b"XMP ":
            blobs.xmp = data[at + 8 : body_end]
        if body_end > len(data):
            blobs.note("The file is cut off.")
        at = body_end + length % 2
    return blobs


def iptc_of_resources(data: bytes) -> bytes | None:
    """Find the IPTC records among Photoshop's image resources.

    Args:
        data: Resources, each ``8BIM``, a number, a padded name, a padded body.
    """
    at = 0
    for _ in range(_MAX_SEGMENTS):
        if data[at : at + 4] != b"8BIM":
            return None
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        name_length = data[at + 6] if at + 6 < len(data) else 0
        at += 6 + (name_length + 2) // 2 * 2
        length = int.from_bytes(data[at : at + 4], "big")
        if number == _IPTC_RESOURCE:
            return data[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
    return None


def _segments(data: bytes, blobs: Blobs) -> Iterator[tuple[int, bytes]]:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if at + 2 > len(data):
            blobs.note("The file is cut off before its pixels.")
            return
        if data[at] != 0xFF:  # noqa: PLR2004  (starts every marker)
            blobs.note(f"What stands at byte {at} is no marker.")
            return
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004  (padding)
            at += 1
            continue
        if marker in {_SOS, _EOI}:
            return
        if marker in _STANDALONE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2:  # noqa: PLR2004  (counts itself)
            blobs.note(f"The marker at byte {at} has no length.")
            return
        end = at + 2 + length
        if end > len(data):
            blobs.note("The file is cut off before its pixels.")
        yield marker, data[at + 4 : end]
        at = end
    blobs.note(f"There are more than {_MAX_SEGMENTS} segments.")
