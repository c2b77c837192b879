"""Thumbnails through the limited children, against a bare Pillow loop.

Both make the identical renditions (compared byte by byte) of the same generated files
in the same number of processes. The children decode untrusted bytes under limits, one
process a file, and tell the facts of each picture beside.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from bench.report import Figure, say
from processors.media.images import (
    LARGE_NAME,
    LARGE_SIDE_PX,
    QUALITY,
    SMALL_NAME,
    SMALL_SIDE_PX,
    THUMB_NAME,
)
from processors.media.limits import Limits
from processors.media.pool import MediaPool

PROCESSES = 2
_FILES = 48
_GENERATED_PX = (1024, 1024)
_PHOTO_PX = (4000, 3000)
_RENDITIONS = (THUMB_NAME, SMALL_NAME, LARGE_NAME)


def media(rounds: int) -> list[Figure]:
    """Measure both in turns; the median of the rounds' ratios counts."""
    ours, bare = list[float](), list[float]()
    with (
        TemporaryDirectory(prefix="bench-media-") as place,
        MediaPool(PROCESSES) as pool,
    ):
        files = _draw(Path(place))
        _through_pool(pool, files[:PROCESSES])  # starts the children
        highest_bytes = 0
        for _ in range(rounds):
            seconds, peak_bytes = _through_pool(pool, files)
            ours.append(len(files) / seconds)
            highest_bytes = max(highest_bytes, peak_bytes)
            bare.append(len(files) / _bare(files))
            _check_same(files)
    ratio = median(o / b for o, b in zip(ours, bare, strict=True))
    say(f"thumbnails: {median(ours):.1f} files/s, {median(bare):.1f} by the bare loop")
    bound_mib = Limits().memory_bytes / 2**20
    return [
        Figure("pictures with all renditions, children", median(ours), "files/s"),
        Figure("the same, bare Pillow loop", median(bare), "files/s"),
        Figure("pictures, children / bare loop", ratio, "ratio", at_least=0.8),
        Figure("child RSS, highest", highest_bytes / 2**20, "MiB", at_most=bound_mib),
    ]


def _draw(place: Path) -> list[Path]:
    """Draw half generated pictures (PNG), half photographs (JPEG of 12 megapixels)."""
    rng = np.random.default_rng(4)
    files = list[Path]()
    for number in range(_FILES):
        is_photo = number % 2 == 1
        size = _PHOTO_PX if is_photo else _GENERATED_PX
        coarse = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        grain = Image.fromarray(rng.integers(0, 256, (512, 512), dtype=np.uint8))
        image = Image.blend(image, grain.resize(size).convert("RGB"), 0.08)
        folder = place / f"{number:03d}"
        for name in ("ours", "bare"):
            (folder / name).mkdir(parents=True)
        path = folder / ("photo.jpg" if is_photo else "generated.png")
        image.save(path, quality=90, compress_level=4)
        files.append(path)
    return files


def _through_pool(pool: MediaPool, files: Sequence[Path]) -> tuple[float, int]:
    """Returns seconds and the highest resident memory of a child, in bytes."""
    with ThreadPoolExecutor(PROCESSES) as threads:
        start = time.perf_counter()
        done = list(
            threads.map(lambda p: pool.run("image", p, p.parent / "ours"), files)
        )
        seconds = time.perf_counter() - start
    return seconds, max(one.usage.peak_rss_bytes for one in done)


def _bare(files: Sequence[Path]) -> float:
    """Run the loop in processes of its own; returns the seconds of all together."""
    command = [sys.executable, "-m", "bench.media"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None  # noqa: S101  (asked for above)
        process.stdout.readline()  # it has imported all
    start = time.perf_counter()
    for number, process in enumerate(processes):
        assert process.stdin is not None  # noqa: S101  (asked for above)
        share = [str(path) for path in files[number::PROCESSES]]
        process.stdin.write(json.dumps(share).encode())
        process.stdin.close()
    for process in processes:
        process.wait(600)
    seconds = time.perf_counter() - start
    for process in processes:
        assert process.stdout is not None  # noqa: S101  (asked for above)
        process.stdout.close()
    return seconds


def _loop(files: Sequence[str]) -> None:
    """Make the renditions as a short script would."""
    for file in files:
        folder = Path(file).parent / "bare"
        with Image.open(file) as image:
            image.thumbnail((LARGE_SIDE_PX, LARGE_SIDE_PX), reducing_gap=2.0)
            image.save(folder / LARGE_NAME, quality=QUALITY)
            image.thumbnail((SMALL_SIDE_PX, SMALL_SIDE_PX), reducing_gap=2.0)
            image.save(folder / SMALL_NAME, quality=QUALITY)
            image.save(folder / THUMB_NAME)


def _check_same(files: Sequence[Path]) -> None:
    for path in files:
        for name in _RENDITIONS:
            ours, bare = path.parent / "ours" / name, path.parent / "bare" / name
            if ours.read_bytes() != bare.read_bytes():
                message = f"{name} of {path.name} differs: the loops are not comparable"
                raise RuntimeError(message)
            ours.unlink()
            bare.unlink()


if __name__ == "__main__":
    print("ready", flush=True)
    _loop(json.load(sys.stdin))
