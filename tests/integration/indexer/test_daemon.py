"""What the indexer promises, on the real MongoDB and the real Typesense."""

import threading

from catalog.repositories.index_state import GenerationState, IndexRequest
from catalog.search.base import IndexName
from tests.integration.indexer.conftest import (
    WHEN,
    Platform,
    assemblyai,
    eventually,
    image_job,
    running,
    transcript_job,
)


def is_in_step(platform: Platform) -> bool:
    return platform.actual() == platform.expected()


def test_what_is_there_before_the_first_start_is_built(platform: Platform) -> None:
    platform.jobs.insert_many([image_job(f"job{n}", n=3) for n in range(40)])
    platform.put_file("transcripts/ann/talk/transcript.json", assemblyai("wildfires"))
    platform.jobs.insert_one(transcript_job("talk"))

    with running(platform):
        eventually(lambda: len(platform.documents(IndexName.ASSETS)) == 121)
        eventually(lambda: is_in_step(platform))

    texts = [d["text"] for d in platform.documents(IndexName.SEGMENTS).values()]
    assert texts == ["wildfires"]
    generation = platform.catalog.generations.latest()
    assert generation is not None
    assert generation.state is GenerationState.SERVING


def test_an_insert_an_update_and_a_delete_are_followed(platform: Platform) -> None:
    with running(platform):
        platform.jobs.insert_one(image_job("one", name="first name"))
        eventually(lambda: platform.names() == ["first name"])
        change = {"$set": {"metadata.name": "second name", "metadata.tags": ["new"]}}
        platform.jobs.update_one({"jobId": "one"}, change)
        eventually(lambda: platform.names() == ["second name"])
        eventually(lambda: is_in_step(platform))
        platform.jobs.delete_one({"jobId": "one"})
        eventually(lambda: platform.names() == [])
        eventually(lambda: platform.documents(IndexName.TAGS) == {})


def test_a_shorter_transcript_leaves_nothing_of_the_longer_one(
    platform: Platform,
) -> None:
    key = "transcripts/ann/talk/transcript.json"
    with running(platform):
        platform.jobs.insert_one(transcript_job("talk"))
        platform.put_file(key, assemblyai(*(f"sentence {n}" for n in range(300))))
        eventually(lambda: len(platform.documents(IndexName.SEGMENTS)) == 300)

        platform.put_file(key, assemblyai("only", "three", "left"))

        eventually(lambda: len(platform.documents(IndexName.SEGMENTS)) == 3)
        eventually(lambda: is_in_step(platform))


def test_a_file_that_comes_later_is_found(platform: Platform) -> None:
    with running(platform):
        platform.jobs.insert_one(transcript_job("talk"))
        eventually(lambda: platform.names() == ["talk.mp3"])

        platform.put_file("transcripts/ann/talk/transcript.json", assemblyai("hello"))

        eventually(lambda: len(platform.documents(IndexName.SEGMENTS)) == 1)
        eventually(lambda: platform.catalog.dirty.count() == 0)


def test_a_poisoned_record_harms_none_of_its_neighbours(platform: Platform) -> None:
    poisoned = image_job("bad")
    poisoned["versions"][0]["images"][0]["width"] = "wide"
    unreadable = {"jobId": 7, "versions": "none"}
    broken = transcript_job("broken")
    platform.put_file("transcripts/ann/broken/transcript.json", b"{not json")

    with running(platform):
        platform.jobs.insert_many(
            [image_job("one"), poisoned, unreadable, broken, image_job("two")]
        )
        eventually(lambda: {"one", "two"} <= set(platform.names()))
        eventually(lambda: platform.catalog.dead_letters.count() == 2)

        stages = {letter.stage for letter in platform.catalog.dead_letters.page(10)}
        assert stages == {"read", "extract"}
        platform.jobs.delete_one({"jobId": 7})
        eventually(lambda: platform.catalog.dead_letters.count() == 1)


def test_of_duplicate_job_ids_the_newest_counts(platform: Platform) -> None:
    newer = image_job("same", name="newer") | {"createdAt": WHEN.replace(year=2027)}
    with running(platform):
        platform.jobs.insert_one(image_job("same", name="older", n=3))
        eventually(lambda: platform.names() == ["older"] * 3)
        platform.jobs.insert_one(newer)
        eventually(lambda: platform.names() == ["newer"])
        eventually(lambda: is_in_step(platform))

        platform.jobs.delete_one({"_id": newer["_id"]})

        eventually(lambda: platform.names() == ["older"] * 3)
        eventually(lambda: is_in_step(platform))


def test_a_build_that_is_interrupted_goes_on(platform: Platform) -> None:
    platform.jobs.insert_many([image_job(f"job{n}", n=4) for n in range(1500)])

    with running(platform):
        eventually(lambda: _done(platform) > 0)
    interrupted = _done(platform)
    platform.jobs.delete_many({"jobId": {"$in": ["job0", "job1499"]}})
    platform.jobs.insert_one(image_job("while away"))
    with running(platform):
        eventually(lambda: "while away" in platform.names(), seconds=60)
        eventually(lambda: is_in_step(platform), seconds=60)

    assert interrupted < 1500
    latest = platform.catalog.generations.latest()
    assert latest is not None
    assert latest.number == 1


def _done(platform: Platform) -> int:
    latest = platform.catalog.generations.latest()
    return latest.done if latest else 0


def test_a_restart_loses_nothing_that_happened_meanwhile(platform: Platform) -> None:
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(20)])
    with running(platform):
        eventually(lambda: len(platform.names()) == 20)
    platform.jobs.delete_one({"jobId": "job3"})
    platform.jobs.update_one({"jobId": "job4"}, {"$set": {"metadata.name": "changed"}})

    with running(platform):
        eventually(
            lambda: "changed" in platform.names() and len(platform.names()) == 19
        )
        eventually(lambda: is_in_step(platform))


def test_a_request_builds_a_new_generation_and_drops_the_old_one(
    platform: Platform,
) -> None:
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(20)])
    with running(platform):
        eventually(lambda: len(platform.names()) == 20)
        platform.catalog.index_requests.add(IndexRequest("r1", "reindex", WHEN))
        eventually(lambda: len(platform.catalog.generations.all()) == 2)
        eventually(lambda: is_in_step(platform))
        eventually(lambda: len(platform.catalog.index_admin.physical()) == 3)

    first, second = platform.catalog.generations.all()
    assert first.state is GenerationState.DROPPED
    assert second.state is GenerationState.SERVING


def test_an_emptied_engine_is_filled_again(platform: Platform) -> None:
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(20)])
    with running(platform):
        eventually(lambda: len(platform.names()) == 20)
        for index in platform.catalog.index_admin.physical():
            platform.catalog.index_admin.drop(index)
        platform.jobs.insert_one(image_job("later"))
        eventually(lambda: len(platform.names()) == 21)


def test_dropped_records_leave_nothing_behind(platform: Platform) -> None:
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(20)])
    with running(platform):
        eventually(lambda: len(platform.names()) == 20)
        platform.jobs.drop()
        eventually(lambda: platform.names() == [])
        platform.jobs.insert_one(image_job("phoenix"))
        eventually(lambda: platform.names() == ["phoenix"])
        eventually(lambda: is_in_step(platform))


def test_it_says_how_it_is_and_stops_quickly(platform: Platform) -> None:
    with running(platform) as daemon:
        eventually(lambda: _state(platform) == "serving")
        thread = next(t for t in threading.enumerate() if t.name == "index")
        daemon.stop()
        thread.join(5)

    assert not thread.is_alive()


def _state(platform: Platform) -> str:
    status = platform.catalog.index_status.read()
    return status.state if status else ""


def test_indexes_that_vanish_while_nothing_changes_are_built_anew(
    platform: Platform,
) -> None:
    with running(platform):
        platform.jobs.insert_one(image_job("one", name="still there"))
        eventually(lambda: platform.names() == ["still there"])
        admin = platform.catalog.index_admin

        for kind in IndexName:
            index = admin.resolve(kind)
            assert index is not None
            admin.drop(index)

        eventually(lambda: platform.names() == ["still there"], seconds=40)
        eventually(lambda: is_in_step(platform))
