"""A LoRA's picture, from an image that was made with it."""

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pymongo import MongoClient
from pymongo.database import Database

from catalog.models.asset import AssetRow, AssetType
from catalog.models.ids import ObjectKey
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.rows import MongoRowRepository
from processors.media.pool import MediaPool
from processors.objects.previews import PreviewsTask
from tests.fakes.store import FakeStore
from tests.integration.processors.studio import Studio, picture
from tests.integration.repositories.rows import NOW, row

Mongo = Database[dict[str, Any]]
MODEL = "loras/ann/lora1/v2/model.safetensors"
PREVIEW = "loras/ann/lora1/preview.png"


@pytest.fixture
def database(client: MongoClient[dict[str, Any]], mongo_database: Mongo) -> Mongo:
    database = client[mongo_database.name]
    ensure_indexes(database)
    return database


@pytest.fixture
def studio(database: Mongo, tmp_path: Path) -> Iterator[Studio]:
    folder = tmp_path / "runs"
    folder.mkdir()
    with MediaPool(1) as pool:
        store = FakeStore()
        studio = Studio(database, store, pool, folder)
        studio.tasks = (PreviewsTask(studio.assets, store, pool),)
        yield studio
        studio.work.close()


def lora(**facts: Any) -> AssetRow:  # noqa: ANN401
    versions = [
        {"version": 2, "files": [{"role": "model", "name": "m", "key": MODEL}]},
    ]
    return row("lora1", user="ann", keys=(MODEL,), versions=versions, **facts)


def image(name: str, **facts: Any) -> AssetRow:  # noqa: ANN401
    key = f"generated-images/{facts.get('user', 'ann')}/{name}/image_1.png"
    file = {"role": "image", "name": "image_1.png", "key": key}
    shown: dict[str, Any] = {
        "user": "ann",
        "uses": ["lora1"],
        "width": 640,
        "height": 640,
    }
    return row(
        f"{name}-1",
        job_id=name,
        root=name,
        kind=AssetType.IMAGE,
        keys=(key,),
        **(shown | {"versions": [{"version": 1, "files": [file]}]} | facts),
    )


def known(studio: Studio, *rows: AssetRow, colour: str = "red") -> None:
    MongoRowRepository(studio.database).replace(rows)
    for one in rows:
        for key in one.keys:
            if key.endswith(".png"):
                studio.store.write(key, picture(colour, (1400, 700)))


def shown(studio: Studio) -> str | None:
    """The image that the preview is of."""
    result = studio.result(MODEL, "previews")
    return None if result is None else result.facts.get("example")


def test_an_image_that_was_made_with_it_is_shown(studio: Studio) -> None:
    known(studio, lora(), image("job1"))
    studio.put(MODEL, b"weights")
    studio.work_off()

    preview = Image.open(BytesIO(studio.store.read(ObjectKey(PREVIEW))))
    assert (preview.format, preview.size) == ("PNG", (1024, 512))
    assert shown(studio) == "job1-1"


def test_it_is_looked_for_until_there_is_one(studio: Studio) -> None:
    studio.put(MODEL, b"weights")
    for _ in range(2):
        assert studio.work_off() == 1
        assert studio.work_off() == 0
        known(studio, lora())
        studio.due_now()
    assert PREVIEW not in studio.stored()

    known(studio, image("job1"))
    studio.work_off()
    assert PREVIEW in studio.stored()


def test_the_engines_own_picture_is_left_as_it_is(studio: Studio) -> None:
    known(studio, lora(), image("job1"))
    studio.store.write(ObjectKey("loras/ann/lora1/v2/preview.png"), b"engine's")
    studio.put(MODEL, b"weights")
    studio.work_off()
    assert PREVIEW not in studio.stored()
    studio.due_now()
    assert studio.work_off() == 0


def test_a_preview_that_somebody_wrote_is_never_overwritten(studio: Studio) -> None:
    known(studio, lora(), image("job1"))
    studio.store.write(ObjectKey(PREVIEW), b"theirs")
    studio.put(MODEL, b"weights")
    studio.work_off()
    assert studio.store.read(ObjectKey(PREVIEW)) == b"theirs"


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"uses": ["lora1", "other"]}, {}),
        ({"width": 64, "height": 64}, {}),
        ({"created_at": NOW - timedelta(days=1)}, {}),
        ({"user": "bob", "is_public": True}, {"width": 64}),
        ({"is_trashed": True}, {"width": 64}),
    ],
)
def test_the_best_example_is_taken(
    studio: Studio, worse: dict[str, Any], better: dict[str, Any]
) -> None:
    known(studio, lora(), image("worse", **worse), image("better", **better))
    studio.put(MODEL, b"weights")
    studio.work_off()
    assert shown(studio) == "better-1"


def test_nobody_sees_by_it_what_was_not_for_his_eyes(studio: Studio) -> None:
    known(studio, lora(is_public=True), image("private"))
    studio.put(MODEL, b"weights")
    studio.work_off()
    assert PREVIEW not in studio.stored()


def test_an_example_that_cannot_be_read_gives_way_to_the_next(studio: Studio) -> None:
    known(studio, lora(), image("job1"), image("job2", width=64))
    studio.store.write(image("job1").keys[0], b"no picture")
    studio.put(MODEL, b"weights")
    studio.work_off()
    assert shown(studio) == "job2-1"


def test_an_older_version_of_the_weights_is_left_alone(studio: Studio) -> None:
    older = "loras/ann/lora1/v1/model.safetensors"
    known(studio, lora(), image("job1"))
    studio.database["assets"].update_one(
        {"view.assetId": "lora1"}, {"$push": {"keys": older}}
    )
    studio.put(older, b"weights")
    studio.work_off()
    assert PREVIEW not in studio.stored()
    studio.due_now()
    assert studio.work_off() == 0
