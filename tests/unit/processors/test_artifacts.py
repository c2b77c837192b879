import io
import json
import struct
from pathlib import Path

import pytest
from PIL import Image

from processors.engine import EngineError
from processors.engines.artifacts import (
    Picture,
    check_json,
    check_safetensors,
    look_at_picture,
)
from tests.fakes.provider_files import png, safetensors


def drawn(format_: str, **options: object) -> bytes:
    written = io.BytesIO()
    image = Image.effect_noise((40, 24), 50).convert("RGB")
    image.save(written, format_, **options)
    return written.getvalue()


PICTURES = {
    "png": (drawn("PNG"), "image/png", ".png"),
    "our own png": (png(40, 24), "image/png", ".png"),
    "jpeg": (drawn("JPEG"), "image/jpeg", ".jpg"),
    "progressive jpeg": (drawn("JPEG", progressive=True), "image/jpeg", ".jpg"),
    "webp": (drawn("WEBP"), "image/webp", ".webp"),
    "lossless webp": (drawn("WEBP", lossless=True), "image/webp", ".webp"),
    "extended webp": (drawn("WEBP", exif=b"Exif\0\0"), "image/webp", ".webp"),
}


def kept(folder: Path, content: bytes) -> Path:
    path = folder / "file.part"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "content_type", "suffix"), PICTURES.values(), ids=PICTURES
)
def test_a_picture_tells_its_type_and_size(
    content: bytes, content_type: str, suffix: str, tmp_path: Path
) -> None:
    assert look_at_picture(kept(tmp_path, content)) == Picture(
        content_type, suffix, 40, 24
    )


@pytest.mark.parametrize(
    "content", [content for content, _, _ in PICTURES.values()], ids=PICTURES
)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_a_picture_that_is_cut_off_may_be_fetched_again(
    content: bytes, share: float, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        look_at_picture(kept(tmp_path, content[: max(17, int(len(content) * share))]))

    assert (caught.value.code, caught.value.is_retryable) == (
        "provider_unavailable",
        True,
    )


def test_a_damaged_png_is_noticed_by_its_checksums(tmp_path: Path) -> None:
    content = bytearray(PICTURES["png"][0])
    content[len(content) // 2] ^= 1

    with pytest.raises(EngineError, match="damaged"):
        look_at_picture(kept(tmp_path, bytes(content)))


@pytest.mark.parametrize("content", [b"", b"<html>", b"GIF89a" + b"\0" * 20, b"RIFF"])
def test_anything_else_is_no_picture(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        look_at_picture(kept(tmp_path, content))

    assert (caught.value.code, caught.value.is_retryable) == (
        "provider_rejected",
        False,
    )


def test_whole_weights_pass(tmp_path: Path) -> None:
    check_safetensors(kept(tmp_path, safetensors()))


def with_header(header: object, data: bytes = b"") -> bytes:
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


@pytest.mark.parametrize(
    ("content", "is_retryable"),
    [
        (safetensors()[:-1], True),
        (safetensors()[:20], True),
        (b"", True),
        (png(), False),
        (struct.pack("<Q", 10**9) + b"{", False),
        (with_header({}), False),
        (with_header({"a": 1}), False),
        (with_header({"a": {"data_offsets": ["x", "y"]}}), False),
    ],
)
def test_other_weights_do_not(
    content: bytes,
    is_retryable: bool,  # noqa: FBT001  (a parameter of the test)
    tmp_path: Path,
) -> None:
    with pytest.raises(EngineError) as caught:
        check_safetensors(kept(tmp_path, content))

    assert caught.value.is_retryable is is_retryable


def test_a_config_must_be_a_json_object(tmp_path: Path) -> None:
    check_json(kept(tmp_path, b'{"rank": 16}'))
    for content in (b"[]", b"", b"{", b"\xff\xfe"):
        with pytest.raises(EngineError):
            check_json(kept(tmp_path, content))
