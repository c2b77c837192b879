"""One asset of each type, as the read model holds them."""

from catalog.models.asset import AssetView, FileView
from tests.fakes.assets import view


def file(role: str, key: str, *, missing: bool = False) -> FileView:
    found: FileView = {
        "role": role,
        "name": key.rpartition("/")[2],
        "key": key,
        "sizeBytes": 3,
        "contentType": "application/octet-stream",
    }
    if missing:
        found["missing"] = True
    return found


MODEL_KEY = "loras/user123/lora/v2/model.safetensors"
IMAGE_KEY = "generated-images/user123/pic/image_1.png"
JSON_KEY = "transcripts/user123/talk/transcript.json"
TEXT_KEY = "transcripts/user123/talk/transcript.txt"


def lora(asset_id: str = "lora", *, missing: bool = False) -> AssetView:
    made = view(
        asset_id,
        name="jesse_avatar",
        trigger="jf",
        tags=["avatar", "C++"],
        baseModel="flux-dev",
        sizeBytes=3,
        uses=["lora-dataset"],
        versions=[
            {"version": 1, "createdAt": "2025-01-01T00:00:00Z", "files": []},
            {
                "version": 2,
                "createdAt": "2025-02-01T00:00:00Z",
                "files": [file("model", MODEL_KEY, missing=missing)],
            },
        ],
    )
    if missing:
        made["missing"] = True
    return made


def image(asset_id: str = "pic-1", job_id: str = "pic") -> AssetView:
    return view(
        asset_id,
        "image",
        jobId=job_id,
        name="a lighthouse",
        model="flux-pro",
        prompt="a lighthouse in a storm",
        width=1024,
        height=768,
        seed=7,
        thumbnail="generated-images/user123/pic/image_1_thumb.png",
        versions=[
            {"version": 1, "createdAt": None, "files": [file("image", IMAGE_KEY)]}
        ],
    )


def transcript(asset_id: str = "talk") -> AssetView:
    return view(
        asset_id,
        "transcript",
        name="podcast",
        fileName="podcast-ep-01.mp3",
        duration=3600.5,
        wordCount=5000,
        speakers=["A", "B"],
        language="en",
        versions=[
            {
                "version": 1,
                "createdAt": None,
                "files": [file("transcript", JSON_KEY), file("text", TEXT_KEY)],
            }
        ],
    )


def dataset() -> AssetView:
    return view(
        "lora-dataset",
        "dataset",
        jobId="lora",
        name="jesse_avatar dataset",
        images=20,
        captions=19,
        sizeBytes=40,
    )
