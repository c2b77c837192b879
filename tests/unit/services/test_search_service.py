import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from typing_extensions import override

from catalog.access import Asker, Scope
from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidQueryError,
)
from catalog.models.asset import AssetType, AssetView
from catalog.models.ids import UserId
from catalog.models.page import Page
from catalog.repositories.base import AssetQuery
from catalog.search.base import FacetCount, Hit, NumberRange, SearchAnswer, SearchQuery
from catalog.search.values import tag_key
from catalog.services.engine_guard import EngineGuard
from catalog.services.index_monitor import IndexMonitor
from catalog.services.search import (
    AWAY,
    BUILDING,
    Answered,
    SearchService,
)
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import FakeParts, index_status

Result = TypeVar("Result")

ENGINE_AWAY = DependencyUnavailableError("typesense", "refused")
MONGO_AWAY = DependencyUnavailableError("mongodb", "refused")
ASKER = Asker(UserId("user123"))
QUERY = SearchQuery(asker=ASKER, words="avatar")


def run(
    parts: FakeParts,
    scenario: Callable[[SearchService], Awaitable[Result]],
    fallback_seconds: float = 2.0,
) -> Result:
    async def body() -> Result:
        service = SearchService(
            EngineGuard(parts.search),
            IndexMonitor(parts.index_status, parts.clock),
            parts.assets,
            fallback_seconds=fallback_seconds,
        )
        try:
            return await scenario(service)
        finally:
            await service.close()

    return asyncio.run(body())


def search(parts: FakeParts, query: SearchQuery = QUERY) -> Answered[SearchAnswer]:
    return run(parts, lambda service: service.search(query))


def test_the_engine_answers_while_it_is_there() -> None:
    parts = FakeParts()
    parts.search.answer = SearchAnswer(
        found=1,
        hits=(Hit(view("a"), score=7),),
        facets={"type": (FacetCount("lora", 1),)},
    )

    answered = search(parts)

    assert answered.answer == parts.search.answer
    assert not answered.is_degraded
    assert answered.index.generation == 1


def test_mongodb_answers_for_an_absent_engine_and_says_so() -> None:
    parts = FakeParts()
    parts.assets = FakeAssetRepository(
        view("mine", name="my avatar"), view("theirs", name="avatar", userId="user456")
    )
    parts.search.fail_always(ENGINE_AWAY)

    answered = search(parts)

    assert answered.degraded_because == AWAY
    assert [hit.view["assetId"] for hit in answered.answer.hits] == ["mine"]
    assert answered.answer.found == 1
    assert answered.answer.facets == {}


def test_before_the_first_build_is_done_mongodb_answers_and_says_so() -> None:
    parts = FakeParts()
    parts.assets = FakeAssetRepository(view("mine", name="avatar"))
    parts.index_status.status = index_status(generation=0)

    answered = search(parts)

    assert answered.degraded_because == BUILDING
    assert answered.answer.found == 1
    assert parts.search.queries == []


def test_the_engine_answers_although_mongodb_is_away() -> None:
    parts = FakeParts()
    parts.index_status.fail_always(MONGO_AWAY)

    answered = search(parts)

    assert not answered.is_degraded
    assert (answered.index.lag_ms, answered.index.generation) == (None, None)


def test_without_engine_and_mongodb_there_is_an_error_and_no_empty_page() -> None:
    parts = FakeParts()
    parts.search.fail_always(ENGINE_AWAY)
    parts.assets.fail_always(MONGO_AWAY)

    with pytest.raises(DependencyUnavailableError) as caught:
        search(parts)

    assert caught.value.dependency == "mongodb"


def test_a_mongodb_that_does_not_answer_in_time_is_not_waited_for() -> None:
    release = threading.Event()

    class HangingAssets(FakeAssetRepository):
        @override
        def page(self, query: AssetQuery) -> Page[AssetView]:
            release.wait(10)
            return super().page(query)

    parts = FakeParts()
    parts.assets = HangingAssets()
    parts.search.fail_always(ENGINE_AWAY)

    async def scenario(service: SearchService) -> None:
        try:
            with pytest.raises(DependencyUnavailableError):
                await service.search(QUERY)
        finally:
            release.set()

    run(parts, scenario, fallback_seconds=0.02)


def test_a_question_that_cannot_be_used_is_not_put_to_mongodb() -> None:
    parts = FakeParts()
    parts.search.fail_always(InvalidQueryError("q", "No."))

    with pytest.raises(InvalidQueryError):
        search(parts)

    assert parts.assets.queries == []


def test_a_degraded_search_keeps_every_filter_and_the_page() -> None:
    parts = FakeParts()
    parts.search.fail_always(ENGINE_AWAY)
    query = replace(
        QUERY,
        scope=Scope.OWN,
        types=(AssetType.IMAGE,),
        tags=("a",),
        tags_any=("b",),
        tags_none=("C++",),
        statuses=("failed",),
        models=("flux",),
        speakers=("A",),
        page=3,
        per_page=10,
    )

    search(parts, query)

    (asked,) = parts.assets.queries
    assert asked == AssetQuery(
        asker=ASKER,
        scope=Scope.OWN,
        types=(AssetType.IMAGE,),
        tag_keys=(tag_key("a"),),
        tag_keys_any=(tag_key("b"),),
        tag_keys_none=(tag_key("C++"),),
        statuses=("failed",),
        models=("flux",),
        speakers=("A",),
        words="avatar",
        limit=10,
        skip=20,
        timeout_seconds=2.0,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"languages": ("en",)},
        {"formats": ("png",)},
        {"exact": (("camera", ("NIKON D50",)),)},
        {"ranges": (NumberRange("width", 512),)},
    ],
)
def test_a_filter_that_only_the_index_knows_is_never_left_out(
    changes: dict[str, Any],
) -> None:
    parts = FakeParts()
    parts.search.fail_always(ENGINE_AWAY)

    with pytest.raises(DependencyUnavailableError):
        search(parts, replace(QUERY, **changes))


def test_a_degraded_transcript_search_finds_transcripts_only() -> None:
    parts = FakeParts()
    parts.assets = FakeAssetRepository(
        view("said", "transcript", name="avatar talk"), view("lora", name="avatar")
    )
    parts.search.fail_always(ENGINE_AWAY)

    answered = run(parts, lambda service: service.search_transcripts(QUERY))

    assert [hit.view["assetId"] for hit in answered.answer.hits] == ["said"]
    assert answered.answer.hits[0].moments == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"words": "x" * 513}, "q"),
        ({"page": 0}, "page"),
        ({"per_page": 201}, "perPage"),
        ({"per_page": 0}, "perPage"),
        ({"page": 51, "per_page": 200}, "page"),
        ({"sort": "password"}, "sort"),
        ({"facets": ("acl",)}, "facets"),
    ],
)
def test_what_no_engine_should_be_asked_is_refused_by_name(
    changes: dict[str, Any], field: str
) -> None:
    parts = FakeParts()

    with pytest.raises(InvalidQueryError) as caught:
        search(parts, replace(QUERY, **changes))

    assert caught.value.field == field
    assert parts.search.queries == []


def test_exclusions_alone_are_not_answered_with_everything_or_nothing() -> None:
    parts = FakeParts()
    parts.search.fail_always(ENGINE_AWAY)

    with pytest.raises(DependencyUnavailableError):
        search(parts, replace(QUERY, words="-avatar"))


def test_symbols_alone_find_nothing_without_the_engine_either() -> None:
    parts = FakeParts()
    parts.assets = FakeAssetRepository(view("mine"))
    parts.search.fail_always(ENGINE_AWAY)

    assert search(parts, replace(QUERY, words="!!!")).answer.found == 0


def test_an_engine_that_refuses_our_question_is_stood_in_for() -> None:
    parts = FakeParts()
    parts.assets = FakeAssetRepository(view("mine", name="avatar"))
    parts.search.fail_always(DependencyRejectedError("typesense", "no such field"))

    answered = search(parts)

    assert answered.is_degraded
    assert answered.answer.found == 1
