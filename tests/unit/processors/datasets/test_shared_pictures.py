"""Pictures of all kinds, good and bad: each is trained on, or has a reason."""

from pathlib import Path

import pytest
from PIL import Image

from catalog.models.generation import LoraTraining
from catalog.models.ids import ObjectKey
from catalog.services.locations import Located
from processors.datasets.gathering import Gatherer
from processors.media.errors import Cause
from tests.fakes.store import FakeStore
from tests.unit.processors.datasets.scene import StoreFetch
from tests.unit.processors.media.test_shared_media import BAD

pytestmark = [pytest.mark.data, pytest.mark.timeout(300)]

REASONS = {"blurred", "duplicate", *map(str, Cause)}


def test_every_picture_of_the_shared_data_is_used_or_has_a_reason(
    shared_data: Path, tmp_path: Path
) -> None:
    store = FakeStore()
    root = shared_data / "images"
    paths = [p for p in sorted(root.rglob("*")) if p.is_file() and p.suffix != ".tsv"]
    names = [ObjectKey(f"temp/u/{n}{path.suffix}") for n, path in enumerate(paths)]
    store.objects |= {
        name: path.read_bytes() for name, path in zip(names, paths, strict=True)
    }
    fetch = StoreFetch(store)
    request = LoraTraining.model_validate({"loraName": "x", "images": names})
    sources = [(f"images.{n}", Located(key=name)) for n, name in enumerate(names)]

    found = Gatherer(store, fetch, fetch_picture=fetch).gather(
        request, sources, tmp_path, lambda: None
    )

    used = [one.place for one in found.pictures]
    dropped = [place for at in found.facts["droppedAt"].values() for place in at]
    assert found.facts["sampled"] == len(paths)
    assert sorted([*used, *dropped]) == list(range(len(paths)))
    assert {
        reason: count for reason, count in found.facts["dropped"].items() if count
    } == {reason: len(at) for reason, at in found.facts["droppedAt"].items()}
    assert set(found.facts["dropped"]) <= REASONS
    named = [path.relative_to(root).as_posix() for path in paths]
    unread = {
        named[place]
        for reason, at in found.facts["droppedAt"].items()
        if reason not in {"blurred", "duplicate"}
        for place in at
    }
    assert unread
    assert unread <= set(BAD)
    assert set(BAD) <= {named[place] for place in dropped}
    for picture in found.pictures:
        with Image.open(picture.path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert max(image.size) <= 1024
            assert not image.getexif()
    assert not list(tmp_path.rglob("source"))
