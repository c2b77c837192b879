"""A picture that somebody named, as one to train on: upright JPEG in sRGB."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from processors.media.fingerprints import flattened, perceptual_hash, sharpness
from processors.media.pixels import read_picture
from processors.media.tasks import TRAINING_IMAGE_NAME

SIDE_PX = 1024
QUALITY = 92
_LOOK_SIDE = 512
"""Of the copy whose sharpness is measured, as that of frames is."""


def task(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``picture.jpg``; transparent parts become white. Takes no options.

    Returns:
        Facts: ``width height`` (of what is written), ``sharpness perceptual_hash``.

    Raises:
        MediaError: Nothing can be made of it.
    """
    del options
    image = flattened(read_picture(source, SIDE_PX).image)
    image.save(folder / TRAINING_IMAGE_NAME, quality=QUALITY)
    look = image.copy()
    look.thumbnail((_LOOK_SIDE, _LOOK_SIDE))
    return {
        "width": image.width,
        "height": image.height,
        "sharpness": round(sharpness(look), 1),
        "perceptual_hash": perceptual_hash(look),
    }
