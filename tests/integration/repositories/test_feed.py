"""The change feed: what it tells, where it resumes, and when it must give up."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from catalog.errors import DependencyUnavailableError, HistoryLostError
from catalog.repositories.index_state import (
    Change,
    ChangeFeed,
    ChangeKind,
    ChangeStream,
    FeedPosition,
)
from catalog.repositories.mongo.client import as_integer
from catalog.repositories.mongo.feed import BAD_TOKEN_CODES, MongoChangeFeed
from catalog.repositories.mongo.feed_stream import PIPELINE_HASH, WATCHED

Mongo = Database[dict[str, Any]]


@pytest.fixture
def feed(database: Mongo) -> ChangeFeed:
    database["jobs"].insert_one({"_id": "before"})
    return MongoChangeFeed(database)


def opened(feed: ChangeFeed) -> ChangeStream:
    """Follow from now; the last change before now, which is told once more, is read."""
    stream = feed.open(feed.current())
    stream.next_batch(max_changes=500, linger_seconds=0)
    return stream


def present(feed: ChangeFeed) -> FeedPosition:
    """A position with a token."""
    with closing(opened(feed)) as stream:
        assert stream.position.token is not None
        return stream.position


def read(stream: ChangeStream, count: int) -> list[Change]:
    changes: list[Change] = []
    for _ in range(20):
        changes += stream.next_batch(max_changes=500, linger_seconds=0.01)
        if len(changes) >= count:
            break
    return changes


def ids(changes: list[Change]) -> list[Any]:
    return [change.record_id for change in changes]


def test_changes_of_watched_records_are_told_by_key_in_order(
    database: Mongo, feed: ChangeFeed
) -> None:
    with closing(opened(feed)) as stream:
        database["jobs"].insert_one({"_id": {"any": "type"}})
        database["unwatched"].insert_one({"_id": 0})
        database["objects"].insert_one({"_id": "s/k"})
        database["jobs"].update_one({"_id": "before"}, {"$set": {"status": "x"}})
        database["jobs"].delete_one({"_id": "before"})

        changes = read(stream, 4)

    assert [(c.collection, c.record_id) for c in changes] == [
        ("jobs", {"any": "type"}),
        ("objects", "s/k"),
        ("jobs", "before"),
        ("jobs", "before"),
    ]
    assert {change.kind for change in changes} == {ChangeKind.RECORD}
    times = [change.cluster_time for change in changes]
    assert times == sorted(times)


def test_the_feed_goes_on_after_the_last_batch_returned(
    database: Mongo, feed: ChangeFeed
) -> None:
    start = present(feed)
    database["jobs"].insert_many([{"_id": n} for n in range(10)])
    with closing(feed.open(start)) as stream:
        first = stream.next_batch(max_changes=4, linger_seconds=0)
        position = stream.position

    with closing(feed.open(position)) as stream:
        rest = read(stream, 6)

    assert ids(first + rest) == list(range(10))


def test_the_moment_of_a_transaction_is_reached_with_its_last_change(
    database: Mongo, feed: ChangeFeed
) -> None:
    with closing(opened(feed)) as stream:
        with database.client.start_session() as session, session.start_transaction():
            for n in range(5):
                database["jobs"].insert_one({"_id": n}, session=session)

        moments: list[int] = []
        reached: list[int] = []
        while len(moments) < 5:
            changes = stream.next_batch(max_changes=2, linger_seconds=0)
            moments += [change.cluster_time for change in changes]
            reached.append(stream.position.cluster_time)
        stream.next_batch(max_changes=2, linger_seconds=0)

        assert len(set(moments)) == 1
        assert max(reached[:-1]) < moments[0]
        assert stream.position.cluster_time >= moments[0]


def test_without_a_token_the_feed_goes_on_from_the_time_and_repeats_some(
    database: Mongo, feed: ChangeFeed
) -> None:
    with closing(opened(feed)) as stream:
        database["jobs"].insert_one({"_id": 1})
        (seen,) = read(stream, 1)
        position = stream.position
    database["jobs"].insert_one({"_id": 2})
    by_time = replace(position, token=None, cluster_time=seen.cluster_time)

    with closing(feed.open(by_time)) as stream:
        changes = read(stream, 2)

    assert ids(changes) == [1, 2]


@pytest.mark.parametrize(
    "token",
    [{"_data": "junk"}, {"_data": "82"}, {"_data": ""}, {"_data": 5}, {"x": 1}, {}],
    ids=str,
)
def test_a_token_that_the_server_refuses_is_replaced_by_the_time(
    database: Mongo, feed: ChangeFeed, token: dict[str, Any]
) -> None:
    position = replace(present(feed), token=token)
    database["jobs"].insert_one({"_id": 1})

    with closing(feed.open(position)) as stream:
        changes = read(stream, 1)

    assert 1 in ids(changes)


@pytest.mark.parametrize("code", sorted(BAD_TOKEN_CODES))
def test_each_refusal_of_a_token_leads_to_the_time(
    database: Mongo,
    feed: ChangeFeed,
    fail_point: Any,  # noqa: ANN401
    code: int,
) -> None:
    position = present(feed)
    database["jobs"].insert_one({"_id": 1})
    fail_point("aggregate", code)

    with closing(feed.open(position)) as stream:
        changes = read(stream, 1)

    assert 1 in ids(changes)


def test_a_changed_pipeline_does_not_use_the_old_token(
    database: Mongo, feed: ChangeFeed
) -> None:
    position = replace(present(feed), pipeline_hash="older")
    database["jobs"].insert_one({"_id": 1})

    with closing(feed.open(position)) as stream:
        changes = read(stream, 1)
        assert stream.position.pipeline_hash == PIPELINE_HASH

    assert 1 in ids(changes)


def test_history_is_lost_when_the_oplog_does_not_reach_back(
    feed: ChangeFeed,
    fail_point: Any,  # noqa: ANN401
) -> None:
    position = present(feed)
    fail_point("aggregate", 286, times=2)

    with pytest.raises(HistoryLostError):
        feed.open(position)


def test_a_position_in_the_servers_future_is_lost_history(feed: ChangeFeed) -> None:
    position = present(feed)
    future = position.cluster_time + (3600 << 32)
    assert position.token is not None
    data = f"82{future:016X}" + str(position.token["_data"])[18:]

    for silent in (
        replace(position, cluster_time=future),
        replace(position, token={"_data": data}),
    ):
        with pytest.raises(HistoryLostError):
            feed.open(silent)


def test_a_position_of_another_replica_set_is_lost_history(feed: ChangeFeed) -> None:
    position = present(feed)
    assert position.replica_set

    with pytest.raises(HistoryLostError):
        feed.open(replace(position, replica_set="0" * 24))
    with closing(feed.open(replace(position, replica_set=""))) as stream:
        assert stream.position.replica_set == position.replica_set


@pytest.mark.parametrize("code", [286, 10334])
def test_a_stream_that_cannot_go_on_says_that_history_is_lost(
    feed: ChangeFeed,
    fail_point: Any,  # noqa: ANN401
    code: int,
) -> None:
    with closing(opened(feed)) as stream:
        fail_point("getMore", code)

        with pytest.raises(HistoryLostError):
            stream.next_batch(max_changes=5, linger_seconds=0)


def test_a_slow_cursor_that_fell_off_is_reopened_where_it_was(
    database: Mongo,
    feed: ChangeFeed,
    fail_point: Any,  # noqa: ANN401
) -> None:
    with closing(opened(feed)) as stream:
        fail_point("getMore", 136)
        database["jobs"].insert_one({"_id": 1})

        assert 1 in ids(read(stream, 1))


@pytest.mark.parametrize("code", [11601, 43, 280])
def test_a_broken_stream_is_to_be_reopened(
    feed: ChangeFeed,
    fail_point: Any,  # noqa: ANN401
    code: int,
) -> None:
    with closing(opened(feed)) as stream:
        fail_point("getMore", code)

        with pytest.raises(DependencyUnavailableError):
            stream.next_batch(max_changes=5, linger_seconds=0)


def structure(changes: list[Change]) -> list[str]:
    return [c.collection for c in changes if c.kind is ChangeKind.STRUCTURE]


def test_a_dropped_collection_is_told_and_the_feed_goes_on(
    database: Mongo, feed: ChangeFeed
) -> None:
    with closing(opened(feed)) as stream:
        database["jobs"].drop()
        database["jobs"].insert_one({"_id": 1})

        changes = read(stream, 2)

    assert structure(changes) == ["jobs"]
    assert ids(changes) == [None, 1]


def test_a_rename_onto_a_watched_collection_is_told(
    database: Mongo, feed: ChangeFeed
) -> None:
    with closing(opened(feed)) as stream:
        database["elsewhere"].insert_one({"_id": 1})
        database["elsewhere"].rename("jobs", dropTarget=True)
        database["elsewhere"].insert_one({"_id": 2})
        list(database["elsewhere"].aggregate([{"$out": "objects"}]))
        database["jobs"].rename("annotations")

        changes = read(stream, 4)

    assert structure(changes) == ["jobs", "objects", "jobs", "annotations"]


def test_after_a_dropped_database_the_feed_can_be_reopened(
    database: Mongo, feed: ChangeFeed
) -> None:
    with closing(opened(feed)) as stream:
        database.client.drop_database(database.name)
        changes = read(stream, 5)
        with pytest.raises(DependencyUnavailableError):
            read(stream, 1)
        position = stream.position
    database["jobs"].insert_one({"_id": 1})

    with closing(feed.open(position)) as stream:
        after = read(stream, 1)

    assert set(structure(changes)) == set(WATCHED)
    assert 1 in ids(after)


def test_a_record_of_15_megabytes_makes_a_small_event(
    database: Mongo, feed: ChangeFeed
) -> None:
    huge = "x" * 15_000_000
    with closing(opened(feed)) as stream:
        database["jobs"].insert_one({"_id": 1, "config": {"text": huge}})
        database["jobs"].replace_one({"_id": 1}, {"config": {"text": huge + "y"}})

        changes = read(stream, 2)

    assert ids(changes) == [1, 1]


def test_an_idle_feed_moves_on_so_that_its_position_does_not_age(
    database: Mongo, feed: ChangeFeed
) -> None:
    with closing(opened(feed)) as stream:
        before = stream.position
        database["unwatched"].insert_many([{"n": n} for n in range(100)])

        changes = stream.next_batch(max_changes=5, linger_seconds=0)

        assert changes == []
        assert stream.position.cluster_time > before.cluster_time
        assert stream.position.token != before.token


def test_a_closed_stream_tells_nothing(feed: ChangeFeed) -> None:
    stream = opened(feed)
    stream.close()
    stream.close()

    with pytest.raises(DependencyUnavailableError):
        stream.next_batch(max_changes=5, linger_seconds=0)


def test_the_oldest_change_remembered_is_the_first_of_the_oplog(
    client: MongoClient[dict[str, Any]], feed: ChangeFeed
) -> None:
    times = [entry["ts"] for entry in client["local"]["oplog.rs"].find({}, {"ts": 1})]

    oldest = feed.oldest()

    assert oldest == as_integer(min(times))
    assert 0 < oldest < feed.current().cluster_time


def test_the_oldest_change_is_unknown_to_those_who_may_not_read_the_oplog(
    feed: ChangeFeed,
    fail_point: Any,  # noqa: ANN401
) -> None:
    fail_point("find", 13)  # Unauthorized

    assert feed.oldest() == 0


def test_a_server_that_is_too_slow_is_not_one_that_remembers_nothing(
    feed: ChangeFeed,
    fail_point: Any,  # noqa: ANN401
) -> None:
    fail_point("find", 50)  # MaxTimeMSExpired

    with pytest.raises(DependencyUnavailableError):
        feed.oldest()


def test_the_present_position_includes_what_is_written_after_it(
    database: Mongo, feed: ChangeFeed
) -> None:
    positions: list[FeedPosition] = []
    for number in range(5):
        positions.append(feed.current())
        database["jobs"].insert_one({"_id": number})

    for number, position in enumerate(positions):
        with closing(feed.open(position)) as stream:
            assert ids(read(stream, 5 - number))[-1] == 4
