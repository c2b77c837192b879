"""Draws the demo's pictures: every scene by code, in any size and format."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import cos, pi, sin
from random import Random

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

_LIT = 0.35
"""Share of a skyline's windows with light in them."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Sky above, sky below, and the colours of things from far to near."""

    top: Colour
    bottom: Colour
    things: tuple[Colour, ...]


PALETTES = {
    "warm": Palette(
        (92, 30, 60), (250, 170, 80), ((196, 90, 60), (130, 50, 50), (60, 24, 34))
    ),
    "cool": Palette(
        (28, 60, 110), (190, 220, 235), ((90, 140, 180), (50, 95, 140), (20, 45, 80))
    ),
    "dusk": Palette(
        (44, 28, 84), (230, 130, 150), ((120, 80, 140), (80, 50, 110), (36, 22, 60))
    ),
    "night": Palette(
        (6, 8, 26), (36, 48, 92), ((52, 60, 110), (30, 36, 70), (240, 214, 130))
    ),
    "green": Palette(
        (20, 60, 54), (206, 230, 190), ((110, 160, 120), (60, 110, 80), (18, 52, 40))
    ),
    "pastel": Palette(
        (200, 206, 240),
        (252, 230, 220),
        ((240, 170, 180), (160, 190, 220), (96, 96, 140)),
    ),
    "vivid": Palette(
        (40, 16, 90), (20, 150, 150), ((240, 80, 120), (250, 200, 60), (120, 60, 220))
    ),
}


def encoded(
    scene: str, palette: str, size: tuple[int, int], ending: str, seed: int
) -> bytes:
    """Draw a picture and encode it.

    Args:
        scene: One of ``SCENES``.
        palette: One of ``PALETTES``.
        size: Width and height in pixels.
        ending: ``png``, ``jpg`` or ``webp``.
        seed: Of everything that varies; same seed, same picture.

    Returns:
        The file's content.
    """
    random = Random(seed)  # noqa: S311  (reproducible, no secret)
    colours = PALETTES[palette]
    image = _sky(size, colours, seed)
    SCENES[scene](_Canvas(image, colours, random))
    out = BytesIO()
    match ending:
        case "jpg":
            image.save(out, "JPEG", quality=88)
        case "webp":
            image.save(out, "WEBP", quality=82, method=1)
        case _:
            image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _sky(size: tuple[int, int], colours: Palette, seed: int) -> Image.Image:
    """A vertical gradient with a little grain, so that no two files are equal."""
    width, height = size
    ramp = np.linspace(0.0, 1.0, height)[:, None, None]
    top, bottom = np.array(colours.top), np.array(colours.bottom)
    rows = top * (1 - ramp) + bottom * ramp
    grain = np.random.default_rng(seed).integers(
        -3, 4, (height // 4 + 1, width // 4 + 1)
    )
    fine = np.kron(grain, np.ones((4, 4)))[:height, :width, None]
    return Image.fromarray(np.clip(rows + fine, 0, 255).astype(np.uint8))


class _Canvas:
    """A picture in the making, in relative coordinates: 0 to 1 across and down."""

    def __init__(self, image: Image.Image, colours: Palette, random: Random) -> None:
        self.width, self.height = image.size
        self.colours = colours
        self.random = random
        self._draw = ImageDraw.Draw(image)

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def polygon(self, points: list[tuple[float, float]], fill: Colour) -> None:
        self._draw.polygon([self._at(x, y) for x, y in points], fill=fill)

    def circle(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """``radius`` is relative to the shorter side."""
        self.ellipse(x, y, radius, radius, fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        centre_x, centre_y = self._at(x, y)
        side = min(self.width, self.height)
        self._draw.ellipse(
            (
                centre_x - rx * side,
                centre_y - ry * side,
                centre_x + rx * side,
                centre_y + ry * side,
            ),
            fill=fill,
        )

    def box(
        self, x: float, y: float, right: float, bottom: float, fill: Colour
    ) -> None:
        self._draw.rectangle((*self._at(x, y), *self._at(right, bottom)), fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        centre_x, centre_y = self._at(x, y)
        side = min(self.width, self.height)
        self._draw.arc(
            (
                centre_x - rx * side,
                centre_y - ry * side,
                centre_x + rx * side,
                centre_y + ry * side,
            ),
            -20,
            200,
            fill=colour,
            width=max(2, round(side * 0.02)),
        )

    def stars(self, count: int) -> None:
        for _ in range(count):
            x, y = self.random.random(), self.random.random() * 0.6
            self.circle(x, y, self.random.uniform(0.001, 0.004), (236, 236, 250))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return x * self.width, y * self.height


def _ridge(canvas: _Canvas, base: float, swing: float) -> list[tuple[float, float]]:
    phases = [canvas.random.uniform(0, 2 * pi) for _ in range(3)]
    points = [
        (
            step / 60,
            base
            + swing
            * sum(sin(step / 60 * pi * (2 + 3 * n) + p) for n, p in enumerate(phases))
            / 3,
        )
        for step in range(61)
    ]
    return [(0.0, 1.0), *points, (1.0, 1.0)]


def _sunset(canvas: _Canvas) -> None:
    canvas.circle(canvas.random.uniform(0.25, 0.75), 0.5, 0.11, (255, 226, 150))
    for level, colour in enumerate(canvas.colours.things):
        canvas.polygon(_ridge(canvas, 0.58 + 0.14 * level, 0.08), colour)


def _forest(canvas: _Canvas) -> None:
    canvas.stars(20)
    for level, colour in enumerate(canvas.colours.things):
        ground = 0.62 + 0.17 * level
        canvas.polygon(_ridge(canvas, ground + 0.05, 0.02), colour)
        for _ in range(16 - 3 * level):
            x = canvas.random.random()
            tall = canvas.random.uniform(0.16, 0.28) * (1 + level * 0.3)
            for part in range(3):
                top = ground - tall * (1 - part * 0.25)
                wide = (0.016 + 0.01 * part) * (1 + level * 0.4)
                low = top + tall * 0.5
                canvas.polygon([(x, top), (x - wide, low), (x + wide, low)], colour)


def _skyline(canvas: _Canvas) -> None:
    canvas.stars(50)
    canvas.circle(canvas.random.uniform(0.6, 0.9), 0.18, 0.07, (240, 236, 214))
    far, near, light = canvas.colours.things
    for colour, low, high in ((far, 0.35, 0.6), (near, 0.45, 0.75)):
        x = -0.02
        while x < 1:
            wide = canvas.random.uniform(0.05, 0.12)
            roof = canvas.random.uniform(low, high)
            canvas.box(x, roof, x + wide, 1.0, colour)
            for column in range(1, 5):
                for row in range(1, 9):
                    if canvas.random.random() < _LIT:
                        left, top = x + wide * column / 5, roof + 0.04 * row
                        canvas.box(left, top, left + 0.006, top + 0.014, light)
            x += wide + 0.004


def _waves(canvas: _Canvas) -> None:
    canvas.circle(canvas.random.random(), 0.25, 0.06, (255, 246, 226))
    dark = np.array(canvas.colours.things[2])
    pale = np.array(canvas.colours.things[0])
    for level in range(9):
        mixed = pale + (dark - pale) * level / 8
        colour = (int(mixed[0]), int(mixed[1]), int(mixed[2]))
        canvas.polygon(_ridge(canvas, 0.45 + 0.06 * level, 0.02), colour)


def _portrait(canvas: _Canvas) -> None:
    hair, jacket, shade = canvas.colours.things
    shift = canvas.random.uniform(-0.06, 0.06)
    skin = canvas.random.choice([(232, 190, 160), (196, 144, 110), (140, 96, 72)])
    canvas.ellipse(0.5, 1.05, 0.42, 0.34, jacket)
    canvas.ellipse(0.5, 0.66, 0.075, 0.24 / min(canvas.aspect, 1), skin)
    canvas.ellipse(0.5, 0.4, 0.24, 0.27, hair)
    canvas.ellipse(0.5 + shift, 0.46, 0.19, 0.24, skin)
    for side in (-0.07, 0.07):
        x = 0.5 + shift + side / canvas.aspect * min(canvas.aspect, 1)
        canvas.ellipse(x, 0.43, 0.02, 0.013, (250, 250, 250))
        canvas.circle(x, 0.43, 0.011, shade)
    canvas.ellipse(0.5 + shift, 0.55, 0.06, 0.014, (170, 80, 84))


def _shapes(canvas: _Canvas) -> None:
    for _ in range(14):
        x, y = canvas.random.random(), canvas.random.random()
        size = canvas.random.uniform(0.05, 0.22)
        colour = canvas.random.choice(canvas.colours.things)
        match canvas.random.randrange(3):
            case 0:
                canvas.circle(x, y, size, colour)
            case 1:
                canvas.box(x, y, x + size, y + size * canvas.aspect, colour)
            case _:
                canvas.polygon(
                    [(x, y), (x + size, y + size), (x - size, y + size)], colour
                )


def _planet(canvas: _Canvas) -> None:
    canvas.stars(90)
    far, near, glow = canvas.colours.things
    size = canvas.random.uniform(0.22, 0.3)
    canvas.circle(0.5, 0.5, size, near)
    for band in range(-3, 4):
        wide = size * cos(band * 0.4) * 0.98
        canvas.ellipse(
            0.5, 0.5 + band * size * 0.24 * min(canvas.aspect, 1), wide, 0.022, far
        )
    canvas.ring(0.5, 0.5, size * 1.6, size * 0.4, glow)


def _mandala(canvas: _Canvas) -> None:
    petals = canvas.random.choice([6, 8, 10, 12])
    across = min(1.0, 1 / canvas.aspect)
    down = min(1.0, canvas.aspect)
    for ring in range(4, 0, -1):
        colour = canvas.colours.things[ring % 3]
        for petal in range(petals):
            angle = 2 * pi * (petal + ring / 2) / petals
            x = 0.5 + 0.095 * ring * cos(angle) * across
            y = 0.5 + 0.095 * ring * sin(angle) * down
            canvas.circle(x, y, 0.05 + 0.008 * ring, colour)
            canvas.circle(x, y, 0.02, canvas.colours.bottom)
    canvas.circle(0.5, 0.5, 0.07, canvas.colours.things[1])


def _bottle(canvas: _Canvas) -> None:
    pale, glass, dark = canvas.colours.things
    canvas.box(0.0, 0.8, 1.0, 1.0, (112, 78, 52))
    half = canvas.random.uniform(0.1, 0.15)
    canvas.ellipse(0.5, 0.87, half * 1.5, 0.03, (70, 46, 30))
    canvas.box(0.5 - half, 0.42, 0.5 + half, 0.87, glass)
    canvas.polygon(
        [(0.5 - half, 0.42), (0.5 + half, 0.42), (0.54, 0.28), (0.46, 0.28)], glass
    )
    canvas.box(0.46, 0.16, 0.54, 0.29, glass)
    canvas.box(0.455, 0.13, 0.545, 0.17, dark)
    canvas.box(0.5 - half, 0.55, 0.5 + half, 0.72, (244, 236, 214))
    canvas.box(0.5 - half * 0.75, 0.44, 0.5 - half * 0.55, 0.54, pale)


SCENES: dict[str, Callable[[_Canvas], None]] = {
    "sunset": _sunset,
    "forest": _forest,
    "skyline": _skyline,
    "waves": _waves,
    "portrait": _portrait,
    "shapes": _shapes,
    "planet": _planet,
    "mandala": _mandala,
    "bottle": _bottle,
}
"""How each scene is drawn over its sky."""
