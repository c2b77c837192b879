import pytest

from catalog.access import MACHINE_OWNER, Asker
from catalog.errors import NotFoundError
from catalog.models.ids import UserId
from catalog.services.assets import AssetService
from tests.fakes.assets import FakeAssetRepository, Row, view

OWNER = Asker(UserId("user123"))
OTHER = Asker(UserId("user456"))


def test_the_owner_reads_an_asset_and_nobody_else_does() -> None:
    service = AssetService(FakeAssetRepository(view("a")))

    assert service.find(OWNER, "a")[0]["assetId"] == "a"
    assert service.find(MACHINE_OWNER, "a")[0]["assetId"] == "a"
    with pytest.raises(NotFoundError):
        service.find(OTHER, "a")


def test_someone_elses_asset_is_answered_like_one_that_never_was() -> None:
    service = AssetService(FakeAssetRepository(view("a")))

    with pytest.raises(NotFoundError) as hidden:
        service.find(OTHER, "a")
    with pytest.raises(NotFoundError) as absent:
        service.find(OTHER, "b")

    assert str(hidden.value).replace("'a'", "'b'") == str(absent.value)


def test_of_a_jobs_images_the_asker_gets_the_visible_ones() -> None:
    service = AssetService(
        FakeAssetRepository(
            view("job-1", "image", jobId="job"),
            view("job-2", "image", jobId="job", isPublic=True),
        )
    )

    assert [one["assetId"] for one in service.find(OTHER, "job")] == ["job-2"]
    assert len(service.find(OWNER, "job")) == 2


def test_a_trashed_asset_is_not_found_even_by_its_owner() -> None:
    assets = FakeAssetRepository()
    assets.rows.append(Row(view("a"), is_trashed=True))

    for asker in (OWNER, MACHINE_OWNER):
        with pytest.raises(NotFoundError):
            AssetService(assets).find(asker, "a")


def test_only_those_it_was_made_with_that_the_asker_may_know_are_named() -> None:
    service = AssetService(
        FakeAssetRepository(view("open", isPublic=True), view("private"))
    )

    assert service.known(OTHER, ("private", "open", "gone")) == ("open",)
