"""Assets on the wire: the seed's list shapes and one asset in full."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict

from api.schemas.common import IndexReached, WireModel
from catalog.models.sharing import Grant

_LINK = "http://localhost:5000/api/files/{}?e=1764284400&s=3q2-7wAA"
_JOB = "6f0c4c5e-8f5c-4f0e-9f1e-0c5d1a2b3c4d"

LORA_EXAMPLE: dict[str, Any] = {
    "loraId": _JOB,
    "name": "jesse_avatar",
    "trigger": "jf",
    "versions": 3,
    "latestVersion": {
        "version": 3,
        "modelUrl": _LINK.format(f"loras/user123/{_JOB}/v3/model.safetensors"),
        "createdAt": "2025-11-27T21:40:00Z",
    },
    "thumbnailUrl": None,
    "tags": ["avatar", "headshot"],
    "description": "Jesse professional headshot avatar",
    "isPublic": False,
    "status": "completed",
    "baseModel": "flux-dev",
    "sizeBytes": 125000000,
    "createdAt": "2025-11-27T21:00:00Z",
    "userId": "user123",
}

IMAGE_EXAMPLE: dict[str, Any] = {
    "imageId": f"{_JOB}-1",
    "jobId": _JOB,
    "model": "flux-pro",
    "prompt": "a lighthouse in a storm, oil painting",
    "imageUrl": _LINK.format(f"generated-images/user123/{_JOB}/image_1.png"),
    "thumbnailUrl": None,
    "width": 1024,
    "height": 1024,
    "createdAt": "2025-11-27T21:40:00Z",
    "tags": ["sea"],
    "seed": 42,
    "loras": [],
    "isPublic": True,
    "userId": "user123",
}

TRANSCRIPT_EXAMPLE: dict[str, Any] = {
    "transcriptId": _JOB,
    "fileName": "podcast-ep-01.mp3",
    "duration": 3600,
    "wordCount": 5000,
    "transcriptUrl": _LINK.format(f"transcripts/user123/{_JOB}/transcript.json"),
    "textUrl": _LINK.format(f"transcripts/user123/{_JOB}/transcript.txt"),
    "speakers": 2,
    "language": "en",
    "createdAt": "2025-11-27T21:00:00Z",
    "tags": ["podcast"],
    "isPublic": False,
    "userId": "user123",
}

DATASET_EXAMPLE: dict[str, Any] = {
    "datasetId": f"{_JOB}-dataset",
    "jobId": _JOB,
    "name": "jesse_avatar dataset",
    "images": 20,
    "captions": 20,
    "sizeBytes": 40000000,
    "createdAt": "2025-11-27T21:00:00Z",
    "userId": "user123",
}


class LoraVersion(WireModel):
    """The newest version of a LoRA."""

    version: int
    model_url: str | None
    """Fetchable as given; `null` where the file is missing."""
    created_at: datetime | None


class Lora(WireModel):
    """A LoRA as lists show it."""

    model_config = ConfigDict(json_schema_extra={"examples": [LORA_EXAMPLE]})

    lora_id: str
    """Its assetId, which is its job's id."""
    name: str
    trigger: str | None
    """Word that calls it up in a prompt."""
    versions: int
    """How many there are."""
    latest_version: LoraVersion | None
    thumbnail_url: str | None
    tags: list[str]
    description: str | None
    is_public: bool
    status: str
    base_model: str | None
    size_bytes: int | None
    created_at: datetime
    user_id: str
    missing: bool = False
    """Present and true where the record names a file that storage does not have."""


class Image(WireModel):
    """A generated image as lists show it."""

    model_config = ConfigDict(json_schema_extra={"examples": [IMAGE_EXAMPLE]})

    image_id: str
    """Its assetId: the job's id, `-` and the image's number."""
    job_id: str
    model: str | None
    prompt: str | None
    image_url: str | None
    """Fetchable as given; `null` where the file is missing."""
    thumbnail_url: str | None
    width: int | None
    height: int | None
    created_at: datetime
    tags: list[str]
    seed: int | None
    loras: list[str]
    """Paths of the LoRAs it was made with, as the request named them."""
    is_public: bool
    user_id: str
    missing: bool = False
    """Present and true where the record names a file that storage does not have."""


class Transcript(WireModel):
    """A transcript as lists show it."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRANSCRIPT_EXAMPLE]})

    transcript_id: str
    """Its assetId, which is its job's id."""
    file_name: str | None
    """Of the recording."""
    duration: float | None
    """Seconds."""
    word_count: int | None
    transcript_url: str | None
    """Fetchable as given; `null` where the file is missing."""
    text_url: str | None
    """Fetchable as given; `null` where the file is missing."""
    speakers: int | None
    """How many; `null` where the source does not tell them apart."""
    language: str | None
    created_at: datetime
    tags: list[str]
    is_public: bool
    user_id: str
    missing: bool = False
    """Present and true where the record names a file that storage does not have."""


class Dataset(WireModel):
    """A training dataset as lists show it."""

    model_config = ConfigDict(json_schema_extra={"examples": [DATASET_EXAMPLE]})

    dataset_id: str
    """Its assetId: the job's id and `-dataset`."""
    job_id: str
    name: str
    images: int | None
    captions: int | None
    size_bytes: int | None
    created_at: datetime
    user_id: str
    missing: bool = False
    """Present and true where the record names a file that storage does not have."""


class VersionFile(WireModel):
    """One file of a version."""

    role: str
    """`model config image transcript text caption thumbnail preview`."""
    name: str
    url: str | None
    """Fetchable as given; `null` where the file is missing."""
    size_bytes: int | None
    content_type: str | None
    missing: bool


class Version(WireModel):
    """One numbered version and its files."""

    version: int
    created_at: datetime | None
    files: list[VersionFile]


class Rendition(WireModel):
    """A small file that shows an asset's."""

    kind: str
    """`thumbnail small large poster waveform peaks`."""
    url: str | None
    """Fetchable as given."""
    content_type: str
    size_bytes: int
    width: int | None
    height: int | None


class AssetPicture(WireModel):
    """What was found in the file that shows an asset, and made of it."""

    blurhash: str | None = None
    """To be drawn until the picture is there."""
    dominant_colours: list[str] | None = None
    """`#rrggbb`, the most frequent first."""
    perceptual_hash: str | None = None
    """64 bits in hex; alike pictures differ in few."""
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    """Seconds, of a recording."""
    renditions: list[Rendition]
    cause: str | None = None
    """Why nothing could be made of the file, in one word."""
    message: str | None = None
    """The same, as a sentence."""


class UsingAsset(WireModel):
    """An asset that was made with another one."""

    asset_id: str
    type: str
    name: str


class UsedIn(WireModel):
    """What was made with an asset; `/api/assets/search?uses=…` finds all of it."""

    total: int
    assets: list[UsingAsset]
    """The ten newest."""


class Asset(WireModel):
    """One asset: the fields of its list shape, and everything else there is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                LORA_EXAMPLE
                | {
                    "assetId": _JOB,
                    "jobId": _JOB,
                    "type": "lora",
                    "completedAt": "2025-11-27T21:40:00Z",
                    "format": "safetensors",
                    "uses": [f"{_JOB}-dataset"],
                    "usedIn": {
                        "total": 1,
                        "assets": [
                            {
                                "assetId": "job-nov-28-002-1",
                                "type": "image",
                                "name": "Studio headshot of jesse",
                            }
                        ],
                    },
                    "versionList": [
                        {
                            "version": 3,
                            "createdAt": "2025-11-27T21:40:00Z",
                            "files": [
                                {
                                    "role": "model",
                                    "name": "model.safetensors",
                                    "url": _LINK.format("loras/…"),
                                    "sizeBytes": 125000000,
                                    "contentType": "application/octet-stream",
                                    "missing": False,
                                }
                            ],
                        }
                    ],
                    "family": "flux",
                    "rank": 16,
                    "extraction": ["ok"],
                    "sharedWith": [],
                    "sharing": [],
                    "problems": [],
                    "tagSuggestions": ["headshot"],
                }
            ]
        }
    )

    asset_id: str
    job_id: str
    type: str
    """`lora image transcript dataset`."""
    name: str
    user_id: str
    description: str | None
    tags: list[str]
    is_public: bool
    status: str
    created_at: datetime
    uses: list[str]
    """AssetIds that it was made with, as far as the caller may know of them."""
    used_in: UsedIn
    """What was made with it, as far as the caller may see it."""
    version_list: list[Version]
    """All versions with their files, oldest first."""
    picture: AssetPicture | None = None
    """Absent until a worker has looked at the file."""
    shared_with: list[str] | None = None
    """Users whom it is shared with; for its owner only."""
    sharing: list[Grant] | None = None
    """Users and groups whom it is shared with, and their rights; for its owner only."""
    problems: list[str] | None = None
    """What could not be read in its record; for its owner only."""
    tag_suggestions: list[str] | None = None
    """What its files suggest as tags; a person decides. For its owner only."""
    family: str | None = None
    """Of a LoRA: whose models it fits (`flux sd1 sd2 sdxl sd3 unknown`). This and what
    follows is what the files say; each is present where they do."""
    rank: int | None = None
    trigger_words: list[str] | None = None
    """Further words that call a LoRA up."""
    generator: str | None = None
    """Program that made an image: `automatic1111 comfyui fooocus invokeai novelai
    swarmui`."""
    sampler: str | None = None
    scheduler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    lora_names: list[str] | None = None
    """LoRAs that an image was made with, by the generator's names."""
    hashes: list[str] | None = None
    """Of models and LoRAs that an image was made with."""
    camera: str | None = None
    taken_at: str | None = None
    """As the camera wrote it: with an offset only where it knew one."""
    audio_codec: str | None = None
    video_codec: str | None = None
    keywords: list[str] | None = None
    """What a transcript is about."""
    extraction: list[str] | None = None
    """How reading the files went: `ok`, or `failed:` and each cause."""
    index: IndexReached | None = None
    """Present with `waitFor`."""


class AssetsOfJob(WireModel):
    """All images of one job, for a bare jobId."""

    job_id: str
    assets: list[Asset]
    index: IndexReached | None = None
    """Present with `waitFor`."""
