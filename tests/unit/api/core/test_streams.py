import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.metrics import ApiMetrics
from api.streams import (
    GONE,
    HEARTBEAT,
    JobState,
    JobStreams,
    Known,
    Subscription,
    events_between,
    state_of,
    stream_events,
)
from catalog.clock import SystemClock
from catalog.errors import DependencyUnavailableError, NotFoundError
from tests.fakes.jobs import FakeJobFeed, Record

JOB: Record = {"jobId": "a", "userId": "u", "status": "processing", "progress": 10}

Event = tuple[str, str, dict[str, Any]]


def parse(text: bytes) -> list[Event]:
    """Read events: name, id, data."""
    found: list[Event] = []
    for block in text.decode().split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in block.splitlines()
            if not line.startswith(":")
        )
        if "event" in fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


def tell(known: Known, state: JobState) -> tuple[list[str], str]:
    events, after = events_between("a", known, state)
    return [event[0] for event in parse(b"".join(events))], after.event_id


# --- states and events -------------------------------------------------------------


def test_a_newcomer_is_told_status_then_progress() -> None:
    assert tell(Known(), JobState("processing", 40)) == (
        ["status", "progress"],
        "processing/40",
    )


def test_only_what_changed_is_told() -> None:
    known = Known.parse("processing/40")

    assert tell(known, JobState("processing", 41)) == (["progress"], "processing/41")
    assert tell(known, JobState("processing", 40)) == ([], "processing/40")


def test_a_client_that_saw_half_of_a_state_is_told_the_other_half() -> None:
    assert tell(Known.parse("completed/40"), JobState("completed", 100)) == (
        ["progress", "done"],
        "completed/100/done",
    )


def test_a_client_that_knows_the_end_is_told_nothing() -> None:
    known = Known.parse("completed/100/done")

    assert tell(known, JobState("completed", 100)) == ([], "completed/100/done")


def test_a_job_that_runs_again_is_told_anew() -> None:
    names, _ = tell(Known.parse("failed/30/done"), JobState("processing", 0))

    assert names == ["status", "progress"]


def test_a_deleted_job_is_done() -> None:
    events, _ = events_between("a", Known.parse("processing/40"), GONE)

    assert parse(events[0])[0][0] == "done"
    assert parse(events[0])[0][2] == {"jobId": "a", "status": None, "deleted": True}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"status": None, "progress": "half"},
        {"status": "très/odd\n\ndata: x", "progress": float("nan")},
        {"status": ["list"], "progress": True},
        {"status": "\ud800", "progress": 10**18},
    ],
)
def test_states_written_by_anybody_are_told_in_well_formed_events(
    record: Record,
) -> None:
    state = state_of(record)

    events, after = events_between("a", Known(), state)

    assert len(parse(b"".join(events))) == len(events)
    assert b"".join(events).count(b"\n\n") == len(events)
    assert Known.parse(after.event_id).status == after.status.replace("\ud800", "?")


@pytest.mark.parametrize(
    "given", [None, "", "x", "a/b/c", "a/1/done/x", "/" * 500, "completed/1\n2"]
)
def test_a_foreign_last_event_id_means_nothing_known(given: str | None) -> None:
    assert Known.parse(given) == Known()


# --- fan-out -----------------------------------------------------------------------


@asynccontextmanager
async def running(feed: FakeJobFeed) -> AsyncIterator[JobStreams]:
    streams = JobStreams(feed, SystemClock(), ApiMetrics())
    try:
        yield streams
    finally:
        streams.close()
        await streams.join()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())


async def read(subscription: Subscription, last_event_id: str = "") -> list[Event]:
    known = Known.parse(last_event_id)
    return parse(b"".join([x async for x in stream_events(subscription, known)]))


def test_a_stream_tells_changes_until_the_end() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed) as streams, streams.follow("a", lambda _: True) as one:
            reader = asyncio.create_task(read(one))
            await asyncio.sleep(0.05)
            feed.change("a", progress=50)
            await asyncio.sleep(0.1)
            feed.change("a", progress=100, status="completed")
            events = await reader

            assert [(name, id_) for name, id_, _ in events] == [
                ("status", "processing/"),
                ("progress", "processing/10"),
                ("progress", "processing/50"),
                ("status", "completed/50"),
                ("progress", "completed/100"),
                ("done", "completed/100/done"),
            ]

    run(scenario)


def test_all_streams_of_a_job_are_fed_and_no_others() -> None:
    feed = FakeJobFeed(JOB, JOB | {"jobId": "b"})

    async def scenario() -> None:
        async with (
            running(feed) as streams,
            streams.follow("a", lambda _: True) as first,
            streams.follow("a", lambda _: True) as second,
            streams.follow("b", lambda _: True) as other,
        ):
            await asyncio.sleep(0.1)
            feed.change("a", status="failed", error="no faces found")
            events = await asyncio.gather(read(first), read(second))
            waiting = asyncio.create_task(read(other))
            await asyncio.sleep(0.05)

            assert events[0] == events[1]
            assert events[0][-1][2]["error"] == "no faces found"
            assert not waiting.done()
            other.close()
            await waiting

    run(scenario)


def test_a_slow_reader_sees_the_newest_state_only() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed) as streams, streams.follow("a", lambda _: True) as one:
            await asyncio.sleep(0.05)
            for progress in range(11, 100):
                feed.change("a", progress=progress)
            feed.change("a", status="completed", progress=100)
            await asyncio.sleep(0.2)

            events = await read(one, "processing/10")

            assert [name for name, _, _ in events] == ["status", "progress", "done"]

    run(scenario)


def test_what_changed_while_the_feed_was_broken_is_read_again() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed) as streams, streams.follow("a", lambda _: True) as one:
            await asyncio.sleep(0.1)
            feed.change_unnoticed("a", status="completed")
            feed.fail_next(DependencyUnavailableError("mongodb", "away"))

            events = await read(one)

            assert events[-1][0] == "done"

    run(scenario)


def test_a_job_deleted_while_the_feed_was_broken_ends_its_streams() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed) as streams, streams.follow("a", lambda _: True) as one:
            await asyncio.sleep(0.1)
            del feed.records["a"]
            feed.fail_next(DependencyUnavailableError("mongodb", "away"))

            assert (await read(one))[-1][2]["deleted"] is True

    run(scenario)


def test_a_deleted_job_ends_its_streams() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed) as streams, streams.follow("a", lambda _: True) as one:
            await asyncio.sleep(0.1)
            feed.delete("a")

            assert (await read(one))[-1][2]["deleted"] is True

    run(scenario)


def test_a_strangers_job_is_not_found_and_one_given_away_ends() -> None:
    feed = FakeJobFeed(JOB)

    def mine(record: Any) -> bool:  # noqa: ANN401
        return bool(record["userId"] == "u")

    async def scenario() -> None:
        async with running(feed) as streams:
            with pytest.raises(NotFoundError):
                async with streams.follow("a", lambda _: False):
                    pass
            with pytest.raises(NotFoundError):
                async with streams.follow("unknown", mine):
                    pass
            async with streams.follow("a", mine) as one:
                await asyncio.sleep(0.1)
                feed.change("a", userId="v", progress=77)

                assert (await read(one))[-1][2]["deleted"] is True

    run(scenario)


def test_a_quiet_stream_beats() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed) as streams, streams.follow("a", lambda _: True) as one:
            stream = stream_events(one, Known(), heartbeat_seconds=0.01)
            chunks = [await anext(stream) for _ in range(4)]
            await stream.aclose()

            assert chunks[2:] == [HEARTBEAT, HEARTBEAT]

    run(scenario)


def test_closing_ends_all_streams_at_once_and_gives_the_feed_back() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed) as streams, streams.follow("a", lambda _: True) as one:
            reader = asyncio.create_task(read(one))
            await asyncio.sleep(0.05)
            streams.close()

            assert (await reader)[-1][0] == "progress"
            await streams.join()
            assert feed.is_closed
            async with streams.follow("a", lambda _: True) as late:
                assert len(await read(late)) == 2

    run(scenario)


def test_nothing_is_followed_before_somebody_asks() -> None:
    feed = FakeJobFeed(JOB)

    async def scenario() -> None:
        async with running(feed):
            await asyncio.sleep(0.05)

        assert feed.reads == []
        assert not feed.is_closed

    run(scenario)
