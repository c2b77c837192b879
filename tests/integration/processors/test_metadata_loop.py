"""What files say of themselves, read by a worker in confined processes, and kept."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from catalog.repositories.mongo.extractions import MongoExtractionRepository
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.storage.directory import DirectoryObjectStore
from processors.extract.versions import VERSIONS
from processors.media.pool import MediaPool
from processors.objects.metadata import MetadataTask
from tests.fakes.media import WILDFIRES
from tests.integration.processors.studio import MOST_BYTES, Studio, picture
from tests.unit.processors.extract.pictures import png_with

Mongo = Database[dict[str, Any]]
IMAGE = "generated-images/ann/job1/image_1.png"
TALK = "transcripts/ann/job1/transcript.json"
PARAMETERS = {"parameters": "a duck\nSteps: 15, Sampler: UniPC, CFG scale: 5, Seed: 42"}


@pytest.fixture(scope="module")
def pool() -> Iterator[MediaPool]:
    with MediaPool(1) as pool:
        yield pool


class Reader(Studio):
    """A studio that reads only what files say."""

    def __init__(
        self,
        database: Mongo,
        pool: MediaPool,
        folder: Path,
        versions: Mapping[str, int] = VERSIONS,
    ) -> None:
        runs = folder / "runs"
        runs.mkdir(exist_ok=True)
        store = DirectoryObjectStore(folder / "store")
        task = MetadataTask(
            store,
            pool,
            MongoExtractionRepository(database),
            most_bytes=MOST_BYTES,
            versions=versions,
        )
        super().__init__(database, store, pool, runs, tasks=(task,))

    def kept(self, key: str) -> dict[str, dict[str, Any]]:
        found = self.database["extractions"].find({"key": key})
        return {one["extractor"]: one for one in found}


@pytest.fixture
def database(client: MongoClient[dict[str, Any]], mongo_database: Mongo) -> Mongo:
    database = client[mongo_database.name]
    ensure_indexes(database)
    return database


@pytest.fixture
def reader(database: Mongo, pool: MediaPool, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(database, pool, tmp_path)
    yield reader
    reader.work.close()


def test_a_file_is_read_once_and_again_by_a_better_extractor(
    reader: Reader, database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    reader.put(IMAGE, png_with(PARAMETERS))

    assert (reader.work_off(), reader.work_off()) == (1, 0)
    assert reader.kept(IMAGE)["generation"]["facts"]["prompt"] == "a duck"

    better = Reader(database, pool, tmp_path, {**VERSIONS, "generation": 2})
    assert (better.work_off(), better.work_off()) == (1, 0)
    better.work.close()
    versions = {name: one["version"] for name, one in reader.kept(IMAGE).items()}
    assert versions == {"picture": 1, "generation": 2, "exif": 1}
    assert database["extractions"].count_documents({"key": IMAGE}) == 3

    assert reader.work_off() == 0, "a worker of the old version leaves it alone"


def test_transcripts_read_for_worse_keywords_are_read_again(
    reader: Reader, database: Mongo, pool: MediaPool, tmp_path: Path
) -> None:
    said = {"text": "Wildfires burn far away. Wildfires are far.", "audio_duration": 3}
    reader.put(TALK, json.dumps(said).encode())
    older = Reader(database, pool, tmp_path, {**VERSIONS, "transcript_facts": 1})
    assert older.work_off() == 1
    found = {"facts.keywords": ["far", "wildfires"]}  # as version 1 did
    database["extractions"].update_one({"key": TALK, "version": 1}, {"$set": found})
    older.work.close()

    assert (reader.work_off(), reader.work_off()) == (1, 0)

    kept = list(database["extractions"].find({"key": TALK}))
    assert [(one["version"], one["facts"]["keywords"]) for one in kept] == [
        (VERSIONS["transcript_facts"], ["wildfires"])
    ]


def test_a_changed_file_is_read_again_and_a_mended_one_fails_no_more(
    reader: Reader,
) -> None:
    reader.put(IMAGE, png_with(PARAMETERS)[:12])
    reader.work_off()
    result = reader.result(IMAGE, "metadata")
    assert result is not None
    assert result.cause == "corrupt"
    broken = reader.kept(IMAGE)["generation"]
    assert broken["cause"] == "corrupt"
    assert broken["error"]

    reader.put(IMAGE, png_with(PARAMETERS))

    assert reader.work_off() == 1
    etag = reader.store.head(broken["key"]).etag
    found = reader.database["extractions"].find({"key": IMAGE, "etag": etag})
    assert not any("cause" in one for one in found)


def test_a_recording_is_probed(reader: Reader) -> None:
    reader.put("uploads/ann/talk.wav", WILDFIRES.read_bytes())

    reader.work_off()

    facts = reader.kept("uploads/ann/talk.wav")["recording"]["facts"]
    assert facts["streams"][0]["codec"] == "pcm_s16le"
    assert facts["durationSeconds"] > 1


def test_several_tasks_share_the_children(reader: Reader, pool: MediaPool) -> None:
    reader.put(IMAGE, picture())
    reader.work_off()

    folder = reader.folder / "beside"
    folder.mkdir()
    source = reader.folder / "beside.png"
    source.write_bytes(picture())
    assert pool.run("image", source, folder).facts["width"] == 640


@pytest.mark.data
@pytest.mark.timeout(300)
def test_every_shared_picture_has_facts_or_a_cause(
    reader: Reader, shared_data: Path
) -> None:
    paths = sorted(p for p in (shared_data / "images").rglob("*.*") if p.is_file())
    files = {f"images/{p.parent.name}/{p.name}": p for p in paths if _is_image(p)}
    for key, path in files.items():
        reader.put(key, path.read_bytes())

    count = reader.work_off()

    told = {key: kept for key in files if (kept := reader.kept(key))}
    assert len(told) == count > 90, "all but those whose names tell of no picture"
    for key, kept in told.items():
        assert set(kept) == {"picture", "generation", "exif"}, key
        for name, one in kept.items():
            assert ("cause" in one) == ("error" in one), (key, name)
        causes = {one.get("cause") for one in kept.values()}
        assert not causes & {"crashed", "timeout", "out_of_memory"}, (key, causes)
        if not key.startswith("images/malformed") and not key.endswith(".svg"):
            assert causes == {None}, (key, causes)
    duck = reader.kept("images/ai_metadata/automatic1111_cropped.png")["generation"]
    assert duck["facts"]["prompt"] == "photo of a duck"
    assert duck["raw"]


def _is_image(path: Path) -> bool:
    return path.suffix not in {".tsv", ".md"}


@pytest.mark.data
@pytest.mark.timeout(300)
def test_every_shared_lora_has_facts_or_a_cause(
    reader: Reader, shared_data: Path
) -> None:
    root = shared_data / "loras"
    for path in sorted(root.rglob("*.safetensors")):
        reader.put(f"loras/{path.name}", path.read_bytes())

    reader.work_off()

    real = reader.kept("loras/lora_disney_rank1.safetensors")["safetensors"]["facts"]
    assert (real["family"], real["rank"]) == ("sd1", 1)
    with (root / "malformed" / "CASES.tsv").open() as file:
        cases = list(csv.reader(file, delimiter="\t"))[1:]
    for name, *_ in cases:
        if not name.endswith(".safetensors"):
            continue
        (one,) = reader.kept(f"loras/{Path(name).name}").values()
        assert ("cause" in one) == (name != "ok_mini_lora.safetensors"), name
