import pytest

from catalog.models.ids import ObjectKey
from catalog.renditions import (
    LARGE_ENDING,
    PEAKS_ENDING,
    POSTER_ENDING,
    SMALL_ENDING,
    THUMB_ENDING,
    WAVEFORM_ENDING,
    is_rendition,
    rendition_keys,
)

ENDINGS = (
    THUMB_ENDING,
    SMALL_ENDING,
    LARGE_ENDING,
    POSTER_ENDING,
    WAVEFORM_ENDING,
    PEAKS_ENDING,
)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "source",
    [
        "generated-images/ann/job1/image_1.png",
        "loras/ann/job1/v1/preview.png",
        "uploads/talk.tar.mp3",
        "uploads/without",
        "uploads/.hidden",
        "a.b/c",
    ],
)
def test_every_rendition_is_known_as_one(source: str, ending: str) -> None:
    names = rendition_keys(ObjectKey(source), ending)
    assert names
    assert all(is_rendition(name) for name in names)
    assert all(name.rpartition("/")[0] == source.rpartition("/")[0] for name in names)
    assert not is_rendition(source)


def test_the_first_name_is_the_seeds() -> None:
    assert rendition_keys(ObjectKey("a/image_1.png"), THUMB_ENDING) == (
        "a/image_1_thumb.png",
        "a/image_1.png_thumb.png",
    )


def test_a_name_too_long_for_a_key_is_left_out() -> None:
    stem = "a" * 1012
    assert rendition_keys(ObjectKey(f"{stem}.png"), THUMB_ENDING) == (
        f"{stem}_thumb.png",
    )
    assert rendition_keys(ObjectKey(f"{'a' * 1020}.png"), THUMB_ENDING) == ()
