import asyncio

import pytest

from catalog.access import Asker, Scope
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import UserId
from catalog.search.base import FacetCount, SearchQuery, Suggestions
from catalog.services.engine_guard import EngineGuard
from catalog.services.index_monitor import IndexMonitor
from catalog.services.search import Answered, SearchService
from catalog.services.suggestions import SuggestionService
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.catalog import FakeParts

AWAY = DependencyUnavailableError("typesense", "refused")
ASKER = Asker(UserId("user123"))


def suggest(parts: FakeParts, typed: str, scope: Scope) -> Answered[Suggestions]:
    async def body() -> Answered[Suggestions]:
        search = SearchService(
            EngineGuard(parts.search),
            IndexMonitor(parts.index_status, parts.clock),
            parts.assets,
        )
        service = SuggestionService(search, parts.assets)
        query = SearchQuery(asker=ASKER, scope=scope, words=typed)
        try:
            return await service.suggest(query)
        finally:
            await search.close()

    return asyncio.run(body())


def test_the_engine_completes_while_it_is_there() -> None:
    parts = FakeParts()
    parts.search.suggestions = Suggestions(tags=(FacetCount("avatar", 3),))

    answered = suggest(parts, "ava", Scope.VISIBLE)

    assert answered.answer == parts.search.suggestions
    assert not answered.is_degraded


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        (Scope.VISIBLE, ["mine", "open", "lent"]),
        (Scope.OWN, ["mine"]),
        (Scope.PUBLIC, ["open"]),
        (Scope.SHARED, ["lent"]),
    ],
)
def test_without_it_names_are_completed_in_the_scope_asked_for(
    scope: Scope, names: list[str]
) -> None:
    parts = FakeParts()
    parts.search.fail_always(AWAY)
    parts.assets = FakeAssetRepository(
        view("mine", name="Avatar 1"),
        view("open", name="avatar 2", userId="user456", isPublic=True),
        view("lent", name="AVATAR 3", userId="user456", sharedWith=["user123"]),
        view("hidden", name="avatar 4", userId="user456"),
    )

    answered = suggest(parts, " Ava", scope)

    assert answered.is_degraded
    assert [one["assetId"] for one in answered.answer.names] == names


def test_nothing_typed_completes_to_nothing() -> None:
    parts = FakeParts()
    parts.search.fail_always(AWAY)
    parts.assets = FakeAssetRepository(view("mine"))

    assert suggest(parts, "  ", Scope.VISIBLE).answer == Suggestions()


def test_a_name_that_many_images_share_is_suggested_once() -> None:
    parts = FakeParts()
    parts.search.suggestions = Suggestions(
        names=(
            *(view(f"job-{n}", name="a red fox", type="image") for n in range(5)),
            view("lora", name="A red fox", type="lora"),
        )
    )

    answered = suggest(parts, "red", Scope.VISIBLE)

    assert [one["assetId"] for one in answered.answer.names] == ["job-0", "lora"]
