from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest

from catalog.access import PUBLIC_KEY, owner_key, shared_key
from catalog.identity import use_key
from catalog.models.asset import Asset, AssetFile, AssetVersion, FileRole
from catalog.models.ids import AssetId, ObjectKey, UserId
from catalog.models.sharing import Grant
from catalog.search.base import IndexName
from catalog.search.projection import (
    ProjectedAsset,
    bucket_of,
    documents_of,
    minimal_document,
    row_of,
    size_bucket,
    tag_document,
    tag_document_id,
    view_of,
)
from catalog.search.schema import FIELDS
from catalog.search.values import exact_key, tag_key
from tests.unit.search.assets import ROOT_KEY, THEN, a_transcript, an_image

UNINDEXED = {"id", "view", "word_starts", "_hash"}


def project(asset: Asset) -> ProjectedAsset:
    return documents_of(asset, root_key=ROOT_KEY, sequence=7, generation=1)


def test_a_document_has_what_a_person_filters_and_searches_by() -> None:
    asset = an_image(
        tags=("C++", "head shot"),
        prompt="a\nprompt",
        model="Flux/Pro",
        shared_with=(Grant(user="user_1"),),
        size_bytes=5_000_000,
        uses=("lora-1",),
    )

    document = project(asset).document

    assert document is not None
    assert document["tag_keys"] == [tag_key("C++"), tag_key("head shot")]
    assert document["prompt"] == "a prompt"
    assert document["model_key"] == exact_key("Flux/Pro")
    assert document["names"] == ["Flux/Pro"]
    assert document["month"] == 202511
    assert document["created_at"] == int(THEN.timestamp())
    assert document["visibility"] == "shared"
    assert document["acl"] == (owner_key("user-1"), shared_key("user_1"))
    assert document["size_bucket"] == "1to10mb"
    assert document["uses"] == [use_key(AssetId("lora-1"))]
    assert document["_seq"] == 7
    assert document["_bucket"] == 255


@pytest.mark.parametrize(
    "asset",
    [
        an_image(),
        a_transcript("job-9", ["hello there", "播客 第一集"]),
        an_image(description="d", width_px=3, height_px=4, duration_seconds=1.5),
    ],
)
def test_every_field_is_in_the_schema_and_every_needed_one_is_there(
    asset: Asset,
) -> None:
    projected = project(asset)

    assert projected.document is not None
    for kind, documents in (
        (IndexName.ASSETS, [projected.document]),
        (IndexName.SEGMENTS, projected.segments),
    ):
        fields = {field.name: field for field in FIELDS[kind]}
        needed = {name for name, field in fields.items() if not field.optional}
        for document in documents:
            assert set(document) - UNINDEXED <= set(fields)
            assert needed <= set(document)
            assert None not in document.values()


def test_projecting_is_deterministic_and_the_hash_ignores_bookkeeping() -> None:
    asset = a_transcript("job-9", ["one", "two"])

    first = project(asset)
    again = documents_of(asset, root_key=ROOT_KEY, sequence=99, generation=2)

    assert first.hash == again.hash
    assert first.document is not None
    assert first.document["_hash"] == first.hash
    assert {segment["_hash"] for segment in first.segments} == {first.hash}


def test_any_change_of_content_changes_the_hash() -> None:
    base = a_transcript("job-9", ["one", "two"])

    hashes = [
        project(asset).hash
        for asset in (
            base,
            base.evolve(name="other"),
            base.evolve(is_public=True),
            base.evolve(segments=base.segments[:1]),
            base.evolve(status="failed"),
        )
    ]

    assert len(set(hashes)) == len(hashes)


def test_segments_carry_place_time_speaker_and_rights() -> None:
    asset = a_transcript("job-9", ["one", "two words"], is_public=True)

    second = project(asset).segments[1]

    assert second["id"] == f"{asset.document_id}x1"
    assert second["transcript_id"] == asset.document_id
    assert (second["start"], second["end"]) == (10_000, 19_000)
    assert second["speaker_key"] == exact_key("Jane Doe")
    assert second["word_starts"] == (10_000, 10_100)
    assert second["acl"][0] == PUBLIC_KEY


def test_times_that_the_source_lacks_are_not_invented() -> None:
    segment = project(a_transcript("job-9", ["one"], is_timed=False)).segments[0]

    assert not {"start", "end", "word_starts"} & set(segment)


def test_a_trashed_asset_has_no_documents_and_no_access_keys() -> None:
    asset = a_transcript("job-9", ["one"], trashed_at=THEN, is_public=True)

    projected = project(asset)
    row = row_of(asset, 1, ROOT_KEY, view=projected.view)

    assert projected.document is None
    assert projected.segments == []
    assert row.acl == ()
    assert row.segment_count == 0
    assert (
        minimal_document(asset, "x", root_key=ROOT_KEY, sequence=1, generation=1)
        is None
    )


def test_awkward_values_still_make_a_document() -> None:
    asset = an_image(
        name="bad \ud800 name\x01",
        seed=2**70,
        size_bytes=2**70,
        word_count=2**40,
        duration_seconds=float("nan"),
        created_at=datetime(1, 1, 1, tzinfo=UTC),
    )

    projected = project(asset)

    assert projected.document is not None
    assert projected.document["name"] == "bad   name "
    assert projected.document["size"] == 2**63 - 1
    assert projected.document["word_count"] == 2**31 - 1
    assert "duration" not in projected.document
    assert len(projected.hash) == 32


def test_a_minimal_document_can_always_be_sent() -> None:
    asset = an_image(name="bad \ud800 " + "x" * 1000, user_id="u\ud800", seed=2**70)

    document = minimal_document(
        asset, "refused\n" * 100, root_key=ROOT_KEY, sequence=1, generation=1
    )

    assert document is not None
    orjson.dumps(document)
    assert document["acl"] == (owner_key("u\ud800"),)
    assert document["index_error"].startswith("refused")
    needed = {f.name for f in FIELDS[IndexName.ASSETS] if not f.optional}
    assert needed <= set(document)


def test_times_are_shown_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    asset = an_image(
        created_at=datetime(2025, 1, 1, 1, 0, tzinfo=east), updated_at=THEN
    )

    view = view_of(asset)

    assert view["createdAt"] == "2024-12-31T23:00:00Z"
    assert view["updatedAt"] == "2025-11-20T10:30:00.250Z"


def test_a_view_has_keys_and_never_both_key_and_address() -> None:
    ours = AssetFile(
        role=FileRole.IMAGE,
        name="a",
        key=ObjectKey("k"),
        url="https://x",
        is_missing=True,
    )
    theirs = AssetFile(role=FileRole.IMAGE, name="b", url="https://x")
    asset = an_image(versions=(AssetVersion(version=1, files=(ours, theirs)),))

    first, second = view_of(asset)["versions"][0]["files"]

    assert first == {"role": "image", "name": "a", "key": "k", "missing": True}
    assert second == {"role": "image", "name": "b", "url": "https://x"}


def test_a_row_knows_its_objects_and_words() -> None:
    asset = a_transcript(
        "job-9", ["spoken " * 4000], thumbnail_key=ObjectKey("thumb.webp")
    )

    row = row_of(asset, {"any": 1}, ROOT_KEY)

    assert row.keys == ("generated-images/u/job-9/image_1.png", "thumb.webp")
    assert row.words.startswith("podcast-ep-01.mp3 Jane Doe")
    assert len(row.words) == 4_000
    assert row.segment_count == 1
    assert row.sort_name == "podcast-ep-01.mp3"


def test_tags_that_fold_alike_share_one_document_per_owner() -> None:
    first = tag_document(
        UserId("u"), " Head  Shot", ["b", "a"], sequence=1, generation=1
    )
    again = tag_document(UserId("u"), "head shot", ["a", "b"], sequence=2, generation=1)
    other = tag_document(UserId("v"), "head shot", ["a"], sequence=2, generation=1)

    assert first["id"] == again["id"] != other["id"]
    assert first["id"] == tag_document_id(owner_key("u"), tag_key("head shot"))
    assert first["label"] == "head shot"
    assert first["_hash"] == again["_hash"]
    assert first["acl"] == ["a", "b"]


def test_small_things() -> None:
    assert bucket_of("00ff") == 255
    assert size_bucket(0) == "under100kb"
    assert size_bucket(10**9) == "over1gb"
