"""What a recording is, by its headers and its first frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from processors.media.containers import (
    duration_seconds,
    opened,
    shown_size,
    sound_of,
    video_of,
)
from processors.media.errors import Cause, MediaError


def task(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Probe a recording; writes no file and takes no options."""
    del folder, options
    return probe(source)


def probe(source: Path) -> dict[str, Any]:
    """Tell what a recording is.

    Returns:
        Facts: ``container``, ``duration_seconds``, ``bit_rate`` (bits a second, of all
        together), and ``streams``: each with ``type`` ``video`` (``codec width height
        fps``; pixels as they are shown) or ``audio`` (``codec channels sample_rate``).

    Raises:
        MediaError: It is none, or has neither sound nor frames.
    """
    with opened(source) as (container, kind):
        video, sound = video_of(container), sound_of(container)
        streams = [_video(container, video)] if video else []
        streams += [_sound(container, sound)] if sound and not video else []
        streams += [_of_sound(sound)] if sound and video else []
        if not streams:
            raise MediaError(Cause.EMPTY, "it has neither video nor sound")
        seconds = duration_seconds(container)
        size_bits = source.stat().st_size * 8
        return {
            "container": kind.value,
            "duration_seconds": round(seconds, 3),
            "bit_rate": int(
                container.bit_rate or (size_bits / seconds if seconds else 0)
            ),
            "streams": streams,
        }


def _video(container: InputContainer, stream: VideoStream) -> dict[str, Any]:
    """Describe a video; only a decoded frame tells how it is to be turned."""
    frame = next(container.decode(stream), None)
    container.seek(0)
    if frame is None:
        raise MediaError(Cause.EMPTY, "its video has no frames")
    width, height = shown_size(stream, frame)
    rate = stream.average_rate or stream.guessed_rate
    return {
        "type": "video",
        "codec": stream.codec_context.codec.canonical_name,
        "width": width,
        "height": height,
        "fps": round(float(rate), 3) if rate else None,
    }


def _sound(container: InputContainer, stream: AudioStream) -> dict[str, Any]:
    """Describe the sound of a recording that has nothing else, once it has some."""
    try:
        frame = next(container.decode(stream), None)
    except av.error.EOFError:
        frame = None
    if frame is None or not frame.samples:
        raise MediaError(Cause.EMPTY, "there is nothing to hear in it")
    container.seek(0)
    return _of_sound(stream)


def _of_sound(stream: AudioStream) -> dict[str, Any]:
    return {
        "type": "audio",
        "codec": stream.codec_context.codec.canonical_name,
        "channels": stream.codec_context.channels,
        "sample_rate": stream.codec_context.sample_rate,
    }
