"""What the indexer promises, on the real MongoDB and the real Typesense."""

import threading
from typing import Any
from uuid import uuid4

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
    (generation,) = platform.catalog.generations.all()
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

        stages = {
            letter.stage for letter in platform.catalog.dead_letters.page(10).items
        }
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
    (latest,) = platform.catalog.generations.all()
    assert latest.number == 1


def _done(platform: Platform) -> int:
    every = platform.catalog.generations.all()
    return every[-1].done if every else 0


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


def test_a_request_builds_a_new_generation_and_one_goes_back(
    platform: Platform,
) -> None:
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(20)])
    with running(platform):
        eventually(lambda: len(platform.names()) == 20)
        assert _answer(platform, "reindex") == "Generation 2 serves."
        platform.jobs.insert_one(image_job("after the swap"))
        eventually(lambda: "after the swap" in platform.names())
        assert _states(platform) == ["retiring", "serving"]
        assert is_in_step(platform)

        back = _answer(platform, "rollback")

        assert back == "Generation 1 serves again instead of 2."
        assert _states(platform) == ["serving", "retiring"]
        eventually(lambda: is_in_step(platform))
        assert "after the swap" in platform.names()


def _answer(platform: Platform, action: str, **arguments: object) -> str | None:
    """Ask for something and wait for what comes of it."""
    requests, name = platform.catalog.index_requests, f"{action}-{uuid4().hex}"
    requests.add(IndexRequest(name, action, WHEN, arguments))
    eventually(lambda: _outcome(platform, name) is not None)
    return _outcome(platform, name)


def _outcome(platform: Platform, name: str) -> str | None:
    request = platform.catalog.index_requests.find(name)
    return request.outcome if request else None


def _states(platform: Platform) -> list[str]:
    return [g.state.value for g in platform.catalog.generations.all()]


def test_what_was_changed_behind_the_indexers_back_is_found_and_mended(
    platform: Platform,
) -> None:
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(20)])
    with running(platform):
        eventually(lambda: len(platform.names()) == 20 and is_in_step(platform))
        writer, admin = platform.catalog.index_writer, platform.catalog.index_admin
        assets, tags = admin.resolve(IndexName.ASSETS), admin.resolve(IndexName.TAGS)
        assert assets is not None
        assert tags is not None
        first, second, *_ = platform.documents(IndexName.ASSETS).values()
        ghost = {**_whole(platform, assets, first["id"]), "id": "i" + "0" * 24}
        stale = {**_whole(platform, assets, second["id"]), "_hash": "0" * 32}
        writer.delete(assets, [first["id"]])
        writer.upsert(assets, [stale, {**ghost, "root": "f" * 24, "_bucket": 255}])
        writer.delete(tags, [next(iter(platform.documents(IndexName.TAGS)))])
        assert not is_in_step(platform)

        outcome = _answer(platform, "reconcile", kinds=["index"])

        assert outcome is not None
        assert "1 missing" in outcome  # the lost tag comes back with its asset
        assert "1 stale" in outcome
        assert "1 ghost" in outcome
        assert is_in_step(platform)
        again = _answer(platform, "reconcile", kinds=["index", "record"])
        assert again is not None
        assert again.count("no difference") == 2


def _whole(platform: Platform, index: str, document_id: str) -> dict[str, Any]:
    names = [*platform.catalog.index_admin.fields(index), "view", "_hash"]
    (found,) = platform.catalog.index_admin.export(index, names, ids=[document_id])
    return dict(found)


def test_a_row_that_is_not_what_the_record_says_is_found_and_mended(
    platform: Platform,
) -> None:
    platform.jobs.insert_many([image_job(f"job{n}") for n in range(20)])
    with running(platform):
        eventually(lambda: len(platform.names()) == 20 and is_in_step(platform))
        rows = platform.database["assets"]
        rows.delete_one({"jobId": "job1"})
        rows.update_one({"jobId": "job2"}, {"$set": {"view.name": "wrong"}})

        outcome = _answer(platform, "reconcile", kinds=["record"])

        assert outcome is not None
        assert "1 missing, 1 stale" in outcome
        eventually(lambda: platform.catalog.dirty.count("drift") == 0)
        eventually(lambda: rows.count_documents({}) == 20)
        found = rows.find_one({"jobId": "job2"})
        assert found is not None
        assert found["view"]["name"] == "job2"
        report = platform.catalog.reconciles.page(1)[0]
        assert (report.kind, report.drift, report.repaired) == ("record", 2, 2)


def test_a_second_indexer_stands_by_and_takes_over(platform: Platform) -> None:
    with running(platform) as first:
        eventually(lambda: _state(platform) == "serving")
        with running(platform):
            platform.jobs.insert_one(image_job("one"))
            eventually(lambda: platform.names() == ["one"])
            assert _epoch(platform) == 1

            first.stop()
            eventually(lambda: _epoch(platform) == 2)
            platform.jobs.insert_one(image_job("two"))

            eventually(lambda: platform.names() == ["one", "two"])


def _epoch(platform: Platform) -> int:
    lease = platform.catalog.leases.read()
    return lease.epoch if lease else 0


def test_the_schedule_tells_how_sweeps_went(platform: Platform) -> None:
    with running(platform):
        eventually(lambda: _state(platform) == "serving")
        assert _answer(platform, "run", sweep="redrive") == (
            "0 roots are looked at again."
        )
        unknown = _answer(platform, "run", sweep="tidy up")

    assert unknown is not None
    assert unknown.startswith("There is no sweep 'tidy up'; there are forget")
    sweeps = {sweep.name: sweep for sweep in platform.catalog.sweeps.all()}
    assert sweeps["redrive"].outcome == "done"
    assert sweeps["redrive"].runs == 1
    assert sweeps["rescan"].outcome == "done"
    assert sweeps["reindex"].next_run_at is None


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
