"""What files say fills what the job's record leaves open, and nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from catalog.describe import describe
from catalog.models.asset import Asset, AssetVersion
from catalog.models.file_facts import FileFacts
from catalog.models.ids import JobId, ObjectKey, RootKey, UserId
from catalog.models.job import Job, JobImage, JobVersion, SourceVideo
from catalog.models.stored import Extraction, ObjectState, StoredObject
from catalog.places import named_keys
from catalog.repositories.base import RootBundle
from catalog.search.base import IndexName
from catalog.search.projection import documents_of, row_of
from catalog.search.schema import FIELDS
from catalog.search.values import exact_key

NOW = datetime(2025, 6, 1, tzinfo=UTC)
IMAGE = ObjectKey("generated-images/ann/job-1/image_1.png")
LORA = ObjectKey("loras/ann/job-1/v1/model.safetensors")
TALK = ObjectKey("transcripts/ann/job-1/transcript.json")
SOURCE = ObjectKey("uploads/ann/talk.mp4")
GENERATION = {
    "source": "comfyui",
    "prompt": "from the file",
    "negativePrompt": "blurry",
    "model": "file-model",
    "seed": 7,
    "loras": [{"name": "ink"}],
}


def parse_url(url: str) -> ObjectKey | None:
    return ObjectKey(url[7:]) if url.startswith("s3://b/") else None


def read(key: ObjectKey, extractor: str, facts: Mapping[str, Any]) -> Extraction:
    return Extraction(
        store="s", key=key, etag="e", extractor=extractor, version=1, facts=facts
    )


def described(
    kind: str,
    version: JobVersion,
    *extractions: Extraction,
    config: Mapping[str, Any] | None = None,
    source: SourceVideo | None = None,
) -> Asset:
    job = Job(
        job_id=JobId("job-1"),
        user_id=UserId("ann"),
        type=kind,
        status="completed",
        config=config or {},
        versions=(version,),
        source_video=source,
        created_at=NOW,
    )
    facts: dict[ObjectKey, tuple[Extraction, ...]] = {}
    for one in extractions:
        facts[one.key] = (*facts.get(one.key, ()), one)
    objects = [
        StoredObject(store="s", key=key, state=ObjectState.PRESENT, etag="e")
        for key in named_keys(job, parse_url)
    ]
    bundle = RootBundle(
        root=1,
        root_key=RootKey("ab"),
        job=job,
        objects={one.key: one for one in objects},
        facts=facts,
    )
    return describe(bundle, parse_url).assets[-1]


def image(*extractions: Extraction, seed: int | None = None, **config: object) -> Asset:
    version = JobVersion(version=1, images=(JobImage(s3_key=IMAGE, seed=seed),))
    return described("image-generation", version, *extractions, config=config)


def test_an_image_shows_what_its_file_says_where_its_job_says_nothing() -> None:
    size = read(IMAGE, "picture", {"width": 512, "height": 400})

    found = image(read(IMAGE, "generation", GENERATION), size)

    assert (found.prompt, found.negative_prompt) == ("from the file", "blurry")
    assert (found.model, found.seed) == ("file-model", 7)
    assert (found.width_px, found.height_px) == (512, 400)
    assert found.file.generator == "comfyui"
    assert found.uses == ()  # a name alone is nobody's LoRA


def test_what_the_job_says_of_an_image_wins() -> None:
    size = read(IMAGE, "picture", {"width": 512, "height": 400})
    config = {"prompt": "told", "model": "flux-pro", "width": 64}

    found = image(read(IMAGE, "generation", GENERATION), size, seed=0, **config)

    assert (found.prompt, found.model, found.seed) == ("told", "flux-pro", 0)
    assert (found.width_px, found.height_px) == (64, 400)
    assert found.negative_prompt == "blurry"


def test_a_lora_keeps_its_own_trigger_first() -> None:
    weights = {"triggerWords": ["ohwx", "jf"], "baseModelVersion": "sdxl"}
    version = JobVersion(version=1, model_url=f"s3://b/{LORA}")
    said = read(LORA, "safetensors", weights)

    told = described(
        "lora-training", version, said, config={"trigger": "jf", "baseModel": "flux"}
    )
    silent = described("lora-training", version, said)

    assert (told.trigger, told.file.trigger_words) == ("jf", ("ohwx",))
    assert told.base_model == "flux"
    assert (silent.trigger, silent.file.trigger_words) == ("ohwx", ("jf",))
    assert silent.base_model == "sdxl"


def test_a_transcript_knows_the_recording_that_it_was_made_from() -> None:
    streams = [{"type": "audio", "codec": "aac"}]
    recording = read(SOURCE, "recording", {"durationSeconds": 2.5, "streams": streams})
    keywords = read(TALK, "transcript_facts", {"keywords": ["coast"]})
    version = JobVersion(version=1, transcript_url=f"s3://b/{TALK}")
    source = SourceVideo(url=f"s3://b/{SOURCE}", filename="talk.mp4")

    found = described("transcription", version, recording, keywords, source=source)

    assert found.duration_seconds == 2.5
    assert (found.file.audio_codec, found.file.keywords) == ("aac", ("coast",))
    row = row_of(found, 1, RootKey("ab"))
    assert row.sources == (SOURCE,)
    assert SOURCE not in row.keys  # who may see the words may not fetch the recording


def test_a_foreign_recording_is_nobodys_object() -> None:
    version = JobVersion(version=1, transcript_url=f"s3://b/{TALK}")
    source = SourceVideo(url="https://elsewhere.example/talk.mp4")

    found = described("transcription", version, source=source)

    assert found.source_key is None
    assert row_of(found, 1, RootKey("ab")).sources == ()


def test_facts_become_fields_of_the_schema() -> None:
    facts = FileFacts(
        family="flux",
        rank=16,
        trigger_words=("ohwx woman",),
        generator="automatic1111",
        sampler="Euler a",
        steps=20,
        cfg=3.5,
        lora_names=("ink",),
        hashes=("c0d1994c73",),
        camera="NIKON D50",
        audio_codec="aac",
        video_codec="h264",
        keywords=("the coast",),
        tag_suggestions=("never a tag",),
        outcome=("failed:corrupt",),
    )
    asset = image().evolve(
        file=facts,
        trigger="jf",
        negative_prompt="blurry",
        seed=2**63 - 1,
        width_px=1000,
        height_px=1500,
        versions=(AssetVersion(version=1),),
    )

    document = documents_of(
        asset, root_key=RootKey("ab"), sequence=1, generation=1
    ).document

    assert document is not None
    fields = {field.name: field.type for field in FIELDS[IndexName.ASSETS]}
    assert set(document) - set(fields) == {"id", "view", "_hash"}
    assert document["extraction"] == [exact_key("failed:corrupt")]
    assert document["sampler_key"] == exact_key("Euler a")
    assert document["trigger"] == "jf, ohwx woman"
    assert document["names"][1:] == ["automatic1111", "NIKON D50", "ink", "the coast"]
    assert (document["megapixels"], document["seed"]) == (1.5, 2**63 - 1)
    assert document["negative_prompt"] == "blurry"
    assert "tags" not in document
    assert "tag_keys" not in document
    shown = document["view"]
    assert shown["tagSuggestions"] == ["never a tag"]
    assert shown["tags"] == []
    for name in ("family", "rank", "cfg", "steps", "camera", "audioCodec", "hashes"):
        assert name in shown


def test_without_facts_nothing_is_shown_of_them() -> None:
    document = documents_of(
        image(), root_key=RootKey("ab"), sequence=1, generation=1
    ).document

    assert document is not None
    assert not {"extraction", "generator", "lora_keys"} & set(document)
    assert not {"extraction", "tagSuggestions", "generator"} & set(document["view"])
