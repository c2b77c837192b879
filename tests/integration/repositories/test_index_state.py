"""The indexer's own notes, for roots of any type."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from bson.max_key import MaxKey
from bson.objectid import ObjectId
from pymongo.database import Database

from catalog.errors import InvalidQueryError
from catalog.repositories.base import RootId
from catalog.repositories.index_state import (
    DeadLetter,
    DirtyReason,
    DirtyRoot,
    IndexRequest,
    LetterQuery,
    RequestState,
)
from catalog.repositories.mongo.dead_letters import MongoDeadLetterRepository
from catalog.repositories.mongo.index_state import (
    MongoDirtyRepository,
    MongoIndexRequestRepository,
)
from catalog.repositories.mongo.roots import root_key_of
from tests.unit.repositories.poison import NOW

Mongo = Database[dict[str, Any]]

ROOTS: list[RootId] = [1, "a", UUID(int=1), {"x": [1]}, ObjectId(), None, MaxKey(), NOW]


def roots(letters: MongoDeadLetterRepository, query: LetterQuery) -> list[RootId]:
    return [letter.root for letter in letters.page(100, query).items]


def test_dirty_roots_collapse_and_wait_for_their_time(database: Mongo) -> None:
    dirty = MongoDirtyRepository(database)
    dirty.mark([DirtyRoot(root, NOW) for root in ROOTS])
    dirty.mark([DirtyRoot("a", NOW + timedelta(hours=1), attempts=2)])

    due = dirty.due(NOW, 100)

    assert dirty.count() == len(ROOTS)
    assert len(due) == len(ROOTS) - 1
    assert {root_key_of(one.root) for one in due} == {
        root_key_of(root) for root in ROOTS if root != "a"
    }
    assert dirty.attempts(["a", "unknown"]) == {root_key_of("a"): 2}
    dirty.clear(ROOTS, NOW)
    assert dirty.count() == 0


def test_what_may_come_late_is_looked_at_however_often_it_is_settled(
    database: Mongo,
) -> None:
    dirty, later = MongoDirtyRepository(database), NOW + timedelta(seconds=20)
    dirty.mark([DirtyRoot("a", later, reason=DirtyReason.UNCERTAIN)])
    dirty.mark([DirtyRoot("b", later, reason=DirtyReason.MISSING)])

    dirty.clear(["a", "b"], NOW)
    assert [one.root for one in dirty.due(later, 10)] == ["a"]

    dirty.clear(["a"], later)
    assert dirty.count() == 0


def test_a_dead_letter_counts_its_attempts(database: Mongo) -> None:
    letters = MongoDeadLetterRepository(database)
    first = DeadLetter(
        UUID(int=1), "read", "no jobId", 1, NOW, NOW, details={"root": UUID(int=1)}
    )
    again = DeadLetter(
        UUID(int=1), "read", "no userId", 1, NOW + timedelta(1), NOW + timedelta(1)
    )

    letters.record([first])
    letters.record([again])

    (kept,) = letters.page(10).items
    assert (kept.error, kept.attempts) == ("no userId", 2)
    assert (kept.first_seen_at, kept.last_seen_at) == (NOW, NOW + timedelta(1))
    letters.clear([UUID(int=1)])
    assert letters.count() == 0


def test_dirty_roots_are_counted_by_reason(database: Mongo) -> None:
    dirty = MongoDirtyRepository(database)
    dirty.mark([DirtyRoot(n, NOW, reason="drift") for n in range(3)])
    dirty.mark([DirtyRoot("a", NOW, reason="missing object")])

    assert dirty.count("drift") == 3
    assert dirty.count("spilled") == 0


def test_dead_letters_are_paged_and_chosen(database: Mongo) -> None:
    letters = MongoDeadLetterRepository(database)
    letters.record(
        DeadLetter(
            n,
            "read" if n % 2 else "index",
            f"Broken.*{n}",
            1,
            NOW,
            NOW + timedelta(minutes=n),
            job_id=f"job{n}",
        )
        for n in range(25)
    )

    seen, token = list[str](), None
    while True:
        page = letters.page(10, LetterQuery(), token)
        assert page.total == 25
        seen += [letter.job_id or "" for letter in page.items]
        token = page.next_token
        if token is None:
            break

    assert seen == [f"job{n}" for n in reversed(range(25))]
    assert set(roots(letters, LetterQuery(stage="read"))) == set(range(1, 25, 2))
    assert list(roots(letters, LetterQuery(text="broken.*7"))) == [7]
    assert list(roots(letters, LetterQuery(text="broken.x7"))) == []
    (one,) = letters.page(10, LetterQuery(job_id="job3")).items
    assert list(roots(letters, LetterQuery(letter_id=one.letter_id))) == [3]


def test_a_token_of_other_letters_is_refused(database: Mongo) -> None:
    letters = MongoDeadLetterRepository(database)
    letters.record(DeadLetter(n, "read", "no jobId", 1, NOW, NOW) for n in range(3))
    token = letters.page(1).next_token
    assert token is not None

    for foreign in ("junk", token[:-4], token):
        with pytest.raises(InvalidQueryError):
            letters.page(1, LetterQuery(stage="read"), foreign)


def test_a_letter_may_quote_what_cannot_be_stored(database: Mongo) -> None:
    letters = MongoDeadLetterRepository(database)
    quoted = "Bad name: \ud800"

    letters.record(
        [DeadLetter(1, "describe", quoted, 1, NOW, NOW, details={"name": quoted})]
    )

    (kept,) = letters.page(1).items
    assert (kept.error, kept.details) == ("Bad name: ?", {"name": "Bad name: ?"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\0B", {1}),
        ("\0", {1, 2}),
        ("b\0", set[int]()),
        ("\ud800", set[int]()),
        ("\\\0", {2}),
    ],
)
def test_letters_are_chosen_by_any_text(
    database: Mongo, text: str, found: set[int]
) -> None:
    """A redrive with a pattern that MongoDB refuses would stop every leader."""
    letters = MongoDeadLetterRepository(database)
    for root, error in ((1, "A\0b"), (2, "\\\0")):
        letters.record([DeadLetter(root, "read", error, 1, NOW, NOW)])

    assert set(roots(letters, LetterQuery(text=text))) == found


def test_a_request_is_open_until_its_outcome_is_known(database: Mongo) -> None:
    requests = MongoIndexRequestRepository(database)
    later = IndexRequest("b", "run", NOW + timedelta(seconds=1), {"sweep": "rescan"})
    earlier = IndexRequest("a", "reindex", NOW)
    for request in (later, earlier, replace(later, action="another")):
        requests.add(request)

    assert requests.open() == (earlier, later)
    requests.update(replace(earlier, state=RequestState.RUNNING, started_at=NOW))
    assert [request.request_id for request in requests.open()] == ["a", "b"]
    done = replace(earlier, state=RequestState.DONE, outcome="Generation 2 serves.")
    requests.update(done)

    assert requests.open() == (later,)
    assert requests.find("a") == done
    assert requests.find("c") is None
    assert [request.request_id for request in requests.page(10)] == ["b", "a"]


def test_the_last_thousand_outcomes_are_kept(database: Mongo) -> None:
    """The one that was asked first and ended last is read by whoever waits for it."""
    requests = MongoIndexRequestRepository(database)
    long = IndexRequest("long", "reindex", NOW)
    waiting = IndexRequest("waiting", "redrive", NOW)
    requests.add(waiting)
    database["index_requests"].insert_many(
        {
            "_id": f"r{n:04}",
            "action": "run",
            "createdAt": NOW + timedelta(seconds=n),
            "state": "done" if n % 2 else "failed",
            "finishedAt": NOW + timedelta(seconds=n // 2 * 2),
        }
        for n in range(1, 1_001)
    )

    ended = replace(long, state=RequestState.DONE, finished_at=NOW + timedelta(hours=1))
    requests.update(ended)

    kept = {request.request_id for request in requests.page(2_000)}
    assert len(kept) == 1_001
    assert {"long", "waiting", "r0002", "r1000"} <= kept
    assert "r0001" not in kept
    assert requests.open() == (waiting,)


def test_a_request_of_the_first_release_is_still_taken(database: Mongo) -> None:
    database["index_requests"].insert_one(
        {"_id": "old", "action": "reindex", "createdAt": NOW}
    )

    (request,) = MongoIndexRequestRepository(database).open()

    assert (request.request_id, request.state) == ("old", RequestState.WAITING)
