"""A poster frame of a video, and the renditions of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from processors.media.containers import duration_seconds, opened, picture, video_of
from processors.media.errors import Cause, MediaError
from processors.media.fingerprints import brightness, sharpness
from processors.media.images import write_renditions

POSTER_NAME = "poster.jpg"
POSTER_SIDE_PX = 1280
QUALITY = 85

MIN_BRIGHTNESS = 32.0
"""Mean of grey, 0 to 255; what is below is a fade, or the dark before the film."""

MIN_SHARPNESS = 10.0
"""Variance of the Laplacian of a 256-pixel copy; blurred or even frames have less."""

_PLACE = 0.1  # of the duration
_STEP_SECONDS = 0.2
_MAX_LOOKED_AT = 40
_MAX_DECODED = 600
_LOOK_SIDE = 256


def task(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Write poster and renditions; takes no options."""
    del options
    return make_poster(source, folder)


def make_poster(source: Path, folder: Path) -> dict[str, Any]:
    """Write ``poster.jpg`` and the image renditions of the same frame.

    It is the first frame from a tenth of the duration on that is bright and sharp
    enough; where none of the next seconds is, the sharpest of the bright ones.

    Returns:
        Facts: ``seconds`` of the frame, and those of the image renditions.

    Raises:
        MediaError: It has no video, or none that can be decoded.
    """
    with opened(source) as (container, _):
        stream = video_of(container)
        if stream is None:
            raise MediaError(Cause.EMPTY, "it has no video")
        start = duration_seconds(container) * _PLACE
        seconds, poster = _best(stream, _frames(container, stream, start))
    poster.save(folder / POSTER_NAME, quality=QUALITY)
    return {"seconds": round(seconds, 3)} | write_renditions(poster, folder)


def _frames(
    container: InputContainer, stream: VideoStream, start: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Give frames some time apart from ``start`` (s) on; from 0 if there are none."""
    is_any = False
    for begin in (start, 0.0):
        container.seek(int(begin * av.time_base))
        due = begin
        for count, frame in enumerate(container.decode(stream)):
            seconds = float(frame.time or 0.0)
            if seconds >= due - 0.001 or count >= _MAX_DECODED:
                yield seconds, frame
                is_any, due = True, seconds + _STEP_SECONDS
        if is_any or begin == 0.0:
            return


def _best(
    stream: VideoStream, frames: Iterator[tuple[float, VideoFrame]]
) -> tuple[float, Image.Image]:
    best, best_score = None, (False, -1.0)
    try:
        for count, (seconds, frame) in enumerate(frames, 1):
            is_bright, score = _judged(picture(stream, frame, _LOOK_SIDE))
            if best is None or (is_bright, score) > best_score:
                best = seconds, picture(stream, frame, POSTER_SIDE_PX)
                best_score = is_bright, score
            if (is_bright and score >= MIN_SHARPNESS) or count >= _MAX_LOOKED_AT:
                break
    except av.error.FFmpegError:
        if best is None:  # cut off further on: what came before will do
            raise
    if best is None:
        raise MediaError(Cause.EMPTY, "its video has no frames")
    return best


def _judged(look: Image.Image) -> tuple[bool, float]:
    return brightness(look) >= MIN_BRIGHTNESS, sharpness(look)
