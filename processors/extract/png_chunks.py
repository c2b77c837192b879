"""Reads the text chunks of a PNG, whatever state the rest of the file is in.

Our own reader because Pillow refuses a file whose checksums or pixels are broken, and
what was generated can often still be read there. Pixels are never looked at.
Format: PNG specification (third edition), 5.3 and 11.3.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final

from processors.extract.containers import (
    EXIF_MARK,
    XMP_MARK,
    Blobs,
    decoded_text,
    iptc_of_resources,
)

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

MAX_UNPACKED: Final = 16_777_216
"""Bytes that all compressed texts of a file may unpack to, together."""

MAX_CHUNKS: Final = 200_000
MAX_TEXTS: Final = 1_000

XMP_KEYWORD: Final = "XML:com.adobe.xmp"
PROFILE_KEYWORD: Final = "Raw profile type "
"""ImageMagick's, before PNG had chunks of their own; the text is hexadecimal."""

_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_CHECKED = (*_TEXT_CHUNKS, b"eXIf", b"IHDR")
_HEADER = 8
_CHECKSUM = 4
_KIND = re.compile(rb"[A-Za-z]{4}")


def read_png(data: bytes) -> Blobs:
    """Read what a PNG says of itself.

    Args:
        data: The file, or as much of it as there is; it starts with ``SIGNATURE``.

    Returns:
        Texts by keyword (of several with one keyword the first), EXIF and XMP. What is
        broken is told in ``problems``: a wrong checksum, a text cut off or too long.
    """
    return _Reader().read(data)


class _Reader:
    def __init__(self) -> None:
        self.blobs = Blobs("png")
        self.budget = MAX_UNPACKED

    def read(self, data: bytes) -> Blobs:
        texts = 0
        for kind, body in self._chunks(data):
            if kind == b"eXIf":
                self.blobs.exif = body
            elif kind in _TEXT_CHUNKS:
                texts += 1
                if texts > MAX_TEXTS:
                    self.blobs.note(f"There are more than {MAX_TEXTS} texts.")
                    break
                self._text(kind, body)
        self._unwrap()
        return self.blobs

    def _unwrap(self) -> None:
        """Move what is no text out of the texts: XMP, and ImageMagick's profiles."""
        blobs = self.blobs
        xmp = blobs.texts.pop(XMP_KEYWORD, None)
        if xmp is not None:
            blobs.xmp = xmp.encode(errors="replace")
        for keyword in [k for k in blobs.texts if k.startswith(PROFILE_KEYWORD)]:
            name = keyword.removeprefix(PROFILE_KEYWORD)
            profile = _profile(blobs.texts.pop(keyword))
            if profile is None:
                blobs.note(f"The profile {name[:20]!r} is not in hexadecimal.")
            elif name == "iptc":
                blobs.iptc = blobs.iptc or iptc_of_resources(profile)
            elif name == "xmp":
                blobs.xmp = blobs.xmp or profile
            elif profile.startswith(EXIF_MARK):
                blobs.exif = blobs.exif or profile
            elif profile.startswith(XMP_MARK):
                blobs.xmp = blobs.xmp or profile.removeprefix(XMP_MARK)

    def _chunks(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        at = len(SIGNATURE)
        for _ in range(MAX_CHUNKS):
            if at + _HEADER > len(data):
                self.blobs.note("The file is cut off: it has no end chunk.")
                return
            length = int.from_bytes(data[at : at + 4], "big")
            kind = data[at + 4 : at + _HEADER]
            if not _KIND.fullmatch(kind):
                self.blobs.note(f"What stands at byte {at} is no chunk.")
                return
            start, end = at + _HEADER, at + _HEADER + length
            if kind in _CHECKED:
                body = data[start:end]
                checksum = data[end : end + _CHECKSUM]
                if len(checksum) == _CHECKSUM and int.from_bytes(checksum, "big") != (
                    zlib.crc32(kind + body)
                ):
                    self.blobs.note(f"The checksum of a {kind.decode()} is wrong.")
                yield kind, body
            if kind == b"IEND":
                return
            if end > len(data):
                self.blobs.note(f"The file is cut off inside a {kind.decode()} chunk.")
                return
            at = end + _CHECKSUM
        self.blobs.note(f"There are more than {MAX_CHUNKS} chunks.")

    def _text(self, kind: bytes, body: bytes) -> None:
        raw_keyword, _, rest = body.partition(b"\0")
        keyword = raw_keyword.decode("latin-1")
        if kind == b"tEXt":
            text = rest
        elif kind == b"zTXt":
            text = self._unpacked(keyword, rest[1:])
        else:
            is_packed = rest[:1] == b"\1"
            _language, _, rest = rest[2:].partition(b"\0")
            _translated, _, text = rest.partition(b"\0")
            text = self._unpacked(keyword, text) if is_packed else text
        if keyword and text:
            self.blobs.texts.setdefault(keyword[:80], decoded_text(text))

    def _unpacked(self, keyword: str, packed: bytes) -> bytes:
        unpacker = zlib.decompressobj()
        try:
            text = unpacker.decompress(packed, self.budget)
        except zlib.error as exc:
            self.blobs.note(f"The text {keyword[:80]!r} can't be unpacked: {exc}.")
            return b""
        self.budget -= len(text)
        if unpacker.unconsumed_tail:
            self.budget = 1  # zlib takes 0 for no limit
            self.blobs.note(
                f"The text {keyword[:80]!r} unpacks to too much; it is cut."
            )
        elif not unpacker.eof:
            self.blobs.note(f"The text {keyword[:80]!r} is cut off.")
        self.budget = max(self.budget, 1)
        return text


def _profile(text: str) -> bytes | None:
    """Decode a profile: an empty line, its name, its length, its bytes."""
    lines = text.strip().split("\n", 2)
    try:
        return bytes.fromhex(lines[2])
    except (IndexError, ValueError):
        return None
