"""Opening recordings with PyAV so that a file can neither reach others nor the network.

The container is chosen by the first bytes, never by FFmpeg's guess: formats that are
lists of other files (HLS, concat, DASH) can't be opened at all.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from processors.media.errors import Cause, MediaError
from processors.media.sniff import Kind, kind_of

MAX_FRAME_PIXELS = 50_000_000
_MAX_ASPECT = 4.0
"""Of one pixel; what is more comes from a broken header."""

_DEMUXERS = {
    Kind.MP4: "mov",
    Kind.MOV: "mov",
    Kind.M4A: "mov",
    Kind.WEBM: "matroska",
    Kind.MKV: "matroska",
    Kind.WAV: "wav",
    Kind.MP3: "mp3",
    Kind.FLAC: "flac",
    Kind.OGG: "ogg",
}


@contextmanager
def opened(source: Path) -> Iterator[tuple[InputContainer, Kind]]:
    """Open a recording by what its bytes say; errors inside become ``MediaError``."""
    if source.stat().st_size == 0:
        raise MediaError(Cause.EMPTY, "the file has no bytes")
    kind = kind_of(source)
    if kind is None or kind not in _DEMUXERS:
        name = f"{kind} files" if kind else "files of this kind"
        raise MediaError(Cause.UNSUPPORTED, f"{name} are no recordings")
    try:
        with av.open(
            str(source),
            format=_DEMUXERS[kind],
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        ) as container:
            yield container, kind
    except (MediaError, MemoryError):
        raise
    except (av.error.FFmpegError, ValueError, EOFError, OSError) as exc:
        message = f"{type(exc).__name__}: {exc}".replace(str(source), "the file")
        raise MediaError(Cause.CORRUPT, message) from exc


def video_of(container: InputContainer) -> VideoStream | None:
    """Find the first video (covers of music are none), to be decoded by one thread."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            context = stream.codec_context
            _check_decoder(context)
            if context.width * context.height > MAX_FRAME_PIXELS:
                message = f"frames of more than {MAX_FRAME_PIXELS} pixels"
                raise MediaError(Cause.TOO_MANY_PIXELS, message)
            context.thread_count = 1
            return stream
    return None


def sound_of(container: InputContainer) -> AudioStream | None:
    """Find the first sound, to be decoded by one thread."""
    for stream in container.streams.audio:
        _check_decoder(stream.codec_context)
        stream.codec_context.thread_count = 1
        return stream
    return None


def _check_decoder(context: object) -> None:
    if context is None:
        raise MediaError(Cause.UNSUPPORTED, "there is no decoder for a stream of it")


def duration_seconds(container: InputContainer) -> float:
    """Tell how long a recording is, by its header or, without one, by its packets."""
    if container.duration and container.duration > 0:
        return float(Fraction(container.duration, av.time_base))
    end = 0.0
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            after = packet.pts + (packet.duration or 0)
            end = max(end, float(after * packet.time_base))
    container.seek(0)
    return end


@contextmanager
def one_processor() -> Iterator[None]:
    """Let FFmpeg believe in one processor: its filters start a thread for each.

    On a host with many, the stacks of those threads alone would exceed the limit.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def picture(stream: VideoStream, frame: VideoFrame, side: int) -> Image.Image:
    """Turn a frame into an upright ``RGB`` picture with square pixels.

    Args:
        stream: That it comes from.
        frame: Decoded.
        side: Longest side of the picture at most, in pixels; never enlarges.
    """
    width, height = _square(stream, frame)
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    converted = frame.reformat(*size, "rgb24", interpolation="AREA", threads=1)
    pixels = np.rot90(converted.to_ndarray(), _quarter_turns(frame))
    return Image.fromarray(np.ascontiguousarray(pixels))


def shown_size(stream: VideoStream, frame: VideoFrame) -> tuple[int, int]:
    """Tell width and height of a frame as a player shows it, in pixels."""
    width, height = _square(stream, frame)
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) % 4


def _square(stream: VideoStream, frame: VideoFrame) -> tuple[int, int]:
    """Stretch the side that pixels which are not square ask to stretch."""
    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        aspect = 1.0
    if aspect >= 1:
        return round(frame.width * aspect), frame.height
    return frame.width, round(frame.height / aspect)
