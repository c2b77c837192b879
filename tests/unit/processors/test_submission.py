from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError, FencedError
from catalog.models.generation import request_from
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobType
from processors.engine import CancelledError, EngineError, Work
from processors.engines.submission import Submissions
from tests.fakes.failing import Failing

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
AWAY = DependencyUnavailableError("mongodb", "away")


class Kept(Failing):
    """Where steps are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Mapping[str, Any]] = []

    def save(self, step: Mapping[str, Any]) -> None:
        self.check()
        self.steps.append(step)


def nothing() -> None:
    """Nobody has cancelled."""


def cancelled() -> None:
    raise CancelledError


def work(kept: Kept, *, is_cancelled: bool = False) -> Work:
    return Work(
        job_id=JobId("job-1"),
        user_id=UserId("ann"),
        version=1,
        request=request_from(JobType.TRANSCRIPTION, {"url": "https://a.example/b"}),
        folder=Path(),
        save=kept.save,
        report=lambda _: None,
        check=cancelled if is_cancelled else nothing,
        webhook=lambda nonce: f"https://c.example/{nonce}",
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def submissions(clock: ManualClock) -> Submissions:
    return Submissions("fal", clock, nonces=lambda: "n-1")


def test_what_is_about_to_be_sent_is_kept_first(submissions: Submissions) -> None:
    kept = Kept()

    step = submissions.begin(work(kept), {"endpoint": "a/b"})

    assert kept.steps == [step]
    assert step == {
        "endpoint": "a/b",
        "phase": "submitting",
        "provider": "fal",
        "nonce": "n-1",
        "webhook": "https://c.example/n-1",
        "at": NOW,
    }


@pytest.mark.parametrize("error", [AWAY, FencedError("another has it")])
def test_nothing_is_sent_that_could_not_be_kept(
    error: Exception, submissions: Submissions
) -> None:
    kept = Kept()
    kept.fail_next(error)

    with pytest.raises(type(error)):
        submissions.begin(work(kept), {})


def test_a_cancelled_job_is_not_begun(submissions: Submissions) -> None:
    kept = Kept()

    with pytest.raises(CancelledError):
        submissions.begin(work(kept, is_cancelled=True), {})

    assert kept.steps == []


def test_a_request_id_is_kept_although_mongodb_is_away_and_the_job_cancelled(
    submissions: Submissions, clock: ManualClock
) -> None:
    kept = Kept()
    kept.fail_next(*[AWAY] * 6)

    step = submissions.keep(work(kept, is_cancelled=True), {"a": 1}, {"requestId": "r"})

    assert kept.steps == [step] == [{"a": 1, "requestId": "r", "phase": "submitted"}]
    assert 10 < clock.monotonic() < 60


def test_a_request_id_is_not_kept_by_a_worker_that_lost_the_job(
    submissions: Submissions,
) -> None:
    kept = Kept()
    kept.fail_next(FencedError("another has it"))

    with pytest.raises(FencedError):
        submissions.keep(work(kept), {}, {"requestId": "r"})

    assert kept.steps == []


def test_a_provider_that_never_finishes_is_left_to_a_person(
    submissions: Submissions, clock: ManualClock
) -> None:
    step = {"at": NOW, "requestId": "r"}
    clock.advance(24 * 3600)
    assert submissions.wait_for_result(step, None).pause == timedelta(seconds=30)
    clock.advance(1)

    with pytest.raises(EngineError, match="24 hours") as caught:
        submissions.wait_for_result(step, None)

    assert caught.value.is_final


@pytest.mark.parametrize("at", [None, "yesterday", NOW.replace(tzinfo=None)])
def test_a_step_that_somebody_spoilt_still_ends(
    at: object, submissions: Submissions, clock: ManualClock
) -> None:
    clock.advance(600)

    with pytest.raises(EngineError) as caught:
        submissions.wait_for_word({"at": at, "webhook": "https://c.example/n"})

    assert caught.value.code == "submission_unknown"


def test_two_nonces_are_never_the_same(clock: ManualClock) -> None:
    made = Submissions("fal", clock)
    kept = Kept()

    nonces = {made.begin(work(kept), {})["nonce"] for _ in range(50)}

    assert len(nonces) == 50
    assert {len(nonce) for nonce in nonces} == {32}
