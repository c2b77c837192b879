"""Why the real engine finds an asset, or does not."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.access import MACHINE_OWNER, Asker, Scope
from catalog.models.asset import Asset, AssetType
from catalog.models.ids import RootKey, UserId
from catalog.search.base import Explanation, IndexName, SearchQuery
from catalog.search.projection import minimal_document
from catalog.search.typesense.reader import TypesenseSearchReader
from tests.integration.search.conftest import Engine
from tests.unit.search.assets import THEN, a_transcript, an_image

ME = Asker(UserId("user-1"))


def ask(words: str = "", **changes: object) -> SearchQuery:
    return SearchQuery(ME, words=words, **changes)  # type: ignore[arg-type]


def explain(engine: Engine, query: SearchQuery, asset: Asset) -> Explanation:
    return engine.ask(lambda reader: reader.explain(query, asset.document_id))


def many(count: int, start: int = 0, **changes: object) -> list[Asset]:
    return [
        an_image(
            f"many{n}-1",
            **{"created_at": THEN + timedelta(minutes=n), **changes},
        )
        for n in range(start, start + count)
    ]


LONE = an_image(
    "lone-1",
    name="jesse_avatar",
    prompt="a red car drives along the coast",
    tags=("C++", "Sea side"),
    model="flux-pro",
    format="png",
)


def test_an_asset_that_is_not_in_the_index_is_said_to_be_missing(
    engine: Engine,
) -> None:
    engine.fill(many(3))

    found = explain(engine, ask(), LONE)

    assert found == Explanation(is_indexed=False, found=3)


def test_a_found_asset_has_its_rank(engine: Engine) -> None:
    engine.fill([LONE, *many(3)])

    found = explain(engine, ask(), LONE)

    assert (found.is_indexed, found.is_match) == (True, True)
    order = [hit.view["assetId"] for hit in engine.search(ask()).hits]
    assert (found.rank, found.found) == (order.index("lone-1") + 1, 4)


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, ()),
        ({"types": (AssetType.LORA,)}, ("type",)),
        ({"types": (AssetType.LORA, AssetType.IMAGE)}, ()),
        ({"tags": ("c++", "sea side")}, ()),
        ({"tags": ("c++", "c#")}, ("tags",)),
        ({"tags_any": ("c#",)}, ("tagsAny",)),
        ({"tags_any": ("c#", "C++")}, ()),
        ({"tags_none": ("c#",)}, ()),
        ({"tags_none": ("c++", "x")}, ("tagsNone",)),
        ({"statuses": ("failed",)}, ("status",)),
        ({"models": ("flux-dev", "flux_pro")}, ("model",)),
        ({"models": ("flux-pro",)}, ()),
        ({"speakers": ("A",)}, ("speaker",)),
        ({"languages": ("en",)}, ("language",)),
        ({"formats": ("jpg",)}, ("format",)),
        ({"since": THEN + timedelta(days=1)}, ("from",)),
        ({"until": THEN - timedelta(days=1)}, ("to",)),
        ({"since": THEN, "until": THEN}, ()),
        ({"scope": Scope.PUBLIC}, ("scope",)),
        ({"scope": Scope.OWN}, ()),
        (
            {"scope": Scope.SHARED, "tags": ("x",), "types": (AssetType.LORA,)},
            ("scope", "type", "tags"),
        ),
    ],
)
def test_each_filter_is_judged_by_itself(
    engine: Engine, changes: dict[str, object], failed: tuple[str, ...]
) -> None:
    engine.fill([LONE])

    found = explain(engine, ask("jesse", **changes), LONE)

    assert found.failed_filters == failed
    assert found.is_match == (not failed)
    assert found.matched_words == ("jesse",)


@pytest.mark.parametrize(
    ("words", "matched", "unmatched", "excluded"),
    [
        ("jesse zebra coast", ("jesse", "coast"), ("zebra",), ()),
        ("jese zebra", ("jese",), ("zebra",), ()),
        ("zebra jess", ("jess",), ("zebra",), ()),
        ("jess zebra", ("jess",), ("zebra",), ()),
        ("driv zebra", (), ("driv", "zebra"), ()),
        ('"red car" zebra', ('"red car"',), ("zebra",), ()),
        ('"car red"', (), ('"car red"',), ()),
        ("jesse -coast", ("jesse",), (), ("-coast",)),
        ("jesse -coas -cost", ("jesse",), (), ()),
        ('jesse -"red car"', ("jesse",), (), ('-"red car"',)),
        ('jesse -"car red"', ("jesse",), (), ()),
        ("-coast", (), (), ("-coast",)),
        ("-zebra", (), (), ()),
        ("jesse_avatar c++", ("jesse_avatar", "c++"), (), ()),
        ("!!! jesse", ("jesse",), (), ()),
    ],
)
def test_each_word_is_judged_by_itself(
    engine: Engine,
    words: str,
    matched: tuple[str, ...],
    unmatched: tuple[str, ...],
    excluded: tuple[str, ...],
) -> None:
    both = an_image("both-1", prompt="jesse zebra driv jese jess coast car red")
    engine.fill([LONE, both])

    found = explain(engine, ask(words), LONE)

    assert found.matched_words == matched
    assert found.unmatched_words == unmatched
    assert found.excluded_by == excluded
    names = [hit.view["assetId"] for hit in engine.search(ask(words)).hits]
    assert found.is_match == ("lone-1" in names)


def test_words_in_scripts_without_spaces_are_judged(engine: Engine) -> None:
    podcast = an_image("cjk-1", name="播客 第一集")
    engine.fill([podcast, an_image("cjk-2", name="第二")])

    found = explain(engine, ask("播客 第二"), podcast)

    assert found.matched_words == ("播客",)
    assert found.unmatched_words == ("第二",)


def test_spoken_words_count(engine: Engine) -> None:
    talk = a_transcript("talk", ["the wildfires reached the coast", "and the sea"])
    engine.fill([talk])

    found = explain(engine, ask("wildfires sea"), talk)

    assert found.is_match
    assert found.matched_words == ("wildfires", "sea")


def test_a_word_that_nothing_has_is_dropped_by_the_engine(engine: Engine) -> None:
    engine.fill([LONE])

    found = explain(engine, ask("jesse qqqqqqqq"), LONE)

    assert found.unmatched_words == ("qqqqqqqq",)
    assert found.is_match
    assert found.rank == 1


def test_a_near_match_loses_to_an_exact_one(engine: Engine) -> None:
    engine.fill([LONE, an_image("near-1", name="jessy")])

    found = explain(engine, ask("jessy"), LONE)

    assert found.unmatched_words == ()
    assert not found.is_match
    assert found.found == 1


@pytest.mark.parametrize("words", ["!!!", "…", '""'])
def test_symbols_alone_find_nothing(engine: Engine, words: str) -> None:
    engine.fill([LONE])

    found = explain(engine, ask(words), LONE)

    assert (found.is_match, found.found, found.rank) == (False, 0, None)
    assert found.unmatched_words == (words,)


def test_a_minimal_document_is_told_from_a_whole_one(engine: Engine) -> None:
    root_key = RootKey("0" * 24)
    document = minimal_document(
        LONE, "refused", root_key=root_key, sequence=1, generation=1
    )
    assert document is not None
    engine.writer.upsert(engine.name(IndexName.ASSETS), [document])

    found = explain(engine, ask("coast"), LONE)

    assert (found.is_indexed, found.is_minimal) == (True, True)
    assert found.unmatched_words == ("coast",)


def _ids(engine: Engine, query: SearchQuery, pages: int) -> list[str]:
    async def read(reader: TypesenseSearchReader) -> list[str]:
        ids: list[str] = []
        for page in range(1, pages + 1):
            answer = await reader.search(replace(query, page=page, per_page=200))
            ids += [hit.view["assetId"] for hit in answer.hits]
        return ids

    return engine.ask(read)


def _ranks(
    engine: Engine, query: SearchQuery, assets: Iterable[Asset]
) -> dict[str, int | None]:
    async def read(reader: TypesenseSearchReader) -> dict[str, int | None]:
        ranks: dict[str, int | None] = {}
        for asset in assets:
            found = await reader.explain(query, asset.document_id)
            assert found.is_match
            ranks[asset.asset_id] = found.rank
        return ranks

    return engine.ask(read)


@pytest.mark.parametrize(
    "query",
    [
        ask(),
        ask("garden"),
        ask("gardn"),
        ask(sort="name", descending=False),
        ask(sort="createdAt", descending=False),
        ask(sort="sizeBytes"),
        ask(sort="sizeBytes", descending=False),
        ask("garden", sort="duration"),
    ],
    ids=lambda q: f"{q.words}-{q.sort}-{q.descending}",
)
def test_a_rank_far_down_is_exact_in_every_order(
    engine: Engine, query: SearchQuery
) -> None:
    spread = many(800, size_bytes=None) + [
        an_image(
            f"sized{n}-1",
            name=f"Garden of {n}",
            size_bytes=(n * 37) % 101,
            created_at=THEN - timedelta(minutes=n),
        )
        for n in range(400)
    ]
    engine.fill(spread)
    order = _ids(engine, query, 6)

    looked_for = [spread[n] for n in (0, 1, 300, 799, 800, 950, 1199)]
    ranks = _ranks(engine, query, looked_for)

    assert ranks == {one.asset_id: order.index(one.asset_id) + 1 for one in looked_for}


def test_equals_are_found_among_equals(engine: Engine) -> None:
    equal = many(900, created_at=THEN)
    engine.fill(equal)
    order = _ids(engine, ask("garden"), 5)

    ranks = _ranks(engine, ask("garden"), equal[::180])

    assert ranks == {a.asset_id: order.index(a.asset_id) + 1 for a in equal[::180]}


def test_an_asset_beyond_all_pages_is_a_match_without_a_rank(engine: Engine) -> None:
    engine.fill(many(10_300))
    oldest = an_image("many5-1")

    by_date = explain(engine, ask(), oldest)
    by_words = explain(engine, ask("garden"), oldest)

    for found in (by_date, by_words):
        assert (found.is_match, found.rank, found.found) == (True, None, 10_300)


def test_who_sees_everything_is_told_of_everything(engine: Engine) -> None:
    engine.fill([LONE])

    found = explain(engine, SearchQuery(MACHINE_OWNER, words="jesse"), LONE)

    assert (found.is_match, found.rank) == (True, 1)


def test_another_users_search_fails_by_scope_alone(engine: Engine) -> None:
    engine.fill([LONE])
    stranger = SearchQuery(Asker(UserId("user_1")), words="jesse")

    found = explain(engine, stranger, LONE)

    assert found.failed_filters == ("scope",)
    assert not found.is_match
