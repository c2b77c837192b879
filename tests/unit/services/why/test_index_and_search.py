from dataclasses import replace
from typing import Any

import pytest

from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetType
from catalog.models.ids import ObjectKey
from catalog.models.job import JobMetadata
from catalog.models.stored import Annotation, Extraction
from catalog.models.transcript import Segment, TranscriptContent
from catalog.repositories.index_state import DeadLetter
from catalog.search.base import Explanation, SearchQuery
from catalog.services.why.conclusion import Conclusion
from tests.fakes.catalog import index_status
from tests.fakes.records import root_key
from tests.unit.services.why.world import (
    FRIEND,
    NOW,
    OWNER,
    World,
    a_bundle,
    a_job,
    facts,
    verdicts,
)

AWAY = DependencyUnavailableError("typesense", "refused")
ABSENT = Explanation(is_indexed=False)
PRESENT = Explanation(is_indexed=True)
SAID = ObjectKey("transcript/ann/talk/said.json")


@pytest.fixture
def world() -> World:
    return World()


def _letter(stage: str = "index") -> DeadLetter:
    return DeadLetter(
        root="r1",
        stage=stage,
        error="field `seed` is too large",
        attempts=3,
        first_seen_at=NOW,
        last_seen_at=NOW,
        letter_id=root_key("r1"),
    )


def _extraction(error: str | None, text: str = "") -> Extraction:
    segments = (Segment(sequence=0, utterance=0, text=text),) if text else ()
    content = TranscriptContent(text=text, segments=segments, word_count=1)
    return Extraction(
        store="s",
        key=SAID,
        etag="e",
        extractor="transcript",
        version=1,
        error=error,
        transcript=None if error else content,
    )


# --- indexed -----------------------------------------------------------------------


def test_what_is_not_searchable_yet_tells_position_and_lag(world: World) -> None:
    world.add(a_bundle(a_job()), is_indexed=False)
    world.engine.explanation = ABSENT
    world.status.status = index_status(lag_ms=2500)

    found = world.conclusion("pic-1")

    assert (found.is_found, found.reason) == (False, "not_indexed_yet")
    assert "lags by 2.5 s" in found.explanation
    told = facts(found, "indexed")
    assert told["recordReadAt"] == "2023-11-14T22:15:00Z"
    assert told["indexedUntil"] == "2023-11-14T22:14:57Z"
    assert (told["behindSeconds"], told["lagMs"]) == (3, 2500)
    assert verdicts(found)["filters"] == verdicts(found)["rank"] == "skipped"


def test_a_change_that_is_not_searchable_yet_explains_a_miss(world: World) -> None:
    world.add(a_bundle(a_job()))
    (bundle,) = world.records.roots["pic"]
    tagged = Annotation(target="pic", tags_added=("new",))
    world.records.roots["pic"] = [replace(bundle, annotations={"pic": tagged})]
    world.engine.explanation = replace(PRESENT, failed_filters=("tags",))

    found = world.conclusion("pic-1", SearchQuery(OWNER, tags=("new",)))

    assert found.reason == "not_indexed_yet"
    assert found.explanation.startswith("Its last change is not searchable yet")


def test_a_change_that_is_not_searchable_yet_does_not_hide_what_is_found(
    world: World,
) -> None:
    world.add(a_bundle(a_job()))
    (bundle,) = world.records.roots["pic"]
    renamed = Annotation(target="pic", name="other")
    world.records.roots["pic"] = [replace(bundle, annotations={"pic": renamed})]

    found = world.conclusion("pic-1")

    assert (found.is_found, found.reason) == (True, "found")
    assert verdicts(found)["indexed"] == "failed"


def test_a_refused_asset_tells_its_owner_why(world: World) -> None:
    world.add(a_bundle(a_job(metadata=JobMetadata(is_public=True))))
    world.letters.letters.append(_letter())
    world.engine.explanation = replace(
        PRESENT, is_minimal=True, unmatched_words=("coast",)
    )
    query = SearchQuery(OWNER, words="coast")

    mine = world.conclusion("pic-1", query)
    others = world.conclusion("pic-1", replace(query, asker=FRIEND))

    assert mine.reason == others.reason == "index_refused"
    assert "`seed` is too large" in mine.explanation
    assert facts(mine, "indexed")["deadLetter"]["letterId"] == root_key("r1")
    assert "seed" not in repr(others)


def test_a_document_that_the_index_lost_is_drift(world: World) -> None:
    world.add(a_bundle(a_job()))
    world.engine.explanation = ABSENT

    found = world.conclusion("pic-1")

    assert found.reason == "index_drift"
    assert "reconcile" in found.explanation


def test_roots_that_wait_tell_how_often_they_were_tried(world: World) -> None:
    world.add(a_bundle(a_job()), is_indexed=False)
    world.dirty.tried["r1"] = 4
    world.engine.explanation = ABSENT

    found = world.conclusion("pic-1")

    assert facts(found, "indexed")["attempts"] == 4
    assert "looked at again 4 times" in found.explanation


def test_without_a_first_index_that_is_the_reason(world: World) -> None:
    world.add(a_bundle(a_job()), is_indexed=False)
    world.status.status = index_status(generation=0)

    why = world.why("pic-1")

    assert why.is_degraded
    assert why.conclusions[0].reason == "index_building"
    assert world.engine.explained == []


def test_an_engine_that_is_away_leaves_its_stages_unknown(world: World) -> None:
    world.add(a_bundle(a_job()))
    world.engine.fail_always(AWAY)

    why = world.why("pic-1", SearchQuery(OWNER, words="lighthouse"))

    (found,) = why.conclusions
    assert why.is_degraded
    assert (found.is_found, found.reason) == (None, "index_away")
    unknown = {name for name, v in verdicts(found).items() if v == "unknown"}
    assert unknown == {"indexed", "filters", "words", "rank"}


def test_an_engine_that_is_away_is_no_excuse_for_what_is_known(world: World) -> None:
    world.add(a_bundle(a_job()), is_indexed=False)
    world.engine.fail_always(AWAY)

    found = world.conclusion("pic-1")

    assert (found.is_found, found.reason) == (False, "not_indexed_yet")


# --- extraction --------------------------------------------------------------------


def _talk(world: World, **bundle: Any) -> None:  # noqa: ANN401
    world.add(a_bundle(a_job("talk", AssetType.TRANSCRIPT), **bundle))


def _ask_of_talk(world: World, explanation: Explanation) -> Conclusion:
    world.engine.explanation = explanation
    return world.conclusion("talk", SearchQuery(OWNER, words="wildfires"))


LACKING = replace(PRESENT, unmatched_words=("wildfires",))


def test_a_transcript_that_could_not_be_read_tells_the_cause(world: World) -> None:
    _talk(world, extractions=(_extraction("not JSON: line 3"),))

    found = _ask_of_talk(world, LACKING)

    assert found.reason == "text_unreadable"
    assert "said.json: not JSON: line 3" in found.explanation


def test_a_transcript_whose_file_is_missing_names_the_file(world: World) -> None:
    _talk(world, missing=True)

    found = _ask_of_talk(world, LACKING)

    assert found.reason == "file_missing"
    assert "'said.json'" in found.explanation
    assert "transcript/ann" not in repr(found.stages)  # a name, not a key


def test_a_transcript_that_was_not_read_yet_says_so(world: World) -> None:
    _talk(world)

    assert _ask_of_talk(world, LACKING).reason == "text_not_read_yet"


@pytest.mark.parametrize("failed", ["speaker", "language"])
def test_filters_by_what_was_said_need_the_text(world: World, failed: str) -> None:
    _talk(world, extractions=(_extraction("not JSON"),))

    found = _ask_of_talk(world, replace(PRESENT, failed_filters=(failed,)))

    assert found.reason == "text_unreadable"


def test_other_filters_do_not_need_the_text(world: World) -> None:
    _talk(world, extractions=(_extraction("not JSON"),))

    both = replace(LACKING, failed_filters=("speaker", "tags"))
    assert _ask_of_talk(world, both).reason == "filtered_out"


def test_an_unread_text_does_not_hide_what_is_found_by_name(world: World) -> None:
    _talk(world, extractions=(_extraction("not JSON"),))

    found = _ask_of_talk(world, replace(PRESENT, is_match=True, rank=1, found=1))

    assert (found.is_found, found.reason) == (True, "found")
    assert verdicts(found)["extraction"] == "failed"


def test_a_transcript_that_was_read_lacks_the_word_itself(world: World) -> None:
    _talk(world, extractions=(_extraction(None, "nothing of interest"),))

    assert _ask_of_talk(world, LACKING).reason == "words_missing"


def _facts(world: World, **job: Any) -> None:  # noqa: ANN401
    made = a_job(**job)
    (key,) = a_bundle(made).objects
    broken = _extraction("it is cut off").evolve(
        key=key, extractor="generation", cause="corrupt"
    )
    world.add(a_bundle(made, facts={key: (broken,)}))


def test_an_image_whose_file_could_not_be_read_tells_the_cause(world: World) -> None:
    _facts(world)
    world.engine.explanation = replace(PRESENT, failed_filters=("generator",))

    found = world.conclusion("pic-1")

    assert found.reason == "facts_unreadable"
    assert "(corrupt)" in found.explanation
    assert "it is cut off" in found.explanation
    assert facts(found, "extraction")["extraction"] == ["failed:corrupt"]


def test_other_filters_do_not_need_what_a_file_says(world: World) -> None:
    _facts(world)
    world.engine.explanation = replace(PRESENT, failed_filters=("generator", "tags"))

    assert world.conclusion("pic-1").reason == "filtered_out"


def test_a_file_that_could_not_be_read_hides_no_image_that_is_found(
    world: World,
) -> None:
    _facts(world)

    found = world.conclusion("pic-1")

    assert (found.is_found, found.reason) == (True, "found")
    assert verdicts(found)["extraction"] == "failed"


def test_an_image_whose_job_has_a_prompt_lacks_the_word_itself(world: World) -> None:
    _facts(world, config={"prompt": "a lighthouse"})
    world.engine.explanation = LACKING

    found = world.conclusion("pic-1", SearchQuery(OWNER, words="wildfires"))

    assert found.reason == "words_missing"


def test_a_missing_picture_does_not_keep_an_image_from_being_found(
    world: World,
) -> None:
    world.add(a_bundle(a_job(), missing=True))

    found = world.conclusion("pic-1")

    assert (found.is_found, found.reason) == (True, "found")
    assert facts(found, "extraction")["missing"] == ["image_1.png"]


# --- filters, words, rank ----------------------------------------------------------


def _asked(world: World, explanation: Explanation, **query: Any) -> Conclusion:  # noqa: ANN401
    world.add(a_bundle(a_job()))
    world.engine.explanation = explanation
    return world.conclusion("pic-1", SearchQuery(OWNER, **query))


def test_filters_are_told_with_what_they_ask_and_what_it_has(world: World) -> None:
    explanation = replace(PRESENT, failed_filters=("type", "tags"))

    found = _asked(
        world, explanation, types=(AssetType.LORA,), tags=("sea",), since=NOW
    )

    assert (found.is_found, found.reason) == (False, "filtered_out")
    assert found.explanation.endswith("Change or leave out type, tags.")
    told = {one["name"]: one for one in facts(found, "filters")["filters"]}
    assert told["tags"] == {
        "name": "tags",
        "verdict": "failed",
        "asked": ["sea"],
        "has": ["coast"],
    }
    assert told["from"]["verdict"] == "ok"
    assert set(told) == {"scope", "type", "tags", "from"}


@pytest.mark.parametrize(
    ("words", "explanation", "reason"),
    [
        ("sea", replace(PRESENT, unmatched_words=("sea",)), "words_missing"),
        ("a -b", replace(PRESENT, excluded_by=("-b",)), "excluded_word"),
        ("!!!", replace(PRESENT, unmatched_words=("!!!",)), "no_words"),
        ("ligthouse", replace(PRESENT, matched_words=("ligthouse",)), "weaker_match"),
    ],
)
def test_words_that_keep_it_out_are_named(
    world: World, words: str, explanation: Explanation, reason: str
) -> None:
    found = _asked(world, explanation, words=words)

    assert (found.is_found, found.reason) == (False, reason)
    assert verdicts(found)["words"] == "failed"
    assert verdicts(found)["rank"] == "skipped"


def test_filters_come_before_words(world: World) -> None:
    explanation = replace(PRESENT, failed_filters=("tags",), unmatched_words=("sea",))

    found = _asked(world, explanation, words="sea", tags=("x",))

    assert found.reason == "filtered_out"
    assert verdicts(found)["words"] == "failed"


def test_words_are_fine_where_a_filter_alone_excludes_it(world: World) -> None:
    explanation = replace(PRESENT, failed_filters=("tags",), matched_words=("sea",))

    assert verdicts(_asked(world, explanation, words="sea"))["words"] == "ok"


def test_words_that_the_engine_dropped_are_told(world: World) -> None:
    explanation = Explanation(
        is_indexed=True, is_match=True, rank=1, found=1, unmatched_words=("xyz",)
    )

    found = _asked(world, explanation, words="coast xyz")

    assert found.reason == "found"
    words = next(stage for stage in found.stages if stage.name == "words")
    assert "'xyz'" in words.detail


@pytest.mark.parametrize(
    ("rank", "page", "is_found", "reason", "told_page"),
    [
        (1, 1, True, "found", 1),
        (24, 1, True, "found", 1),
        (25, 1, True, "other_page", 2),
        (25, 2, True, "found", 2),
        (25, 3, True, "other_page", 2),
        (9_984, 1, True, "other_page", 416),
        (9_985, 1, False, "beyond_reach", None),
        (None, 1, False, "beyond_reach", None),
    ],
)
def test_the_place_in_the_answer_names_the_page(
    world: World,
    rank: int | None,
    page: int,
    is_found: bool,  # noqa: FBT001  (a parameter)
    reason: str,
    told_page: int | None,
) -> None:
    explanation = replace(PRESENT, is_match=True, rank=rank, found=20_000)

    found = _asked(world, explanation, page=page, per_page=24)

    assert (found.is_found, found.reason) == (is_found, reason)
    assert facts(found, "rank").get("page") == told_page
    assert facts(found, "rank")["found"] == 20_000


def test_an_index_that_changed_meanwhile_is_not_called_found(world: World) -> None:
    found = _asked(world, PRESENT)

    assert (found.is_found, found.reason) == (False, "index_changed")
