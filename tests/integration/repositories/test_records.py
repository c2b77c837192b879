"""Everything under roots is read, whatever else lies in the database."""

import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from pymongo.database import Database

from catalog.models.ids import JobId, ObjectKey
from catalog.models.stored import Extraction, ObjectState, StoredObject
from catalog.models.transcript import Segment, TranscriptContent
from catalog.repositories.base import RecordReader, RootId
from catalog.repositories.mongo.extractions import MongoExtractionRepository
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.objects import MongoObjectRepository
from catalog.repositories.mongo.rows import MongoRowRepository
from tests.fakes.recording import put
from tests.integration.repositories.rows import row
from tests.unit.repositories.poison import NOW, corpus, job, unidentified

Mongo = Database[dict[str, Any]]

KEY = "generated-images/user123/job-1/image_7.png"


def present(key: str, etag: str = "e1", **fields: Any) -> StoredObject:  # noqa: ANN401
    return StoredObject(
        store="s3://bucket",
        key=ObjectKey(key),
        state=ObjectState.PRESENT,
        etag=etag,
        size_bytes=1,
        **fields,
    )


def extraction(key: str, etag: str, version: int = 1) -> Extraction:
    content = TranscriptContent(
        text=f"about wildfires, {etag}",
        segments=(
            Segment(
                sequence=0,
                utterance=0,
                text="about wildfires \ud800",
                start_ms=10,
                word_starts_ms=(10, 20),
            ),
        ),
        word_count=2,
    )
    return Extraction(
        store="s3://bucket",
        key=ObjectKey(key),
        etag=etag,
        extractor="transcript",
        version=version,
        transcript=content,
    )


def test_a_bundle_holds_all_that_belongs_to_its_root(
    database: Mongo, reader: RecordReader
) -> None:
    ensure_indexes(database)
    record = job(versions=[{"version": 1, "images": [{"s3Key": KEY}, {"url": "x"}]}])
    database["jobs"].insert_one({"_id": "root-1", **record})
    database["annotations"].insert_many(
        [
            {"_id": "job-1", "name": "by job"},
            {"_id": "job-1-7", "name": "by file"},
            {"_id": "job-1-2", "name": "by position"},
            {"_id": "job-12", "name": "another's"},
        ]
    )
    put(
        MongoObjectRepository(database),
        [
            present(KEY, job_id=JobId("job-1")),
            present(
                "generated-images/user123/job-1/image_7_thumb.png",
                job_id=JobId("job-1"),
            ),
            present("loras/user123/job-2/v1/model.safetensors", job_id=JobId("job-2")),
        ],
    )
    MongoExtractionRepository(database).record(
        [extraction(KEY, "e1"), extraction(KEY, "e1", 2), extraction(KEY, "gone", 3)]
    )
    MongoRowRepository(database).replace([row("job-1-7", root="root-1")])

    batch = reader.read(["root-1", "nowhere"])

    bundle, gone = batch.bundles
    assert bundle.job is not None
    assert bundle.job.job_id == "job-1"
    assert set(bundle.annotations) == {"job-1", "job-1-7", "job-1-2"}
    assert len(bundle.objects) == 2
    assert bundle.extractions[ObjectKey(KEY)].version == 2
    transcript = bundle.extractions[ObjectKey(KEY)].transcript
    assert transcript is not None
    assert transcript.segments[0].text == "about wildfires ?"
    assert transcript.segments[0].word_starts_ms == (10, 20)
    assert [one.view["assetId"] for one in bundle.rows] == ["job-1-7"]
    assert (gone.root, gone.job, gone.malformed) == ("nowhere", None, None)
    assert batch.cluster_time > 0


def test_a_read_waits_for_the_moment_that_it_must_include(
    database: Mongo, reader: RecordReader
) -> None:
    database["jobs"].insert_one({"_id": 1, **job()})
    before = reader.read([1]).cluster_time
    database["jobs"].update_one({"_id": 1}, {"$set": {"status": "failed"}})
    after = reader.read([1]).cluster_time

    batch = reader.read([1], not_before=after)

    assert before < after <= batch.cluster_time
    assert batch.bundles[0].job is not None
    assert batch.bundles[0].job.status == "failed"


def test_of_records_with_one_job_id_the_newest_readable_one_counts(
    database: Mongo, reader: RecordReader
) -> None:
    database["jobs"].insert_many(
        [
            {"_id": 1, **job()},
            {"_id": 2, **job(createdAt=NOW + timedelta(days=1))},
            {"_id": 3, **job(createdAt=NOW + timedelta(days=2), userId=None)},
            {"_id": 4, **job("other")},
        ]
    )

    old, new, unreadable, other = reader.read([1, 2, 3, 4]).bundles

    assert (old.job, old.shadowed_by, set(old.siblings)) == (None, 2, {2, 3})
    assert new.job is not None
    assert (new.shadowed_by, set(new.siblings)) == (None, {1, 3})
    assert unreadable.malformed is not None
    assert unreadable.malformed.field == "userId"
    assert other.siblings == ()


def test_of_equally_old_records_the_greater_record_id_counts(
    database: Mongo, reader: RecordReader
) -> None:
    database["jobs"].insert_many([{"_id": n, **job()} for n in (1, 2)])

    one, two = reader.read([1, 2]).bundles

    assert one.shadowed_by == 2
    assert two.job is not None


def test_when_the_newest_record_is_gone_its_siblings_are_named(
    database: Mongo, reader: RecordReader
) -> None:
    database["jobs"].insert_one({"_id": 1, **job()})
    MongoRowRepository(database).replace([row("job-1", root=2)])

    (bundle,) = reader.read([2]).bundles

    assert bundle.siblings == (1,)
    assert reader.roots_of_changes("jobs", [2]) == (2, 1)


ROOTS: tuple[RootId, ...] = (
    MinKey(),
    None,
    -3,
    Int64(2**40),
    4.5,
    Decimal128("5.25"),
    "a",
    "b",
    {"sub": 1, "order": 2},
    b"bytes",
    UUID(int=9),
    ObjectId("0123456789abcdef01234567"),
    False,
    True,
    NOW,
    Timestamp(5, 6),
    MaxKey(),
)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_a_scan_lists_roots_of_all_types_once(
    database: Mongo, reader: RecordReader, limit: int
) -> None:
    for number, root in enumerate(ROOTS):
        database["jobs"].insert_one({"_id": root, **job(f"job-{number}")})

    found: list[RootId] = []
    while batch := reader.scan(found[-1] if found else None, limit):
        found += batch
        if len(batch) < limit:
            break

    assert found == [raw["_id"] for raw in database["jobs"].find().sort("_id", 1)]
    assert len(found) == len(ROOTS)
    bundles = reader.read(found).bundles
    assert [bundle.root for bundle in bundles] == found
    assert all(bundle.job is not None for bundle in bundles)


def test_poison_never_hides_its_neighbours(
    database: Mongo, reader: RecordReader
) -> None:
    poison = corpus()
    database["jobs"].insert_many([*poison, job("fine"), *unidentified()])

    roots = reader.scan(None, 2000)
    bundles = [
        bundle
        for start in range(0, len(roots), 500)
        for bundle in reader.read(roots[start : start + 500]).bundles
    ]

    assert len(bundles) == len(roots)
    assert sum(bundle.job is not None for bundle in bundles) == len(poison) + 1
    assert sum(bundle.malformed is not None for bundle in bundles) == len(
        unidentified()
    )


def test_ids_of_other_types_lead_to_their_jobs(
    database: Mongo, reader: RecordReader
) -> None:
    database["jobs"].insert_many(
        [{"_id": 1, **job(17)}, {"_id": 2, **job(UUID(int=3))}, {"_id": 3, **job(1.5)}]
    )

    assert reader.roots_of_jobs([JobId("17")]) == (1,)
    assert reader.roots_of_jobs([JobId(str(UUID(int=3)))]) == (2,)
    assert reader.roots_of_jobs([JobId("1.5"), JobId("\ud800")]) == ()


def test_changed_records_lead_to_their_roots(
    database: Mongo, reader: RecordReader
) -> None:
    database["jobs"].insert_many([{"_id": 1, **job()}, {"_id": 2, **job("a-5")}])
    objects = MongoObjectRepository(database)
    known = present(KEY)
    elsewhere = present("imports/x.png")
    MongoRowRepository(database).replace([row("a-5", root=2, keys=("imports/x.png",))])
    read_out = extraction(KEY, "e1")
    MongoExtractionRepository(database).record([read_out])

    def roots(collection: str, *ids: object) -> set[RootId]:
        return set(reader.roots_of_changes(collection, ids))

    assert roots("jobs", 1) == {1}
    assert roots("annotations", "job-1-7") == {1}
    assert roots("annotations", "a-5", "a-5-dataset", 5) == {2}
    assert roots("objects", objects.record_id(known)) == {1}
    assert roots("objects", objects.record_id(elsewhere)) == {2}
    assert roots("objects", "directory/" + KEY) == {1}
    extraction_id = MongoExtractionRepository(database).record_id(read_out)
    assert roots("extractions", extraction_id, "unknown") == {1}


def test_facts_are_those_of_the_newest_extractors_of_the_present_file(
    database: Mongo, reader: RecordReader
) -> None:
    record = job(versions=[{"version": 1, "images": [{"s3Key": KEY}]}])
    database["jobs"].insert_one({"_id": 1, **record})
    put(MongoObjectRepository(database), [present(KEY, job_id=JobId("job-1"))])
    first = Extraction(
        store="s3://bucket",
        key=ObjectKey(KEY),
        etag="e1",
        extractor="generation",
        version=2,
        facts={"prompt": "new"},
        raw=b"parameters",
    )
    MongoExtractionRepository(database).record(
        [
            first,
            first.evolve(extractor="exif", facts={}),
            first.evolve(etag="gone", version=9, facts={"prompt": "of another file"}),
        ]
    )
    # By a worker that has an older extractor.
    MongoExtractionRepository(database).record(
        [first.evolve(version=1, facts={"prompt": "old"})]
    )

    (bundle,) = reader.read([1]).bundles

    assert not bundle.extractions
    exif, generation = bundle.facts[ObjectKey(KEY)]
    assert (exif.extractor, generation.facts) == ("exif", {"prompt": "new"})
    assert generation.raw is None  # never read where nobody needs it


def test_a_recording_leads_to_the_transcript_that_was_made_from_it(
    database: Mongo, reader: RecordReader
) -> None:
    source = ObjectKey("uploads/ann/talk.mp4")
    made = replace(row("job-1", root=1), sources=(source,))
    MongoRowRepository(database).replace([made])
    said = extraction(source, "e1").evolve(extractor="recording", transcript=None)
    MongoExtractionRepository(database).record([said])

    identifier = MongoExtractionRepository(database).record_id(said)

    assert reader.roots_of_changes("extractions", [identifier]) == (1,)
    (kept,) = MongoRowRepository(database).read_rows([made.document_id])
    assert kept.sources == (source,)


def test_rows_whose_job_record_is_gone_are_orphans(
    database: Mongo, reader: RecordReader
) -> None:
    database["jobs"].insert_one({"_id": 1, **job()})
    MongoRowRepository(database).replace(
        [row("job-1", root=1), row("b", root={"x": 1}), row("c", root={"x": 1})]
    )

    assert reader.orphans(10) == ({"x": 1},)


def test_a_tag_is_visible_to_all_who_see_an_asset_that_bears_it(
    database: Mongo, reader: RecordReader
) -> None:
    mine = row("a", root=1, tags=["C++"])
    public = row("b", root=2, tags=["C++"], is_public=True)
    MongoRowRepository(database).replace([mine, public, row("c", root=3)])

    key = mine.tag_keys[0]
    everyone = reader.rows_with_tag(mine.owner_key, key, excluding_roots=[])
    without = reader.rows_with_tag(mine.owner_key, key, excluding_roots=[2])

    assert everyone == set(public.acl)
    assert without == set(mine.acl)


def test_a_long_transcript_is_kept_packed(database: Mongo) -> None:
    segments = tuple(
        Segment(sequence=n, utterance=n, text="so they said " * 40, start_ms=n)
        for n in range(20_000)
    )
    content = TranscriptContent(
        text="said " * 2_000_000, segments=segments, word_count=1
    )
    long = extraction(KEY, "e1").evolve(transcript=content)

    MongoExtractionRepository(database).record([long])

    kept = database["extractions"].find_one({})
    assert kept is not None
    assert len(kept["body"]) < 2_000_000 < len(zlib.decompress(kept["body"]))


def test_indexes_are_made_once_and_serve_the_reads(database: Mongo) -> None:
    ensure_indexes(database)
    before = {n: set(database[n].index_information()) for n in ("jobs", "assets")}

    ensure_indexes(database)

    after = {n: set(database[n].index_information()) for n in ("jobs", "assets")}
    assert before == after
    plan = database["jobs"].find({"jobId": "a"}, {"jobId": 1, "_id": 1}).explain()
    assert plan["queryPlanner"]["winningPlan"]["stage"] == "PROJECTION_COVERED"


def test_a_scan_ends_at_its_bound_whatever_comes_later(
    database: Mongo, reader: RecordReader
) -> None:
    assert reader.last() is None
    database["jobs"].insert_many([{"_id": n} for n in (1, 3, 5, "a", "c")])
    last = reader.last()
    database["jobs"].insert_many([{"_id": n} for n in (2, "b", "d")])

    assert last == "c"
    assert reader.scan(None, 100, until=last) == (1, 2, 3, 5, "a", "b", "c")
    assert reader.scan("a", 2, until=last) == ("b", "c")
    assert reader.scan("b", 2, until=last) == ("c",)
    assert reader.scan("c", 2, until=last) == ()
    assert reader.scan("d", 2, until=last) == ()
    database["jobs"].delete_one({"_id": "c"})
    assert reader.scan("a", 5, until=last) == ("b",)
