from datetime import timedelta
from typing import Any

import pytest

from catalog.access import Asker, Scope
from catalog.errors import InvalidQueryError, MalformedRecordError, NotFoundError
from catalog.models.asset import AssetType
from catalog.models.ids import UserId
from catalog.models.job import JobMetadata, JobVersion
from catalog.models.sharing import Grant
from catalog.models.stored import Annotation
from catalog.search.base import Explanation, SearchQuery
from tests.unit.services.why.world import (
    ADMIN,
    FRIEND,
    NOW,
    OWNER,
    STRANGER,
    World,
    a_bundle,
    a_job,
    facts,
    verdicts,
)

STAGES = [
    *("record", "trash", "rights", "indexed"),
    *("extraction", "filters", "words", "rank"),
]


@pytest.fixture
def world() -> World:
    return World()


def test_a_found_asset_passes_every_stage(world: World) -> None:
    world.add(a_bundle(a_job()))

    found = world.conclusion("pic-1")

    assert (found.is_found, found.reason) == (True, "found")
    assert list(verdicts(found)) == STAGES
    assert set(verdicts(found).values()) == {"ok"}
    assert facts(found, "record")["version"] == 1


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ({"status": "queued"}, "job_queued"),
        ({"status": "processing"}, "job_running"),
        ({"status": "failed"}, "job_failed"),
        ({"status": "cancelled"}, "job_cancelled"),
        ({"status": "completed"}, "no_version"),
        ({"status": "IN_PROGRESS"}, "no_version"),
        ({"type": "video-upscale"}, "foreign_type"),
        (
            {"type": "video-upscale", "versions": (JobVersion(version=1),)},
            "foreign_type",
        ),
    ],
)
def test_a_job_that_made_nothing_is_the_reason(
    world: World, job: dict[str, Any], reason: str
) -> None:
    world.add(a_bundle(a_job(**({"versions": ()} | job))))

    found = world.conclusion("pic")

    assert (found.is_found, found.reason) == (False, reason)
    assert found.explanation == found.stages[0].explanation
    assert verdicts(found) == dict.fromkeys(STAGES, "skipped") | {"record": "failed"}
    assert world.engine.explained == []


def test_a_failed_job_tells_its_error(world: World) -> None:
    failed = a_job(versions=(), status="failed")
    world.add(a_bundle(failed), error={"message": "out of memory"})

    assert "out of memory" in world.conclusion("pic").explanation


@pytest.mark.parametrize("asker", [FRIEND, STRANGER, Asker(None)], ids=str)
@pytest.mark.parametrize(
    "job", [{}, {"versions": (), "status": "queued"}], ids=["done", "queued"]
)
def test_somebody_elses_private_asset_is_unknown(
    world: World, asker: Asker, job: dict[str, Any]
) -> None:
    world.add(a_bundle(a_job(**job)))

    for target in ("pic", "pic-1", "pic-2", "unknown", "unknown-1"):
        with pytest.raises(NotFoundError) as caught:
            world.why(target, SearchQuery(asker))
        assert str(caught.value) == str(NotFoundError("asset", target))
    # Nothing was read that an unknown id would not have cost.
    assert world.records.reads == 0
    assert world.engine.explained == []


def test_an_image_that_the_job_does_not_have_names_those_it_has(world: World) -> None:
    world.add(a_bundle(a_job(count=2)))

    found = world.conclusion("pic-7")

    assert found.reason == "no_such_asset"
    assert facts(found, "record")["assets"] == ["pic-1", "pic-2"]


def test_an_exact_job_id_comes_before_an_images(world: World) -> None:
    world.add(a_bundle(a_job("a", count=3), "r1"))
    world.add(a_bundle(a_job("a-2", AssetType.LORA), "r2"))

    assert facts(world.conclusion("a-2"), "record")["jobId"] == "a-2"
    assert facts(world.conclusion("a-3"), "record")["jobId"] == "a"


def test_a_record_that_cannot_be_read_names_the_field(world: World) -> None:
    malformed = MalformedRecordError("userId", "is missing")
    world.add(a_bundle(None, malformed=malformed), "pic")

    found = world.conclusion("pic", SearchQuery(ADMIN))

    assert found.reason == "unreadable_record"
    assert facts(found, "record")["field"] == "userId"


def test_a_superseded_record_says_so(world: World) -> None:
    older = a_bundle(None, "r1", shadowed_by="r2")
    newest = a_bundle(a_job(count=1), "r2", siblings=("r1",))
    world.add(older, "pic")
    world.add(newest)

    assert world.conclusion("pic-1").reason == "found"
    assert facts(world.conclusion("pic-1"), "record")["otherRecords"] == 1
    assert world.conclusion("pic-3").reason == "superseded"


def test_a_deleted_record_is_told_while_the_index_still_has_it(world: World) -> None:
    world.add(a_bundle(a_job()))
    world.records.roots.clear()
    world.jobs.records.clear()

    found = world.conclusion("pic-1")

    assert found.reason == "gone"
    assert found.is_found is True  # the search still finds it, and that is said
    assert verdicts(found)["record"] == "failed"


def test_a_job_with_several_assets_is_answered_for_each(world: World) -> None:
    world.add(a_bundle(a_job(count=25)))

    why = world.why("pic")

    assert (why.job_id, why.total, len(why.conclusions)) == ("pic", 25, 20)
    assert [one.asset_id for one in why.conclusions][:2] == ["pic-1", "pic-2"]
    assert len(world.engine.explained) == 20


def test_of_several_assets_only_the_visible_are_answered(world: World) -> None:
    public = Annotation(target="pic-2", is_public=True)
    world.add(a_bundle(a_job(count=3), annotations=(public,)))

    why = world.why("pic", SearchQuery(STRANGER))

    assert [one.asset_id for one in why.conclusions] == ["pic-2"]
    assert why.total == 1
    with pytest.raises(NotFoundError):
        world.why("pic-1", SearchQuery(STRANGER))


# --- trash -------------------------------------------------------------------------


@pytest.mark.parametrize("asker", [OWNER, ADMIN], ids=str)
def test_the_trash_is_told_to_owner_and_admin(world: World, asker: Asker) -> None:
    trashed = Annotation(target="pic", trashed_at=NOW - timedelta(days=1))
    world.add(a_bundle(a_job(), annotations=(trashed,)))
    world.engine.explanation = Explanation(is_indexed=False)

    found = world.conclusion("pic-1", SearchQuery(asker))

    assert (found.is_found, found.reason) == (False, "trashed")
    assert facts(found, "trash")["trashedAt"] == "2025-11-30T12:00:00Z"


def test_the_trash_is_nobody_elses_business(world: World) -> None:
    trashed = Annotation(target="pic", trashed_at=NOW, is_public=True)
    world.add(a_bundle(a_job(), annotations=(trashed,)))

    with pytest.raises(NotFoundError):
        world.why("pic-1", SearchQuery(STRANGER))


def test_what_was_just_trashed_is_already_unknown_to_others(world: World) -> None:
    public = a_job(metadata=JobMetadata(is_public=True))
    (asset,) = world.add(a_bundle(public))
    assert world.conclusion("pic-1", SearchQuery(STRANGER)).is_found
    trashed = Annotation(target="pic", trashed_at=NOW)
    world.records.roots["pic"] = [a_bundle(public, annotations=(trashed,))]

    with pytest.raises(NotFoundError):
        world.why(asset.asset_id, SearchQuery(STRANGER))


# --- rights ------------------------------------------------------------------------


def test_the_admin_is_told_who_may_see_it(world: World) -> None:
    shared = Annotation(target="pic", shared_with=(Grant(user="bob"),))
    world.add(a_bundle(a_job(), annotations=(shared,)))
    sharing = [{"user": "bob", "right": "view"}]
    seen_by = {"owner": "ann", "isPublic": False, "sharedWith": ["bob"]}
    seen_by |= {"sharing": sharing}

    found = world.conclusion("pic-1", SearchQuery(ADMIN))

    assert found.reason == "found"
    assert facts(found, "rights")["mayBeSeenBy"] == seen_by


def test_the_admin_may_ask_in_a_users_name(world: World) -> None:
    world.add(a_bundle(a_job()))
    world.engine.explanation = Explanation(is_indexed=True, failed_filters=("scope",))
    as_eve = Asker(UserId("eve"), sees_everything=True)

    found = world.conclusion("pic-1", SearchQuery(as_eve))

    assert (found.is_found, found.reason) == (False, "no_right")
    assert "'eve' may not see it" in found.explanation


def test_a_friend_is_told_of_no_other_friend(world: World) -> None:
    friends = Annotation(
        target="pic", shared_with=(Grant(user="bob"), Grant(user="cyd"))
    )
    world.add(a_bundle(a_job(), annotations=(friends,)))

    found = world.conclusion("pic-1", SearchQuery(FRIEND))

    assert found.reason == "found"
    assert "cyd" not in repr(found)
    assert "mayBeSeenBy" not in facts(found, "rights")


def test_a_scope_that_leaves_it_out_is_a_filter(world: World) -> None:
    world.add(a_bundle(a_job()))
    world.engine.explanation = Explanation(is_indexed=True, failed_filters=("scope",))

    found = world.conclusion("pic-1", SearchQuery(OWNER, scope=Scope.PUBLIC))

    assert found.reason == "filtered_out"
    assert "scope asks for 'public', it has 'own'" in found.explanation


def test_a_search_that_cannot_be_asked_is_refused_as_ever(world: World) -> None:
    world.add(a_bundle(a_job()))

    with pytest.raises(InvalidQueryError) as caught:
        world.why("pic-1", SearchQuery(OWNER, page=1000, per_page=200))

    assert caught.value.field == "page"
