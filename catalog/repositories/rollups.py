"""Port to roll-ups: what an owner's assets amount to, made ready from time to time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from catalog.models.ids import AssetId
from catalog.repositories.usage import DayOfUse, Usage

UNUSED_DAYS = (30, 90, 180, 365)
"""For which the unused assets are counted ahead."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Some assets: how many, and the bytes of their files in our store."""

    count: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Objects of the same content that lie in the store several times.

    Attributes:
        groups: How many contents.
        copies: Objects beyond the first of each.
        size_bytes: What these copies take.
    """

    groups: int = 0
    copies: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Rollup:
    """What the assets of an owner amount to.

    Attributes:
        owner: A user; ``None`` for everybody together.
        as_of: When it was made; aware.
        by_type: By type of asset, those in the trash left out.
        trash: Those in the trash: they take room, too.
        duplicates: As far as the store tells what content is the same.
        unused: How many were not used for so many days, by days of ``UNUSED_DAYS``.
    """

    owner: str | None
    as_of: datetime
    by_type: Mapping[str, Amount] = field(default_factory=dict)
    trash: Amount = field(default_factory=Amount)
    duplicates: Duplicates = field(default_factory=Duplicates)
    unused: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an owner's assets amounted to at the end of a day, or of the last sweep."""

    day: date
    by_type: Mapping[str, Amount]


@dataclass(frozen=True, slots=True)
class UsedAsset:
    """An asset and how much it was used."""

    asset_id: AssetId
    usage: Usage


@dataclass(frozen=True, slots=True)
class UnusedAsset:
    """An asset that nobody used for a while; times as the read model has them."""

    asset_id: AssetId
    type: str
    name: str
    size_bytes: int
    created_at: datetime
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnusedPage:
    """Some unused assets, oldest first; there may be more although it is not full."""

    items: tuple[UnusedAsset, ...]
    next_token: str | None


class RollupRepository(Protocol):
    """Records ``usage_rollups usage_snapshots``. Thread-safe."""

    def note_uses(self) -> int:
        """Note at each asset how many others were made with it, and when last.

        Returns:
            Of how many assets.

        Raises:
            DependencyUnavailableError: retryable.
        """
        ...

    def make(self, now: datetime) -> Iterator[Rollup]:
        """Add up everything, by owner and for everybody together.

        Reads the whole read model on the server's side.

        Raises:
            DependencyUnavailableError: retryable; what came until then is no answer.
        """
        ...

    def save(self, rollups: Sequence[Rollup]) -> None:
        """Keep roll-ups, at most 1,000, and make them the snapshot of their day.

        Raises:
            DependencyUnavailableError: Repeating is harmless; retryable.
        """
        ...

    def forget(self, before: datetime) -> int:
        """Remove roll-ups of owners who have nothing any more (made before a time)."""
        ...

    def find(self, owner: str | None) -> Rollup | None:
        """Read an owner's roll-up; ``None`` when there is none yet.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def snapshots(
        self, owner: str | None, since: date, until: date
    ) -> tuple[Snapshot, ...]:
        """Read an owner's snapshots of some days, both inclusive, oldest first."""
        ...

    def days(self, owner: str | None, since: date, until: date) -> tuple[DayOfUse, ...]:
        """Read how much an owner's assets were used on some days, both inclusive."""
        ...

    def most_used(self, owner: str | None, limit: int) -> tuple[UsedAsset, ...]:
        """Read the assets with most downloads, those never downloaded left out."""
        ...

    def unused(
        self, owner: str | None, since: datetime, *, limit: int, page_token: str | None
    ) -> UnusedPage:
        """Read assets that were made before a time and not used since, oldest first.

        Everybody's are in no particular order.

        Use is a download, a view, or an asset that was made with it.

        Raises:
            InvalidQueryError: The page token is not one of this list.
            DependencyUnavailableError: MongoDB did not answer in time; retryable.
        """
        ...
