"""Frames of a video for a training dataset: sharp, and each unlike the others."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Any

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from processors.media.containers import duration_seconds, opened, picture, video_of
from processors.media.errors import Cause, MediaError
from processors.media.fingerprints import hash_distance, perceptual_hash, sharpness

DEFAULT_LIMIT = 40
DEFAULT_SIDE_PX = 1024
QUALITY = 92

MIN_DISTANCE = 6
"""Bits of 64 in which the perceptual hashes of two kept frames differ at least."""

MIN_SHARPNESS = 5.0
"""Variance of the Laplacian of a 512-pixel copy; an even or blurred one has less."""

RELATIVE_SHARPNESS = 0.2
"""Of the median of all that were looked at; what is below was moved while exposed."""

_SCENE_DIFFERENCE = 18.0
"""Mean difference of the values (0 to 255) of two small copies."""

_SCENE_DISTANCE = 20
"""Bits of 64 in which the perceptual hashes of two scenes differ at least."""

_CANDIDATES = 4  # for each frame that is wanted
_MIN_STEP_SECONDS = 0.25
_TOLERANCE_SECONDS = 0.001
_STRIDE = 4  # places are visited every fourth first, so that early ones don't win
_SPARE_SECONDS = 2.0
_LOOK_SIDE = 512
_SCENE_SIDE = 64
_MAX_DECODED_PIXELS = 3_000_000_000
"""Decoded whole within about 5 s (720p: 1,000 frames a second); more only in parts."""

_DECODING_SECONDS = 12.0
"""After which no more frames are looked at, so that all ends within 20 s."""


class Sampling(StrEnum):
    """Where frames are taken from."""

    INTERVAL = "interval"
    """Equally far apart."""

    SCENES = "scenes"
    """Wherever the picture has become another one."""


@dataclass(frozen=True, slots=True)
class Options:
    """What frames are wanted.

    Attributes:
        limit: At most so many.
        sampling: Where from.
        interval_seconds: Between candidates; ``None`` spreads them over the video.
        side: Longest side of the JPEGs, in pixels.
        min_distance: See ``MIN_DISTANCE``.
        min_sharpness: See ``MIN_SHARPNESS``.
    """

    limit: int = DEFAULT_LIMIT
    sampling: Sampling = Sampling.INTERVAL
    interval_seconds: float | None = None
    side: int = DEFAULT_SIDE_PX
    min_distance: int = MIN_DISTANCE
    min_sharpness: float = MIN_SHARPNESS


@dataclass(frozen=True, slots=True)
class _Candidate:
    path: Path
    seconds: float
    sharpness: float
    hash: str
    size: tuple[int, int]


def task(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Extract frames; ``options`` are those of ``Options``."""
    given = dict(options)
    if "sampling" in given:
        given["sampling"] = Sampling(given["sampling"])
    return extract_frames(source, folder, Options(**given))


def extract_frames(source: Path, folder: Path, options: Options) -> dict[str, Any]:
    """Write ``0001.jpg`` and so on, in the order of the video.

    Returns:
        Facts: ``sampled`` (frames looked at), ``dropped`` (``blurred duplicate
        surplus``), ``is_complete`` (whether time sufficed for the whole video) and
        ``frames``: ``name seconds width height sharpness perceptual_hash`` of each.

    Raises:
        MediaError: It has no video, or not one frame with something sharp in it.
    """
    until = time.monotonic() + _DECODING_SECONDS
    with opened(source) as (container, _):
        stream = video_of(container)
        if stream is None:
            raise MediaError(Cause.EMPTY, "it has no video")
        sampled, is_complete = _looked_at(container, stream, folder, options, until)
    sharp = _without_blurred(sampled, options)
    unlike = _without_duplicates(sharp, options)
    kept = _spread(unlike, options.limit)
    for candidate in set(sampled) - set(kept):
        candidate.path.unlink()
    if not kept:
        message = f"none of the {len(sampled)} frames looked at is sharp"
        raise MediaError(Cause.EMPTY, message)
    return {
        "sampled": len(sampled),
        "dropped": {
            "blurred": len(sampled) - len(sharp),
            "duplicate": len(sharp) - len(unlike),
            "surplus": len(unlike) - len(kept),
        },
        "is_complete": is_complete,
        "frames": [
            _named(candidate, folder / f"{number:04d}.jpg")
            for number, candidate in enumerate(kept, 1)
        ],
    }


def _looked_at(
    container: InputContainer,
    stream: VideoStream,
    folder: Path,
    options: Options,
    until: float,
) -> tuple[list[_Candidate], bool]:
    """Write all candidates; the second value is ``False`` where time ran out."""
    candidates = list[_Candidate]()
    try:
        for seconds, frame in _frames(container, stream, options, until):
            candidates.append(_candidate(stream, frame, seconds, folder, options.side))
            if time.monotonic() > until:
                return candidates, False
    except av.error.FFmpegError:
        if not candidates:  # cut off further on: what came before will do
            raise
        return candidates, False
    return sorted(candidates, key=lambda candidate: candidate.seconds), True


def _candidate(
    stream: VideoStream, frame: VideoFrame, seconds: float, folder: Path, side: int
) -> _Candidate:
    image = picture(stream, frame, side)
    path = folder / f"candidate-{frame.pts}.jpg"
    image.save(path, quality=QUALITY)
    look = image.copy()
    look.thumbnail((_LOOK_SIDE, _LOOK_SIDE))
    return _Candidate(path, seconds, sharpness(look), perceptual_hash(look), image.size)


def _frames(
    container: InputContainer, stream: VideoStream, options: Options, until: float
) -> Iterator[tuple[float, VideoFrame]]:
    seconds = duration_seconds(container)
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    pixels = seconds * rate * stream.codec_context.width * stream.codec_context.height
    step = max(
        options.interval_seconds or _MIN_STEP_SECONDS,
        seconds / (options.limit * _CANDIDATES),
    )
    is_short = pixels <= _MAX_DECODED_PIXELS
    if options.sampling is Sampling.SCENES:
        if not is_short:
            stream.codec_context.skip_frame = "NONKEY"  # encoders put them at cuts
        return _scenes(container, stream)
    if is_short:
        return _steps(container, stream, step)
    places = [number * step for number in range(int(seconds / step) + 1)]
    return _jumps(container, stream, places, until)


def _steps(
    container: InputContainer, stream: VideoStream, step: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Decode everything, and give a frame for each step."""
    due = None
    for frame in container.decode(stream):
        seconds = float(frame.time or 0.0)
        if due is None or seconds >= due - _TOLERANCE_SECONDS:
            yield seconds, frame
            due = max((due or 0.0) + step, seconds + step / 2)


def _jumps(
    container: InputContainer, stream: VideoStream, places: list[float], until: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Give the key frames before the places, then as many more as there is time for.

    Args:
        container: Opened.
        stream: Its video.
        places: In seconds, equally far apart.
        until: When to stop, on the monotonic clock.
    """
    given, missed = set[float](), list[float]()
    for at in places:
        container.seek(int(at * av.time_base))
        frame = next(container.decode(stream), None)
        seconds = float(frame.time or 0.0) if frame else 0.0
        if frame is None or seconds in given:
            missed.append(at)
            continue
        given.add(seconds)
        yield seconds, frame
    for at in (at for start in range(_STRIDE) for at in missed[start::_STRIDE]):
        container.seek(int(at * av.time_base))
        for frame in container.decode(stream):
            if time.monotonic() > until - _SPARE_SECONDS:
                return
            seconds = float(frame.time or 0.0)
            if seconds >= at - _TOLERANCE_SECONDS:
                if seconds not in given:
                    given.add(seconds)
                    yield seconds, frame
                break


def _scenes(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[float, VideoFrame]]:
    """Give a frame whenever the picture differs much from the last one given."""
    last, last_hash, due = None, "", 0.0
    for frame in container.decode(stream):
        seconds = float(frame.time or 0.0)
        if seconds < due:
            continue
        small = picture(stream, frame, _SCENE_SIDE)
        look, look_hash = np.asarray(small, dtype=np.int16), perceptual_hash(small)
        if (
            last is None
            or float(np.abs(look - last).mean()) >= _SCENE_DIFFERENCE
            or hash_distance(look_hash, last_hash) >= _SCENE_DISTANCE
        ):
            yield seconds, frame
            last, last_hash, due = look, look_hash, seconds + _MIN_STEP_SECONDS


def _without_blurred(
    candidates: list[_Candidate], options: Options
) -> list[_Candidate]:
    if not candidates:
        return []
    typical = median(candidate.sharpness for candidate in candidates)
    least = max(options.min_sharpness, typical * RELATIVE_SHARPNESS)
    return [candidate for candidate in candidates if candidate.sharpness >= least]


def _without_duplicates(
    candidates: list[_Candidate], options: Options
) -> list[_Candidate]:
    """Keep the first of those that look alike, wherever in the video they are."""
    kept = list[_Candidate]()
    for candidate in candidates:
        if all(
            hash_distance(candidate.hash, other.hash) >= options.min_distance
            for other in kept
        ):
            kept.append(candidate)
    return kept


def _spread(candidates: list[_Candidate], limit: int) -> list[_Candidate]:
    """Choose ``limit`` of them, equally spread."""
    if len(candidates) <= limit:
        return candidates
    return [candidates[index * len(candidates) // limit] for index in range(limit)]


def _named(candidate: _Candidate, path: Path) -> dict[str, Any]:
    candidate.path.rename(path)
    width, height = candidate.size
    return {
        "name": path.name,
        "seconds": round(candidate.seconds, 3),
        "width": width,
        "height": height,
        "sharpness": round(candidate.sharpness, 1),
        "perceptual_hash": candidate.hash,
    }
