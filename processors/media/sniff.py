"""What a file really is, by its first bytes; its name and content type may lie."""

import re
from enum import StrEnum
from pathlib import Path

HEAD_BYTES = 4096
"""How much of a file ``sniff`` wants; less is fine for a shorter file."""

MAX_SAFETENSORS_HEADER_BYTES = 100_000_000
"""The format's own cap (safetensors, ``MAX_HEADER_SIZE``)."""


class Kind(StrEnum):
    """Kinds of files that are told apart; the value is their usual ending."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    HEIC = "heic"
    TIFF = "tiff"
    BMP = "bmp"
    ICO = "ico"
    JP2 = "jp2"
    PNM = "pnm"
    SVG = "svg"
    MP4 = "mp4"
    MOV = "mov"
    WEBM = "webm"
    MKV = "mkv"
    M4A = "m4a"
    WAV = "wav"
    MP3 = "mp3"
    FLAC = "flac"
    OGG = "ogg"
    SAFETENSORS = "safetensors"
    JSON = "json"

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, of a kind that is decoded here or not."""
        return self in _IMAGES

    @property
    def is_recording(self) -> bool:
        """Whether it holds sound or video; which of them only its streams tell."""
        return self in _RECORDINGS


_RECORDINGS = frozenset(
    {Kind.MP4, Kind.MOV, Kind.WEBM, Kind.MKV, Kind.M4A}
    | {Kind.WAV, Kind.MP3, Kind.FLAC, Kind.OGG}
)
_IMAGES = frozenset(Kind) - _RECORDINGS - {Kind.SAFETENSORS, Kind.JSON}

_STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"II+\0", Kind.TIFF),
    (b"MM\0+", Kind.TIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind.JP2),
    (b"\xff\x4f\xff\x51", Kind.JP2),
    (b"OggS", Kind.OGG),
    (b"fLaC", Kind.FLAC),
    (b"ID3", Kind.MP3),
)
_RIFF = {b"WEBP": Kind.WEBP, b"WAVE": Kind.WAV}
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Lengths of the second header of a BMP, by which its version is known."""

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_M4A_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_OLD_MOV_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}

_SVG = re.compile(
    rb"\s*(?:<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL
)
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]\-0-9tfn])")


def kind_of(path: Path) -> Kind | None:
    """Tell by its first bytes what a file is; see ``sniff``."""
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def sniff(head: bytes) -> Kind | None:
    """Tell the kind of a file.

    Args:
        head: Its first bytes, ``HEAD_BYTES`` of them or all that there are.

    Returns:
        The kind; ``None`` for a kind that is not known here.
    """
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    return _by_container(head) or _by_structure(head) or _by_text(head)


def _by_container(head: bytes) -> Kind | None:
    """Tell files apart whose first bytes are only those of a wrapper."""
    if head[:4] in {b"RIFF", b"RF64"}:
        return _RIFF.get(head[8:12])
    if head.startswith(b"\x1aE\xdf\xa3"):
        document_type = head[:128]
        return Kind.WEBM if b"webm" in document_type else Kind.MKV
    if head[4:8] == b"ftyp":
        return _by_brands(head)
    return Kind.MOV if head[4:8] in _OLD_MOV_ATOMS else None


def _by_brands(head: bytes) -> Kind:
    """Read the ``ftyp`` box: major brand, version, compatible brands."""
    end = min(int.from_bytes(head[:4]), len(head))
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if brands & _AVIF_BRANDS:
        return Kind.AVIF
    if brands & _HEIC_BRANDS:
        return Kind.HEIC
    if major == b"qt  ":
        return Kind.MOV
    return Kind.M4A if major in _M4A_BRANDS else Kind.MP4


def _by_structure(head: bytes) -> Kind | None:
    """Tell kinds with short magic numbers, by a second look at their headers."""
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return Kind.BMP
    if head[:4] == b"\0\0\1\0" and head[4:6] != b"\0\0" and head[9:10] in {b"\0", b""}:
        return Kind.ICO
    if re.match(rb"P[1-6][\s#]", head):
        return Kind.PNM
    if _is_mp3_frame(head):
        return Kind.MP3
    length = int.from_bytes(head[:8], "little")
    is_header = head[8:9] == b"{" and 2 <= length <= MAX_SAFETENSORS_HEADER_BYTES  # noqa: PLR2004  (an empty object)
    return Kind.SAFETENSORS if is_header else None


def _is_mp3_frame(head: bytes) -> bool:
    """Tell a header of MPEG layer III: sync, version, bit rate, sample rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # noqa: PLR2004  (its bits)
        return False
    is_version = head[1] >> 3 & 3 != 1
    return is_version and head[2] >> 4 not in {0, 15} and head[2] >> 2 & 3 != 3  # noqa: PLR2004  (reserved)


def _by_text(head: bytes) -> Kind | None:
    if _SVG.match(head.removeprefix(b"\xef\xbb\xbf")):
        return Kind.SVG
    return Kind.JSON if _JSON.match(head) else None
