"""Reads what a LoRA is trained on: pictures as squares of numbers, and captions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from processors.engines.child_side import ChildFailedError

_MAX_PIXELS = 64 * 1024 * 1024
_MAX_CAPTION_BYTES = 16 * 1024
_WHITE = 255.0


@dataclass(frozen=True, slots=True)
class Example:
    """One picture: ``pixels`` (3, side, side) from -1 to 1, and what it shows."""

    pixels: Any
    caption: str
    has_caption: bool


def read_examples(
    listed: Sequence[Mapping[str, Any]], *, side: int, trigger: str | None
) -> list[Example]:
    """Read all of them.

    Args:
        listed: ``image caption`` of each, paths; a caption may be ``None``.
        side: Of the squares, in pixels.
        trigger: Put before captions that don't hold it.

    Raises:
        ChildFailedError: ``source_unreadable``; names the file.
    """
    return [
        _read(Path(one["image"]), one["caption"], side, trigger or "") for one in listed
    ]


def _read(image: Path, caption: str | None, side: int, trigger: str) -> Example:
    text = "" if caption is None else _caption_of(Path(caption))
    has_caption = bool(text)
    if trigger and trigger.casefold() not in text.casefold():
        text = f"{trigger}, {text}" if text else trigger
    return Example(_pixels_of(image, side), text, has_caption)


def _caption_of(path: Path) -> str:
    with path.open("rb") as file:
        text = file.read(_MAX_CAPTION_BYTES).decode(errors="replace")
    return " ".join(text.split())


def _pixels_of(path: Path, side: int) -> Any:
    """Cut a square out of the middle, upright."""
    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise _unreadable(path, f"more than {_MAX_PIXELS} pixels")
            upright = ImageOps.exif_transpose(opened).convert("RGB")
        square = ImageOps.fit(upright, (side, side), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise _unreadable(path, f"{exc}"[:200]) from exc
    values = np.asarray(square, dtype=np.float32) / (_WHITE / 2) - 1
    return torch.from_numpy(values.transpose(2, 0, 1).copy())


def _unreadable(path: Path, why: str) -> ChildFailedError:
    shown = why.replace(str(path.parent), "")
    return ChildFailedError(
        "source_unreadable",
        f"The training image {path.name} can't be read ({shown}); leave it out.",
    )
