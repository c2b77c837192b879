"""The read model: exact lists, ids, completion and search without the engine."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson.max_key import MaxKey
from pymongo.database import Database

from catalog.access import MACHINE_OWNER, Asker, Scope
from catalog.errors import InvalidQueryError
from catalog.models.asset import AssetRow, AssetType
from catalog.models.ids import AssetId, ObjectKey, UserId
from catalog.repositories.base import AssetQuery, AssetRepository, RowRepository
from catalog.repositories.mongo.assets import MongoAssetRepository
from catalog.repositories.mongo.codec_assets import record_from_row, row_from_record
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.rows import MongoRowRepository
from catalog.search.values import tag_key
from tests.integration.repositories.rows import NOW, row

Mongo = Database[dict[str, Any]]

USER = Asker(UserId("user123"))


@pytest.fixture
def assets(database: Mongo) -> AssetRepository:
    ensure_indexes(database)
    return MongoAssetRepository(database)


@pytest.fixture
def kept(database: Mongo) -> RowRepository:
    return MongoRowRepository(database)


def every_page(assets: AssetRepository, query: AssetQuery) -> list[str]:
    found: list[str] = []
    while True:
        page = assets.page(query)
        found += [view["assetId"] for view in page.items]
        if page.next_token is None:
            assert page.total == len(found)
            return found
        query = replace(query, page_token=page.next_token)


def test_counting_stops_where_it_is_told_to(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace([row(f"a{n}") for n in range(5)])
    query = AssetQuery(USER, limit=2)

    stopped = assets.page(replace(query, count_at_most=4))
    reached = assets.page(replace(query, count_at_most=5))

    assert (stopped.total, stopped.is_total_exact) == (4, False)
    assert (reached.total, reached.is_total_exact) == (5, True)
    assert stopped.items == reached.items == assets.page(query).items


def test_a_row_is_read_as_written(database: Mongo, kept: RowRepository) -> None:
    written = row("a", root={"sub": MaxKey()}, tags=["x"], keys=("k",), words="w")

    kept.replace([written])

    record = database["assets"].find_one({})
    assert record is not None
    assert row_from_record(record) == written
    assert record_from_row(written)["assetId"] == "a"


def test_rows_are_replaced_and_removed(
    assets: AssetRepository, kept: RowRepository
) -> None:
    first, second = row("a", name="old"), row("b")
    kept.replace([first, second])

    kept.replace([row("a", name="new \ud800")], delete=[second.document_id])

    assert [one.view["name"] for one in assets.find("a")] == ["new ?"]
    assert assets.find("b") == ()


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize(
    "sort", ["createdAt", "completedAt", "name", "sizeBytes", "duration", "wordCount"]
)
def test_pages_hold_every_asset_once(
    assets: AssetRepository, sort: str, *, descending: bool, kept: RowRepository
) -> None:
    rows = []
    for n in range(20):
        measured: Any = {"sizeBytes": n % 2, "duration": 1.5} if n % 3 else {}
        created_at = NOW + timedelta(hours=n % 4)
        name = f"n{n % 3}"
        rows.append(row(f"a{n}", root=n, name=name, created_at=created_at, **measured))
    kept.replace(rows)

    query = AssetQuery(USER, sort=sort, descending=descending, limit=3)
    found = every_page(assets, query)

    assert sorted(found) == sorted(f"a{n}" for n in range(20))


def test_lists_are_narrowed_exactly(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace(
        [
            row("cpp", tags=["C++"], model="flux-pro"),
            row("csharp", root=2, tags=["c#"], status="failed"),
            row("both", root=3, tags=["C++", "c#"], kind=AssetType.TRANSCRIPT),
            row("none", root=4, speakers=["A", "B"], baseModel="flux-pro"),
            row("late", root=5, created_at=NOW + timedelta(days=1), tags=["C"]),
        ]
    )

    def found(**filters: Any) -> set[str]:  # noqa: ANN401
        return set(every_page(assets, AssetQuery(USER, **filters)))

    cpp, csharp = tag_key("c++"), tag_key("C#")
    assert found(tag_keys=(cpp,)) == {"cpp", "both"}
    assert found(tag_keys=(cpp, csharp)) == {"both"}
    assert found(tag_keys_any=(cpp, csharp)) == {"cpp", "csharp", "both"}
    assert found(tag_keys_none=(cpp,)) == {"csharp", "none", "late"}
    assert found(tag_keys=(csharp,), tag_keys_none=(cpp,)) == {"csharp"}
    assert found(statuses=("failed",)) == {"csharp"}
    assert found(types=(AssetType.TRANSCRIPT,)) == {"both"}
    assert found(models=("flux-pro",)) == {"cpp", "none"}
    assert found(speakers=("B",)) == {"none"}
    assert found(since=NOW + timedelta(hours=1)) == {"late"}
    assert found(until=NOW, types=(AssetType.LORA,)) == {"cpp", "csharp", "none"}


def test_only_what_the_asker_may_see_is_listed(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace(
        [
            row("mine"),
            row("public", root=2, user="user456", is_public=True),
            row("private", root=3, user="user456"),
            row("trashed", root=4, is_trashed=True),
        ]
    )

    def found(asker: Asker, scope: Scope) -> set[str]:
        return set(every_page(assets, AssetQuery(asker, scope=scope)))

    assert found(USER, Scope.OWN) == {"mine"}
    assert found(USER, Scope.VISIBLE) == {"mine", "public"}
    assert found(Asker(None), Scope.VISIBLE) == {"public"}
    assert found(MACHINE_OWNER, Scope.VISIBLE) == {"mine", "public", "private"}


def test_ids_are_resolved_the_exact_job_first(
    assets: AssetRepository, kept: RowRepository
) -> None:
    images = [
        row(f"job-{n}", root=1, job_id="job", kind=AssetType.IMAGE) for n in (10, 9, 1)
    ]
    lora = row("job-9", root=2)
    dataset = row("job-9-dataset", root=2, job_id="job-9", kind=AssetType.DATASET)
    trashed = row("gone", root=3, is_trashed=True)
    kept.replace([*images, lora, dataset, trashed])

    def found(target: str) -> list[str]:
        return [f"{o.view['type']} {o.view['assetId']}" for o in assets.find(target)]

    assert found("job") == ["image job-1", "image job-9", "image job-10"]
    assert found("job-1") == ["image job-1"]
    assert found("job-9") == ["lora job-9"]
    assert found("job-9-dataset") == ["dataset job-9-dataset"]
    assert found("unknown") == []
    assert found("bad\ud800") == []
    assert assets.find("gone")[0].is_trashed


def test_names_are_completed_from_their_start(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace(
        [
            row("a", root=1, name="Straße"),
            row("b", root=2, name="STRASSENBAHN"),
            row("c", root=3, name="strand", user="user456"),
        ]
    )

    found = assets.names_starting(USER, "STRASS", 10)

    assert [view["name"] for view in found] == ["Straße", "STRASSENBAHN"]
    assert assets.names_starting(USER, "stra\ud800", 10) == ()


def test_words_must_all_occur_and_phrases_as_they_are(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace(
        [
            row("both", root=1, words="wildfires spread fast in the hills"),
            row("one", root=2, words="wildfires are out", language="unknown-language"),
            row("order", root=3, words="fast spread of wildfires"),
            row("theirs", root=4, words="wildfires spread fast", user="user456"),
        ]
    )

    def found(words: str) -> set[str]:
        page = assets.page(AssetQuery(USER, words=words))
        assert page.total == len(page.items)
        assert page.next_token is None
        return {view["assetId"] for view in page.items}

    assert found("wildfires fast") == {"both", "order"}
    assert found('"spread fast"') == {"both"}
    assert found("wildfires -out") == {"both", "order"}
    assert found('wildfires -"spread of"') == {"both", "one"}
    assert found("WILDFIRES") == {"both", "one", "order"}
    assert found('"') == set()
    assert found("-wildfires") == set()
    assert found("wildfires \\ \" $where: 'x' \ud800") <= {"both", "one", "order"}


def test_found_words_are_paged_by_skip(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace([row(f"a{n}", root=n, words="same") for n in range(5)])

    found = [
        view["assetId"]
        for skip in (0, 2, 4)
        for view in assets.page(
            AssetQuery(USER, words="same", limit=2, skip=skip)
        ).items
    ]

    assert sorted(found) == [f"a{n}" for n in range(5)]


def test_a_token_serves_its_own_asker_and_filter_only(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace([row(f"a{n}", root=n) for n in range(3)])
    token = assets.page(AssetQuery(USER, limit=1)).next_token
    other = Asker(UserId("user456"))

    for query in (
        AssetQuery(other, limit=1, page_token=token),
        AssetQuery(USER, limit=1, page_token=token, statuses=("failed",)),
        AssetQuery(USER, limit=1, page_token="junk"),
        AssetQuery(USER, sort="view.userId"),
    ):
        with pytest.raises(InvalidQueryError):
            assets.page(query)


def test_the_assets_that_an_object_belongs_to_are_found_by_its_key(
    assets: AssetRepository, kept: RowRepository
) -> None:
    kept.replace(
        [
            row("a", keys=("loras/u/a/v1/model.safetensors", "odd/place.bin")),
            row("b", root="other", keys=("odd/place.bin",), is_trashed=True),
            row("c", root="third", keys=("odd/place.bin2",)),
        ]
    )

    found = assets.holding(ObjectKey("odd/place.bin"))

    assert {one.view["assetId"]: one.is_trashed for one in found} == {
        "a": False,
        "b": True,
    }
    assert assets.holding(ObjectKey("odd")) == ()
    assert assets.holding(ObjectKey("\ud800")) == ()


def test_the_newest_images_that_were_made_with_a_lora_are_found(
    kept: RowRepository, assets: AssetRepository
) -> None:
    def image(name: str, days: int, *uses: str) -> AssetRow:
        made = NOW - timedelta(days=days)
        return row(name, kind=AssetType.IMAGE, created_at=made, uses=list(uses))

    kept.replace(
        [
            image("old", 3, "lora1"),
            image("new", 1, "lora2", "lora1"),
            image("other", 0, "lora2"),
            row("plain", kind=AssetType.IMAGE),
        ]
    )

    found = assets.using(AssetId("lora1"), 10)
    assert [one.view["assetId"] for one in found] == ["new", "old"]
    assert len(assets.using(AssetId("lora1"), 1)) == 1
    assert assets.using(AssetId("\ud800"), 1) == ()
    query = AssetQuery(USER, uses=(AssetId("lora1"),), limit=1)
    assert every_page(assets, query) == ["new", "old"]
    assert assets.page(AssetQuery(USER, uses=())).total == 0
    assert assets.page(AssetQuery(Asker(UserId("other")), uses=query.uses)).total == 0
