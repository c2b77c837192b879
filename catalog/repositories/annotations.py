"""Ports to what people change of assets, and to what they throw away."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from catalog.models.asset import AssetView
from catalog.models.ids import UserId
from catalog.models.page import Page
from catalog.models.stored import Annotation


class AnnotationRepository(Protocol):
    """Records of ``annotations``: what people changed."""

    def find(self, targets: Iterable[str]) -> Mapping[str, Annotation]:
        """Read by target (assetId or jobId)."""
        ...

    def save(self, annotation: Annotation) -> Annotation:
        """Write one in place of the state that it was made from.

        Args:
            annotation: With the ``revision`` that was read (0 where there was none).

        Returns:
            The same with its new revision; fields of the record that are not ours
            stay.

        Raises:
            ConflictError: Somebody else saved it meanwhile; read it again.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...


class TrashReader(Protocol):
    """Trashed assets of the read model."""

    def trashed(
        self, owner: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[AssetView]:
        """Read what lies in the trash, the last thrown away first.

        Args:
            owner: Whose trash; ``None`` for everybody's.
            limit: Most assets on the page.
            page_token: Of the previous page with the same owner.

        Raises:
            InvalidQueryError: The page token is not of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...
