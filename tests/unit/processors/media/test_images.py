import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from processors.media.errors import Cause, MediaError
from processors.media.images import (
    LARGE_NAME,
    SMALL_NAME,
    THUMB_NAME,
    make_renditions,
)
from processors.media.png import SIGNATURE
from processors.media.pool import MediaPool
from tests.unit.processors.media.drawn import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    corners_of,
    is_near,
    textured,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def saved(tmp_path: Path, image: Image.Image, name: str, **how: Any) -> Path:  # noqa: ANN401  (Pillow's)
    path = tmp_path / name
    image.save(path, **how)
    return path


def are_right_way_up(folder: Path, by: int = 24) -> bool:
    for name in (THUMB_NAME, SMALL_NAME, LARGE_NAME):
        with Image.open(folder / name) as image:
            seen = corners_of(image)
        wanted = (RED, GREEN, BLUE, WHITE)
        if not all(is_near(s, w, by) for s, w in zip(seen, wanted, strict=True)):
            return False
    return True


def test_renditions_fit_their_sizes_and_never_grow(
    tmp_path: Path, folder: Path
) -> None:
    facts = make_renditions(saved(tmp_path, corners((1000, 500)), "a.png"), folder)

    assert [(r["name"], r["width"], r["height"]) for r in facts["renditions"]] == [
        (THUMB_NAME, 256, 128),
        (SMALL_NAME, 256, 128),
        (LARGE_NAME, 512, 256),
    ]
    assert (facts["width"], facts["height"], facts["format"]) == (1000, 500, "png")
    for rendition in facts["renditions"]:
        with Image.open(folder / rendition["name"]) as image:
            assert image.size == (rendition["width"], rendition["height"])
        assert (folder / rendition["name"]).stat().st_size == rendition["bytes"]
    small = make_renditions(saved(tmp_path, corners((40, 20)), "b.png"), folder)
    assert {(r["width"], r["height"]) for r in small["renditions"]} == {(40, 20)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff"])
def test_every_orientation_is_shown_upright(
    orientation: int, ending: str, tmp_path: Path, folder: Path
) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = corners((640, 320))
    if orientation in undo:
        image = image.transpose(undo[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = saved(tmp_path, image, f"a.{ending}", exif=exif)

    facts = make_renditions(path, folder)

    assert (facts["width"], facts["height"]) == (640, 320)
    assert are_right_way_up(folder)


def _sixteen_bit_grey(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def _with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.paste((0, 0, 0, 0), (image.width * 3 // 8, 0, image.width * 5 // 8, 8))
    return image


COLOUR = (RED, GREEN, BLUE, WHITE)
GREY = tuple((v, v, v) for v in (76, 94, 29, 255))
BLACK_AND_WHITE = ((0,) * 3, (0,) * 3, (0,) * 3, (255,) * 3)


@pytest.mark.parametrize("size", [(400, 200), (2400, 1200)], ids=["small", "large"])
@pytest.mark.parametrize(
    ("make", "ending", "wanted"),
    [
        (lambda i: i, "png", COLOUR),
        (lambda i: i.convert("L"), "png", GREY),
        (lambda i: i.convert("CMYK"), "jpg", COLOUR),
        (lambda i: i.convert("CMYK"), "tiff", COLOUR),
        (lambda i: i.convert("YCbCr"), "jpg", COLOUR),
        (lambda i: i.convert("P", palette=Image.Palette.ADAPTIVE), "png", COLOUR),
        (lambda i: i.convert("P", palette=Image.Palette.ADAPTIVE), "gif", COLOUR),
        (_with_alpha, "png", COLOUR),
        (_with_alpha, "webp", COLOUR),
        (lambda i: _with_alpha(i).convert("LA"), "png", GREY),
        (lambda i: _with_alpha(i).quantize(), "png", COLOUR),
        (_sixteen_bit_grey, "png", GREY),
        (_sixteen_bit_grey, "tiff", GREY),
        (lambda i: i.convert("I"), "tiff", GREY),
        (lambda i: i.convert("F"), "tiff", GREY),
        (lambda i: i.convert("1", dither=Image.Dither.NONE), "png", BLACK_AND_WHITE),
        (lambda i: i.convert("LAB") if i.mode == "LAB" else _lab(i), "tiff", COLOUR),
        (lambda i: i, "avif", COLOUR),
        (lambda i: i, "jp2", COLOUR),
        (lambda i: i, "bmp", COLOUR),
        (lambda i: i, "ppm", COLOUR),
    ],
    ids=[
        *("rgb", "grey", "cmyk-jpeg", "cmyk-tiff", "ycbcr", "palette", "gif"),
        *("alpha", "webp-alpha", "grey-alpha", "palette-alpha", "16-bit"),
        *("16-bit-tiff", "32-bit", "float", "1-bit", "lab", "avif", "jp2", "bmp"),
        "ppm",
    ],
)
def test_every_colour_mode_keeps_its_colours(
    make: Callable[[Image.Image], Image.Image],
    ending: str,
    wanted: tuple[tuple[int, ...], ...],
    size: tuple[int, int],
    tmp_path: Path,
    folder: Path,
) -> None:
    image = make(corners(size))

    facts = make_renditions(saved(tmp_path, image, f"a.{ending}"), folder)

    assert (facts["width"], facts["height"]) == size
    for name in (THUMB_NAME, SMALL_NAME, LARGE_NAME):
        with Image.open(folder / name) as made:
            assert made.mode == ("RGBA" if facts["has_alpha"] else "RGB")
            seen = corners_of(made)
        assert all(is_near(s, w, 40) for s, w in zip(seen, wanted, strict=True)), seen


def _lab(image: Image.Image) -> Image.Image:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    made = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    assert made is not None
    return made


def test_transparent_parts_stay_transparent(tmp_path: Path, folder: Path) -> None:
    image = corners().convert("RGBA")
    image.paste((0, 0, 0, 0), (200, 0, 400, 200))

    facts = make_renditions(saved(tmp_path, image, "a.png"), folder)

    assert facts["has_alpha"]
    with Image.open(folder / THUMB_NAME) as thumb:
        alpha = np.asarray(thumb.getchannel("A"))
    assert (alpha[64, 16], alpha[64, 240]) == (255, 0)


def test_an_alpha_channel_that_hides_nothing_is_dropped(
    tmp_path: Path, folder: Path
) -> None:
    path = saved(tmp_path, corners().convert("RGBA"), "a.png")

    assert make_renditions(path, folder)["has_alpha"] is False


def test_a_colour_profile_is_applied_and_dropped(tmp_path: Path, folder: Path) -> None:
    """Bytes of a profile with swapped primaries must not be shown as they are."""
    profile = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    path = saved(tmp_path, corners(), "a.png", icc_profile=bytes(profile))

    make_renditions(path, folder)

    with Image.open(folder / THUMB_NAME) as thumb:
        seen = corners_of(thumb)
        assert "icc_profile" not in thumb.info
    assert is_near(seen[0], BLUE)
    assert is_near(seen[2], RED)


def test_a_broken_profile_is_passed_over(tmp_path: Path, folder: Path) -> None:
    path = saved(tmp_path, corners(), "a.png", icc_profile=b"no profile at all")

    make_renditions(path, folder)

    assert are_right_way_up(folder)


def test_no_metadata_is_left(tmp_path: Path, folder: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "somebody"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a secret prompt")
    path = saved(tmp_path, corners(), "a.png", exif=exif, pnginfo=texts)

    make_renditions(path, folder)

    for name in (THUMB_NAME, SMALL_NAME, LARGE_NAME):
        data = (folder / name).read_bytes()
        assert b"somebody" not in data
        assert b"secret" not in data


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    path = saved(tmp_path, Image.fromarray(textured(1)), "a.jpg")

    first = make_renditions(path, folder), _bytes_of(folder)
    second = make_renditions(path, folder), _bytes_of(folder)

    assert first == second


def _bytes_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "avif"])
def test_a_moving_picture_moves_in_one_rendition(
    ending: str, tmp_path: Path, folder: Path
) -> None:
    frames = [Image.fromarray(textured(n, (400, 300))) for n in range(3)]
    path = saved(
        tmp_path,
        frames[0],
        f"a.{ending}",
        save_all=True,
        append_images=frames[1:],
        duration=[200, 300, 400],
    )

    facts = make_renditions(path, folder)

    assert facts["frames"] == 3
    assert [r["is_animated"] for r in facts["renditions"]] == [False, True, False]
    with Image.open(folder / SMALL_NAME) as moving:
        assert (getattr(moving, "n_frames", 1), moving.size) == (3, (256, 192))
        durations = list[int]()
        for index in range(3):
            moving.seek(index)
            moving.load()
            durations.append(moving.info["duration"])
    assert durations == [200, 300, 400]


def test_too_many_frames_stay_still(tmp_path: Path, folder: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in range(61)]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])

    facts = make_renditions(path, folder)

    assert facts["frames"] == 61
    assert not any(r["is_animated"] for r in facts["renditions"])


def test_a_moving_picture_that_is_cut_off_shows_its_first_frame(
    tmp_path: Path, folder: Path
) -> None:
    frames = [Image.fromarray(textured(n)) for n in range(4)]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])

    facts = make_renditions(path, folder)

    assert (folder / SMALL_NAME).exists()
    assert facts["width"] == 320


def test_texts_larger_than_pillow_takes_are_no_obstacle(
    tmp_path: Path, folder: Path
) -> None:
    plain = io.BytesIO()
    corners().save(plain, "PNG")
    data = plain.getvalue()
    text = _chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"{}" * 2_000_000))
    path = tmp_path / "a.png"
    for place in (33, len(data) - 12):  # after the header; after the pixels
        path.write_bytes(data[:place] + text + data[place:])

        make_renditions(path, folder)

        assert are_right_way_up(folder)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has so many pixels (and mostly has)."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes(min(width * 3 * height, 3_000_000)))
    return SIGNATURE + header + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


GIF_BOMB = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;"


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", Cause.EMPTY),
        (b"just some words", Cause.UNSUPPORTED),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Cause.UNSUPPORTED),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Cause.UNSUPPORTED),
        (b"RIFF\x24\0\0\0WAVEfmt ", Cause.UNSUPPORTED),
        (png_bomb(12_000, 12_000), Cause.TOO_MANY_PIXELS),
        (png_bomb(1_000_000, 1_000_000), Cause.TOO_MANY_PIXELS),
        (png_bomb(2000, 2000), Cause.CORRUPT),
        (b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff" * 6, "pixels"),
        (b"\x89PNG\r\n\x1a\n", Cause.CORRUPT),
        (b"\xff\xd8\xff\xe0" + bytes(50), Cause.CORRUPT),
        (GIF_BOMB, Cause.TOO_MANY_PIXELS),
    ],
)
def test_a_bad_file_has_a_cause(
    data: bytes, cause: Cause | str, tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "innocent.png"
    path.write_bytes(data)

    with pytest.raises(MediaError) as caught:
        make_renditions(path, folder)

    wanted = Cause.TOO_MANY_PIXELS if cause == "pixels" else cause
    assert caught.value.cause is wanted
    assert str(path) not in caught.value.message


def test_a_picture_that_is_cut_off_is_corrupt(tmp_path: Path, folder: Path) -> None:
    for ending in ("png", "jpg", "webp", "tiff", "avif"):
        path = saved(tmp_path, Image.fromarray(textured(1)), f"a.{ending}")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

        with pytest.raises(MediaError) as caught:
            make_renditions(path, folder)

        assert caught.value.cause is Cause.CORRUPT, ending


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "L"])
def test_a_picture_of_the_most_pixels_stays_within_memory(
    mode: str, tmp_path: Path, folder: Path
) -> None:
    path = saved(tmp_path, Image.new(mode, (7070, 7070)), "a.png", compress_level=1)

    with MediaPool(1) as pool:
        done = pool.run("image", path, folder)

    assert done.facts["width"] == 7070
    assert done.usage.peak_rss_bytes < 400_000_000


def test_bombs_end_with_a_cause_and_the_next_picture_is_read(
    tmp_path: Path, folder: Path
) -> None:
    webp, good = tmp_path / "a.webp", saved(tmp_path, corners(), "good.png")
    Image.new("RGB", (16_000, 2_000)).save(webp, method=0)
    bombs = {
        "pixels.png": png_bomb(12_000, 12_000),
        "frame.gif": GIF_BOMB,
        "greedy.webp": webp.read_bytes(),
    }

    with MediaPool(1) as pool:
        for name, data in bombs.items():
            path = tmp_path / name
            path.write_bytes(data)
            with pytest.raises(MediaError) as caught:
                pool.run("image", path, folder)
            assert caught.value.cause is Cause.TOO_MANY_PIXELS, name
            assert caught.value.usage is not None
            assert caught.value.usage.peak_rss_bytes < 200_000_000, name
        assert len(pool.run("image", good, folder).files) == 3
