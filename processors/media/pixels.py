"""From the bytes of a picture to a small upright copy in sRGB, within bounds.

The order matters for memory: bounds from the header, ``draft`` and shrinking in the
file's own mode, and only then orientation and colours, on what is small. Where Pillow
can't shrink a mode well, the picture is converted and reduced strip by strip, so that
one full copy of it is in memory, not three.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import AvifImagePlugin, ExifTags, Image, ImageCms, UnidentifiedImageError

from processors.media.errors import Cause, MediaError
from processors.media.limits import MAX_PICTURE_BYTES
from processors.media.png import PROFILE, TEXTS, without
from processors.media.sniff import HEAD_BYTES, Kind, sniff

MAX_PIXELS = 50_000_000
_GREEDY = {Kind.WEBP: 4096 * 4096, Kind.AVIF: 4096 * 4096, Kind.JP2: 12_000_000}
"""Pixels of kinds whose decoders want 16 to 25 bytes for each, measured; with more,
they run out of memory and call it a broken file."""

REDUCING_GAP = 2.0
"""Reduce by whole numbers to twice the size, then resample (Pillow's manual)."""

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # else one for each processor of the host

_STRIP_PIXELS = 1_000_000
_DECODERS = {
    Kind.PNG: ("PNG",),
    Kind.JPEG: ("JPEG", "MPO"),
    Kind.WEBP: ("WEBP",),
    Kind.GIF: ("GIF",),
    Kind.AVIF: ("AVIF",),
    Kind.TIFF: ("TIFF",),
    Kind.BMP: ("BMP",),
    Kind.ICO: ("ICO",),
    Kind.JP2: ("JPEG2000",),
    Kind.PNM: ("PPM",),
}
_SHRUNK_AS_IT_IS = {"L", "RGB", "CMYK", "YCbCr"}
_TURNED = {5, 6, 7, 8}
"""Orientations that swap width and height."""

_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_BITS = 258
_BITS_16 = 16
_USUAL_RANGES = {False: (255.0, 65535.0), True: (1.0, 255.0, 65535.0)}
"""Highest values of numbers, and of floats."""
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: First frame, upright, ``RGB`` or ``RGBA`` in sRGB, no larger than asked
            for, without metadata.
        kind: What the file is.
        width: Of the original as it is shown, in pixels.
        height: Of the original as it is shown, in pixels.
        frames: Frames, or pages.
    """

    image: Image.Image
    kind: Kind
    width: int
    height: int
    frames: int


def read_picture(source: Path, side: int) -> Picture:
    """Decode the first frame to fit ``side`` pixels both ways; never enlarges.

    Raises:
        MediaError: It can't be decoded, or may not be.
    """
    with opened(source) as (image, kind):
        frames = _frames(image, kind)
        width, height = image.size
        small, orientation = shrunk(image, side)
        if orientation in _TURNED:
            width, height = height, width
    return Picture(small, kind, width, height, frames)


@contextmanager
def opened(source: Path) -> Iterator[tuple[Image.Image, Kind]]:
    """Open a picture by what its bytes say; errors inside become ``MediaError``."""
    size = source.stat().st_size
    if size == 0:
        raise MediaError(Cause.EMPTY, "the file has no bytes")
    if size > MAX_PICTURE_BYTES:
        message = f"{size} bytes; a picture may have {MAX_PICTURE_BYTES}"
        raise MediaError(Cause.TOO_LARGE, message)
    with source.open("rb") as file:
        head = file.read(HEAD_BYTES)
    kind = sniff(head)
    if kind not in _DECODERS:
        name = f"{kind} files" if kind else "files of this kind"
        raise MediaError(Cause.UNSUPPORTED, f"{name} are not decoded")
    if kind is Kind.WEBP:  # its decoder takes the memory as soon as it is opened
        _check_size(*_webp_size(head), kind)
    with _translated(source), _open(source, kind) as image:
        _check_size(*image.size, kind)
        yield image, kind


def _webp_size(head: bytes) -> tuple[int, int]:
    """Read width and height of the canvas (RFC 9649); 1 by 1 where there is none."""
    match head[12:16]:
        case b"VP8X":
            width = 1 + int.from_bytes(head[24:27], "little")
            return width, 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width = int.from_bytes(head[26:28], "little") & 0x3FFF
            return width, int.from_bytes(head[28:30], "little") & 0x3FFF
        case _:
            return 1, 1


@contextmanager
def _translated(source: Path) -> Iterator[None]:
    """Decoders raise nearly everything on bad input; all of it means ``corrupt``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.MAX_IMAGE_PIXELS = MAX_PIXELS
            yield
    except (MediaError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise _too_many() from exc
    except UnidentifiedImageError as exc:
        raise MediaError(Cause.CORRUPT, "its header can't be read") from exc
    except Exception as exc:
        message = f"{type(exc).__name__}: {exc}".replace(str(source), "the file")
        raise MediaError(Cause.CORRUPT, message) from exc


def _open(source: Path, kind: Kind) -> Image.Image:
    if kind is not Kind.PNG:
        return Image.open(source, formats=_DECODERS[kind])
    # Pillow reads all texts, and gives up where they are larger than it likes, as a
    # workflow of ComfyUI can be; the same goes for a colour profile.
    with source.open("rb") as file:
        plain = without(file, TEXTS)
        try:
            opening = source if plain is None else io.BytesIO(plain)
            return Image.open(opening, formats=_DECODERS[kind])
        except ValueError:
            plain = without(file, TEXTS | PROFILE)
            if plain is None:
                raise
            return Image.open(io.BytesIO(plain), formats=_DECODERS[kind])


def _check_size(width: int, height: int, kind: Kind) -> None:
    if width * height == 0:
        raise MediaError(Cause.EMPTY, f"it has {width} by {height} pixels")
    if width * height > (most := _GREEDY.get(kind, MAX_PIXELS)):
        raise _too_many(most)


def _too_many(most: int = MAX_PIXELS) -> MediaError:
    return MediaError(Cause.TOO_MANY_PIXELS, f"more than {most} pixels")


def _frames(image: Image.Image, kind: Kind) -> int:
    """Count frames; the further pictures of a camera's JPEG are not frames of it."""
    return 1 if kind is Kind.JPEG else int(getattr(image, "n_frames", 1))


def shrunk(image: Image.Image, side: int) -> tuple[Image.Image, int]:
    """Make the current frame small, upright, and sRGB.

    Args:
        image: Opened; is changed.
        side: Longest side of the copy in pixels.

    Returns:
        ``RGB`` or, where something is transparent, ``RGBA``, without metadata; and the
        EXIF orientation that was applied, 1 to 8.
    """
    profile = image.info.get("icc_profile")
    fit = (side, side)
    if image.mode not in _SHRUNK_AS_IT_IS or "transparency" in image.info:
        image.load()
        orientation = _orientation(image)
        image = _converted(image, side)
        image.thumbnail(fit, reducing_gap=REDUCING_GAP)
    else:
        image.thumbnail(fit, reducing_gap=REDUCING_GAP)
        image.load()  # a small one is not read by shrinking it
        orientation = _orientation(image)
    image = _in_srgb(image, profile)
    if orientation in _TRANSPOSES:
        image = image.transpose(_TRANSPOSES[orientation])
    image = image.copy()  # a plain picture, which keeps no file open
    image.info = {}
    return image, orientation


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  (broken EXIF is no reason not to show a picture)
        return 1
    return value if value in _TRANSPOSES else 1


def _converted(image: Image.Image, side: int) -> Image.Image:
    """Bring a mode that can't be shrunk well to 8 bits, in strips where it is large."""
    convert = _converter(image)
    width, height = image.size
    factor = int(max(width, height) / side / REDUCING_GAP) or 1
    if width * height <= _STRIP_PIXELS or factor == 1:
        return convert(image)
    factor = min(factor, width, height) if min(width, height) < factor else factor
    rows = max(factor, _STRIP_PIXELS // width // factor * factor)
    strips = [
        convert(image.crop((0, top, width, min(top + rows, height)))).reduce(factor)
        for top in range(0, height, rows)
    ]
    joined = Image.new(
        strips[0].mode, (strips[0].width, sum(strip.height for strip in strips))
    )
    top = 0
    for strip in strips:
        joined.paste(strip, (0, top))
        top += strip.height
    return joined


def _converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Choose how parts of this picture become ``RGB``, ``RGBA``, ``L`` or ``CMYK``."""
    mode, transparency = image.mode, image.info.get("transparency")
    if mode == "F" or mode.startswith("I"):
        return _scaler(image)
    if mode == "LAB":
        to_rgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        return lambda part: ImageCms.applyTransform(part, to_rgb) or part
    if mode == "1":
        return lambda part: part.convert("L")
    if mode in _SHRUNK_AS_IT_IS and transparency is None:
        return lambda part: part

    def converted(part: Image.Image) -> Image.Image:
        if transparency is not None:
            part.info["transparency"] = transparency  # a crop has lost it
        return part.convert("RGBA")

    has_alpha = transparency is not None or mode in {"RGBA", "LA", "PA", "RGBa", "La"}
    return converted if has_alpha else lambda part: part.convert("RGB")


def _scaler(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Map 12, 16 or 32 bits, or floats, to 8 bits.

    Up to 16 bits the depth tells the range. For larger numbers and for floats it is the
    smallest usual one that holds them, else all between their extremes.
    """
    tags: Any = getattr(image, "tag_v2", {})
    bits = int(tags.get(_TIFF_BITS, (16,))[0])
    if image.mode != "F" and bits <= _BITS_16:
        low, high = 0.0, 2.0**bits - 1
    else:
        low, high = _extremes(image)
        ranges = _USUAL_RANGES[image.mode == "F"]
        fitting = [top for top in ranges if low >= 0 and high <= top]
        low, high = (0.0, fitting[0]) if fitting else (low, high)
    span = (high - low) or 1.0

    def scaled(part: Image.Image) -> Image.Image:
        values = (np.asarray(part).astype(np.float32) - low) * (255 / span)
        rounded = np.clip(np.nan_to_num(values) + 0.5, 0, 255).astype(np.uint8)
        return Image.fromarray(rounded)

    return scaled


def _extremes(image: Image.Image) -> tuple[float, float]:
    low, high = image.getextrema()
    return float(str(low)), float(str(high))


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Apply the embedded profile, and drop an alpha channel that hides nothing."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    if alpha is not None:
        image = image.convert("RGB")
    image = _managed(image, profile) if isinstance(profile, bytes) else image
    image = image if image.mode == "RGB" else image.convert("RGB")
    if alpha is not None and alpha.getextrema()[0] != 255:  # noqa: PLR2004  (opaque)
        image.putalpha(alpha)
    return image


def _managed(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _PROFILE_MODES.get(source.profile.xcolor_space)
        if mode == "RGB" and image.mode in {"L", "YCbCr"}:
            image = image.convert("RGB")
        if mode != image.mode:
            return image
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile: its colours are shown as they are
