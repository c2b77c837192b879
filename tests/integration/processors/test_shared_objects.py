"""Every picture and recording of the shared data, put into the store by somebody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.storage.directory import DirectoryObjectStore
from processors.media.pool import MediaPool
from tests.integration.processors.studio import Studio
from tests.unit.processors.media.test_shared_media import BAD, SOUNDS

Mongo = Database[dict[str, Any]]

pytestmark = [pytest.mark.data, pytest.mark.timeout(300)]


@pytest.fixture
def studio(
    client: MongoClient[dict[str, Any]], mongo_database: Mongo, tmp_path: Path
) -> Iterator[Studio]:
    database = client[mongo_database.name]
    ensure_indexes(database)
    folder = tmp_path / "runs"
    folder.mkdir()
    with MediaPool(1) as pool:
        store = DirectoryObjectStore(tmp_path / "store")
        studio = Studio(database, store, pool, folder)
        yield studio
        studio.work.close()


def test_every_good_file_has_renditions_and_every_bad_one_a_cause(
    studio: Studio, shared_data: Path
) -> None:
    named = dict[str, str]()
    for part in ("images", "audio"):
        root = shared_data / part
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix != ".tsv":
                name = path.relative_to(root).as_posix()
                key = f"generated-images/ann/{part}/{name}"
                named[key] = name
                studio.put(key, path.read_bytes())
    assert len(named) > 100

    assert studio.work_off() >= len(named)
    for _ in range(3):  # what may pass is tried again
        studio.due_now()
        studio.work_off()

    stored = studio.stored()
    causes = dict[str, str]()
    for key, name in named.items():
        result = studio.result(key)
        assert result is not None, name
        if result.cause is not None:
            assert result.message, name
            assert not result.renditions
            causes[name] = result.cause
            continue
        kinds = {one.kind.value for one in result.renditions}
        assert kinds >= {"thumbnail"} or kinds == {"waveform", "peaks"}, name
        assert all(stored[one.key] == one.size_bytes for one in result.renditions)
    bad_sounds = {name: cause for name, cause in SOUNDS.items() if str(cause) == cause}
    assert causes == {name: str(cause) for name, cause in (BAD | bad_sounds).items()}
    keys = [one for found in _all(studio, named) for one in found]
    assert len(keys) == len(set(keys)), "no two files share a rendition"
    assert studio.work_off() == 0
    assert not list(studio.folder.iterdir())


def _all(studio: Studio, named: dict[str, str]) -> Iterator[list[str]]:
    for key in named:
        result = studio.result(key)
        yield [one.key for one in result.renditions] if result else []
