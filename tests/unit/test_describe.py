from datetime import UTC, datetime

import pytest

from catalog.describe import describe
from catalog.models.asset import AssetType
from catalog.models.ids import JobId, ObjectKey, RootKey, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobVersion, SourceVideo
from catalog.models.stored import Annotation, Extraction, ObjectState, StoredObject
from catalog.models.transcript import Segment, TranscriptContent
from catalog.places import named_keys
from catalog.repositories.base import RootBundle

NOW = datetime(2025, 11, 20, tzinfo=UTC)
USER = UserId("user-1")
JOB = JobId("job-1")


def parse_url(url: str) -> ObjectKey | None:
    prefix = "s3://ours/"
    return ObjectKey(url.removeprefix(prefix)) if url.startswith(prefix) else None


def _job(type_: str, *versions: JobVersion, **fields: object) -> Job:
    values: dict[str, object] = {
        "job_id": JOB,
        "user_id": USER,
        "type": type_,
        "status": "completed",
        "created_at": NOW,
        "versions": versions,
    }
    return Job(**(values | fields))  # type: ignore[arg-type]  # validated by name


def _bundle(
    job: Job | None,
    *,
    present: tuple[str, ...] = (),
    missing: tuple[str, ...] = (),
    annotations: tuple[Annotation, ...] = (),
    extractions: tuple[Extraction, ...] = (),
) -> RootBundle:
    objects = {
        ObjectKey(key): StoredObject(
            store="directory",
            key=ObjectKey(key),
            state=ObjectState.PRESENT if key in present else ObjectState.MISSING,
            size_bytes=10,
            etag="e",
        )
        for key in (*present, *missing)
    }
    return RootBundle(
        root=1,
        root_key=RootKey("ab"),
        job=job,
        objects=objects,
        annotations={a.target: a for a in annotations},
        extractions={e.key: e for e in extractions},
    )


def test_a_job_without_a_version_has_no_assets() -> None:
    assert describe(_bundle(_job("lora-training")), parse_url).assets == ()
    assert describe(_bundle(None), parse_url).assets == ()


def test_the_newest_version_of_a_lora_is_the_asset() -> None:
    job = _job(
        "lora-training",
        JobVersion(
            version=1, model_url="s3://ours/loras/user-1/job-1/v1/model.safetensors"
        ),
        JobVersion(
            version=2, model_url="s3://ours/loras/user-1/job-1/v2/model.safetensors"
        ),
        config={"loraName": "jesse_avatar", "trigger": "jf", "base_model": "flux"},
    )
    present = "loras/user-1/job-1/v2/model.safetensors"

    found = describe(_bundle(job, present=(present,)), parse_url)

    (lora,) = found.assets
    assert lora.type is AssetType.LORA
    assert str(lora.asset_id) == JOB
    assert (lora.name, lora.trigger, lora.base_model) == ("jesse_avatar", "jf", "flux")
    assert [version.version for version in lora.versions] == [1, 2]
    assert lora.latest.files[0].key == present
    assert lora.size_bytes == 10
    assert found.wanted == ("loras/user-1/job-1/v1/model.safetensors",)
    assert found.prefixes == ("datasets/user-1/job-1/",)


def test_a_dataset_is_an_asset_of_its_own_that_the_lora_uses() -> None:
    job = _job("lora-training", JobVersion(version=1), config={"loraName": "x"})
    present = (
        "datasets/user-1/job-1/images/0001.jpg",
        "datasets/user-1/job-1/images/0002.jpg",
        "datasets/user-1/job-1/captions/0001.txt",
    )

    dataset, lora = describe(_bundle(job, present=present), parse_url).assets

    assert dataset.asset_id == "job-1-dataset"
    assert (dataset.image_count, dataset.caption_count, dataset.size_bytes) == (
        2,
        1,
        30,
    )
    assert lora.uses == (dataset.asset_id,)


def test_images_are_numbered_by_their_file_names() -> None:
    images = tuple(
        JobImage(s3_key=f"generated-images/user-1/job-1/image_{n}.png", width_px=8)
        for n in (3, 7)
    )
    job = _job(
        "image-generation",
        JobVersion(version=1, images=images),
        config={
            "model": "flux-pro",
            "inputs": {
                "prompt": "a red fox",
                "loras": [
                    {"path": "s3://elsewhere/loras/user-1/job-9/v2/model.safetensors"},
                    {"path": "job-8"},
                    {"path": "https://foreign.example/x.safetensors"},
                ],
            },
        },
    )

    assets = describe(_bundle(job), parse_url).assets

    assert [a.asset_id for a in assets] == ["job-1-3", "job-1-7"]
    assert assets[0].uses == ("job-9", "job-8")
    assert (assets[0].name, assets[0].prompt, assets[0].model) == (
        "a red fox",
        "a red fox",
        "flux-pro",
    )


def test_images_with_repeated_file_names_are_numbered_by_position() -> None:
    image = JobImage(url="https://cdn.example/image_1.png")
    job = _job(
        "image-generation",
        JobVersion(version=1, images=(image,)),
        JobVersion(version=2, images=(image, image)),
    )

    assets = describe(_bundle(job), parse_url).assets

    assert [a.asset_id for a in assets] == ["job-1-1", "job-1-2", "job-1-3"]
    assert assets[2].latest.version == 2
    assert assets[2].latest.files[0].url == "https://cdn.example/image_1.png"


def test_the_file_at_its_place_in_the_layout_counts_when_the_url_is_foreign() -> None:
    key = "generated-images/user-1/job-1/image_1.png"
    image = JobImage(url="https://s3.../image_1.png")
    job = _job("image-generation", JobVersion(version=1, images=(image,)))
    thumbnail = "generated-images/user-1/job-1/image_1_thumb.png"

    (asset,) = describe(_bundle(job, present=(key, thumbnail)), parse_url).assets

    assert asset.latest.files[0].key == key
    assert asset.thumbnail_key == thumbnail


def test_a_thumbnail_that_only_this_image_can_have_comes_first() -> None:
    folder = "generated-images/user-1/job-1"
    key, own = f"{folder}/image_1.jpg", f"{folder}/image_1.jpg_thumb.png"
    image = JobImage(s3_key=key)
    job = _job("image-generation", JobVersion(version=1, images=(image,)))
    present = (key, own, f"{folder}/image_1_thumb.png")

    (asset,) = describe(_bundle(job, present=present), parse_url).assets

    assert asset.thumbnail_key == own


@pytest.mark.parametrize(
    ("present", "shown"),
    [
        (("preview.png",), "preview.png"),
        (("preview.png", "v1/preview.png"), "v1/preview.png"),
        (("preview.png", "preview_thumb.png"), "preview_thumb.png"),
        (("preview_thumb.png", "v1/preview.png"), "v1/preview.png"),
        ((), None),
    ],
)
def test_a_lora_is_shown_by_the_smallest_picture_of_its_newest_preview(
    present: tuple[str, ...], shown: str | None
) -> None:
    folder = "loras/user-1/job-1"
    job = _job("lora-training", JobVersion(version=1))
    keys = tuple(f"{folder}/{name}" for name in present)

    (asset,) = describe(_bundle(job, present=keys), parse_url).assets

    assert asset.thumbnail_key == (shown and f"{folder}/{shown}")


def test_a_named_object_that_is_not_there_makes_the_asset_missing() -> None:
    key = ObjectKey("generated-images/user-1/job-1/image_1.png")
    image = JobImage(s3_key=key)
    job = _job("image-generation", JobVersion(version=1, images=(image,)))

    unknown = describe(_bundle(job), parse_url)
    gone = describe(_bundle(job, missing=(key,)), parse_url)

    assert unknown.wanted == (key,)
    assert not unknown.assets[0].is_missing
    assert gone.missing == (key,)
    assert gone.assets[0].is_missing
    assert named_keys(job, parse_url) == (key,)


def _extraction(key: str, error: str | None = None) -> Extraction:
    content = TranscriptContent(
        text="hello wildfires",
        segments=(Segment(sequence=0, utterance=0, text="hello wildfires"),),
        word_count=2,
        speakers=("A",),
    )
    return Extraction(
        store="directory",
        key=ObjectKey(key),
        etag="e",
        extractor="transcript",
        version=1,
        error=error,
        transcript=None if error else content,
    )


JSON_KEY = "transcripts/user-1/job-1/transcript.json"
TEXT_KEY = "transcripts/user-1/job-1/transcript.txt"


@pytest.mark.parametrize(
    ("present", "extractions", "asked", "word_count"),
    [
        ((JSON_KEY, TEXT_KEY), (), (JSON_KEY,), None),
        ((TEXT_KEY,), (), (TEXT_KEY,), None),
        ((JSON_KEY,), (_extraction(JSON_KEY),), (), 2),
        ((JSON_KEY, TEXT_KEY), (_extraction(JSON_KEY, "broken"),), (TEXT_KEY,), None),
        (
            (JSON_KEY, TEXT_KEY),
            (_extraction(JSON_KEY, "broken"), _extraction(TEXT_KEY)),
            (),
            2,
        ),
    ],
)
def test_what_was_said_is_read_from_json_else_from_text(
    present: tuple[str, ...],
    extractions: tuple[Extraction, ...],
    asked: tuple[str, ...],
    word_count: int | None,
) -> None:
    job = _job(
        "transcription",
        JobVersion(version=1, transcript_url=f"s3://ours/{JSON_KEY}"),
        source_video=SourceVideo(filename="podcast-ep-01.mp3"),
    )

    found = describe(_bundle(job, present=present, extractions=extractions), parse_url)

    (asset,) = found.assets
    assert found.transcripts == asked
    assert asset.word_count == word_count
    assert asset.name == asset.file_name == "podcast-ep-01.mp3"


def test_annotations_of_the_image_beat_those_of_the_job() -> None:
    job = _job(
        "image-generation",
        JobVersion(
            version=1, images=(JobImage(url="https://x.example/image_1.png"),) * 2
        ),
        metadata=JobMetadata(tags=("Cat", "dog"), is_public=True, name="first"),
    )
    annotations = (
        Annotation(target=JOB, name="second", tags_removed=("CAT",), is_public=False),
        Annotation(target="job-1-2", name="third", tags_added=("owl",)),
    )

    one, two = describe(_bundle(job, annotations=annotations), parse_url).assets

    assert (one.name, one.tags, one.is_public) == ("second", ("dog",), False)
    assert (two.name, two.tags) == ("third", ("dog", "owl"))


def test_a_foreign_type_has_no_assets_and_says_so() -> None:
    found = describe(_bundle(_job("upscaling", JobVersion(version=1))), parse_url)

    assert found.assets == ()
    assert "upscaling" in found.problems[-1]
