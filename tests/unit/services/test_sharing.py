"""Whom an asset is shared with: by name or group, to see it or to change it too."""

from datetime import UTC, datetime

import pytest

from catalog.access import MACHINE_OWNER, Asker, Scope, mongo_filter, search_filter
from catalog.clock import ManualClock
from catalog.errors import ForbiddenError, NotFoundError, PreconditionFailedError
from catalog.models.asset import AssetType
from catalog.models.group import GroupEdit, NewGroup
from catalog.models.ids import GroupId, UserId
from catalog.models.sharing import Grant, merged, strongest
from catalog.services.editing import sharing_tag
from catalog.services.groups import GroupService, group_tag
from tests.fakes.groups import FakeGroupRepository
from tests.unit.services.test_editing import ANN, EVE, Desk

NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
TEAM = GroupId("team")
MEMBER = Asker(UserId("max"), groups=(TEAM,))


@pytest.fixture
def desk() -> Desk:
    return Desk(count=2)


def _share(desk: Desk, target: str, *grants: Grant, asker: Asker = ANN) -> None:
    desk.service.share(asker, target, lambda _: grants)
    desk.index()


def test_a_group_sees_what_is_shared_with_it_and_others_do_not(desk: Desk) -> None:
    _share(desk, "pic-1", Grant(group="team"))

    assert [one.view["assetId"] for one in desk.assets.find("pic-1")] == ["pic-1"]
    found = desk.service.sharing(ANN, "pic-1")
    assert found == (Grant(group="team"),)
    desk.service._service.find(MEMBER, "pic-1")  # noqa: SLF001  (as every read does)
    for other in (
        EVE,
        Asker(UserId("team")),
        Asker(UserId("eve"), groups=(GroupId("t"),)),
    ):
        with pytest.raises(NotFoundError):
            desk.service._service.find(other, "pic-1")  # noqa: SLF001


def test_who_may_edit_does_so_and_still_shares_nothing(desk: Desk) -> None:
    _share(desk, "pic", Grant(group="team", right="edit"), Grant(user="eve"))

    desk.edit("pic-1", MEMBER, name="Dusk")

    assert desk.shown("name") == ["Dusk", "a lighthouse"]
    with pytest.raises(ForbiddenError):
        desk.edit("pic-1", EVE, name="Dawn")
    for asker in (MEMBER, EVE):
        with pytest.raises(ForbiddenError, match="Only its owner"):
            desk.service.sharing(asker, "pic-1")
        with pytest.raises(ForbiddenError, match="Only its owner"):
            _share(desk, "pic-1", Grant(user="mallory"), asker=asker)
        with pytest.raises(ForbiddenError):
            desk.edit("pic-1", asker, isPublic=True)
    _share(desk, "pic", asker=MACHINE_OWNER)
    assert desk.service.sharing(ANN, "pic") == ()


def test_an_image_shared_by_itself_goes_its_own_way(desk: Desk) -> None:
    _share(desk, "pic", Grant(user="eve"))

    desk.service.share(ANN, "pic-2", lambda there: (*there, Grant(user="max")))
    _share(desk, "pic")

    assert desk.service.sharing(ANN, "pic-2") == (Grant(user="eve"), Grant(user="max"))
    assert desk.service.sharing(ANN, "pic-1") == ()
    assert desk.shown("sharedWith") == [None, ["eve", "max"]]
    _share(desk, "pic-2")
    assert desk.shown("sharing") == [None, None]


def test_the_list_is_put_in_place_of_the_state_that_was_read(desk: Desk) -> None:
    _share(desk, "pic-1", Grant(user="eve"))
    tag = sharing_tag(desk.service.sharing(ANN, "pic-1"))

    desk.service.share(ANN, "pic-1", lambda _: (), if_match=tag)

    with pytest.raises(PreconditionFailedError):
        desk.service.share(ANN, "pic-1", lambda _: (), if_match=tag)


def test_a_lora_is_shared_without_the_pictures_it_was_trained_on() -> None:
    desk = Desk(kind=AssetType.LORA, job_id="lora")

    _share(desk, "lora", Grant(user="eve"))

    assert desk.shown("sharedWith") == [["eve"]]
    assert desk.service.sharing(ANN, "lora") == (Grant(user="eve"),)


def test_the_last_grant_counts_and_the_strongest_of_ones_ways() -> None:
    grants = merged([Grant(user="a"), Grant(group="a"), Grant(user="a", right="edit")])

    assert grants == (Grant(user="a", right="edit"), Grant(group="a"))
    assert strongest(grants, "a", ()) == "edit"
    assert strongest(grants, "b", ("a",)) == "view"
    assert strongest(grants, None, ()) is None
    for odd in ({}, {"user": "a", "group": "b"}, {"user": ""}, {"user": "x" * 513}):
        with pytest.raises(ValueError, match="Grant"):
            Grant.model_validate(odd)


def test_groups_are_keys_of_their_own_in_every_filter() -> None:
    hostile = Asker(UserId("eve"), groups=(GroupId("a`) || (_seq:>=0"),))

    text = search_filter(hostile, Scope.SHARED)

    assert "`" not in text
    assert "||" not in text
    assert len(mongo_filter(MEMBER, Scope.SHARED)["acl"]["$in"]) == 2
    assert search_filter(MEMBER, Scope.OWN) == search_filter(
        Asker(UserId("max")), Scope.OWN
    )


# --- groups ------------------------------------------------------------------------


class Groups:
    def __init__(self) -> None:
        self.kept = FakeGroupRepository()
        self.service = GroupService(self.kept, ManualClock(NOW), lambda: "g1")
        new = NewGroup.model_validate({"name": "Studio", "members": ["max", "ann"]})
        self.made = self.service.create(UserId("ann"), new)

    def edit(self, asker: Asker, **fields: object) -> tuple[UserId, ...]:
        edit = GroupEdit.model_validate(fields)
        return self.service.edit(asker, "g1", edit).members


def test_the_owner_says_who_belongs_to_a_group() -> None:
    groups = Groups()
    assert groups.made.members == ("ann", "max")

    assert groups.edit(ANN, membersAdd=["eve", "max"]) == ("ann", "max", "eve")
    assert groups.edit(ANN, membersRemove=["max", "ann"]) == ("ann", "eve")
    assert groups.edit(ANN, members=["max"]) == ("ann", "max")
    assert groups.kept.of(UserId("max")) == ("g1",)
    assert groups.kept.of(UserId("eve")) == ()


def test_a_member_sees_the_group_and_may_leave_it_but_change_nothing() -> None:
    groups = Groups()
    member = Asker(UserId("max"))

    assert groups.service.find(member, "g1").name == "Studio"
    for change in (
        {"name": "Mine"},
        {"owner": "max"},
        {"membersAdd": ["eve"]},
        {"membersRemove": ["max", "ann"]},
    ):
        with pytest.raises(ForbiddenError):
            groups.edit(member, **change)
    with pytest.raises(ForbiddenError):
        groups.service.delete(member, "g1")
    assert groups.edit(member, membersRemove=["max"]) == ("ann",)
    for call in (groups.service.find, groups.service.delete):
        with pytest.raises(NotFoundError):
            call(member, "g1")
    assert groups.service.page(EVE, 50, None).total == 0


def test_two_changes_at_a_time_both_count_and_an_old_state_is_refused() -> None:
    groups = Groups()
    other = groups.made.evolve(members=(*groups.made.members, UserId("zoe")))
    groups.kept.interfere.append(other)

    assert groups.edit(ANN, membersAdd=["eve"]) == ("ann", "max", "zoe", "eve")

    rename = GroupEdit(name="x")
    with pytest.raises(PreconditionFailedError):
        groups.service.edit(ANN, "g1", rename, if_match=group_tag(groups.made))
