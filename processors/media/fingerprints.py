"""Small facts of a picture, by numpy: placeholder, hash, colours, sharpness.

Pictures are Pillow's, in ``RGB`` or ``RGBA``; arrays are ``float64``.
"""

import string
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float64]

HASH_BITS = 64
_HASH_SIDE = 32
_HASH_FREQUENCIES = 8
_BLURHASH_SIDE = 32
_BLURHASH_TERMS = (4, 3)
"""Terms along the longer and the shorter side."""

_BASE83 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE83 += "#$%*+,-.:;=?@[]^_{|}~"
_DARK, _SLOPE = 0.0031308, 12.92
"""The straight part of sRGB's curve (IEC 61966-2-1)."""

_COLOURS = 5
_COLOUR_SIDE = 64
_VISIBLE_ALPHA = 128
_MIN_SHARE = 0.02
"""What is less is mostly the seam between two others."""


def flattened(image: Image.Image) -> Image.Image:
    """Put a picture with transparent parts on white, as ``RGB``."""
    if image.mode != "RGBA":
        return image if image.mode == "RGB" else image.convert("RGB")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def perceptual_hash(image: Image.Image) -> str:
    """Hash what a picture looks like: alike pictures differ in few bits.

    The 8 by 8 lowest frequencies of the cosine transform of a 32 by 32 grey copy, each
    compared with their median (as ``imagehash.phash`` does).

    Returns:
        16 hex digits; ``hash_distance`` compares two.
    """
    grey = flattened(image).convert("L")
    small = grey.resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.LANCZOS)
    values = np.asarray(small, dtype=np.float64)
    basis = _cosines(_HASH_SIDE)[:_HASH_FREQUENCIES]
    low = np.round(basis @ values @ basis.T, 6)  # a flat picture has no noise to hash
    bits = (low > np.median(low)).ravel()
    return np.packbits(bits).tobytes().hex()


def hash_distance(one: str, other: str) -> int:
    """Count the bits in which two perceptual hashes differ, of 64."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


@lru_cache(maxsize=8)
def _cosines(side: int) -> Floats:
    """The basis of the second discrete cosine transform, one frequency a row."""
    at = np.arange(side)
    waves: Floats = np.cos(np.pi * np.outer(at, 2 * at + 1) / (2 * side))
    return 2 * waves


def blurhash(image: Image.Image) -> str:
    """Write a picture's few lowest frequencies as a text of 28 characters.

    The format is Wolt's (``blurha.sh``): 4 by 3 terms, 3 by 4 for a portrait.
    """
    small = flattened(image).copy()
    small.thumbnail((_BLURHASH_SIDE, _BLURHASH_SIDE))
    width, height = small.size
    x_terms, y_terms = _BLURHASH_TERMS if width >= height else _BLURHASH_TERMS[::-1]
    linear = _linear(np.asarray(small, dtype=np.float64) / 255)
    x_waves = np.cos(np.pi * np.outer(np.arange(x_terms), np.arange(width)) / width)
    y_waves = np.cos(np.pi * np.outer(np.arange(y_terms), np.arange(height)) / height)
    terms = np.einsum("jy,ix,yxc->jic", y_waves, x_waves, linear) / (width * height)
    terms[1:] *= 2
    terms[0, 1:] *= 2
    flat = terms.reshape(-1, 3)
    return _base83(x_terms - 1 + (y_terms - 1) * 9, 1) + _blurhash_terms(flat)


def _blurhash_terms(terms: Floats) -> str:
    first, rest = terms[0], terms[1:]
    largest = float(np.abs(rest).max())
    step = int(max(0, min(82, np.floor(largest * 166 - 0.5))))
    scale = (step + 1) / 166
    signed = np.sign(rest) * np.sqrt(np.abs(rest) / scale)
    digits = np.clip(np.floor(signed * 9 + 9.5), 0, 18).astype(int)
    colour = 0
    for value in first:
        colour = colour << 8 | _srgb(float(value))
    return (
        _base83(step, 1)
        + _base83(colour, 4)
        + "".join(_base83(int(r * 361 + g * 19 + b), 2) for r, g, b in digits)
    )


def _base83(value: int, length: int) -> str:
    places = (83**place for place in range(length - 1, -1, -1))
    return "".join(_BASE83[value // place % 83] for place in places)


def _linear(values: Floats) -> Floats:
    """Undo the curve of sRGB; values from 0 to 1."""
    curved = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= _DARK * _SLOPE, values / _SLOPE, curved)


def _srgb(value: float) -> int:
    value = max(0.0, min(1.0, value))
    is_dark = value <= _DARK
    curved = value * _SLOPE if is_dark else 1.055 * value ** (1 / 2.4) - 0.055
    return int(curved * 255 + 0.5)


def dominant_colours(image: Image.Image) -> list[str]:
    """Name up to five colours (median cut), the most frequent first, as ``#rrggbb``.

    Transparent parts don't count; where nothing can be seen there are none.
    """
    small = image.copy()
    small.thumbnail((_COLOUR_SIDE, _COLOUR_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small.convert("RGBA")).reshape(-1, 4)
    seen = np.ascontiguousarray(pixels[pixels[:, 3] >= _VISIBLE_ALPHA][:, :3])
    if not len(seen):
        return []
    row = Image.fromarray(seen.reshape(1, -1, 3))
    reduced = row.quantize(_COLOURS, Image.Quantize.MEDIANCUT)
    palette = reduced.getpalette() or []
    shares = dict[str, int]()
    for count, index in reduced.getcolors() or []:
        red, green, blue = palette[3 * int(str(index)) : 3 * int(str(index)) + 3]
        name = f"#{red:02x}{green:02x}{blue:02x}"
        shares[name] = shares.get(name, 0) + int(count)
    shown = [name for name, count in shares.items() if count >= len(seen) * _MIN_SHARE]
    return sorted(shown, key=lambda name: (-shares[name], name))


def sharpness(image: Image.Image) -> float:
    """Tell how sharp a picture is: the variance of the Laplacian of its grey values.

    It grows with contrast and with the size of the copy it is taken from. A picture
    of less than 3 pixels a side has none.
    """
    grey = _grey(image)
    if min(grey.shape) < 3:  # noqa: PLR2004  (a pixel and its neighbours)
        return 0.0
    centre = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * centre))


def brightness(image: Image.Image) -> float:
    """Tell the mean of a picture's grey values, 0 to 255."""
    return float(_grey(image).mean())


def _grey(image: Image.Image) -> Floats:
    return np.asarray(image.convert("L"), dtype=np.float64)
