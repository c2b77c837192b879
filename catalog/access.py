"""Who may see what: one predicate, compiled to a MongoDB filter and a search filter.

Access is matched on derived keys of ``[a-z0-9]`` because Typesense tokenises string
filters (``user-1`` would match ``user_1``), and always inside the engine's query,
never on results afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from catalog.models.asset import AssetView
from catalog.models.ids import CollectionId, GroupId, UserId
from catalog.models.sharing import Grant, groups_of, users_of

PUBLIC_KEY = "pub"
"""Access key that every asker holds."""


class Scope(StrEnum):
    """Whose assets a list or search is about."""

    OWN = "own"
    SHARED = "shared"
    PUBLIC = "public"
    VISIBLE = "visible"
    """Own, shared with the asker, and public."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Attributes:
        user_id: The user, or ``None`` for the machine's owner.
        sees_everything: Admin, or the machine's owner in open mode.
        groups: Groups that the user is a member of.
        collections: Collections of others that are shared with the user, by name or
            through a group.
    """

    user_id: UserId | None
    sees_everything: bool = False
    groups: tuple[GroupId, ...] = ()
    collections: tuple[CollectionId, ...] = ()


MACHINE_OWNER = Asker(user_id=None, sees_everything=True)


def owner_key(user_id: str) -> str:
    """Derive the access key of an owner: 21 characters of ``[a-z0-9]``."""
    return "u" + _digest(user_id)


def shared_key(user_id: str) -> str:
    """Derive the access key of a user whom something is shared with."""
    return "s" + _digest(user_id)


def group_key(group_id: str) -> str:
    """Derive the access key of a group that something is shared with."""
    return "g" + _digest(group_id)


def collection_key(collection_id: str) -> str:
    """Derive the key of a collection: of whom it is shared with, and of its members."""
    return "c" + _digest(collection_id)


def _digest(user_id: str) -> str:
    return blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def access_keys(
    owner: str,
    *,
    is_public: bool,
    shared_with: Iterable[Grant],
    collections: Iterable[str] = (),
) -> tuple[str, ...]:
    """List the keys of all who may see an asset; any one of them opens it.

    Args:
        owner: The user whose it is.
        is_public: Whether everybody may see it.
        shared_with: Users and groups whom it is shared with.
        collections: The owner's collections that it is in: whom one of them is shared
            with holds its key. Others' collections share nothing but their own.
    """
    grants = tuple(shared_with)
    keys = [
        owner_key(owner),
        *map(shared_key, users_of(grants)),
        *map(group_key, groups_of(grants)),
        *map(collection_key, collections),
    ]
    return tuple(dict.fromkeys([PUBLIC_KEY, *keys] if is_public else keys))


def visible_keys(asker: Asker, scope: Scope) -> tuple[str, ...] | None:
    """List the access keys of which an asset must bear one.

    Returns:
        The keys, never empty; ``None`` for an asker who sees everything there is.
    """
    if asker.user_id is None:
        if asker.sees_everything and scope is not Scope.PUBLIC:
            return None
        return (PUBLIC_KEY,)
    own = owner_key(asker.user_id)
    shared = (
        shared_key(asker.user_id),
        *map(group_key, asker.groups),
        *map(collection_key, asker.collections),
    )
    match scope:
        case Scope.OWN:
            return (own,)
        case Scope.SHARED:
            return shared
        case Scope.PUBLIC:
            return (PUBLIC_KEY,)
        case Scope.VISIBLE:
            return (PUBLIC_KEY, own, *shared)


def search_filter(asker: Asker, scope: Scope) -> str:
    """Compile to Typesense ``filter_by``; never empty, built from safe keys alone.

    An empty filter would mean *all documents* to the engine by accident as well as
    on purpose, so who sees everything gets a clause that says so.
    """
    keys = visible_keys(asker, scope)
    if keys is None:
        return "(_seq:>=0)"
    return f"(acl:=[{','.join(keys)}])"


def mongo_filter(asker: Asker, scope: Scope) -> dict[str, Any]:
    """Compile to a filter on the read model ``assets``.

    Trashed assets bear no access keys; who sees everything must not see them either.
    """
    keys = visible_keys(asker, scope)
    if keys is None:
        return {"acl.0": {"$exists": True}}
    return {"acl": keys[0]} if len(keys) == 1 else {"acl": {"$in": list(keys)}}


def may_see(asker: Asker, acl: Iterable[str]) -> bool:
    """Decide for one asset already read (by-id reads, links, downloads)."""
    keys = visible_keys(asker, Scope.VISIBLE)
    present = set(acl)
    return bool(present) and (keys is None or not present.isdisjoint(keys))


def may_edit(asker: Asker, view: AssetView) -> bool:
    """Decide whether an asker who may see an asset may also change it.

    Its owner may, whoever sees everything, and whom it is shared with to ``edit``.
    """
    if asker.sees_everything or asker.user_id == view["userId"]:
        return True
    return any(
        grant["right"] == "edit"
        and (
            ("user" in grant and grant["user"] == asker.user_id)
            or ("group" in grant and grant["group"] in asker.groups)
        )
        for grant in view.get("sharing", ())
    )
