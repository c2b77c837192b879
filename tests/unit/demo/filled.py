"""A catalog filled with the demo, looked at the way an indexer would."""

from datetime import UTC, datetime
from typing import Any

from catalog.clock import ManualClock
from catalog.demo.fill import fill
from catalog.storage.urls import parse_store_url
from tests.fakes.jobs import FakeJobRepository
from tests.fakes.store import FakeStore

NOW = datetime(2026, 11, 22, 20, 0, 0, 123456, tzinfo=UTC)
BUCKET = "content-generation-assets"
SEED = 20251127


class Demo:
    """All that was written, in memory."""

    def __init__(self, seed: int = SEED) -> None:
        self.jobs = FakeJobRepository()
        self.store = FakeStore()
        self.calls: list[tuple[int, int]] = []
        self.summary = fill(
            self.jobs,
            self.store,
            ManualClock(NOW),
            seed=seed,
            progress=lambda done, total: self.calls.append((done, total)),
        )

    def of(self, type_: str, status: str = "completed") -> list[dict[str, Any]]:
        return [
            record
            for record in self.jobs.records
            if record["type"] == type_ and record["status"] == status
        ]

    def content(self, url: str) -> bytes:
        key = parse_store_url(url, buckets={BUCKET})
        assert key is not None, url
        return self.store.objects[key]
