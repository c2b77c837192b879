"""Workers killed at every step: each job ends once, and nothing is paid for twice."""

import pytest

from tests.integration.processors.workshop import KilledError, Killer, Workshop

KEYS = {f"generated-images/ann/job1/image_{n}.png" for n in (1, 2)}

STEPS = 14
"""More than a job has."""


def steps_of_a_job(workshop: Workshop) -> list[str]:
    killer = Killer()
    workshop.submit()
    while workshop.run_one(killer) is not None:
        workshop.skip_times()
    return killer.seen


def test_a_job_has_the_steps_that_are_tried(workshop: Workshop) -> None:
    seen = steps_of_a_job(workshop)

    assert len(seen) <= STEPS
    assert set(seen) == {"save", "submit", "park", "write", "copy", "finish", "delete"}
    assert workshop.published() == KEYS


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_killed_at_any_step_a_job_ends_once(
    workshop: Workshop, *, at: int, is_after: bool
) -> None:
    killer = Killer(at, is_after=is_after)
    workshop.submit()
    try:
        while workshop.run_one(killer) is not None:
            workshop.skip_times()
    except KilledError:
        pass

    workshop.run_to_the_end()

    job = workshop.job()
    assert len(workshop.provider.submits) <= 1
    if job["status"] == "completed":
        assert [one["version"] for one in job["versions"]] == [1]
        assert {one["s3Key"] for one in job["versions"][0]["images"]} == KEYS
        assert workshop.published() == KEYS
        assert workshop.provider.submits == ["job1"]
    else:
        # Only where the fate of the submit is unknown, and then a person decides.
        assert killer.seen[at - 1] in {"save", "submit"}
        assert job["status"] == "failed"
        assert job["error"]["code"] == "submission_unknown"
        assert job["error"]["retryable"] is True
        assert job["versions"] == []
        assert workshop.published() == set()


@pytest.mark.parametrize("second", range(1, STEPS))
@pytest.mark.parametrize("first", [4, 6, 8, 9, 10])
def test_killed_twice_a_job_still_ends_once(
    workshop: Workshop, first: int, second: int
) -> None:
    workshop.submit()
    for at in (first, second):
        killer = Killer(at)
        try:
            while workshop.run_one(killer) is not None:
                workshop.skip_times()
        except KilledError:
            workshop.skip_times()

    workshop.run_to_the_end()

    job = workshop.job()
    assert job["status"] == "completed"
    assert workshop.provider.submits == ["job1"]
    assert [one["version"] for one in job["versions"]] == [1]
    assert workshop.published() == KEYS
