"""Reading assets: plain lists and single ones, always for someone who asks."""

from collections.abc import Iterable, Sequence

from catalog.access import Asker, Scope, may_edit, may_see
from catalog.errors import ForbiddenError, NotFoundError
from catalog.models.asset import AssetType, AssetView
from catalog.models.ids import AssetId
from catalog.models.page import Page
from catalog.repositories.base import AssetQuery, AssetRepository

_MADE_WITH = (AssetType.LORA, AssetType.DATASET)
"""Types that ``catalog.describe`` names in the ``uses`` of other assets."""


class AssetService:
    """What can be read without the search engine: exact lists and reads by id."""

    def __init__(self, assets: AssetRepository) -> None:
        """Stand on the read model ``assets``."""
        self._assets = assets

    def page(self, query: AssetQuery) -> Page[AssetView]:
        """Read one page of a list; the asker's rights are part of the query.

        Raises:
            InvalidQueryError: The page token is not of this query.
            DependencyUnavailableError: MongoDB did not answer in time; retryable.
        """
        return self._assets.page(query)

    def find(self, asker: Asker, target: str) -> tuple[AssetView, ...]:
        """Read the asset of an assetId, or all assets that a bare jobId means.

        Args:
            asker: Who asks.
            target: An assetId or a jobId.

        Returns:
            At least one asset that the asker may see, in the job's order.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        found = self._assets.find(target)
        visible = tuple(
            one.view for one in found if not one.is_trashed and may_see(asker, one.acl)
        )
        if not visible:
            raise NotFoundError("asset", target)
        return visible

    def find_editable(self, asker: Asker, target: str) -> tuple[AssetView, ...]:
        """Read, as ``find`` does, what the asker is about to change.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but not change it.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        views = self.find(asker, target)
        if not all(may_edit(asker, view) for view in views):
            message = "You may see this asset, but not change it; ask its owner."
            raise ForbiddenError(message)
        return views

    def visible(
        self, asker: Asker, targets: Sequence[AssetId]
    ) -> tuple[AssetView, ...]:
        """Read those of some assets that the asker may see, in order.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        found = {one.view["assetId"]: one for one in self._assets.named(targets)}
        there = (found[target] for target in targets if target in found)
        return tuple(
            one.view for one in there if not one.is_trashed and may_see(asker, one.acl)
        )

    def known(self, asker: Asker, targets: Iterable[str]) -> tuple[str, ...]:
        """Keep those assetIds that the asker may know of, in order.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        return tuple(target for target in targets if self._is_known(asker, target))

    def used_in(self, asker: Asker, view: AssetView, limit: int) -> Page[AssetView]:
        """Read the newest assets that were made with one, and how many there are.

        Only those that the asker may see are told of, and counted. Of the many images
        of a job nothing is asked: nothing is made with an image.

        Raises:
            DependencyUnavailableError: MongoDB did not answer in time; retryable.
        """
        if view["type"] not in _MADE_WITH:
            return Page(items=(), total=0)
        used = (AssetId(view["assetId"]),)
        return self._assets.page(
            AssetQuery(asker, Scope.VISIBLE, uses=used, limit=limit)
        )

    def _is_known(self, asker: Asker, target: str) -> bool:
        found = self._assets.find(target)
        return any(not one.is_trashed and may_see(asker, one.acl) for one in found)
