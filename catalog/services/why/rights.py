"""Who may be told why: never more than they may see by other ways. Pure."""

from catalog.access import Asker, Scope, access_keys, may_see, visible_keys
from catalog.models.asset import Asset
from catalog.repositories.base import FoundAsset


def owns(asker: Asker, user_id: str) -> bool:
    """Tell whether the asker may be told everything: its owner, or who sees all.

    Who sees all may ask for a user (whose search it then is) and is told still.
    """
    return asker.sees_everything or asker.user_id == user_id


def may_see_asset(asker: Asker, asset: Asset) -> bool:
    """Decide by the record as it is now; the trash is its owner's."""
    if owns(asker, asset.user_id):
        return True
    return asset.trashed_at is None and may_see(asker, keys_of(asset))


def keys_of(asset: Asset) -> tuple[str, ...]:
    """List the keys of all who may see an asset, by the record as it is now."""
    return access_keys(
        asset.user_id,
        is_public=asset.is_public,
        shared_with=asset.shared_with,
        collections=asset.own_collections,
    )


def is_shared_with(asker: Asker, asset: Asset) -> bool:
    """Tell whether it is shared with a user, by name, group or collection."""
    keys = visible_keys(asker, Scope.SHARED) or ()
    return not set(keys).isdisjoint(keys_of(asset))


def may_see_row(asker: Asker, row: FoundAsset) -> bool:
    """Decide by the read model, as all other reads by id do."""
    if owns(asker, row.view["userId"]):
        return True
    return not row.is_trashed and may_see(asker, row.acl)
