"""The audit log's writer: in order, later, and never at an answer's cost."""

import asyncio
from datetime import timedelta

import pytest

from api import audit
from api.audit import AuditTrail
from catalog.errors import DependencyRejectedError, DependencyUnavailableError
from catalog.models.audit import AuditEntry
from tests.fakes.access import FakeAuditRepository
from tests.fakes.catalog import NOW

AWAY = DependencyUnavailableError("mongodb", "away")


def _entry(number: int) -> AuditEntry:
    return AuditEntry(
        entry_id=f"{number:04}",
        at=NOW + timedelta(seconds=number),
        expires_at=None,
        user="ann",
        through="key",
        key_id="key-1",
        method="PATCH",
        route="/api/assets/{assetId}",
        path=f"/api/assets/a-{number}",
        target=f"a-{number}",
        status=200,
        request_id=f"request-{number}",
    )


def _noted(
    repository: FakeAuditRepository, numbers: range, retry_seconds: float = 0
) -> None:
    async def run() -> None:
        trail = AuditTrail(repository, retry_seconds)
        for number in numbers:
            trail.note(_entry(number))
            await asyncio.sleep(0)
        await trail.close()

    asyncio.run(run())


def test_everything_is_written_in_order_and_before_the_end() -> None:
    repository = FakeAuditRepository()

    _noted(repository, range(1200))

    assert list(repository.entries) == [f"{number:04}" for number in range(1200)]


def test_what_could_not_be_written_is_written_later() -> None:
    repository = FakeAuditRepository()
    repository.fail_next(AWAY, AWAY, AWAY)

    _noted(repository, range(3))

    assert len(repository.entries) == 3


def test_what_is_refused_goes_to_the_log_and_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    repository = FakeAuditRepository()
    repository.fail_next(DependencyRejectedError("mongodb", "no"))

    _noted(repository, range(1))
    _noted(repository, range(1, 2))

    assert list(repository.entries) == ["0001"]
    assert any("/a-0 200" in getattr(one, "entry", "") for one in caplog.records)


def test_memory_is_bounded_while_mongodb_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit, "MOST_WAITING", 10)
    monkeypatch.setattr(audit, "_CLOSING_SECONDS", 0.05)
    repository = FakeAuditRepository()
    repository.fail_always(AWAY)

    _noted(repository, range(25), retry_seconds=60)

    assert repository.entries == {}
    lost = [one for one in caplog.records if one.message.endswith("lost a write")]
    assert len(lost) == 25
