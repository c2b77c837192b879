"""Where in a recording something was said, and completion: on the real engine."""

import pytest

from catalog.access import Asker
from catalog.models.ids import UserId
from catalog.search.base import FacetCount, SearchAnswer, SearchQuery, Suggestions
from tests.integration.search.conftest import Engine
from tests.unit.search.assets import a_transcript, an_image

ME = Asker(UserId("user-1"))
SPOKEN = [
    "hello and welcome to the show",
    "today we talk about wildfires in the west",
    "the wildfires came back, and don't forget the smoke",
    "中文播客第一集开始了",
]


@pytest.fixture
def recorded(engine: Engine) -> Engine:
    engine.fill(
        [
            a_transcript("job-1", SPOKEN),
            a_transcript("job-2", ["wildfires again"], is_timed=False, name="other"),
            a_transcript("job-3", ["nothing here"], name="wildfires by name"),
            a_transcript("job-4", ["wildfires"], user_id="user_1"),
            an_image("job-5-1", name="wildfires picture"),
        ]
    )
    return engine


def said(engine: Engine, words: str) -> SearchAnswer:
    query = SearchQuery(ME, words=words)
    return engine.ask(lambda reader: reader.search_transcripts(query))


def test_only_what_was_said_is_found_with_its_moments(recorded: Engine) -> None:
    answer = said(recorded, "wildfires")

    by_job = {hit.view["jobId"]: hit for hit in answer.hits}
    assert answer.found == 2
    assert set(by_job) == {"job-1", "job-2"}
    first = by_job["job-1"]
    assert first.matches == 2
    assert sorted(moment.segment for moment in first.moments) == [1, 2]
    moment = next(moment for moment in first.moments if moment.segment == 1)
    assert (moment.start_ms, moment.end_ms) == (10_000, 19_000)
    assert moment.at_ms == 10_400
    assert moment.speaker == "Jane Doe"
    assert moment.snippet == "today we talk about <mark>wildfires</mark> in the west"


def test_a_recording_without_times_says_so(recorded: Engine) -> None:
    hits = {hit.view["jobId"]: hit for hit in said(recorded, "wildfires").hits}

    (moment,) = hits["job-2"].moments
    assert (moment.start_ms, moment.end_ms, moment.at_ms) == (None, None, None)


@pytest.mark.parametrize(
    ("words", "segment", "at_ms"),
    [
        ('"about wildfires"', 1, 10_300),
        ("wildfires -west smoke", None, None),
        ("smoke wildfires", 2, 20_100),
        ("wildfirs smoke", 2, 20_100),
        ("don't", 2, 20_500),
        ("don\u2019t", 2, 20_500),
        ("welc", 0, 200),
        ("第一集", 3, 30_000),
    ],
)
def test_the_moment_is_the_first_matching_word(
    recorded: Engine, words: str, segment: int | None, at_ms: int | None
) -> None:
    hits = [hit for hit in said(recorded, words).hits if hit.view["jobId"] == "job-1"]

    if segment is None:  # said elsewhere in the recording: not this one
        assert hits == []
        return
    moment = hits[0].moments[0]
    assert (moment.segment, moment.at_ms) == (segment, at_ms)
    assert "<mark>" in moment.snippet


def test_words_spread_over_a_recording_give_the_moments_of_some(
    recorded: Engine,
) -> None:
    (hit,) = said(recorded, "welcome smoke").hits

    assert hit.view["jobId"] == "job-1"
    assert hit.moments
    assert hit.matches >= len(hit.moments)


def test_a_search_over_all_types_has_moments_where_it_was_said(
    recorded: Engine,
) -> None:
    answer = recorded.search(SearchQuery(ME, words="wildfires"))

    moments = {hit.view["jobId"]: len(hit.moments) for hit in answer.hits}
    assert moments == {"job-1": 2, "job-2": 1, "job-3": 0, "job-5": 0}


def test_moments_can_be_left_out(recorded: Engine) -> None:
    answer = recorded.search(SearchQuery(ME, words="wildfires", with_moments=False))

    assert not any(hit.moments for hit in answer.hits)


# --- completion ----------------------------------------------------------------------


@pytest.fixture
def tagged(engine: Engine) -> Engine:
    shown = {"model": "flux-pro", "tags": ("avatar", "head shot", "C++")}
    engine.fill(
        [
            an_image("job-1-1", name="jesse_avatar", **shown),
            an_image("job-2-1", name="second avatar", **shown),
            an_image("job-3-1", name="their avatar", user_id="user_1", **shown),
            an_image("job-4-1", name="x", user_id="user_1", tags=("avatar secret",)),
            a_transcript("job-5", ["hi"], tags=("Avatar", "播客")),
        ]
    )
    return engine


def complete(engine: Engine, typed: str) -> Suggestions:
    query = SearchQuery(ME, words=typed)
    return engine.ask(lambda reader: reader.suggest(query, limit=5))


def test_names_and_tags_are_completed_as_the_asker_sees_them(tagged: Engine) -> None:
    found = complete(tagged, "ava")

    assert {view["name"] for view in found.names} == {"jesse_avatar", "second avatar"}
    assert found.tags == (FacetCount("avatar", 3),)


@pytest.mark.parametrize(
    ("typed", "tag"), [("shot", "head shot"), ("c+", "c++"), ("播", "播客")]
)
def test_any_word_of_a_tag_completes_it(tagged: Engine, typed: str, tag: str) -> None:
    assert tag in [count.value for count in complete(tagged, typed).tags]


def test_speakers_and_models_are_completed(tagged: Engine) -> None:
    assert complete(tagged, "jan").speakers == (FacetCount("Jane Doe", 1),)
    assert complete(tagged, "doe").speakers == (FacetCount("Jane Doe", 1),)
    assert complete(tagged, "flu").models == (FacetCount("flux-pro", 2),)
    assert complete(tagged, "flu").speakers == ()


@pytest.mark.parametrize("typed", ["", "!!!", "-x", "zzzz"])
def test_nothing_typed_completes_nothing(tagged: Engine, typed: str) -> None:
    found = complete(tagged, typed)

    assert (found.names, found.tags, found.speakers, found.models) == ((), (), (), ())
