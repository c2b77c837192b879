"""What a person changes is kept beside the job, and throwing away can be undone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from typing_extensions import override

from catalog.access import MACHINE_OWNER, Asker
from catalog.clock import ManualClock
from catalog.describe import describe
from catalog.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from catalog.models.asset import AssetType
from catalog.models.editing import AssetEdit
from catalog.models.ids import GroupId, UserId
from catalog.models.job import JobMetadata
from catalog.models.stored import Annotation
from catalog.repositories.base import RecordBatch, RootId
from catalog.search.view import view_of
from catalog.services.assets import AssetService
from catalog.services.editing import EditService, edit_tag
from catalog.services.why.rights import keys_of
from tests.fakes.annotations import FakeAnnotationRepository
from tests.fakes.assets import FakeAssetRepository, Row
from tests.fakes.records import FakeRootReader
from tests.unit.services.why.world import a_bundle, a_job, parse_url

NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
TEAM = {"right": "edit", "group": "team"}
ANN, EVE = Asker(UserId("ann")), Asker(UserId("eve"))


class _Reader(FakeRootReader):
    """Reads what was annotated meanwhile, too."""

    def __init__(self, annotations: FakeAnnotationRepository) -> None:
        super().__init__()
        self._annotations = annotations

    @override
    def read(self, roots: Sequence[RootId], *, not_before: int = 0) -> RecordBatch:
        batch = super().read(roots, not_before=not_before)
        saved: Mapping[str, Annotation] = self._annotations.saved
        bundles = tuple(replace(one, annotations=dict(saved)) for one in batch.bundles)
        return replace(batch, bundles=bundles)


class Desk:
    def __init__(self, **job: object) -> None:
        self.annotations = FakeAnnotationRepository()
        self.records = _Reader(self.annotations)
        self.assets = FakeAssetRepository()
        self.service = EditService(
            service=AssetService(self.assets),
            assets=self.assets,
            records=self.records,
            annotations=self.annotations,
            trash=self.assets,
            parse_url=parse_url,
            clock=ManualClock(NOW),
        )
        self.bundle = a_bundle(a_job(**job))  # type: ignore[arg-type]
        self.records.roots[self.bundle.job.job_id] = [self.bundle]  # type: ignore[union-attr]
        self.index()

    def index(self) -> None:
        """Do what the indexer does to the read model."""
        bundle = replace(self.bundle, annotations=dict(self.annotations.saved))
        self.assets.rows = [
            Row(
                view_of(asset),
                () if asset.trashed_at else keys_of(asset),
                is_trashed=asset.trashed_at is not None,
            )
            for asset in describe(bundle, parse_url).assets
        ]

    def edit(self, target: str, asker: Asker = ANN, **fields: object) -> AssetEdit:
        edit = AssetEdit.model_validate(fields)
        self.service.edit(asker, target, edit)
        self.index()
        return edit

    def shown(self, name: str) -> list[object]:
        return [dict(row.view).get(name) for row in self.assets.rows]


@pytest.fixture
def desk() -> Desk:
    return Desk(count=2)


def test_one_image_is_changed_and_the_others_stay(desk: Desk) -> None:
    desk.edit("pic-2", name="Dusk", description="at sea", tagsAdd=["Boat", "coast"])

    assert desk.shown("name") == ["a lighthouse", "Dusk"]
    assert desk.shown("tags") == [["coast"], ["coast", "Boat"]]
    assert desk.annotations.saved["pic-2"].tags_added == ("Boat",)


def test_a_job_id_changes_all_images_but_for_what_one_has_of_its_own(
    desk: Desk,
) -> None:
    desk.edit("pic-2", tags=["mine"], name="Dusk")
    desk.edit("pic", tags=["ours"], name="Dawn")

    assert desk.shown("name") == ["Dawn", "Dusk"]
    assert desk.shown("tags") == [["ours"], ["ours", "mine"]]
    desk.edit("pic-2", tagsRemove=["OURS"])
    assert desk.shown("tags") == [["ours"], ["mine"]]


def test_null_goes_back_to_what_the_job_says(desk: Desk) -> None:
    desk.edit("pic", name="x", tags=[], isPublic=True, description="d")
    assert desk.shown("tags") == [[], []]

    desk.edit("pic", name=None, tags=None, isPublic=None, description=None)

    assert desk.shown("name") == ["a lighthouse"] * 2
    assert desk.shown("tags") == [["coast"]] * 2
    assert desk.shown("isPublic") == [False, False]
    assert desk.shown("description") == [None, None]


def test_a_job_record_written_anew_loses_nothing_of_it(desk: Desk) -> None:
    desk.edit("pic", tagsAdd=["kept"], name="Dawn")

    metadata = JobMetadata(name="gateway's", tags=("newer",))
    desk.bundle = a_bundle(a_job(count=2, metadata=metadata))
    desk.index()

    assert desk.shown("name") == ["Dawn"] * 2
    assert desk.shown("tags") == [["newer", "kept"]] * 2


def test_the_answer_is_the_state_as_it_is_now_not_as_the_index_has_it(
    desk: Desk,
) -> None:
    (view,) = desk.service.edit(ANN, "pic-1", AssetEdit(name="Dawn"))

    assert view["name"] == "Dawn"
    assert desk.shown("name") == ["a lighthouse"] * 2


def test_only_who_read_the_newest_state_may_change_it(desk: Desk) -> None:
    before = edit_tag([desk.assets.rows[0].view])
    (view,) = desk.service.edit(ANN, "pic-1", AssetEdit(name="a"), if_match=before)

    with pytest.raises(PreconditionFailedError):
        desk.service.edit(ANN, "pic-1", AssetEdit(name="b"), if_match=before)
    for given in (f'"x", {edit_tag([view])}', "*"):
        (view,) = desk.service.edit(ANN, "pic-1", AssetEdit(name="c"), if_match=given)


def test_who_edits_at_the_same_time_takes_nothing_from_the_other(desk: Desk) -> None:
    desk.annotations.interfere = [Annotation(target="pic-1", description="other's")]

    desk.edit("pic-1", name="mine")

    assert desk.shown("name")[0] == "mine"
    assert desk.shown("description")[0] == "other's"
    others = [Annotation(target="pic-1", name=str(n)) for n in range(9)]
    desk.annotations.interfere = others
    with pytest.raises(ConflictError):
        desk.edit("pic-1", name="never")


def test_nothing_is_written_where_nothing_changes(desk: Desk) -> None:
    desk.edit("pic-1", name="x")
    desk.edit("pic-1", name="x", tagsRemove=["unknown"])

    assert desk.annotations.saves == 1


def test_rights_are_asked_for_before_anything_else(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        desk.edit("pic-1", EVE, name="x")
    desk.edit("pic-1", isPublic=True)
    with pytest.raises(ForbiddenError):
        desk.edit("pic-1", EVE, name="x")
    with pytest.raises(ForbiddenError):
        desk.service.trash(EVE, "pic-1")
    editor = desk.assets.rows[0].view
    editor["sharing"] = [{"user": "eve", "right": "edit"}]
    desk.service.edit(EVE, "pic-1", AssetEdit(name="x"))
    with pytest.raises(ForbiddenError, match="Only its owner"):
        desk.service.edit(EVE, "pic-1", AssetEdit(is_public=False))
    desk.service.edit(MACHINE_OWNER, "pic-1", AssetEdit(is_public=False))


def test_sharing_says_with_whom_alone_it_is_shared(desk: Desk) -> None:
    grants = [{"user": "eve"}, {"group": "team", "right": "edit"}]
    desk.edit("pic-1", sharing=grants)

    assert desk.shown("sharing") == [[{"user": "eve", "right": "view"}, TEAM], None]
    assert desk.shown("sharedWith") == [["eve"], None]
    teammate = Asker(UserId("bob"), groups=(GroupId("team"),))
    desk.edit("pic-1", teammate, name="ours")
    with pytest.raises(ForbiddenError):
        desk.edit("pic-1", EVE, name="hers")
    with pytest.raises(ForbiddenError):
        desk.edit("pic-1", teammate, sharing=[])
    with pytest.raises(NotFoundError):
        desk.edit("pic-2", teammate, name="ours")
    desk.edit("pic-1", sharing=None)
    assert desk.shown("sharing") == [None, None]


def test_too_much_is_refused_by_name(desk: Desk) -> None:
    with pytest.raises(ValidationError):
        AssetEdit.model_validate({"tags": ["a"], "tagsAdd": ["b"]})
    with pytest.raises(ValidationError):
        AssetEdit.model_validate({"tagsAdd": ["\u00a0 "]})
    desk.edit("pic", tags=[f"t{n}" for n in range(150)])
    with pytest.raises(InvalidRequestError, match="200 tags"):
        desk.edit("pic", tagsAdd=[f"u{n}" for n in range(150)])


def test_what_was_thrown_away_is_nobodys_but_its_owners_and_comes_back(
    desk: Desk,
) -> None:
    desk.edit("pic", isPublic=True)

    for _ in range(2):
        (gone,) = desk.service.trash(ANN, "pic-1")
        desk.index()
        assert gone["trashedAt"] == "2025-12-01T12:00:00Z"
    assert [v["assetId"] for v in desk.service.trashed(ANN, 50, None).items] == [
        "pic-1"
    ]
    assert desk.service.trashed(EVE, 50, None).total == 0
    for call in (desk.service.trash, desk.service.restore):
        with pytest.raises(NotFoundError):
            call(EVE, "pic-1")
    (back,) = desk.service.restore(ANN, "pic-1")
    desk.index()
    assert "trashedAt" not in back
    assert desk.service.trashed(ANN, 50, None).total == 0


def test_an_image_of_a_job_in_the_trash_comes_back_with_the_job(desk: Desk) -> None:
    desk.service.trash(ANN, "pic-1")
    desk.service.trash(ANN, "pic")
    desk.index()
    assert desk.service.trashed(ANN, 50, None).total == 2

    with pytest.raises(ConflictError, match="restore 'pic'"):
        desk.service.restore(ANN, "pic-2")
    desk.service.restore(ANN, "pic")
    desk.index()

    assert desk.shown("trashedAt") == ["2025-12-01T12:00:00Z", None]
    desk.service.restore(ANN, "pic")
    desk.index()
    assert desk.shown("trashedAt") == [None, None]


def test_what_is_in_use_can_be_kept_from_the_trash() -> None:
    desk = Desk(kind=AssetType.LORA, job_id="lora")
    used = view_of(describe(a_bundle(a_job()), parse_url).assets[0])
    desk.assets.rows.append(Row({**used, "uses": ["lora"]}))

    with pytest.raises(ConflictError, match="1 assets were made with it"):
        desk.service.trash(ANN, "lora", only_if_unused=True)
    assert not desk.annotations.saved
    desk.service.trash(ANN, "lora")
    assert desk.annotations.saved["lora"].trashed_at == NOW
