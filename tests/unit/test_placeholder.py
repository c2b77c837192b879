from io import BytesIO

import pytest
from PIL import Image

from catalog.models.asset import AssetType
from catalog.placeholder import placeholder


@pytest.mark.parametrize("kind", list(AssetType))
@pytest.mark.parametrize(
    ("side", "drawn"), [(1, 16), (16, 16), (100, 96), (256, 256), (2048, 512)]
)
def test_a_sign_is_a_png_of_about_the_size_asked_for(
    kind: AssetType, side: int, drawn: int
) -> None:
    content = placeholder(kind, side)
    image = Image.open(BytesIO(content))
    image.load()
    assert (image.format, image.size) == ("PNG", (drawn, drawn))
    assert len(content) < 2000
    assert len(image.getcolors() or ()) == 2


def test_each_type_has_a_sign_of_its_own() -> None:
    assert len({placeholder(kind, 64) for kind in AssetType}) == len(AssetType)


@pytest.mark.parametrize(
    ("ground", "colour"),
    [
        ("#102030", (16, 32, 48)),
        (None, (228, 231, 236)),
        ("#12", (228, 231, 236)),
        ("reddish", (228, 231, 236)),
    ],
)
def test_the_ground_has_the_colour_asked_for(
    ground: str | None, colour: tuple[int, int, int]
) -> None:
    image = Image.open(BytesIO(placeholder(AssetType.LORA, 64, ground)))
    assert image.convert("RGB").getpixel((0, 0)) == colour
