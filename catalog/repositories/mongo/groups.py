"""``GroupRepository`` over MongoDB."""

from collections.abc import Mapping
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import AlreadyExistsError, ConflictError
from catalog.models.group import MAX_GROUPS_OF_USER, Group
from catalog.models.ids import GroupId, UserId
from catalog.models.page import Page
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.keyset import read_page


class MongoGroupRepository:
    """Groups of users, in the records ``groups``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._groups = database["groups"]

    def create(self, group: Group) -> Group:
        """See ``GroupRepository.create``."""
        record = {"_id": group.group_id, "createdAt": group.created_at}
        record |= _fields(group)
        with translated():
            try:
                self._groups.insert_one(record)
            except DuplicateKeyError as exc:
                raise AlreadyExistsError("group", group.group_id) from exc
        return group

    def find(self, group_id: GroupId) -> Group | None:
        """See ``GroupRepository.find``."""
        if not is_text_storable(group_id):
            return None
        with translated():
            raw = self._groups.find_one({"_id": group_id})
        return None if raw is None else _from_record(raw)

    def page(
        self, member: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[Group]:
        """See ``GroupRepository.page``."""
        wanted: Record = {}
        if member is not None:
            if not is_text_storable(member):
                return Page(items=(), total=0)
            wanted["members"] = member
        return read_page(
            self._groups, wanted, "createdAt", limit, page_token, _from_record
        )

    def save(self, group: Group) -> Group:
        """See ``GroupRepository.save``."""
        saved = group.evolve(revision=group.revision + 1)
        known = {"_id": group.group_id, "revision": group.revision}
        with translated():
            done = self._groups.update_one(known, {"$set": _fields(saved)})
        if not done.matched_count:
            message = "Somebody else changed this group; read it again."
            raise ConflictError(message)
        return saved

    def delete(self, group_id: GroupId) -> None:
        """See ``GroupRepository.delete``."""
        with translated():
            self._groups.delete_one({"_id": group_id})

    def of(self, member: UserId) -> tuple[GroupId, ...]:
        """See ``GroupRepository.of``."""
        if not is_text_storable(member):
            return ()
        with translated():
            found = self._groups.find({"members": member}, {"_id": 1})
            oldest = found.sort([("createdAt", 1), ("_id", 1)])
            counted = oldest.limit(MAX_GROUPS_OF_USER)
            return tuple(GroupId(raw["_id"]) for raw in counted)


def _fields(group: Group) -> Record:
    """Write what ``save`` writes."""
    return {
        "name": group.name,
        "owner": group.owner,
        "members": list(group.members),
        "updatedAt": group.updated_at,
        "revision": group.revision,
    }


def _from_record(raw: Mapping[str, Any]) -> Group:
    return Group(
        group_id=GroupId(raw["_id"]),
        name=raw["name"],
        owner=UserId(raw["owner"]),
        members=tuple(UserId(one) for one in raw["members"]),
        created_at=raw["createdAt"],
        updated_at=raw["updatedAt"],
        revision=raw["revision"],
    )
