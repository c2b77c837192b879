"""The renditions and facts of one picture."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from processors.media.errors import Cause, MediaError
from processors.media.fingerprints import blurhash, dominant_colours, perceptual_hash
from processors.media.pixels import REDUCING_GAP, Picture, opened, read_picture, shrunk
from processors.media.sniff import Kind

THUMB_NAME = "image_thumb.png"
"""The seed's thumbnail; whoever stores it adds the number of the image."""

SMALL_NAME = "image_256.webp"
LARGE_NAME = "image_512.webp"
PREVIEW_NAME = "preview.png"
PREVIEW_SIDE_PX = 1024
SMALL_SIDE_PX = 256
LARGE_SIDE_PX = 512
QUALITY = 80

MAX_ANIMATED_FRAMES = 60
MAX_ANIMATED_PIXELS = 100_000_000
"""Of all frames together; what is more stays still."""

_MOVING = {Kind.GIF, Kind.PNG, Kind.WEBP, Kind.AVIF}
_DEFAULT_FRAME_MS = 100
"""Browsers' reading of a frame that tells no duration."""


def task(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Make all renditions of a picture; takes no options."""
    del options
    return make_renditions(source, folder)


def preview(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Write one picture of another as PNG, without its metadata; takes no options."""
    del options
    picture = read_picture(source, PREVIEW_SIDE_PX).image
    picture.thumbnail((PREVIEW_SIDE_PX, PREVIEW_SIDE_PX), reducing_gap=REDUCING_GAP)
    picture.save(folder / PREVIEW_NAME)
    return {"width": picture.width, "height": picture.height}


def warm_up() -> None:
    """Make renditions of a drawn picture, so that a fork finds all code in memory."""
    with TemporaryDirectory(prefix="warm-up-") as place:
        folder = Path(place)
        for ending in ("png", "jpg", "webp"):
            drawn = Image.linear_gradient("L").resize((640, 640)).convert("RGB")
            drawn.save(folder / f"drawn.{ending}")
            make_renditions(folder / f"drawn.{ending}", folder)


def make_renditions(source: Path, folder: Path) -> dict[str, Any]:
    """Write the renditions of a picture, the same bytes for the same input.

    Returns:
        Facts: ``width height`` (pixels, as it is shown), ``format frames has_alpha
        blurhash perceptual_hash dominant_colours renditions``.

    Raises:
        MediaError: Nothing can be made of it.
    """
    picture = read_picture(source, LARGE_SIDE_PX)
    facts = write_renditions(picture.image, folder)
    if _save_animated(source, picture, folder / SMALL_NAME):
        facts["renditions"][1] |= {
            "bytes": (folder / SMALL_NAME).stat().st_size,
            "is_animated": True,
        }
    return facts | {
        "width": picture.width,
        "height": picture.height,
        "format": picture.kind.value,
        "frames": picture.frames,
    }


def write_renditions(image: Image.Image, folder: Path) -> dict[str, Any]:
    """Write the renditions of a picture that is decoded, without frames that follow.

    Args:
        image: Upright, sRGB, ``RGB`` or ``RGBA``, without metadata.
        folder: Where to.

    Returns:
        Facts: ``width height has_alpha blurhash perceptual_hash dominant_colours`` and
        ``renditions``: of each ``name width height bytes content_type is_animated``.
    """
    large = image.copy()
    large.thumbnail((LARGE_SIDE_PX, LARGE_SIDE_PX), reducing_gap=REDUCING_GAP)
    small = large.copy()
    small.thumbnail((SMALL_SIDE_PX, SMALL_SIDE_PX), reducing_gap=REDUCING_GAP)
    small.save(folder / THUMB_NAME)
    small.save(folder / SMALL_NAME, quality=QUALITY)
    large.save(folder / LARGE_NAME, quality=QUALITY)
    return {
        "width": image.width,
        "height": image.height,
        "has_alpha": image.mode == "RGBA",
        "blurhash": blurhash(small),
        "perceptual_hash": perceptual_hash(small),
        "dominant_colours": dominant_colours(small),
        "renditions": [
            _described(folder / THUMB_NAME, small, "image/png"),
            _described(folder / SMALL_NAME, small, "image/webp"),
            _described(folder / LARGE_NAME, large, "image/webp"),
        ],
    }


def _save_animated(source: Path, picture: Picture, to: Path) -> bool:
    """Write all frames of a moving picture; ``False`` where one is enough."""
    pixels = picture.frames * picture.width * picture.height
    is_moving = picture.kind in _MOVING and 1 < picture.frames <= MAX_ANIMATED_FRAMES
    if not is_moving or pixels > MAX_ANIMATED_PIXELS:
        return False
    try:
        frames, durations, loop = _all_frames(source, picture.frames)
    except MediaError as exc:
        if exc.cause is Cause.TOO_MANY_PIXELS:
            raise
        return False  # its first frame is fine, and that is shown
    frames[0].save(
        to,
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=loop,
        quality=QUALITY,
    )
    return True


def _all_frames(source: Path, count: int) -> tuple[list[Image.Image], list[int], int]:
    """Read frames (small), their durations (ms), and how often they are shown."""
    frames, durations = list[Image.Image](), list[int]()
    with opened(source) as (image, kind):
        for index in range(count):
            image.seek(index)
            image.load()
            durations.append(int(image.info.get("duration", 0)) or _DEFAULT_FRAME_MS)
            frames.append(shrunk(image.copy(), SMALL_SIDE_PX)[0].convert("RGBA"))
        loop = int(image.info.get("loop", 1 if kind is Kind.GIF else 0))
    return frames, durations, loop


def _described(path: Path, image: Image.Image, content_type: str) -> dict[str, Any]:
    return {
        "name": path.name,
        "width": image.width,
        "height": image.height,
        "bytes": path.stat().st_size,
        "content_type": content_type,
        "is_animated": False,
    }
