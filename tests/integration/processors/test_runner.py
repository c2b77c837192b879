"""What becomes of a job, whatever its engine, its user or its store do."""

import threading
from contextlib import suppress
from datetime import timedelta

import pytest

from catalog.errors import DependencyUnavailableError
from catalog.models.ids import JobId
from processors.engine import EngineError
from processors.runner import MAX_ATTEMPTS
from tests.integration.processors.workshop import (
    LEASE,
    PICTURE,
    KilledError,
    Killer,
    Workshop,
)


def test_a_job_is_made_published_and_seen_as_one(workshop: Workshop) -> None:
    workshop.submit()

    workshop.run_one()
    halfway = workshop.job()
    workshop.run_one()

    assert halfway["status"] == "processing"
    assert halfway["versions"] == []
    job = workshop.job()
    assert (job["status"], job["progress"]) == ("completed", 100)
    (version,) = job["versions"]
    assert version["version"] == 1
    assert version["provenance"] == {"engine": "paid"}
    first = version["images"][0]
    assert first == {
        "url": "memory://store/generated-images/ann/job1/image_1.png",
        "s3Key": "generated-images/ann/job1/image_1.png",
        "width": 8,
        "height": 8,
        "seed": 1,
    }
    assert workshop.store.objects[first["s3Key"]] == PICTURE + b"\1"
    assert not any(key.startswith("temp/") for key in workshop.store.objects)
    assert list(workshop.folder.iterdir()) == []


def test_a_second_version_is_appended_and_numbers_its_images_on(
    workshop: Workshop,
) -> None:
    before = {
        "version": 1,
        "images": [{"s3Key": "generated-images/ann/job1/image_1.png"}] * 3,
    }
    workshop.submit(versions=[before])

    workshop.run_to_the_end()

    one, two = workshop.job()["versions"]
    assert one == before
    assert two["version"] == 2
    assert [image["s3Key"].rpartition("/")[2] for image in two["images"]] == [
        "image_4.png",
        "image_5.png",
    ]


def test_a_failure_that_may_pass_is_tried_again_and_then_told(
    workshop: Workshop,
) -> None:
    away = EngineError("provider_unavailable", "503", is_retryable=True)
    workshop.submit()
    workshop.provider.answers = [away] * 2

    workshop.run_to_the_end()
    assert workshop.job()["status"] == "completed"

    workshop.submit("job2")
    workshop.provider.answers = [away] * MAX_ATTEMPTS
    workshop.run_to_the_end()

    job = workshop.job("job2")
    assert job["status"] == "failed"
    assert job["error"] == {
        "code": "provider_unavailable",
        "message": "503",
        "retryable": True,
    }
    assert workshop.provider.submits == ["job1"]


def test_a_provider_that_is_away_while_it_works_is_waited_for(
    workshop: Workshop,
) -> None:
    away = EngineError("provider_unavailable", "503", is_retryable=True)
    workshop.submit()
    workshop.run_one()
    workshop.provider.answers = [away] * (MAX_ATTEMPTS + 3)

    workshop.run_to_the_end()

    assert workshop.job()["status"] == "completed"
    assert workshop.provider.submits == ["job1"]


@pytest.mark.parametrize("is_retryable", [True, False])
def test_what_no_repetition_helps_fails_at_once(
    workshop: Workshop, *, is_retryable: bool
) -> None:
    workshop.submit()
    workshop.provider.answers = [
        EngineError(
            "invalid_input", "no", is_retryable=is_retryable, is_final=is_retryable
        )
    ]

    workshop.run_one()

    assert workshop.job()["status"] == "failed"
    assert workshop.job()["error"]["retryable"] is is_retryable


def test_a_certain_failure_is_begun_anew(workshop: Workshop) -> None:
    workshop.submit()
    workshop.run_one()
    workshop.provider.answers = [
        EngineError("provider_rejected", "lost", is_retryable=True)
    ]
    workshop.provider.has_forgotten = True

    workshop.run_to_the_end()

    assert workshop.job()["status"] == "completed"
    assert workshop.provider.submits == ["job1", "job1"]


def test_an_engine_that_breaks_harms_only_its_job(workshop: Workshop) -> None:
    workshop.submit()
    workshop.provider.answers = [ValueError("a bug")] * MAX_ATTEMPTS

    workshop.run_to_the_end()

    error = workshop.job()["error"]
    assert error["code"] == "engine_failed"
    assert "a bug" in error["message"]


def test_a_cancelled_job_is_cancelled_at_the_provider_too(workshop: Workshop) -> None:
    workshop.submit()
    workshop.provider.is_done = False
    workshop.run_one()
    workshop.desk.cancel(JobId("job1"))

    workshop.run_to_the_end()

    assert workshop.job()["status"] == "cancelled"
    assert workshop.provider.cancelled == ["job1"]
    assert workshop.published() == set()


def test_a_job_cancelled_while_it_is_submitted_is_cancelled_at_the_provider(
    workshop: Workshop,
) -> None:
    """The request id is kept all the same: without it nobody could name the job."""
    workshop.lease = timedelta(seconds=0.3)

    def cancel() -> None:
        workshop.desk.cancel(JobId("job1"))
        threading.Event().wait(0.5)  # until the claim knows of it

    workshop.provider.while_submitting = cancel
    workshop.provider.is_done = False
    workshop.submit()

    workshop.run_to_the_end()

    assert workshop.job()["status"] == "cancelled"
    assert workshop.provider.submits == ["job1"]
    assert workshop.provider.cancelled == ["job1"]


def test_what_was_staged_and_has_gone_is_fetched_again_and_not_paid_for_twice(
    workshop: Workshop,
) -> None:
    workshop.submit()
    workshop.run_one()
    with suppress(KilledError):
        workshop.run_one(Killer(4))  # before the first copy
    for key in [one for one in workshop.store.objects if one.startswith("temp/")]:
        del workshop.store.objects[key]

    workshop.run_to_the_end()

    assert workshop.job()["status"] == "completed"
    assert len(workshop.published()) == 2
    assert workshop.provider.submits == ["job1"]


def test_a_worker_that_ends_leaves_the_job_to_others_without_an_attempt(
    workshop: Workshop,
) -> None:
    workshop.submit()
    workshop.draining.set()
    workshop.run_one()
    workshop.draining.clear()

    claim = workshop.queue.claim([], worker="w", lease=LEASE)
    assert claim is None
    workshop.run_to_the_end()

    job = workshop.job()
    assert job["status"] == "completed"
    assert workshop.provider.submits == ["job1"]


def test_a_store_that_is_away_loses_nothing(workshop: Workshop) -> None:
    workshop.submit()
    workshop.run_one()
    workshop.store.fail_next(DependencyUnavailableError("storage", "away"))

    workshop.run_one()
    assert workshop.job()["status"] == "processing"
    workshop.run_to_the_end()

    assert workshop.job()["status"] == "completed"
    assert workshop.provider.submits == ["job1"]


def test_a_record_that_somebody_spoilt_is_told_as_such(workshop: Workshop) -> None:
    workshop.submit(config={"model": "flux-pro"})

    workshop.run_to_the_end()

    job = workshop.job()
    assert job["status"] == "failed"
    assert job["error"]["code"] == "invalid_input"
    assert "inputs" in job["error"]["message"]


def test_a_worker_that_slept_writes_nothing_any_more(workshop: Workshop) -> None:
    workshop.submit()
    workshop.run_one()
    is_waiting, may_go_on = threading.Event(), threading.Event()
    write = workshop.store.write

    def held_up(*values: object, **named: object) -> object:
        if threading.current_thread().name == "sleeper":
            is_waiting.set()
            may_go_on.wait(10)
        return write(*values, **named)  # type: ignore[arg-type]

    workshop.store.write = held_up  # type: ignore[assignment,method-assign]
    sleeper = threading.Thread(target=workshop.run_one, name="sleeper")
    sleeper.start()
    is_waiting.wait(10)
    workshop.run_to_the_end()
    before = workshop.job(), dict(workshop.store.objects)
    may_go_on.set()
    sleeper.join(10)

    assert workshop.job() == before[0]
    assert workshop.published() == {k for k in before[1] if not k.startswith("temp/")}
    assert len(workshop.job()["versions"]) == 1
