"""Port to what is known of the use of assets: links handed out and files fetched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from catalog.models.ids import AssetId, ObjectKey


@dataclass(frozen=True, slots=True)
class Fetch:
    """A file of the store that somebody really got.

    Attributes:
        mark: 16 bytes; what bears the same one is the same fetch and counts once.
        keys: The object; of several only the first that an asset consists of counts
            (logs don't say how often they have encoded a key).
        at: When; aware.
        is_download: Whether it was saved; else it was shown.
    """

    mark: bytes
    keys: tuple[ObjectKey, ...]
    at: datetime
    is_download: bool = True


@dataclass(frozen=True, slots=True)
class Issued:
    """Links to one asset that were handed out on one day (UTC)."""

    asset_id: AssetId
    day: date
    links: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What came of counting.

    Attributes:
        counted: Fetches that were new.
        repeated: Fetches that had been counted before.
        passed_over: Fetches of thumbnails and other derived files.
        unknown: Fetches of objects that no asset consists of; nothing is kept of
            them, so that they count once an asset does.
    """

    counted: int = 0
    repeated: int = 0
    passed_over: int = 0
    unknown: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.counted + other.counted,
            self.repeated + other.repeated,
            self.passed_over + other.passed_over,
            self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True)
class DayOfUse:
    """One day (UTC) of an asset, or of all assets of an owner."""

    day: date
    downloads: int
    views: int
    links: int


@dataclass(frozen=True, slots=True)
class Usage:
    """How much something was used since counting began."""

    downloads: int = 0
    views: int = 0
    links: int = 0
    last_at: datetime | None = None


class UsageRepository(Protocol):
    """Counts of use: by asset, by asset and day, by owner and day. Thread-safe."""

    def count(self, fetches: Sequence[Fetch]) -> Counted:
        """Count fetches, each of them once, whoever counts it, however often.

        Args:
            fetches: At most 10,000, in any order.

        Raises:
            DependencyUnavailableError: Nothing was counted, or it is not known;
                repeating it is harmless; retryable.
        """
        ...

    def issue(self, batch: bytes, issued: Sequence[Issued]) -> None:
        """Count links that were handed out.

        Args:
            batch: 16 bytes; the same batch counts once.
            issued: At most 10,000.

        Raises:
            DependencyUnavailableError: As ``count``.
        """
        ...

    def of_assets(self, assets: Sequence[AssetId]) -> Mapping[AssetId, Usage]:
        """Read how much assets were used; those never used are left out.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def days_of_assets(
        self, assets: Sequence[AssetId], since: date
    ) -> tuple[DayOfUse, ...]:
        """Read the days of some assets together, oldest first, unused ones left out.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...
