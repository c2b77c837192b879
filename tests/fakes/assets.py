"""The read model ``assets`` in memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from catalog.access import Asker, Scope, access_keys, visible_keys
from catalog.errors import InvalidQueryError
from catalog.models.asset import AssetRow, AssetView
from catalog.models.ids import AssetId, ObjectKey, UserId
from catalog.models.page import Page
from catalog.models.sharing import Grant, merged
from catalog.repositories.base import AssetQuery, FoundAsset
from catalog.search.values import tag_key
from tests.fakes.failing import Failing


def view(asset_id: str, type_: str = "lora", **fields: Any) -> AssetView:  # noqa: ANN401
    """Make a view with everything that is required, and ``fields`` on top."""
    base: dict[str, Any] = {
        "assetId": asset_id,
        "jobId": fields.pop("jobId", asset_id),
        "type": type_,
        "name": asset_id,
        "userId": "user123",
        "description": None,
        "tags": [],
        "isPublic": False,
        "status": "completed",
        "createdAt": "2025-06-01T12:00:00Z",
        "versions": [
            {"version": 1, "createdAt": "2025-06-01T12:00:00Z", "files": []},
        ],
    }
    return cast("AssetView", base | fields)


@dataclass
class Row:
    """One asset with what decides who may see it."""

    view: AssetView
    acl: tuple[str, ...] = field(default=())
    is_trashed: bool = False

    def __post_init__(self) -> None:
        if not self.acl and not self.is_trashed:
            self.acl = access_keys(
                self.view["userId"],
                is_public=self.view["isPublic"],
                shared_with=grants_of(self.view),
            )


def grants_of(one: AssetView) -> tuple[Grant, ...]:
    """Read the grants of a view; tests may name users alone."""
    users = [Grant(user=user) for user in one.get("sharedWith", ())]
    named = [Grant.model_validate(grant) for grant in one.get("sharing", ())]
    return merged([*users, *named])


class FakeAssetRepository(Failing):
    """See ``AssetRepository``; ``words`` are looked for in the name and the tags."""

    def __init__(self, *views: AssetView) -> None:
        super().__init__()
        self.rows = [Row(one) for one in views]
        self.queries: list[AssetQuery] = []
        self.replaced: list[AssetRow] = []

    def page(self, query: AssetQuery) -> Page[AssetView]:
        self.check()
        self.queries.append(query)
        found = [row.view for row in self.rows if _matches(row, query)]
        found.sort(
            key=lambda one: cast("dict[str, Any]", one).get(query.sort) or "",
            reverse=query.descending,
        )
        start = _offset(query.page_token) + query.skip
        end = start + query.limit
        most = len(found) if query.count_at_most is None else query.count_at_most
        return Page(
            items=tuple(found[start:end]),
            total=min(len(found), most),
            next_token=f"o{end}" if end < len(found) else None,
            is_total_exact=len(found) <= most,
        )

    def find(self, asset_id: str) -> tuple[FoundAsset, ...]:
        self.check()
        exact = [row for row in self.rows if row.view["assetId"] == asset_id]
        rows = exact or [row for row in self.rows if row.view["jobId"] == asset_id]
        return tuple(FoundAsset(row.view, row.acl, row.is_trashed) for row in rows)

    def named(self, asset_ids: Iterable[AssetId]) -> tuple[FoundAsset, ...]:
        self.check()
        wanted = set(asset_ids)
        return tuple(
            FoundAsset(row.view, row.acl, row.is_trashed)
            for row in self.rows
            if row.view["assetId"] in wanted
        )

    def trashed(
        self, owner: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[AssetView]:
        self.check()
        found = [
            row.view
            for row in self.rows
            if row.is_trashed and owner in (None, row.view["userId"])
        ]
        start = _offset(page_token)
        end = start + limit
        token = f"o{end}" if end < len(found) else None
        return Page(tuple(found[start:end]), len(found), token)

    def shared_by(
        self, owner: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[AssetView]:
        self.check()
        found = [
            row.view
            for row in self.rows
            if not row.is_trashed
            and owner in (None, row.view["userId"])
            and "sharing" in row.view
        ]
        start = _offset(page_token)
        end = start + limit
        token = f"o{end}" if end < len(found) else None
        return Page(tuple(found[start:end]), len(found), token)

    def holding(self, key: ObjectKey) -> tuple[FoundAsset, ...]:
        self.check()
        return tuple(
            FoundAsset(row.view, row.acl, row.is_trashed)
            for row in self.rows
            if any(
                file.get("key") == key
                for version in row.view["versions"]
                for file in version["files"]
            )
        )

    def using(self, asset_id: AssetId, limit: int) -> tuple[FoundAsset, ...]:
        self.check()
        rows = [row for row in self.rows if asset_id in row.view.get("uses", ())]
        rows.sort(key=lambda row: row.view["createdAt"], reverse=True)
        return tuple(FoundAsset(row.view, row.acl, row.is_trashed) for row in rows)[
            :limit
        ]

    def names_starting(
        self, asker: Asker, prefix: str, limit: int, *, scope: Scope = Scope.VISIBLE
    ) -> tuple[AssetView, ...]:
        self.check()
        query = AssetQuery(asker=asker, scope=scope)
        return tuple(
            row.view
            for row in self.rows
            if _matches(row, query)
            and row.view["name"].casefold().startswith(prefix.casefold())
        )[:limit]


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    if not token.startswith("o") or not token[1:].isdigit():
        raise InvalidQueryError("pageToken", "It is not one of this list.")
    return int(token[1:])


def _matches(row: Row, query: AssetQuery) -> bool:
    one = row.view
    keys = visible_keys(query.asker, query.scope)
    visible = bool(row.acl) and (keys is None or not set(keys).isdisjoint(row.acl))
    tags = {tag_key(tag) for tag in one["tags"]}
    created = datetime.fromisoformat(one["createdAt"])
    text = " ".join([one["name"], *one["tags"], one.get("prompt", "")]).casefold()
    return (
        visible
        and (not query.types or one["type"] in query.types)
        and tags.issuperset(query.tag_keys)
        and (not query.tag_keys_any or not tags.isdisjoint(query.tag_keys_any))
        and tags.isdisjoint(query.tag_keys_none)
        and (not query.statuses or one["status"] in query.statuses)
        and (not query.models or one.get("model") in query.models)
        and (
            not query.speakers
            or not set(one.get("speakers", ())).isdisjoint(query.speakers)
        )
        and (query.uses is None or not set(one.get("uses", ())).isdisjoint(query.uses))
        and (query.since is None or created >= query.since)
        and (query.until is None or created <= query.until)
        and all(word in text for word in query.words.casefold().split())
    )
