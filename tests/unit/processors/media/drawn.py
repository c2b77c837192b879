"""Pictures, videos and sounds that the tests draw themselves."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 255, 255)


def corners(size: tuple[int, int] = (400, 200)) -> Image.Image:
    """Red at the upper left, green right of it, blue below it, white at last."""
    width, height = size
    image = Image.new("RGB", size, WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def corners_of(image: Image.Image) -> list[tuple[int, ...]]:
    """Colours near the upper left, upper right, lower left and lower right."""
    width, height = image.size
    right, low = width - 1 - width // 8, height - 1 - height // 8
    places = ((width // 8, height // 8), (right, height // 8), (width // 8, low))
    rgb = image.convert("RGB")
    return [
        tuple(int(v) for v in np.asarray(rgb)[y, x]) for x, y in (*places, (right, low))
    ]


def is_near(seen: Iterable[int], wanted: Iterable[int], by: int = 24) -> bool:
    return all(abs(s - w) <= by for s, w in zip(seen, wanted, strict=True))


def textured(seed: int, size: tuple[int, int] = (320, 240)) -> Pixels:
    """Draw a picture with edges, unlike that of any other seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)
    return np.asarray(image)


def even(value: int, size: tuple[int, int] = (320, 240)) -> Pixels:
    return np.full((size[1], size[0], 3), value, np.uint8)


def draw_video(
    path: Path,
    draw: Callable[[int], Pixels],
    count: int,
    *,
    fps: int = 10,
    turned: int = 0,
    aspect: Fraction | None = None,
) -> Path:
    """Encode ``count`` frames; ``turned`` (degrees) is told in its header only."""
    first = draw(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "fast"})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if turned:
            stream.set_display_rotation(turned)
        for number in range(count):
            frame: Any = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def draw_sound(
    path: Path, samples: NDArray[np.float64], *, codec: str = "pcm_s16le", rate: int
) -> Path:
    """Encode ``(channels, n)`` samples from -1 to 1."""
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = layout
        packed = np.round(samples.T * 32767).astype(np.int16).reshape(1, -1)
        step = 1024 * len(samples)
        for at in range(0, packed.shape[1], step):
            part = np.ascontiguousarray(packed[:, at : at + step])
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
            frame.sample_rate = rate
            frame.pts = at // len(samples)
            frame.time_base = Fraction(1, rate)
            for fitted in _fitted(frame, stream, rate, layout):
                container.mux(stream.encode(fitted))
        container.mux(stream.encode(None))
    return path


def _fitted(
    frame: av.AudioFrame, stream: av.AudioStream, rate: int, layout: str
) -> list[av.AudioFrame]:
    form = stream.codec_context.format.name
    if form == "s16":
        return [frame]
    return av.AudioResampler(format=form, layout=layout, rate=rate).resample(frame)
