import blurhash as reference  # type: ignore[import-untyped]  # it has no types
import numpy as np
import pytest
from PIL import Image, ImageFilter

from processors.media.fingerprints import (
    blurhash,
    brightness,
    dominant_colours,
    hash_distance,
    perceptual_hash,
    sharpness,
)
from tests.unit.processors.media.drawn import corners, even, textured


@pytest.mark.parametrize("seed", range(4))
def test_a_blurhash_is_what_the_reference_makes(seed: int) -> None:
    image = Image.fromarray(textured(seed, (32, 24)))

    expected = reference.encode(np.asarray(image).tolist(), 4, 3)

    assert blurhash(image) == expected


def test_a_blurhash_of_a_portrait_has_its_terms_upright() -> None:
    image = Image.fromarray(textured(1, (24, 32)))

    expected = reference.encode(np.asarray(image).tolist(), 3, 4)

    assert blurhash(image) == expected


def test_an_even_picture_has_a_blurhash() -> None:
    assert len(blurhash(Image.new("RGB", (1, 1), "red"))) == 28


def test_alike_pictures_differ_in_few_bits_and_others_in_many() -> None:
    image = Image.fromarray(textured(1))
    smaller = image.resize((100, 75)).filter(ImageFilter.GaussianBlur(1))
    other = Image.fromarray(textured(2))

    assert hash_distance(perceptual_hash(image), perceptual_hash(smaller)) <= 4
    assert hash_distance(perceptual_hash(image), perceptual_hash(other)) >= 16


def test_an_even_picture_hashes_to_no_noise() -> None:
    assert perceptual_hash(Image.new("RGB", (50, 50), "#777")) == "8000000000000000"


def test_colours_come_by_share() -> None:
    image = Image.new("RGB", (100, 100), "#204060")
    image.paste("#ff0000", (0, 0, 100, 20))

    assert dominant_colours(image) == ["#204060", "#ff0000"]
    assert len(dominant_colours(corners())) == 4


def test_what_cannot_be_seen_has_no_colour() -> None:
    assert dominant_colours(Image.new("RGBA", (9, 9), (255, 0, 0, 0))) == []


def test_blur_takes_sharpness() -> None:
    image = Image.fromarray(textured(1))

    assert sharpness(image.filter(ImageFilter.GaussianBlur(6))) < sharpness(image) / 20
    assert sharpness(Image.fromarray(even(90))) == 0
    assert sharpness(Image.new("RGB", (2, 2))) == 0


def test_brightness_is_the_mean_grey() -> None:
    assert brightness(Image.fromarray(even(90))) == 90
