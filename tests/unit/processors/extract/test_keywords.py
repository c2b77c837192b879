import pytest

from processors.extract.general_words import ENGLISH_GENERAL
from processors.extract.keywords import MAX_KEYWORDS, keywords
from processors.extract.spoken_words import MOST_WORDS
from processors.extract.stop_words_other import STOP_WORDS

TALK = (
    "The air quality is bad, and air quality matters to us all. We measure the air"
    " quality here. There was smoke, a lot of smoke, you know. Um, the smoke's gone. "
)
FILLER = "and then we went on with it because there was not much to be said about that "
"""Seventeen words that say nothing."""


def test_keywords_are_the_terms_said_most_often() -> None:
    assert keywords(TALK, "en") == ("air quality", "smoke")


def test_a_word_that_stands_mostly_alone_is_kept_beside_its_term() -> None:
    text = "air quality, air quality, air, air, air, air"

    assert keywords(text, "en") == ("air", "air quality")


def test_words_that_are_too_general_are_no_keywords() -> None:
    text = "How far? That far. What type, which size? The type and size of the ferry. "

    assert keywords(text + "A ferry, deliberately, deliberately.", "en") == ("ferry",)


def test_general_words_are_part_of_keywords() -> None:
    text = "Write to the mailing list. The mailing list has an archive, one archive. "

    assert keywords(text, "en") == ("mailing list", "archive")


def test_general_words_that_are_always_said_together_are_one() -> None:
    often = "open source here, open source there, is it open source? open source! "

    assert keywords(often, "en") == ("open source",)
    assert keywords(often + "open it. " * 9, "en") == ()


def test_the_whole_of_a_name_stands_for_its_parts() -> None:
    text = "At Johns Hopkins University. Is Johns Hopkins University near? " * 2

    assert keywords(text, "en") == ("johns hopkins university",)


def test_words_that_meet_by_chance_are_no_term() -> None:
    text = "sun. lamp. " * 20 + "sun lamp, sun lamp"

    assert keywords(text, "en") == ("lamp", "sun")


def test_a_word_that_is_repeated_is_no_longer_term() -> None:
    assert keywords("bell bell bell bell, the bell bell bell", "en") == ("bell",)


def test_words_across_a_full_stop_are_no_term() -> None:
    assert keywords("smoke. fire! smoke. fire", "en_us") == ("fire", "smoke")


def test_a_hyphen_is_a_space() -> None:
    assert keywords("air-quality and air quality", "en") == ("air quality",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a bird, the birds, those birds", "birds"),
        ("a bird, the birds", "bird"),
        ("a policy, a policy, policies", "policy"),
        ("an address, the address, addresses", "address"),
        ("glass, glass, glasses", "glass"),
    ],
)
def test_one_and_many_count_together_in_the_form_said_more(
    text: str, found: str
) -> None:
    assert keywords(text, "en") == (found,)


def test_numbers_are_no_keywords_but_names_with_digits_are() -> None:
    text = "In 2026 and 2026, the 3rd and 3rd: h264 video, h264 video."

    assert keywords(text, "en") == ("h264 video",)


def test_addresses_of_pages_are_no_keywords() -> None:
    text = "See https://www.harbour.com and https://www.harbour.com."

    assert keywords(text, "en") == ("harbour",)


def test_two_capitals_are_a_name() -> None:
    assert keywords("AI paints. I say AI. US and US, ok, OK.", "en") == ("ai",)


def test_speakers_are_no_keywords() -> None:
    text = "Zelda Fitzgerald and Zelda Fitzgerald at the harbour, the harbour"

    assert keywords(text, "en", ["Zelda Fitzgerald (ZF)"]) == ("harbour",)
    assert keywords("Hello, my name is Zelda. Zelda? Zelda!", "en") == ()


def test_the_longer_the_text_the_oftener_a_keyword_is_said() -> None:
    rare, usual = "a marsh. " * 5, "the reeds. " * 30

    assert keywords(rare + usual, "en") == ("reeds", "marsh")
    assert keywords(rare + usual + FILLER * 1_000, "en") == ("reeds",)


def test_a_short_text_has_few_keywords_and_none_has_many() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    text = ", ".join(f"{letter * 4}, {letter * 4}" for letter in letters)

    assert keywords(text, "en") == ("aaaa", "bbbb", "cccc", "dddd", "eeee")
    found = keywords(text + FILLER * 50, "en")
    assert len(found) == MAX_KEYWORDS
    assert found == keywords(text + FILLER * 50, "en")


def test_what_follows_hundreds_of_thousands_of_words_is_not_looked_at() -> None:
    fitting = FILLER * (MOST_WORDS // 17 - 20) + "harbour. " * 100
    full = fitting + FILLER * 20
    lighthouses = "lighthouse. " * 100_000

    assert keywords(fitting + lighthouses, "en") == ("lighthouse", "harbour")
    assert keywords(full + lighthouses, "en") == ("harbour",)


SPOKEN = {
    "de": "Der Leuchtturm war nicht weit, und der Leuchtturm wurde gebaut, weil die"
    " Schiffe in der Nacht nichts sehen; für die Schiffe war er sehr wichtig.",
    "en": "The lighthouse is not far, and the lighthouse was built because the ships"
    " see nothing at night; for the ships it is very important.",
    "es": "El faro no está lejos, y el faro se hizo porque los barcos no ven nada por"
    " la noche; para los barcos es muy importante.",
    "fr": "Le phare n'est pas loin, et l'entrée du phare est ouverte parce que les"
    " bateaux passent par l'entrée; c'est pour les bateaux.",
    "it": "Il faro non è lontano, e l'entrata del faro è aperta perché le barche vanno"
    " per l'entrata; è molto importante per le barche.",
    "nl": "De vuurtoren is niet ver, en de vuurtoren werd gebouwd omdat de schepen in"
    " de nacht niets zien; voor de schepen is dat heel belangrijk.",
    "pt": "O farol não fica perto, e o farol foi feito porque os barcos não veem nada à"
    " noite; para os barcos é muito importante.",
}
ABOUT = {
    "de": ("leuchtturm", "schiffe"),
    "en": ("lighthouse", "ships"),
    "es": ("barcos", "faro"),
    "fr": ("bateaux", "entrée", "phare"),
    "it": ("barche", "entrata", "faro"),
    "nl": ("schepen", "vuurtoren"),
    "pt": ("barcos", "farol"),
}


@pytest.mark.parametrize("language", STOP_WORDS)
def test_each_language_has_its_own_stop_words(language: str) -> None:
    text = SPOKEN[language]

    assert keywords(text, f"{language}_xx") == ABOUT[language]
    assert keywords(text, None) == ABOUT[language], "it is recognised"
    wrong = "de" if language == "en" else "en"
    assert keywords(text, wrong) == ABOUT[language], "it is plainly told wrongly"


def test_other_languages_have_terms_that_gather_in_places() -> None:
    everyday = "kuin joka ovat myös tämä ollaan sitten vielä "
    place = "majakka valaisee satamaa. majakka on satamaa varten, majakka. " * 3
    text = everyday * 30 + place + everyday * 30

    assert keywords(text, "fi")[:2] == ("majakka", "satamaa")
    assert not {*everyday.split()} & {*keywords(text, None)}


def test_of_short_texts_in_other_languages_nothing_is_known() -> None:
    assert keywords("majakka " * 9 + "xy " * 100, "fi") == ()
    assert keywords("majakka " * 9 + "xy " * 200, "fi") == ("majakka",)
    assert keywords("", None) == ()


def test_scripts_without_spaces_have_no_terms() -> None:
    told = "灯塔照亮港口，" * 50  # noqa: RUF001  (as it is written)
    text = told + " ".join(map(str, range(400)))

    assert keywords(text, "zh") == ()


def test_the_lists_do_not_overlap() -> None:
    assert not ENGLISH_GENERAL & STOP_WORDS["en"]
    for words in (ENGLISH_GENERAL, *STOP_WORDS.values()):
        assert all(word == word.lower() for word in words)
