"""A picture for what has none yet: drawn here, without a library. Pure."""

import zlib
from collections.abc import Mapping
from functools import lru_cache
from struct import pack

from catalog.models.asset import AssetType

CONTENT_TYPE = "image/png"
MAX_SIDE_PX = 512

_CELLS = 16
_GROUND, _INK = (228, 231, 236), (152, 162, 179)
_DARK_BELOW = 110.0
_LIGHT = (240, 242, 245)

_SIGNS: Mapping[AssetType, str] = {
    AssetType.IMAGE: """
        ................
        ................
        .##############.
        .#............#.
        .#.........##.#.
        .#.........##.#.
        .#............#.
        .#...#........#.
        .#..###....#..#.
        .#.#####..###.#.
        .#############.#
        .#############.#
        .##############.
        .##############.
        ................
        ................""",
    AssetType.TRANSCRIPT: """
        ................
        ................
        .......#........
        .......#...#....
        ...#...#...#....
        ...#.#.#.#.#....
        .#.#.#.#.#.#.#..
        .#.#.#.#.#.#.#..
        .#.#.#.#.#.#.#..
        .#.#.#.#.#.#.#..
        ...#.#.#.#.#....
        ...#...#...#....
        .......#...#....
        .......#........
        ................
        ................""",
    AssetType.LORA: """
        ................
        ................
        .......##.......
        .....######.....
        ...##########...
        .##############.
        ...##########...
        .#...######...#.
        .###...##...###.
        ...###....###...
        .#...######...#.
        .###...##...###.
        ...###....###...
        .....######.....
        .......##.......
        ................""",
    AssetType.DATASET: """
        ................
        ................
        .####.####.####.
        .####.####.####.
        .####.####.####.
        .####.####.####.
        ................
        .####.####.####.
        .####.####.####.
        .####.####.####.
        .####.####.####.
        ................
        .####.####.####.
        .####.####.####.
        .####.####.####.
        ................""",
}


@lru_cache(maxsize=256)
def placeholder(kind: AssetType, side: int, ground: str | None = None) -> bytes:
    """Draw a sign for a type of asset, as a square PNG.

    Args:
        kind: The type.
        side: In pixels, about; at most ``MAX_SIDE_PX``.
        ground: Colour behind the sign, ``#rrggbb``; grey by default.
    """
    scale = max(min(side, MAX_SIDE_PX) // _CELLS, 1)
    back = _colour(ground)
    red, green, blue = back
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    ink = _LIGHT if luma < _DARK_BELOW else _INK
    rows = b"".join((b"\0" + _bits(row, scale)) * scale for row in _rows(kind))
    edge = _CELLS * scale
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", pack(">IIBBBBB", edge, edge, 1, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes((*back, *ink))),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _rows(kind: AssetType) -> list[str]:
    return _SIGNS[kind].split()


def _bits(row: str, scale: int) -> bytes:
    digits = "".join(("1" if cell == "#" else "0") * scale for cell in row)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return pack(">I", len(content)) + name + content + pack(">I", check)


def _colour(text: str | None) -> tuple[int, int, int]:
    try:
        red, green, blue = bytes.fromhex((text or "").removeprefix("#"))
    except ValueError:
        return _GROUND
    return red, green, blue
