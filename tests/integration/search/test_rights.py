"""Nobody finds, counts or completes what is not theirs to see: on the real engine."""

import asyncio
import random
from typing import Any

import pytest

from catalog.access import MACHINE_OWNER, Asker, Scope, access_keys, visible_keys
from catalog.errors import InvalidQueryError
from catalog.models.asset import Asset
from catalog.models.ids import UserId
from catalog.models.sharing import Grant
from catalog.search.base import FACETS, SearchQuery
from catalog.search.typesense.reader import TypesenseSearchReader
from tests.integration.search.conftest import Engine
from tests.unit.search.assets import THEN, a_transcript, an_image

USERS = tuple(
    UserId(user)
    for user in ("user-1", "user_1", "USER 1", "user1", "user.1", "u`1", "用户", "pub")
)
"""The engine's tokeniser takes most of these for one another."""


def some_assets() -> list[Asset]:
    chance = random.Random(7)
    assets: list[Asset] = []
    for number in range(120):
        owner = chance.choice(USERS)
        others = [user for user in USERS if user != owner]
        shared = tuple(chance.sample(others, chance.choice([0, 0, 1, 2])))
        rights: dict[str, Any] = {
            "user_id": owner,
            "shared_with": tuple(Grant(user=user) for user in shared),
            "is_public": chance.random() < 0.15,
            "trashed_at": THEN if chance.random() < 0.05 else None,
            "tags": ("common", f"of {owner}"),
            "model": f"model {owner}",
        }
        if number % 4:
            name = f"picture {number}"
            assets.append(an_image(f"job-{number}-1", name=name, **rights))
        else:
            said = [f"common words of number {number}", "more words"]
            assets.append(a_transcript(f"job-{number}", said, **rights))
    return assets


def visible(assets: list[Asset], asker: Asker, scope: Scope) -> set[str]:
    keys = visible_keys(asker, scope)
    return {
        asset.asset_id
        for asset in assets
        if asset.trashed_at is None
        and (
            keys is None
            or set(keys)
            & set(
                access_keys(
                    asset.user_id,
                    is_public=asset.is_public,
                    shared_with=asset.shared_with,
                )
            )
        )
    }


def test_answers_equal_a_brute_force_filter(engine: Engine) -> None:
    assets = some_assets()
    engine.fill(assets)
    by_id = {str(asset.asset_id): asset for asset in assets}

    async def check(reader: TypesenseSearchReader) -> int:
        checked = 0
        for asker in [*(Asker(user) for user in USERS), MACHINE_OWNER, Asker(None)]:
            for scope in Scope:
                seen = visible(assets, asker, scope)
                query = SearchQuery(asker, scope, per_page=200, facets=FACETS)
                answer = await reader.search(query)
                assert {hit.view["assetId"] for hit in answer.hits} == seen
                assert answer.found == len(seen)
                tags = {c.value: c.count for c in answer.facets["tags"]}
                assert tags.get("common", 0) == len(seen)
                owners = {by_id[asset_id].user_id for asset_id in seen}
                assert len(tags) == len(owners) + bool(seen)
                spoken = SearchQuery(asker, scope, words="common words", per_page=200)
                said = await reader.search_transcripts(spoken)
                heard = {a for a in seen if by_id[a].segments}
                assert {hit.view["assetId"] for hit in said.hits} == heard
                assert all(hit.moments for hit in said.hits)
                typed = SearchQuery(asker, scope, words="common")
                completed = await reader.suggest(typed)
                assert [c.count for c in completed.tags] == [len(seen)] * bool(seen)
                checked += 1
        return checked

    assert engine.ask(check) == 40


def test_a_revoked_share_is_gone_at_once(engine: Engine) -> None:
    shared = an_image(shared_with=(Grant(user="friend"),), name="shared thing")
    friend = SearchQuery(Asker(UserId("friend")), words="shared")
    engine.fill([shared])
    before = engine.names(friend)

    engine.fill([shared.evolve(shared_with=())])

    assert before == ["shared thing"]
    assert engine.names(friend) == []


INJECTIONS = (
    "x` || public:true || owner:=`y", "`", "``", "a`b", "\\`", "\\", "&&", "||",
    "a && b", "x || _seq:>=0", ") || (_seq:>=0", "]) || (acl:=[pub", "[a,b]", "a,b",
    ":=", ":!=x",
    "acl:=pub", "*", "(", ")", "((", "'", '"', "99999999999999999999999", "-1", "nan",
    "\x00", "\x01\x02", "\u202e", "\ufeff", "\U0001d54f", "<script>", "../..",
    "%00", "a" * 500,
)  # fmt: skip


def test_nothing_typed_can_widen_what_is_seen(engine: Engine) -> None:
    engine.fill(
        [
            an_image("job-1-1", name="theirs", user_id="them", tags=("secret",)),
            an_image("job-2-1", name="mine", user_id="me", tags=("open",)),
        ]
    )
    me = Asker(UserId("me"))

    async def try_all(reader: TypesenseSearchReader) -> None:
        for evil in INJECTIONS:
            for query in (
                SearchQuery(me, words=evil, facets=FACETS),
                SearchQuery(me, words=f"theirs {evil}"),
                SearchQuery(me, words=f"-{evil}"),
                SearchQuery(me, tags=(evil,)),
                SearchQuery(me, tags_any=("secret", evil)),
                SearchQuery(me, tags_none=(evil,)),
                SearchQuery(me, statuses=(evil,), models=(evil,), speakers=(evil,)),
                SearchQuery(me, languages=(evil,), formats=(evil,)),
                SearchQuery(Asker(UserId(evil)), words="theirs"),
            ):
                try:
                    answer = await reader.search(query)
                    assert "theirs" not in [hit.view["name"] for hit in answer.hits]
                    assert "secret" not in str(answer.facets)
                    await reader.search_transcripts(query)
                    suggested = await reader.suggest(query)
                    assert "theirs" not in [v["name"] for v in suggested.names]
                    assert "secret" not in str(suggested.tags)
                except InvalidQueryError as refused:
                    assert refused.field in {"q", "tags", "tagsAny", "tagsNone"}  # noqa: PT017

    engine.ask(try_all)


def test_a_bad_question_is_refused_at_once(engine: Engine) -> None:
    async def ask(reader: TypesenseSearchReader) -> None:
        query = SearchQuery(MACHINE_OWNER, page=10**18)
        with pytest.raises(InvalidQueryError):
            await asyncio.wait_for(reader.search(query), 0.5)

    engine.ask(ask)
