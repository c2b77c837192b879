"""Counts of use in memory."""

from collections.abc import Mapping, Sequence
from datetime import date

from catalog.models.ids import AssetId
from catalog.repositories.usage import Counted, DayOfUse, Fetch, Issued, Usage
from tests.fakes.failing import Failing


class FakeUsageRepository(Failing):
    """See ``UsageRepository``; keeps what it is told, and knows what tests put in."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches: dict[bytes, Fetch] = {}
        self.batches: dict[bytes, tuple[Issued, ...]] = {}
        self.known: dict[AssetId, Usage] = {}
        self.days: dict[AssetId, list[DayOfUse]] = {}

    def count(self, fetches: Sequence[Fetch]) -> Counted:
        self.check()
        new = {one.mark: one for one in fetches if one.mark not in self.fetches}
        self.fetches |= new
        return Counted(counted=len(new), repeated=len(fetches) - len(new))

    def issue(self, batch: bytes, issued: Sequence[Issued]) -> None:
        self.check()
        self.batches[batch] = tuple(issued)

    def of_assets(self, assets: Sequence[AssetId]) -> Mapping[AssetId, Usage]:
        self.check()
        return {one: self.known[one] for one in assets if one in self.known}

    def days_of_assets(
        self, assets: Sequence[AssetId], since: date
    ) -> tuple[DayOfUse, ...]:
        self.check()
        return tuple(
            day for one in assets for day in self.days.get(one, ()) if day.day >= since
        )
