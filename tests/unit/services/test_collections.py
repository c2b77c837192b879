"""Collections for those who may see or change them."""

from datetime import UTC, datetime
from itertools import count

import pytest
from pydantic import ValidationError

from catalog.access import MACHINE_OWNER, Asker
from catalog.clock import ManualClock
from catalog.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from catalog.models.asset import AssetType
from catalog.models.collection import (
    Collection,
    CollectionEdit,
    MemberName,
    NewCollection,
)
from catalog.models.ids import GroupId, UserId
from catalog.services.assets import AssetService
from catalog.services.collections import CollectionService, collection_tag
from tests.fakes.assets import FakeAssetRepository, view
from tests.fakes.collections import FakeCollectionRepository

NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
ANN = Asker(UserId("ann"))
BOB = Asker(UserId("bob"))
EVE = Asker(UserId("eve"))


class Desk:
    def __init__(self) -> None:
        self.records = FakeCollectionRepository()
        self.assets = FakeAssetRepository(
            view("lora", userId="ann"),
            *(view(f"pic-{n}", "image", jobId="pic", userId="ann") for n in (1, 2, 3)),
            view("talk", "transcript", userId="bob", isPublic=True),
            view("hers", userId="eve"),
        )
        numbers = count(1)
        self.service = CollectionService(
            self.records,
            AssetService(self.assets),
            ManualClock(NOW),
            new_id=lambda: f"c{next(numbers)}",
        )

    def make(self, *targets: str, asker: Asker = ANN, **fields: object) -> Collection:
        new = NewCollection.model_validate(
            {"name": "n", "assets": [{"jobId": one} for one in targets]} | fields
        )
        return self.service.create(asker, asker.user_id or UserId("ann"), new)

    def edit(
        self, made: Collection, asker: Asker = ANN, **fields: object
    ) -> Collection:
        return self.service.edit(
            asker, made.collection_id, CollectionEdit.model_validate(fields)
        )

    def listed(self, made: Collection, asker: Asker = ANN) -> list[str]:
        page = self.service.assets(asker, made.collection_id, 50, None)
        return [one["assetId"] for one in page.items]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_bare_job_id_means_all_its_images(desk: Desk) -> None:
    made = desk.make("lora", "pic", "talk")

    assert made.counts == {
        AssetType.LORA: 1,
        AssetType.IMAGE: 3,
        AssetType.TRANSCRIPT: 1,
    }
    assert desk.listed(made) == ["lora", "pic-1", "pic-2", "pic-3", "talk"]


def test_what_the_asker_may_not_know_of_is_no_asset(desk: Desk) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        desk.make("lora", "hers")
    assert caught.value.field == "assets.1"
    assert not desk.records.kept

    made = desk.make()
    names = [MemberName(job_id=one) for one in ("pic", "hers", "gone")]
    done = desk.service.add(ANN, made.collection_id, names)
    again = desk.service.add(ANN, made.collection_id, [MemberName(asset_id="pic-2")])

    assert (done.added, done.known, done.not_found) == (3, 0, ("hers", "gone"))
    assert (again.added, again.known) == (0, 1)


def test_order_and_removal(desk: Desk) -> None:
    made = desk.make("pic", "lora")
    here = made.collection_id

    assert desk.service.place(ANN, here, ["lora", "pic-3"], "pic-1") == 2
    assert desk.listed(made) == ["lora", "pic-3", "pic-1", "pic-2"]
    desk.service.place(ANN, here, ["lora"], None)
    assert desk.service.remove(ANN, here, ["pic-1", "unknown"]) == 1
    assert desk.listed(made) == ["pic-3", "pic-2", "lora"]
    with pytest.raises(InvalidRequestError):
        desk.service.place(ANN, here, ["lora"], "lora")
    with pytest.raises(NotFoundError):
        desk.service.place(ANN, here, ["lora"], "unknown")


def test_strangers_know_of_no_collection(desk: Desk) -> None:
    made = desk.make("pic")

    for asker in (EVE, BOB, Asker(None)):
        with pytest.raises(NotFoundError):
            desk.service.find(asker, made.collection_id)
        with pytest.raises(NotFoundError):
            desk.edit(made, asker, name="x")
        assert desk.service.page(asker, 50, None, is_shared=False).total == 0
    assert desk.service.find(MACHINE_OWNER, made.collection_id) == made
    assert desk.service.known(EVE, [made.collection_id, "unknown"]) == ()
    assert desk.service.known(ANN, [made.collection_id]) == (made.collection_id,)


def test_whom_it_is_shared_with_may_what_he_was_given(desk: Desk) -> None:
    made = desk.make("lora", "talk")
    grants = [{"user": "bob"}, {"group": "team", "right": "edit"}]
    shared = desk.edit(made, sharing=grants)
    teammate = Asker(UserId("eve"), groups=(GroupId("team"),))
    here = made.collection_id

    assert desk.service.find(BOB, here) == shared
    assert desk.service.page(BOB, 50, None, is_shared=True).total == 1
    # His right to the assets themselves is another question.
    assert desk.listed(made, BOB) == ["talk"]
    with pytest.raises(ForbiddenError):
        desk.service.add(BOB, here, [MemberName(job_id="talk")])
    assert desk.service.add(teammate, here, [MemberName(job_id="hers")]).added == 1
    assert desk.edit(made, teammate, name="ours").name == "ours"
    for change in ({"sharing": None}, {"parentId": None}):
        with pytest.raises(ForbiddenError):
            desk.edit(made, teammate, **change)
    with pytest.raises(ForbiddenError):
        desk.service.delete(teammate, here)
    desk.edit(made, sharing=None)
    with pytest.raises(NotFoundError):
        desk.service.find(BOB, here)


def test_collections_lie_within_one_another_without_a_ring(desk: Desk) -> None:
    outer = desk.make()
    inner = desk.make(parentId=outer.collection_id)
    others = desk.make(asker=BOB)

    for parent in (inner.collection_id, outer.collection_id):
        with pytest.raises(InvalidRequestError, match="within itself"):
            desk.edit(outer, parentId=parent)
    for stranger in (others.collection_id, "unknown"):
        with pytest.raises(InvalidRequestError, match="has no collection"):
            desk.edit(inner, parentId=stranger)
    deepest = inner
    for _ in range(8):
        deepest = desk.make(parentId=deepest.collection_id)
    with pytest.raises(InvalidRequestError, match="deep"):
        desk.make(parentId=deepest.collection_id)


def test_only_who_read_the_newest_state_may_change_it(desk: Desk) -> None:
    made = desk.make()
    changed = desk.edit(made, name="new", coverAssetId="lora", description="d")

    edit = CollectionEdit(name="late")
    with pytest.raises(PreconditionFailedError):
        desk.service.edit(ANN, made.collection_id, edit, collection_tag(made))
    desk.service.edit(ANN, made.collection_id, edit, collection_tag(changed))
    with pytest.raises(InvalidRequestError, match="no asset 'hers'"):
        desk.edit(made, coverAssetId="hers")
    assert desk.edit(made, description=None).description is None


@pytest.mark.parametrize(
    "body",
    [
        {"name": None},
        {"name": " "},
        {"sharing": [{"right": "view"}]},
        {"sharing": [{"user": "a", "group": "b"}]},
        {"sharing": [{"user": "a", "right": "own"}]},
        {"sharing": [{"user": f"u{n}"} for n in range(501)]},
    ],
)
def test_what_cannot_be_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CollectionEdit.model_validate(body)
