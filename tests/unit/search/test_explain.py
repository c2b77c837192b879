import pytest

from catalog.access import MACHINE_OWNER, Asker, Scope, search_filter
from catalog.errors import InvalidQueryError
from catalog.models.asset import AssetType
from catalog.models.ids import DocumentId, UserId
from catalog.search.base import SearchQuery
from catalog.search.explain import (
    MAX_TERMS,
    Inquiry,
    is_before,
    plan_explanation,
    reachable_pages,
)
from catalog.search.filters import named_filters
from catalog.search.text import terms_of
from tests.unit.search.assets import THEN

ME = Asker(UserId("user-1"))
DOCUMENT = DocumentId("i0123")


def _plan(words: str = "", **changes: object) -> Inquiry:
    query = SearchQuery(ME, words=words, **changes)  # type: ignore[arg-type]
    return plan_explanation(query, DOCUMENT, "p_", cutoff_ms=500)


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("", ()),
        ("jesse avatar", ("jesse", "avatar")),
        ("jesse jesse", ("jesse",)),
        ('"red car" -blue -"a phrase"', ('"red car"', "-blue", '-"a phrase"')),
        ('open "quote', ("open", "quote")),
        ("ep-01 !!! *", ("ep-01",)),
        ("播客 第一集", ("播客", "第一集")),
    ],
)
def test_what_was_typed_comes_apart_as_typed(typed: str, terms: tuple[str]) -> None:
    assert terms_of(typed) == terms


def test_every_filter_is_named_as_its_parameter() -> None:
    query = SearchQuery(
        ME,
        types=(AssetType.IMAGE,),
        tags=("a", "b"),
        tags_any=("c",),
        tags_none=("d",),
        statuses=("completed",),
        models=("m",),
        speakers=("s",),
        languages=("en",),
        formats=("png",),
        since=THEN,
        until=THEN,
    )

    filters = named_filters(query)

    assert filters["scope"] == search_filter(ME, query.scope)
    assert set(filters) == {
        *("scope", "type", "tags", "tagsAny", "tagsNone", "status", "model"),
        *("speaker", "language", "format", "from", "to"),
    }
    assert filters["tags"] == "(tag_keys:=a) && (tag_keys:=b)"
    assert filters["tagsAny"] == "(tag_keys:=[c])"
    assert filters["tagsNone"] == "(tag_keys:!=d)"


def test_all_but_the_answer_itself_is_asked_of_the_one_document() -> None:
    plan = _plan("red -blue", tags=("a",))

    for search in plan.searches:
        about_one = search["filter_by"].startswith(f"(id:={DOCUMENT})")
        assert about_one is (search is not plan.answer)
    assert plan.answer["filter_by"].startswith(search_filter(ME, Scope.VISIBLE))
    assert list(plan.terms) == ["red"]
    assert list(plan.exclusions) == ["-blue"]
    assert plan.exclusions["-blue"]["q"] == "blue"


def test_one_request_is_enough_however_much_is_asked() -> None:
    plan = _plan(
        " ".join(f"w{n}" for n in range(100)),
        types=(AssetType.LORA,),
        tags=tuple("abcdefgh"),
        tags_any=("a",),
        tags_none=("b",),
        statuses=("x",),
        models=("x",),
        speakers=("x",),
        languages=("x",),
        formats=("x",),
        since=THEN,
        until=THEN,
    )

    assert len(plan.terms) == MAX_TERMS
    assert len(plan.searches) <= 50


def test_only_the_last_word_may_be_begun() -> None:
    plan = _plan("jesse avat -headsh")

    prefixes = {term: search["prefix"] for term, search in plan.terms.items()}
    assert prefixes == {"jesse": "false", "avat": "true"}
    assert plan.exclusions["-headsh"]["prefix"] == "false"
    assert plan.exclusions["-headsh"]["num_typos"] == 0


def test_symbols_alone_and_no_words_are_told_apart() -> None:
    assert _plan("!!!").is_nothing
    assert not _plan("").is_nothing
    assert not _plan("").has_words
    assert _plan("x").has_words


def test_a_value_that_no_search_takes_is_refused_by_name() -> None:
    with pytest.raises(InvalidQueryError) as caught:
        _plan(tags=("",))

    assert caught.value.field == "tags"


@pytest.mark.parametrize(
    ("sort", "descending", "earlier", "later"),
    [
        ("createdAt", True, {"created_at": 9}, {"created_at": 8}),
        ("createdAt", False, {"created_at": 8}, {"created_at": 9}),
        ("sizeBytes", True, {"size": 9}, {"size": 8}),
        ("sizeBytes", True, {"size": 1}, {}),
        ("sizeBytes", False, {"size": 1}, {}),
        ("name", False, {"name_sort": "a"}, {"name_sort": "b"}),
        (
            *("name", False),
            {"name_sort": "a", "created_at": 9},
            {"name_sort": "a", "created_at": 8},
        ),
    ],
)
def test_hits_are_compared_in_the_order_of_the_search(
    sort: str,
    earlier: dict[str, object],
    later: dict[str, object],
    descending: bool,  # noqa: FBT001  (a parameter)
) -> None:
    plan = _plan(sort=sort, descending=descending)

    assert is_before({"document": earlier}, {"document": later}, plan.answer)
    assert not is_before({"document": later}, {"document": earlier}, plan.answer)
    assert not is_before({"document": later}, {"document": later}, plan.answer)


def test_better_matches_come_first_by_relevance() -> None:
    plan = _plan("jesse")
    better = {"text_match": 2**60 + 1, "document": {"created_at": 1}}
    worse = {"text_match": 2**60, "document": {"created_at": 2}}

    assert is_before(better, worse, plan.answer)
    assert not is_before(worse, better, plan.answer)


@pytest.mark.parametrize(
    ("found", "pages"), [(0, 0), (1, 1), (250, 1), (251, 2), (10**6, 40)]
)
def test_pages_end_where_no_person_can_page_to(found: int, pages: int) -> None:
    assert reachable_pages(found) == pages


def test_who_sees_everything_has_a_scope_all_the_same() -> None:
    assert named_filters(SearchQuery(MACHINE_OWNER)) == {"scope": "(_seq:>=0)"}
