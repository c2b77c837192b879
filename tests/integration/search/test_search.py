"""What is found, in what order, marked and counted how: on the real engine."""

from datetime import timedelta

import pytest

from catalog.access import MACHINE_OWNER, Asker
from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetType
from catalog.models.ids import UserId
from catalog.search.base import FACETS, FacetCount, IndexName, SearchQuery
from catalog.search.projection import minimal_document
from catalog.search.schema import barrier_document
from tests.integration.search.conftest import Engine
from tests.unit.search.assets import ROOT_KEY, THEN, a_transcript, an_image

ME = Asker(UserId("user-1"))


def ask(words: str, **changes: object) -> SearchQuery:
    return SearchQuery(ME, words=words, **changes)  # type: ignore[arg-type]


@pytest.fixture
def named(engine: Engine) -> Engine:
    names = [
        "jesse_avatar",
        "podcast-ep-01.mp3",
        "SEO Workshop Campaign",
        "camelCaseName",
        "avatar",
        "播客 第一集",
        "ポッドキャスト入門",
        "나의팟캐스트",
        "dash — and ❤",
    ]
    assets = [an_image(f"job-{n}-1", name=name) for n, name in enumerate(names)]
    prompted = an_image("job-90-1", name="other", prompt="avatar")
    engine.fill([*assets, prompted])
    return engine


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("jesse_avatar", "jesse_avatar"),
        ("jesse", "jesse_avatar"),
        ("jesse avatar", "jesse_avatar"),
        ("jesseavatar", "jesse_avatar"),
        ("jes", "jesse_avatar"),
        ("jese avatr", "jesse_avatar"),
        ("JESSE", "jesse_avatar"),
        ("podcast", "podcast-ep-01.mp3"),
        ("podcast-ep-01.mp3", "podcast-ep-01.mp3"),
        ("podcast ep 1", "podcast-ep-01.mp3"),
        ("ep1", "podcast-ep-01.mp3"),
        ("ep 01", "podcast-ep-01.mp3"),
        ("ep-01", "podcast-ep-01.mp3"),
        (".mp3", "podcast-ep-01.mp3"),
        ("podcst", "podcast-ep-01.mp3"),
        ("workshop", "SEO Workshop Campaign"),
        ("seo camp", "SEO Workshop Campaign"),
        ("worksohp campain", "SEO Workshop Campaign"),
        ('"workshop campaign"', "SEO Workshop Campaign"),
        ("seoworkshop", "SEO Workshop Campaign"),
        ("camel", "camelCaseName"),
        ("camelcase", "camelCaseName"),
        ("case name", "camelCaseName"),
        ("播客", "播客 第一集"),
        ("第一集", "播客 第一集"),
        ("一集", "播客 第一集"),
        ("キャスト", "ポッドキャスト入門"),
        ("入門", "ポッドキャスト入門"),
        ("팟캐스트", "나의팟캐스트"),
        ("❤", "dash — and ❤"),
    ],
)
def test_a_name_is_found_by_words_beginnings_and_with_typos(
    named: Engine, words: str, name: str
) -> None:
    assert named.names(ask(words))[0] == name


def test_exact_names_come_first_and_names_before_prompts(named: Engine) -> None:
    assert named.names(ask("avatar")) == ["avatar", "jesse_avatar", "other"]


@pytest.mark.parametrize("words", ["!!!", "*", "—", '""', "…", "-", "`", "❌❌"])
def test_symbols_alone_do_not_find_everything(named: Engine, words: str) -> None:
    answer = named.search(ask(words, facets=("type",)))

    assert answer.found == 0
    assert answer.facets == {"type": ()}


def test_no_words_find_everything_newest_first(engine: Engine) -> None:
    engine.fill(
        an_image(f"job-{n}-1", name=f"n{n}", created_at=THEN + timedelta(days=n))
        for n in range(5)
    )

    answer = engine.search(ask("", per_page=2, page=2))

    assert answer.found == 5
    assert [hit.view["name"] for hit in answer.hits] == ["n2", "n1"]


def test_phrases_and_exclusions_hold(engine: Engine) -> None:
    texts = {"a": "a red car drives", "b": "a car that is red", "c": "a blue car"}
    engine.fill(
        an_image(f"job-{name}-1", name=name, prompt=prompt)
        for name, prompt in texts.items()
    )

    assert engine.names(ask('"red car"')) == ["a"]
    assert sorted(engine.names(ask("car -blue"))) == ["a", "b"]
    assert sorted(engine.names(ask('car -"red car"'))) == ["b", "c"]
    assert engine.names(ask("-red")) == ["c"]
    assert sorted(engine.names(ask('"red car'))) == ["a", "b"]


AWKWARD_TAGS = (
    "C++", "c#", "C", "foo-bar", "foo_bar", "foo bar", "foobar", "日本", "!!!",
    "a/b`c", "&& ||", "🎉", "q", "qq", "q q", "x" * 64, "日" * 64, "tag:=[a]",
)  # fmt: skip


def test_tags_never_mix(engine: Engine) -> None:
    engine.fill(
        an_image(f"job-{n}-1", name=f"n{n}", tags=(tag, "all"))
        for n, tag in enumerate(AWKWARD_TAGS)
    )

    counted = engine.search(ask("", facets=("tags",))).facets["tags"]
    by_tag = [engine.names(ask("", tags=(tag,))) for tag in AWKWARD_TAGS]
    without = engine.search(ask("", tags_none=("foo-bar", "C++")))
    either = engine.names(ask("", tags_any=("c++", "FOO_BAR")))

    assert by_tag == [[f"n{n}"] for n in range(len(AWKWARD_TAGS))]
    assert dict.fromkeys((tag.casefold() for tag in AWKWARD_TAGS), 1) == {
        count.value.casefold(): count.count for count in counted[1:]
    }
    assert counted[0] == FacetCount("all", len(AWKWARD_TAGS))
    assert without.found == len(AWKWARD_TAGS) - 2
    assert sorted(either) == ["n0", "n4"]


def test_both_of_two_tags_must_be_there(engine: Engine) -> None:
    engine.fill(
        [
            an_image("job-1-1", name="both", tags=("avatar", "headshot")),
            an_image("job-2-1", name="one", tags=("avatar",)),
        ]
    )

    assert engine.names(ask("", tags=("avatar", "headshot"))) == ["both"]


def test_a_filter_does_not_zero_the_other_values_of_its_facet(engine: Engine) -> None:
    engine.fill(
        [
            an_image("job-1-1", name="a", status="completed", model="m1"),
            an_image("job-2-1", name="b", status="failed", model="m1"),
            a_transcript("job-3", ["spoken"], name="c", model=None),
        ]
    )
    query = ask(
        "", types=(AssetType.IMAGE,), statuses=("failed",), facets=tuple(FACETS)
    )

    answer = engine.search(query)

    assert [hit.view["name"] for hit in answer.hits] == ["b"]
    assert set(answer.facets["status"]) == {
        FacetCount("completed", 1),
        FacetCount("failed", 1),
    }
    assert answer.facets["type"] == (FacetCount("image", 1),)
    assert answer.facets["model"] == (FacetCount("m1", 1),)
    assert answer.facets["month"] == (FacetCount("2025-11", 1),)
    assert answer.facets["visibility"] == (FacetCount("private", 1),)


def test_highlights_are_marked_and_safe(engine: Engine) -> None:
    evil = "<img src=x onerror=alert(1)> wonder & \x01land\x02"
    engine.fill([an_image(name=evil, prompt=f"{evil} " * 3, tags=("wonder <b>",))])

    (hit,) = engine.search(ask("wonder")).hits

    fields = {highlight.field: highlight.snippet for highlight in hit.highlights}
    assert set(fields) == {"name", "prompt", "tags"}
    for snippet in fields.values():
        assert "<mark>wonder</mark>" in snippet
        bare = snippet.replace("<mark>", "").replace("</mark>", "")
        assert not {"<", ">", "\x01", "\x02"} & set(bare)


def test_sorting_puts_what_lacks_the_value_last(engine: Engine) -> None:
    engine.fill(
        [
            an_image("job-1-1", name="b", size_bytes=5),
            an_image("job-2-1", name="A", size_bytes=50),
            an_image("job-3-1", name="c"),
        ]
    )

    def order(sort: str, *, descending: bool) -> str:
        query = ask("", sort=sort, descending=descending)
        return "".join(engine.names(query)).lower()

    assert order("name", descending=False) == "abc"
    assert order("name", descending=True) == "cba"
    assert order("sizeBytes", descending=False) == "bac"
    assert order("sizeBytes", descending=True) == "abc"


def test_dates_bound_what_is_found(engine: Engine) -> None:
    engine.fill(
        an_image(f"job-{n}-1", name=f"n{n}", created_at=THEN + timedelta(days=n))
        for n in range(3)
    )

    query = ask("", since=THEN + timedelta(days=1), until=THEN + timedelta(days=1))

    assert engine.names(query) == ["n1"]


def test_pages_neither_overlap_nor_miss(engine: Engine) -> None:
    engine.fill(an_image(f"job-{n}-1", name=f"same {n}") for n in range(60))

    pages = [engine.names(ask("same", page=n, per_page=7)) for n in range(1, 10)]

    names = [name for page in pages for name in page]
    assert len(names) == len(set(names)) == 60


def test_an_index_that_is_not_built_is_unavailable(engine: Engine) -> None:
    engine.admin.drop(engine.name(IndexName.ASSETS))

    with pytest.raises(DependencyUnavailableError, match="not built yet"):
        engine.search(ask("x"))


def test_searching_survives_an_alias_swap(engine: Engine) -> None:
    engine.fill([an_image("job-1-1", name="old")])
    engine.create(2)
    engine.fill([an_image("job-1-1", name="new")], 2)

    before = engine.names(ask(""))
    engine.point(2)
    for kind in IndexName:
        engine.admin.drop(engine.name(kind, 1))

    assert before == ["old"]
    assert engine.names(ask("")) == ["new"]


def test_a_barrier_document_is_never_seen(engine: Engine) -> None:
    for kind in IndexName:
        engine.writer.upsert(engine.name(kind), [barrier_document(kind)])

    answer = engine.search(SearchQuery(MACHINE_OWNER, facets=tuple(FACETS)))

    assert answer.found == 0
    assert not any(answer.facets.values())
    assert engine.search(ask("")).found == 0


def test_what_could_not_be_indexed_in_full_is_counted_by_its_cause(
    engine: Engine,
) -> None:
    engine.fill([an_image("fine-1")])
    refused = [
        minimal_document(
            an_image(f"bad-{n}"),
            f"Field `width` must be an int32 (line {n}).",
            root_key=ROOT_KEY,
            sequence=1,
            generation=1,
        )
        for n in range(2)
    ]
    documents = [document for document in refused if document is not None]
    engine.writer.upsert(engine.name(IndexName.ASSETS), documents)

    answer = engine.search(ask("", facets=("indexError", "type")))

    assert answer.found == 3
    assert answer.facets["indexError"] == (
        FacetCount("Field `width` must be an int32 (line #).", 2),
    )
