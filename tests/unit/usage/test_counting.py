from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.schemas.stats import AssetStats
from catalog.clock import ManualClock
from catalog.costs import monthly_cost
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import AssetId, ObjectKey
from catalog.repositories.usage import DayOfUse, Usage
from catalog.services.files import LinkedFile
from catalog.services.stats import stored_bytes
from catalog.services.usage_counter import UsageCounter
from catalog.storage.links import VerifiedLink
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import FakeParts
from tests.fakes.usage import FakeUsageRepository
from tests.unit.api.assets.samples import MODEL_KEY, image, lora

NOW = datetime(2025, 12, 1, 23, 59, tzinfo=UTC)
PRICES = {"STANDARD": 0.023, "GLACIER_IR": 0.004}


def linked(*, expires_at: int = 2_000_000_000) -> LinkedFile:
    return LinkedFile(
        link=VerifiedLink(
            ObjectKey("loras/u/j/v1/model.safetensors"),
            expires_at,
            file_name="m",
            is_attachment=True,
        ),
        name="m",
        size_bytes=6,
        etag="e",
        modified_at=NOW,
        content_type="application/octet-stream",
        is_attachment=True,
        remaining_seconds=60,
    )


@pytest.fixture
def usage() -> FakeUsageRepository:
    return FakeUsageRepository()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def counter(usage: FakeUsageRepository, clock: ManualClock) -> Iterator[UsageCounter]:
    names = iter(bytes([n]) * 16 for n in range(200))
    made = UsageCounter(
        usage,
        clock,
        new_batch=lambda: next(names),
        flush_seconds=3600,
        max_waiting=3,
    )
    yield made
    made.close()


def serve(counter: UsageCounter, client: str = "1.2.3.4", length: int = 6) -> None:
    list(counter.served(linked(), client, iter([b"abc", b"def"]), length))


def test_the_seeds_example_costs_about_three_cents() -> None:
    assert round(monthly_cost(1_500_000_000, PRICES), 2) == 0.03
    assert monthly_cost(2**30, PRICES) == 0.023
    assert monthly_cost(2**30, PRICES, "GLACIER_IR") == 0.004
    assert monthly_cost(2**30, PRICES, "SOMETHING_NEW") == 0.023
    assert monthly_cost(2_000_000, PRICES) == 0.000043


def test_bytes_of_all_versions_count_each_file_once() -> None:
    one = {"role": "model", "name": "m", "key": "a", "sizeBytes": 5}
    two = one | {"key": "b", "sizeBytes": 7}
    gone = one | {"key": "c", "sizeBytes": 100, "missing": True}
    foreign = {"role": "model", "name": "m", "url": "https://x", "sizeBytes": 50}
    versions = [
        {"version": 1, "createdAt": None, "files": [one, gone]},
        {"version": 2, "createdAt": None, "files": [one, two, foreign]},
    ]

    assert stored_bytes(view("x", versions=versions, sizeBytes=7)) == 12
    assert stored_bytes(view("x", "dataset", versions=versions, sizeBytes=70)) == 70


def test_ranges_of_one_client_and_link_are_one_download_a_day(
    counter: UsageCounter, usage: FakeUsageRepository, clock: ManualClock
) -> None:
    serve(counter)
    serve(counter)
    counter.flush()
    serve(counter)
    counter.flush()
    assert len(usage.fetches) == 1
    serve(counter, client="5.6.7.8")
    clock.advance(120)  # another day
    serve(counter)
    counter.flush()

    assert len(usage.fetches) == 3


def test_what_breaks_off_is_no_download(
    counter: UsageCounter, usage: FakeUsageRepository
) -> None:
    pieces = counter.served(linked(), "1.2.3.4", iter([b"abc", b"def"]), 6)
    next(pieces)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # it is a generator
    serve(counter, length=99)  # the store had less than was promised
    counter.flush()

    assert not usage.fetches


def test_counts_wait_for_mongodb_and_are_dropped_when_too_many_wait(
    counter: UsageCounter, usage: FakeUsageRepository
) -> None:
    usage.fail_always(DependencyUnavailableError("mongodb", "away"))
    for number in range(5):
        serve(counter, client=str(number))
        counter.issued(AssetId("a"))
    with pytest.raises(DependencyUnavailableError):
        counter.flush()
    usage.recover()
    counter.flush()

    assert len(usage.fetches) == 3
    assert counter.dropped == 2
    assert [one.links for batch in usage.batches.values() for one in batch] == [5]


def test_links_keep_their_batch_until_it_is_written(
    counter: UsageCounter, usage: FakeUsageRepository
) -> None:
    counter.issued(AssetId("a"))
    usage.fail_next(DependencyUnavailableError("mongodb", "fate unknown"))
    with pytest.raises(DependencyUnavailableError):
        counter.flush()
    counter.issued(AssetId("a"))
    counter.flush()

    assert {name[0]: one[0].links for name, one in usage.batches.items()} == {
        0: 1,
        1: 1,
    }


# --- through HTTP ------------------------------------------------------------------


@pytest.fixture
def parts() -> FakeParts:
    public = lora("public") | {"isPublic": True}
    made = FakeParts(assets=FakeAssetRepository(lora(), image(), public))
    made.store.objects[MODEL_KEY] = b"abc"
    made.usage.known[AssetId("lora")] = Usage(15, 2, 20, NOW)
    made.usage.days[AssetId("lora")] = [DayOfUse(NOW.date(), 15, 2, 20)]
    return made


@pytest.fixture
def client(parts: FakeParts) -> Iterator[TestClient]:
    with TestClient(create_app(parts.catalog())) as made:
        yield made


def test_stats_have_the_seeds_shape(client: TestClient) -> None:
    answer = client.get("/api/assets/lora/stats?userId=user123")

    assert answer.status_code == 200
    facts = answer.json()
    AssetStats.model_validate(facts)
    assert facts["downloads"] == 15
    assert facts["lastAccessed"] == "2025-12-01T23:59:00Z"
    assert facts["storageBytes"] == 3
    assert facts["usedInJobs"] == []
    assert facts["daily"] == [
        {"day": "2025-12-01", "downloads": 15, "views": 2, "linksIssued": 20}
    ]


def test_a_foreign_reader_learns_nothing_of_the_use(client: TestClient) -> None:
    facts = client.get("/api/assets/public/stats?userId=eve").json()

    assert facts["downloads"] is facts["linksIssued"] is facts["lastAccessed"] is None
    assert facts["views"] is None
    assert facts["daily"] == []
    assert facts["storageBytes"] == 3
    assert client.get("/api/assets/lora/stats?userId=eve").status_code == 404


def test_used_in_jobs_names_only_what_the_asker_may_see(
    client: TestClient, parts: FakeParts
) -> None:
    for name, owner in (("mine", "user123"), ("theirs", "eve")):
        parts.assets.rows += FakeAssetRepository(
            view(f"{name}-1", "image", jobId=name, userId=owner, uses=["public"])
        ).rows

    for user, jobs in (("user123", ["mine"]), ("eve", ["theirs"]), ("zoe", [])):
        facts = client.get(f"/api/assets/public/stats?userId={user}").json()
        assert facts["usedInJobs"] == jobs
        assert facts["usedInAssets"] == len(jobs)


def test_what_was_fetched_is_counted_and_what_was_promised_apart(
    parts: FakeParts,
) -> None:
    with TestClient(create_app(parts.catalog())) as client:
        found = client.get("/api/assets/lora/download?userId=user123").json()
        client.head(found["url"])
        whole = client.get(found["url"])
        client.get(found["url"], headers={"If-None-Match": whole.headers["etag"]})
        client.get(found["url"], headers={"Range": "bytes=1-"})

    [fetch] = parts.usage.fetches.values()
    assert fetch.keys == (MODEL_KEY,)
    assert fetch.is_download
    [[issued]] = parts.usage.batches.values()
    assert (issued.asset_id, issued.links) == ("lora", 1)


@pytest.mark.parametrize("days", ["0", "401", "x"])
def test_days_out_of_range_are_refused(client: TestClient, days: str) -> None:
    answer = client.get(f"/api/assets/lora/stats?userId=user123&days={days}")

    assert answer.status_code == 400
    assert answer.json()["field"] == "days"
