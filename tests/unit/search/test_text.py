import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidQueryError
from catalog.search.text import cjk_pairs, clean, other_spellings, parse_words


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("jesse_avatar", "jesseavatar"),
        ("podcast-ep-01.mp3", "ep1"),
        ("podcast-ep-01.mp3", "ep01"),
        ("podcast-ep-01.mp3", "podcastep01"),
        ("SEO Workshop Campaign", "seoworkshop"),
        ("SEO Workshop Campaign", "seoworkshopcampaign"),
        ("camelCaseName", "camel"),
        ("camelCaseName", "camelcase"),
        ("HTMLPage", "html"),
        ("camel_case", "camelcase"),
        ("ep01", "1"),
        ("播客第一集", "客第"),
        ("播客第一集", "集"),
        ("ポッドキャスト", "キャ"),
        ("팟캐스트", "캐스"),
    ],
)
def test_a_name_is_also_spelled_as_it_may_be_typed(name: str, typed: str) -> None:
    spellings = " ".join(other_spellings(name)).split()

    assert typed in spellings


def test_a_plain_word_has_no_other_spelling() -> None:
    assert other_spellings("avatar") == ()
    assert other_spellings("Avatar") == ()
    assert other_spellings("garçon") == ()


def test_accented_letters_are_not_split_off() -> None:
    assert "caf" not in " ".join(other_spellings("café42")).split()


def test_text_without_cjk_has_no_pairs() -> None:
    assert cjk_pairs("plain text") == ""
    assert cjk_pairs("déjà vu") == ""


@pytest.mark.parametrize(
    ("typed", "q"),
    [
        ("jesse_avatar", "jesse avatar"),
        ('"garbage collector" fast', '"garbage collector" fast'),
        ("\u201cgarbage collector\u201d", '"garbage collector"'),
        ("cats -dogs", "cats -dogs"),
        ('cats -"hot dogs"', 'cats -"hot dogs"'),
        ("cats -hot_dogs", 'cats -"hot dogs"'),
        ('"never closed', "never closed"),
        ('a "b c" "d', 'a "b c" d'),
        ("foo - bar", "foo bar"),
        ("foo -", "foo"),
        ("a && b || c", "a b c"),
        ("C++ c#", "C++ c#"),
        ("don't", '"don t"'),
        ("don\u2019t", '"don t"'),
        ("a\x00b\x01c", "a b c"),
        ("播客第一集", "播客 客第 第一 一集"),
        ("ep-01播客", "ep 01 播客"),
        ("x`y", "xy"),
    ],
)
def test_what_is_typed_becomes_what_the_engine_takes(typed: str, q: str) -> None:
    assert parse_words(typed).q == q


@pytest.mark.parametrize("typed", ["", "   ", "\t\n", "\x01"])
def test_no_words_ask_for_everything(typed: str) -> None:
    assert parse_words(typed).is_all


@pytest.mark.parametrize("typed", ["!!!", "*", "-", '""', '"', "—", "…", "&& ||", "`"])
def test_symbols_alone_find_nothing(typed: str) -> None:
    words = parse_words(typed)

    assert words.is_nothing
    assert not words.is_all


def test_an_exclusion_alone_finds_nothing_positive() -> None:
    words = parse_words("-dogs")

    assert words.q == "-dogs"
    assert not words.has_positive
    assert not words.is_nothing


def test_too_many_characters_are_refused() -> None:
    assert parse_words("a" * 512).q == "a" * 512
    with pytest.raises(InvalidQueryError) as caught:
        parse_words("a" * 513)

    assert caught.value.field == "q"


@given(st.text(max_size=512))
def test_any_text_is_read_and_its_quotes_are_closed(typed: str) -> None:
    words = parse_words(typed)

    assert words.q.count('"') % 2 == 0
    assert words.is_all == (words.q == "*")
    assert words.is_nothing == (words.q == "")
    words.q.encode()


@given(st.text())
def test_cleaned_text_has_no_sentinel_and_no_surrogate(text: str) -> None:
    cleaned = clean(text)

    assert not {"\x00", "\x01", "\x02", "\n"} & set(cleaned)
    cleaned.encode()


def test_a_phrase_is_cut_where_scripts_change() -> None:
    assert parse_words('"SPV 模式 UTXO"').q == '"SPV" "模式" "UTXO"'
