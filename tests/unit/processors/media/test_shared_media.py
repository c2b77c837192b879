"""Every picture and sound of the shared data, good or bad, in a child under limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from processors.media.errors import Cause, MediaError
from processors.media.fingerprints import hash_distance
from processors.media.pool import MediaPool

pytestmark = [pytest.mark.data, pytest.mark.timeout(300)]

MAX_RSS_BYTES = 512_000_000
MAX_SECONDS = 20.0

BAD = {
    "formats/circle.svg": Cause.UNSUPPORTED,
    "malformed/empty_file.png": Cause.EMPTY,
    "malformed/pil_bmp_b_badwidth.bmp": Cause.TOO_MANY_PIXELS,
    "malformed/pil_broken.png": Cause.CORRUPT,
    "malformed/pil_broken_data_stream.png": Cause.CORRUPT,
    "malformed/pil_crash-2020-10-test.tif": Cause.CORRUPT,
    "malformed/pil_decompression_bomb.gif": Cause.TOO_MANY_PIXELS,
    "malformed/pil_decompression_bomb.ico": Cause.TOO_MANY_PIXELS,
    "malformed/pil_decompression_bomb_extents.gif": Cause.TOO_MANY_PIXELS,
    "malformed/pil_tiff_overflow_rows_per_strip.tif": Cause.CORRUPT,
    "malformed/pil_truncated_end_chunk.png": Cause.CORRUPT,
    "malformed/pil_truncated_image.png": Cause.CORRUPT,
    "malformed/pil_truncated_jpeg.jpg": Cause.CORRUPT,
    "malformed/sharp_corrupt-header.jpg": Cause.CORRUPT,
    "malformed/sharp_truncated.jpg": Cause.CORRUPT,
    "malformed/sharp_truncated.png": Cause.CORRUPT,
}
"""What nothing can be made of. The other malformed ones are broken where it does not
matter for a picture (EXIF, an unknown chunk), and have renditions."""


@pytest.fixture(scope="module")
def pool() -> Iterator[MediaPool]:
    with MediaPool(1) as pool:
        yield pool


def test_every_picture_has_renditions_or_a_cause(
    pool: MediaPool, shared_data: Path, tmp_path: Path
) -> None:
    root = shared_data / "images"
    files = [p for p in sorted(root.rglob("*")) if p.is_file() and p.suffix != ".tsv"]
    causes = dict[str, Cause]()
    for number, path in enumerate(files):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            done = pool.run("image", path, folder)
        except MediaError as exc:
            causes[path.relative_to(root).as_posix()] = exc.cause
            usage = exc.usage
        else:
            usage = done.usage
            _check(done.facts["renditions"], folder)
            assert len(done.facts["blurhash"]) == 28, path
            assert len(done.facts["perceptual_hash"]) == 16, path
        assert usage is not None, path
        assert usage.peak_rss_bytes <= MAX_RSS_BYTES, path
        assert usage.seconds <= MAX_SECONDS, path

    assert len(files) == 103
    assert causes == BAD


def _check(renditions: list[dict[str, int]], folder: Path) -> None:
    for rendition, side in zip(renditions, (256, 256, 512), strict=True):
        with Image.open(folder / str(rendition["name"])) as image:
            image.load()
            assert max(image.size) <= side
            assert image.size == (rendition["width"], rendition["height"])


def test_eight_orientations_of_a_picture_look_alike(
    pool: MediaPool, shared_data: Path, tmp_path: Path
) -> None:
    hashes = list[str]()
    for path in sorted((shared_data / "images" / "exif_orientation").glob("*.jpg")):
        facts = pool.run("image", path, tmp_path).facts
        assert (facts["width"], facts["height"]) == (600, 450), path
        hashes.append(facts["perceptual_hash"])

    assert len(hashes) == 8
    assert all(hash_distance(hashes[0], other) <= 4 for other in hashes)


SOUNDS = {
    "en-gb.mp3": ("mp3", 8.916),
    "en-gb.ogg": ("vorbis", 8.916),
    "en-gb.wav": ("pcm_s16le", 8.916),
    "en-gb.webm": ("opus", 8.924),
    "jfk.mp3": ("mp3", 11.0),
    "jfk.wav": ("pcm_s16le", 11.0),
    "librivox-0870.wav": ("pcm_s16le", 7.1),
    "librivox-0880.wav": ("pcm_s16le", 2.99),
    "malformed-bad.wav": Cause.CORRUPT,
    "malformed-null.wav": Cause.EMPTY,
}


def test_every_sound_has_a_waveform_or_a_cause(
    pool: MediaPool, shared_data: Path, tmp_path: Path
) -> None:
    seen = dict[str, tuple[str, float] | Cause]()
    for path in sorted((shared_data / "audio").iterdir()):
        if path.suffix == ".tsv":
            continue
        folder = tmp_path / path.name
        folder.mkdir()
        try:
            facts = pool.run("probe", path, folder).facts
            done = pool.run("waveform", path, folder)
        except MediaError as exc:
            seen[path.name] = exc.cause
            usage = exc.usage
        else:
            usage = done.usage
            seen[path.name] = facts["streams"][0]["codec"], facts["duration_seconds"]
            assert 300 < done.facts["peaks"] <= 800
            assert done.facts["loudest"] > 5000
        assert usage is not None
        assert usage.peak_rss_bytes <= MAX_RSS_BYTES
        assert usage.seconds <= MAX_SECONDS

    assert seen == SOUNDS
