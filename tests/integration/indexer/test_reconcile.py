"""What reconciling finds and mends, on the real MongoDB and the real Typesense."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from catalog.models.ids import ObjectKey
from catalog.repositories.index_control import ReconcileReport
from catalog.repositories.index_state import IndexRequest, RequestState
from catalog.repositories.mongo.roots import root_key_of
from catalog.search.base import IndexName
from catalog.search.projection import bucket_of
from tests.integration.indexer.conftest import (
    WHEN,
    Platform,
    assemblyai,
    eventually,
    image_job,
    running,
    transcript_job,
)

Record = dict[str, Any]

TALK = "transcripts/ann/talk/transcript.json"


def ask(platform: Platform, *kinds: str, **arguments: object) -> IndexRequest:
    """Ask for reconciling and wait for what comes of it."""
    requests, name = platform.catalog.index_requests, f"asked-{uuid4().hex}"
    named = {"kinds": list(kinds), **arguments} if kinds else arguments
    requests.add(IndexRequest(name, "reconcile", WHEN, named))
    answers: list[IndexRequest] = []

    def is_answered() -> bool:
        found = requests.find(name)
        assert found is not None
        if found.outcome is not None:
            answers.append(found)
        return bool(answers)

    eventually(is_answered)
    return answers[0]


def outcome(platform: Platform, *kinds: str, **arguments: object) -> str:
    return ask(platform, *kinds, **arguments).outcome or ""


def is_in_step(platform: Platform) -> bool:
    return platform.actual() == platform.expected()


def last_report(platform: Platform, kind: str) -> ReconcileReport:
    found = platform.catalog.reconciles.page(50)
    return next(report for report in found if report.kind == kind)


def index(platform: Platform, kind: IndexName = IndexName.ASSETS) -> str:
    found = platform.catalog.index_admin.resolve(kind)
    assert found is not None
    return found


def whole(platform: Platform, kind: IndexName, document_id: str) -> Record:
    """A document with all that it needs to be written again."""
    admin = platform.catalog.index_admin
    names = [*admin.fields(index(platform, kind)), "view", "_hash"]
    (found,) = admin.export(index(platform, kind), names, ids=[document_id])
    return dict(found)


def write(platform: Platform, kind: IndexName, *documents: Record) -> None:
    results = platform.catalog.index_writer.upsert(
        index(platform, kind), list(documents)
    )
    assert all(result.error is None for result in results)


@contextmanager
def catalog_of(platform: Platform, images: int) -> Iterator[None]:
    """Run the indexer on image jobs and one transcript, in step."""
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(images)])
    platform.put_file(TALK, assemblyai(*(f"sentence {n}" for n in range(5))))
    platform.jobs.insert_one(transcript_job("talk"))
    with running(platform):
        eventually(lambda: len(platform.names()) == images + 1 and is_in_step(platform))
        yield


def test_every_kind_of_difference_in_the_index_is_found_and_mended(
    platform: Platform,
) -> None:
    with catalog_of(platform, 5):
        segments, tags = IndexName.SEGMENTS, IndexName.TAGS
        names = sorted(platform.documents(segments))
        writer = platform.catalog.index_writer
        writer.delete(index(platform, segments), names[:1])
        last = whole(platform, segments, names[-1])
        owner = last["id"].rpartition("x")[0]
        write(platform, segments, {**last, "id": f"{owner}x99"})
        (beach, plus) = sorted(platform.documents(tags))
        known = whole(platform, tags, beach)
        write(platform, tags, {**known, "acl": ["everybody"]})
        ghost_tag = "g" + "ab" * 12
        write(
            platform,
            tags,
            {**known, "id": ghost_tag, "key": "nobodys", "_bucket": bucket_of("ab")},
        )
        writer.delete(index(platform, tags), [plus])
        assert not is_in_step(platform)

        told = outcome(platform, "index")

        assert is_in_step(platform)
        # Of the talk both are told as one: it is a root that differs.
        assert "2 ghost, 1 missing, 1 stale" in told
        report = last_report(platform, "index")
        assert report.finished_at is not None
        assert report.repaired == report.drift == 4
        assert report.samples
        assert platform.catalog.reconciles.drift_total() == report.drift
        assert outcome(platform, "index").endswith("no difference.")


def test_a_document_whose_row_is_lost_stays_and_gets_its_row_back(
    platform: Platform,
) -> None:
    with catalog_of(platform, 30):
        rows = platform.database["assets"]
        rows.delete_many({"jobId": {"$in": ["job1", "job2"]}})

        told = outcome(platform, "index")

        assert "2 ghost" in told
        assert "job1" in platform.names()
        assert rows.count_documents({}) == 31
        assert is_in_step(platform)


def test_a_read_model_that_is_gone_takes_no_document_with_it(
    platform: Platform,
) -> None:
    with catalog_of(platform, 30):
        before = platform.names()
        platform.database["assets"].delete_many({})
        seen: list[int] = []

        def is_whole_again() -> bool:
            seen.append(len(platform.names()))
            return platform.database["assets"].count_documents({}) == 31

        told = outcome(platform, "index")

        assert "rows were lost, so nothing is removed" in told
        eventually(is_whole_again)
        assert set(seen) == {31}
        assert platform.names() == before
        eventually(lambda: is_in_step(platform))
        assert last_report(platform, "index").repaired == 0


def _ghosts(platform: Platform, count: int) -> list[Record]:
    known = whole(
        platform, IndexName.ASSETS, next(iter(platform.documents(IndexName.ASSETS)))
    )
    return [
        {
            **known,
            "id": f"i{n:024x}",
            "root": (root := f"{n:022x}{n % 256:02x}"),
            "_bucket": bucket_of(root),
            "view": {**known["view"], "jobId": f"nobodys {n}"},
        }
        for n in range(count)
    ]


def test_a_few_ghosts_are_removed_and_many_only_after_a_look_at_everything(
    platform: Platform,
) -> None:
    with catalog_of(platform, 30):
        write(platform, IndexName.ASSETS, *_ghosts(platform, 20))
        assert "20 ghost" in outcome(platform, "index")
        assert is_in_step(platform)

        write(platform, IndexName.ASSETS, *_ghosts(platform, 150))
        refused = outcome(platform, "index")

        assert "150 ghost" in refused
        assert "rows were lost, so nothing is removed" in refused
        assert last_report(platform, "index").repaired == 0
        # Everything was looked at again then, and nothing has these documents.
        eventually(lambda: is_in_step(platform))

        write(platform, IndexName.ASSETS, *_ghosts(platform, 150))
        accepted = outcome(platform, "index", acceptLosses=True)
        assert "rows were lost" not in accepted
        assert is_in_step(platform)


def test_what_stands_in_for_a_dead_letter_is_no_drift(platform: Platform) -> None:
    with catalog_of(platform, 3):
        refused = image_job("refused")
        refused["versions"][0]["createdAt"] = WHEN
        refused["config"]["inputs"]["seed"] = 2**63 - 1
        platform.jobs.insert_one(refused)
        platform.put_file("transcripts/ann/bad/transcript.json", b"{not json")
        platform.jobs.insert_one(transcript_job("bad"))
        eventually(lambda: platform.catalog.dead_letters.count() == 1)
        eventually(lambda: len(platform.names()) == 6)
        # What the engine refused leaves a row without a hash, and perhaps nothing.
        rows = platform.database["assets"]
        rows.update_one({"jobId": "refused"}, {"$set": {"docs.hash": ""}})
        (held,) = rows.find({"jobId": "refused"}, {"_id": 1})
        platform.catalog.index_writer.delete(index(platform), [held["_id"]])

        told = outcome(platform, "index", "record")

        assert told.count("no difference") == 2


def test_every_kind_of_difference_in_the_rows_is_found_and_mended(
    platform: Platform,
) -> None:
    with catalog_of(platform, 6):
        rows = platform.database["assets"]
        rows.delete_one({"jobId": "job1"})
        rows.update_one({"jobId": "job2"}, {"$set": {"view.name": "wrong"}})
        rows.update_one({"jobId": "job3"}, {"$set": {"acl": ["everybody"]}})
        rows.update_one({"jobId": "talk"}, {"$set": {"docs.hash": "0" * 32}})
        orphan = rows.find_one({"jobId": "job4"})
        assert orphan is not None
        rows.insert_one({**orphan, "_id": "i" + "9" * 24, "assetId": "no such asset"})
        key = root_key_of("nobody")
        lost = {"_id": "i" + "8" * 24, "root": "nobody", "rootKey": key}
        gone = {**lost, "bucket": bucket_of(key), "jobId": "nobodys"}
        rows.insert_one({**orphan, **gone})

        told = outcome(platform, "record")

        assert "2 ghost, 1 missing, 3 stale" in told
        eventually(lambda: platform.catalog.dirty.count("drift") == 0)
        eventually(lambda: rows.count_documents({}) == 7)
        eventually(lambda: is_in_step(platform))
        report = last_report(platform, "record")
        assert (report.drift, report.repaired, report.checked) == (6, 6, 8)
        assert outcome(platform, "record", "index").count("no difference") == 2


def test_what_was_never_looked_at_is_found(platform: Platform) -> None:
    key = "generated-images/ann/job1/image_1.png"
    with catalog_of(platform, 3):
        platform.put_file(key, b"png")
        objects = platform.database["objects"]
        there = {"key": key, "state": "present"}
        eventually(lambda: objects.count_documents(there) == 1)
        eventually(lambda: is_in_step(platform))
    # While no indexer runs, what is known of the store gets lost without a trace.
    rows = platform.database["assets"]
    rows.update_one({"jobId": "job1"}, {"$set": {"view.missing": True}})
    with running(platform):
        told = outcome(platform, "record")

        assert "1 stale" in told
        eventually(
            lambda: (
                rows.count_documents(
                    {"jobId": "job1", "view.missing": {"$exists": False}}
                )
                == 1
            )
        )


def test_writes_on_their_way_are_no_drift(platform: Platform) -> None:
    stop = threading.Event()

    def go_on_writing() -> None:
        count = 0
        while not stop.wait(0.005):
            count += 1
            platform.jobs.update_one(
                {"jobId": f"job{count % 40}"},
                {"$set": {"metadata.name": f"n{count}", "metadata.tags": [f"{count}"]}},
            )
            if count % 20 == 0:
                platform.jobs.delete_one({"jobId": f"job{count % 40}"})
                platform.jobs.insert_one(image_job(f"job{count % 40}"))

    with catalog_of(platform, 40):
        writer = threading.Thread(target=go_on_writing)
        writer.start()
        try:
            told = [outcome(platform, "index", "record") for _ in range(4)]
        finally:
            stop.set()
            writer.join()

        assert [one.count("no difference") for one in told] == [2] * 4
        eventually(lambda: is_in_step(platform))
    assert platform.catalog.reconciles.drift_total() == 0


def test_all_three_kinds_are_compared_when_none_is_named(platform: Platform) -> None:
    with catalog_of(platform, 3):
        told = outcome(platform)

        assert [told.count(f"{kind}: ") for kind in ("index", "record", "storage")] == [
            1,
            1,
            1,
        ]
        kinds = {report.kind for report in platform.catalog.reconciles.page(50)}
        assert kinds == {"index", "record", "storage"}


def test_an_unknown_kind_is_refused_by_name(platform: Platform) -> None:
    with catalog_of(platform, 1):
        asked = ask(platform, "index", "tarot")

    assert asked.state is RequestState.FAILED
    assert asked.outcome == "kinds: 'tarot' is not one of index, record, storage."


def test_a_file_that_went_is_told_of_by_the_storage_pass(platform: Platform) -> None:
    with catalog_of(platform, 2):
        platform.catalog.store.delete(ObjectKey(TALK))

        eventually(
            lambda: (
                platform.database["objects"].count_documents(
                    {"key": TALK, "state": {"$ne": "present"}}
                )
                == 1
            )
        )
        told = outcome(platform, "storage")

        assert told.startswith("storage: ")
