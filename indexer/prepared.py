"""A batch of roots between reading and writing."""

from dataclasses import dataclass, field

from catalog.models.asset import AssetRow
from catalog.models.ids import DocumentId, RootKey
from catalog.repositories.base import RootId
from catalog.search.projection import ProjectedAsset
from indexer.learning import Learned


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch of roots as read and described, not yet written.

    Attributes:
        sequence: ``_seq`` of what will be written.
        learned: The roots, described.
        asked: How many of them were asked for; roots that share a ``jobId`` with
            them follow.
        displaced: Rows of other roots whose place assets of these take (a job was
            deleted and another one bears its ``jobId``).
        projected: Documents of those assets that are projected already, by root and
            asset; each leaves as it is used.
    """

    sequence: int
    learned: tuple[Learned, ...]
    asked: int
    displaced: tuple[AssetRow, ...] = ()
    projected: dict[tuple[RootKey, DocumentId], ProjectedAsset] = field(
        default_factory=dict
    )

    @property
    def roots(self) -> tuple[RootId, ...]:
        """The roots of the batch."""
        return tuple(one.bundle.root for one in self.learned)

    @property
    def root_keys(self) -> tuple[RootKey, ...]:
        """Their hashes."""
        return tuple(one.bundle.root_key for one in self.learned)

    @property
    def touched(self) -> frozenset[str]:
        """Hashes of the roots, and ids of their assets.

        What shares one of these with another batch must not be written from an older
        read: a root may be gone by now, and its assets be another one's.
        """
        described = (asset for one in self.learned for asset in one.description.assets)
        return frozenset(self.root_keys).union(a.document_id for a in described)
