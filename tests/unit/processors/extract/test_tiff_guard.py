import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.extract.exif import extract_exif
from processors.extract.result import Cause, ExtractError
from processors.extract.tiff_guard import MAX_DIRECTORY, why_unsafe
from tests.unit.processors.extract.pictures import chunk, exif_of, picture, png

BYTES, LONG = 7, 4


def tiff(
    *entries: tuple[int, int, int, int], order: str = "<", rest: bytes = b""
) -> bytes:
    """Make a structure of one directory; entries are tag, type, count and value."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(order + "H", len(entries)) + b"".join(
        struct.pack(order + "HHII", *entry) for entry in entries
    )
    return mark + struct.pack(order + "I", 8) + directory + bytes(4) + rest


def greedy(tag: int, entries: int, size: int) -> bytes:
    return tiff(*[(tag + n, BYTES, size, 20) for n in range(entries)], rest=bytes(size))


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "AVIF"])
def test_what_pillow_writes_is_safe(kind: str) -> None:
    exif = exif_of({0x010F: "Canon" * 100}, {0xA434: "lens"}, {2: (1.0, 2.0, 3.0)})
    structure = (
        picture("TIFF", exif=exif) if kind == "TIFF" else exif.removeprefix(b"Exif\0\0")
    )

    assert why_unsafe(structure) is None
    assert extract_exif(picture(kind, exif=exif)).problems == ()


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_that_overlap_are_unsafe(order: str) -> None:
    entries = [(1000 + n, BYTES, 10_000, 20) for n in range(500)]

    assert why_unsafe(tiff(*entries, order=order, rest=bytes(10_000))) is not None


@pytest.mark.parametrize("tag", [0x8769, 0x8825])
def test_a_directory_inside_is_looked_at_too(tag: int) -> None:
    inner = struct.pack("<H", 300) + b"".join(
        struct.pack("<HHII", 1000 + n, BYTES, 10_000, 20) for n in range(300)
    )

    assert why_unsafe(tiff((tag, LONG, 1, 26), rest=inner + bytes(10_000)))
    few = struct.pack("<HHHII", 1, 1000, BYTES, MAX_DIRECTORY + 1, 40)
    assert why_unsafe(tiff((tag, LONG, 1, 26), rest=few + bytes(MAX_DIRECTORY + 100)))


def test_greedy_exif_is_noted_and_not_read() -> None:
    extracted = extract_exif(png(chunk(b"eXIf", greedy(1000, 4000, 50_000))))

    assert extracted.problems == ("The EXIF is not read. Its values overlap.",)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (greedy(1000, 4000, 50_000), Cause.CORRUPT),
        (b"II+\0\x08\0\0\0" + bytes(50), Cause.UNSUPPORTED),
    ],
)
def test_a_tiff_that_is_unsafe_is_refused(data: bytes, cause: Cause) -> None:
    with pytest.raises(ExtractError) as caught:
        extract_exif(data)

    assert caught.value.cause is cause


@given(st.sampled_from([b"II*\0", b"MM\0*", b""]), st.binary(max_size=100))
def test_any_bytes_are_looked_at(mark: bytes, rest: bytes) -> None:
    reason = why_unsafe(mark + rest)

    assert reason is None or reason.startswith("It")
