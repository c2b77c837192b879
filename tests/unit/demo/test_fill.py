"""Filling a catalog with the demo: which records there are, and where it refuses."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest
from typing_extensions import override

from catalog.clock import ManualClock
from catalog.demo.fill import DemoSummary, fill
from catalog.errors import DependencyUnavailableError
from catalog.models.job import JobStatus
from catalog.storage.directory import DirectoryObjectStore
from catalog.storage.keys import parse_key
from tests.fakes.jobs import FakeJobRepository
from tests.fakes.store import FakeStore
from tests.unit.demo.filled import BUCKET, NOW, Demo

TYPES = {"lora-training", "image-generation", "transcription"}
USERS = {"user123", "user456", "user789"}


class BucketStore(FakeStore):
    """Claims to be the S3 store of another bucket."""

    @property
    @override
    def url(self) -> str:
        return "s3://another-bucket"


def test_there_is_as_much_to_see_as_promised(demo: Demo) -> None:
    images = [
        image
        for job in demo.of("image-generation")
        for version in job["versions"]
        for image in version["images"]
    ]

    assert len(demo.of("lora-training")) >= 12
    assert len(images) >= 60
    assert len(demo.of("transcription")) >= 8
    assert demo.summary.jobs == Counter(job["type"] for job in demo.jobs.records)
    assert demo.summary.files == len(demo.store.objects)
    assert demo.summary.size_bytes == sum(map(len, demo.store.objects.values()))
    assert demo.summary.size_bytes < 40_000_000


def test_all_three_users_statuses_and_kinds_occur(demo: Demo) -> None:
    users = Counter(job["userId"] for job in demo.jobs.records)
    statuses = {job["status"] for job in demo.jobs.records}

    assert users.keys() == USERS
    assert users.most_common(1)[0][0] == "user123"
    assert statuses == {status.value for status in JobStatus}
    for user in users:
        assert {j["type"] for j in demo.jobs.records if j["userId"] == user} == TYPES


@pytest.mark.parametrize("is_public", [True, False])
def test_every_user_has_public_and_private_ones_of_every_kind(
    demo: Demo, *, is_public: bool
) -> None:
    found = {
        (job["userId"], job["type"])
        for job in demo.jobs.records
        if job["metadata"]["isPublic"] is is_public and job["versions"]
    }

    assert found == {(user, type_) for user in USERS for type_ in TYPES}


def test_most_are_tagged(demo: Demo) -> None:
    tagged = [job for job in demo.jobs.records if job["metadata"]["tags"]]

    assert len(tagged) > 0.8 * len(demo.jobs.records)


def test_the_dates_cover_a_year_and_none_lies_ahead(demo: Demo) -> None:
    created = [job["createdAt"] for job in demo.jobs.records]

    assert max(created) - min(created) > timedelta(days=300)
    assert len({(moment.year, moment.month) for moment in created}) >= 12
    assert created == sorted(created)
    for job in demo.jobs.records:
        versions = [version["createdAt"] for version in job["versions"]]
        moments = [job["createdAt"], *versions, job.get("completedAt", NOW)]
        assert moments == sorted(moments)
        assert NOW - timedelta(days=366) < moments[0]
        assert moments[-1] <= NOW
        assert moments[0].microsecond % 1000 == 0  # what MongoDB can hold


def test_only_completed_jobs_have_versions(demo: Demo) -> None:
    for job in demo.jobs.records:
        numbers = [version["version"] for version in job["versions"]]
        assert bool(numbers) == (job["status"] == "completed")
        assert numbers == list(range(1, len(numbers) + 1))
        assert ("completedAt" in job) == (job["status"] not in {"queued", "processing"})
        assert ("error" in job) == (job["status"] == "failed")


def test_every_address_of_a_record_leads_to_a_file_of_its_job(demo: Demo) -> None:
    for job in demo.jobs.records:
        for version in job["versions"]:
            named = [
                *(image["url"] for image in version.get("images", ())),
                *(version[name] for name in version if name.endswith("Url")),
            ]
            assert named
            for url in named:
                assert demo.content(url)
            for image in version.get("images", ()):
                assert image["url"].endswith(image["s3Key"])


def test_every_key_has_its_place_in_the_buckets_layout(demo: Demo) -> None:
    owners = {(j["userId"], j["jobId"]) for j in demo.jobs.records}

    for key in demo.store.objects:
        parsed = parse_key(key)
        assert parsed is not None, key
        assert parsed.role is not None, key
        assert (parsed.user_id, parsed.job_id) in owners


def test_in_another_bucket_every_address_names_that_bucket() -> None:
    jobs = FakeJobRepository()

    fill(jobs, BucketStore(), ManualClock(NOW))

    assert BUCKET not in str(jobs.records)
    assert "s3://another-bucket/loras/user123/" in str(jobs.records)


def test_it_takes_seconds_and_few_megabytes_of_a_directory(tmp_path: Path) -> None:
    store = DirectoryObjectStore(tmp_path, buckets={BUCKET})
    started = perf_counter()

    summary = fill(FakeJobRepository(), store, ManualClock(NOW))

    assert perf_counter() - started < 10
    assert [info.size_bytes > 0 for info in store.list()] == [True] * summary.files


def test_the_same_seed_and_time_make_the_same_demo(demo: Demo) -> None:
    again = Demo()

    assert again.jobs.records == demo.jobs.records
    assert again.store.objects == demo.store.objects


def test_another_seed_makes_other_jobs_and_files(demo: Demo) -> None:
    other = Demo(seed=7)

    assert not other.store.objects.keys() & demo.store.objects.keys()
    assert other.summary.files == demo.summary.files


def test_progress_reaches_the_end(demo: Demo) -> None:
    total = len(demo.jobs.records)

    assert demo.calls == [(done, total) for done in range(1, total + 1)]


def test_a_catalog_with_a_job_is_left_alone() -> None:
    jobs = FakeJobRepository({"jobId": "theirs", "type": "lora-training"})
    store = FakeStore()

    summary = fill(jobs, store, ManualClock(NOW))

    assert summary == DemoSummary(was_empty=False)
    assert len(jobs.records) == 1
    assert not store.objects


def test_where_the_store_is_away_no_record_names_a_missing_file() -> None:
    jobs, store = FakeJobRepository(), FakeStore()
    store.fail_next(DependencyUnavailableError("storage", "It is away."))

    with pytest.raises(DependencyUnavailableError):
        fill(jobs, store, ManualClock(NOW))

    assert jobs.records == []
