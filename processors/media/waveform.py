"""The waveform of a recording: peaks for a player to draw, and a drawing of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray
from PIL import Image

from processors.media.containers import (
    duration_seconds,
    one_processor,
    opened,
    sound_of,
)
from processors.media.errors import Cause, MediaError

Samples: TypeAlias = NDArray[np.int16]

PEAKS_NAME = "waveform.json"
DRAWING_NAME = "waveform.png"
MAX_PEAKS = 800
RATE_HZ = 8_000

WHOLE_SECONDS = 1_800.0
"""Longer recordings are listened to in samples: all of ten hours would take minutes."""

_SAMPLE_SECONDS = 0.25
_GRAIN = 64  # samples, 8 ms: what is kept of each, while the length is not known
_SIZE = (800, 120)  # pixels
_INK = (70, 110, 160)


def task(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Write the peaks and the drawing; takes no options."""
    del options
    return make_waveform(source, folder)


def make_waveform(source: Path, folder: Path) -> dict[str, Any]:
    """Write ``waveform.json`` and ``waveform.png`` of a recording's first sound.

    The JSON holds ``duration_seconds``, ``sample_rate`` (8,000), ``is_sampled`` and
    ``peaks``: at most 800 pairs of the lowest and highest value, -32768 to 32767, over
    equal stretches of time, channels mixed.

    Returns:
        Facts: the same without the peaks, their number ``peaks``, and ``loudest``.

    Raises:
        MediaError: There is nothing to hear in it.
    """
    with opened(source) as (container, _):
        stream = sound_of(container)
        if stream is None:
            raise MediaError(Cause.EMPTY, "it has no sound")
        seconds = duration_seconds(container)
        is_sampled = seconds > WHOLE_SECONDS
        if is_sampled:
            peaks = _sampled(container, stream, seconds)
        else:
            peaks, seconds = _whole(_resampled(container.decode(stream)))
    if not len(peaks):
        raise MediaError(Cause.EMPTY, "there is nothing to hear in it")
    facts = {
        "duration_seconds": round(seconds, 3),
        "sample_rate": RATE_HZ,
        "is_sampled": is_sampled,
    }
    written = json.dumps(facts | {"peaks": peaks.tolist()}, separators=(",", ":"))
    (folder / PEAKS_NAME).write_text(written)
    drawing(peaks).save(folder / DRAWING_NAME)
    return facts | {
        "peaks": len(peaks),
        "loudest": int(np.abs(peaks.astype(int)).max()),
    }


def _resampled(frames: Iterable[AudioFrame]) -> Iterator[Samples]:
    """Mix and resample to 8 kHz mono; what the sound is may change on the way."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    last = None
    for frame in frames:
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form == last:
            parts = resampler.resample(frame)
        else:
            if last is not None:
                yield from (part.to_ndarray()[0] for part in resampler.resample(None))
                resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            last = form
            with one_processor():
                parts = resampler.resample(frame)
        yield from (part.to_ndarray()[0] for part in parts)
    yield from (part.to_ndarray()[0] for part in resampler.resample(None))


def _whole(parts: Iterable[Samples]) -> tuple[Samples, float]:
    """Listen to everything; returns the peaks ``(n, 2)`` and how long it was (s)."""
    grains, rest, count = list[Samples](), np.empty(0, np.int16), 0
    for part in parts:
        count += len(part)
        rest = np.concatenate([rest, part])
        whole = len(rest) // _GRAIN * _GRAIN
        if whole:
            grains.append(_extremes(rest[:whole].reshape(-1, _GRAIN)))
            rest = rest[whole:]
    if len(rest):
        grains.append(_extremes(rest.reshape(1, -1)))
    joined = np.concatenate(grains) if grains else np.empty((0, 2), np.int16)
    return _reduced(joined), count / RATE_HZ


def _extremes(rows: Samples) -> Samples:
    return np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1)


def _reduced(grains: Samples) -> Samples:
    """Join neighbours, so that at most ``MAX_PEAKS`` of about equal length are left."""
    if len(grains) <= MAX_PEAKS:
        return grains
    starts = np.arange(MAX_PEAKS) * len(grains) // MAX_PEAKS
    lows = np.minimum.reduceat(grains[:, 0], starts)
    return np.stack([lows, np.maximum.reduceat(grains[:, 1], starts)], axis=1)


def _sampled(container: InputContainer, stream: AudioStream, seconds: float) -> Samples:
    """Listen to a moment in each stretch of a long recording."""
    peaks = np.zeros((MAX_PEAKS, 2), np.int16)
    for index in range(MAX_PEAKS):
        start = (index + 0.5) * seconds / MAX_PEAKS
        container.seek(int(start * av.time_base))
        heard = list(_resampled(_moment(container, stream)))
        if heard:
            samples = np.concatenate(heard)
            peaks[index] = samples.min(), samples.max()
    return peaks


def _moment(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    heard = 0.0
    for frame in container.decode(stream):
        yield frame
        heard += frame.samples / frame.sample_rate
        if heard >= _SAMPLE_SECONDS:
            return


def drawing(peaks: Samples) -> Image.Image:
    """Draw peaks, 800 by 120 pixels on transparent ground."""
    width, height = _SIZE
    columns = np.arange(width) * len(peaks) // width
    middle = (height - 1) / 2
    tops = np.floor(middle - peaks[columns, 1] / 32768 * middle)
    bottoms = np.ceil(middle - peaks[columns, 0] / 32768 * middle)
    rows = np.arange(height)[:, None]
    is_inked = (rows >= tops) & (rows <= bottoms)
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[is_inked] = (*_INK, 255)
    return Image.fromarray(pixels)
