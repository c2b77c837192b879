"""What a file says of itself is found, filtered by and counted, whoever wrote it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pymongo.database import Database

from tests.e2e.stack import Stack, eventually
from tests.unit.processors.extract.lora_files import header_of, with_length
from tests.unit.processors.extract.pictures import png_with

NOW = datetime(2025, 11, 27, tzinfo=UTC)
PARAMETERS = (
    "photo of a {word} duck, <lora:ink_wash:0.5>\nNegative prompt: monochrome\n"
    "Steps: 15, Sampler: UniPC, CFG scale: 5, Seed: 42, Size: 512x400, "
    "Model: realistic, Model hash: c0d1994c73"
)
SECONDS = 90

pytestmark = pytest.mark.timeout(180)

Gateway = Database[dict[str, Any]]


class Painter:
    """A user of one's own, who writes files and jobs as a gateway does."""

    def __init__(self, stack: Stack, gateway: Gateway) -> None:
        self.stack, self.gateway = stack, gateway
        self.user = f"painter-{uuid4().hex[:8]}"

    def image(self, content: bytes, **config: object) -> str:
        job = uuid4().hex
        key = f"generated-images/{self.user}/{job}/image_1.png"
        self.stack.put_file(key, content)
        self._write(job, "image-generation", config, images=[{"s3Key": key}])
        return f"{job}-1"

    def lora(self, content: bytes) -> str:
        job = uuid4().hex
        key = f"loras/{self.user}/{job}/v1/model.safetensors"
        self.stack.put_file(key, content)
        config = {"loraName": "portrait"}
        url = f"https://content-generation-assets.s3.amazonaws.com/{key}"
        self._write(job, "lora-training", config, modelUrl=url)
        return job

    def _write(
        self, job: str, kind: str, config: Mapping[str, object], **files: object
    ) -> None:
        self.gateway["jobs"].insert_one(
            {
                "jobId": job,
                "userId": self.user,
                "type": kind,
                "config": config,
                "versions": [{"version": 1, "createdAt": NOW, **files}],
                "status": "completed",
                "createdAt": NOW,
            }
        )

    def search(self, **asked: object) -> Any:  # noqa: ANN401
        answer = self.stack.get("/api/assets/search", userId=self.user, **asked)
        assert answer.status == 200, answer.body
        return answer.json

    def finds(self, asset: str, what: str, **asked: object) -> Any:  # noqa: ANN401
        """Wait until a search finds this asset and nothing else."""

        def look() -> Any:  # noqa: ANN401
            found = self.search(scope="own", **asked)
            ids = [hit["assetId"] for hit in found["hits"]]
            return found if ids == [asset] else None

        return eventually(look, seconds=SECONDS, what=what)

    def facet(self, name: str) -> dict[str, int]:
        counted = self.search(scope="own", facets=name)["facets"][name]
        return {one["value"]: one["count"] for one in counted}


@pytest.fixture
def painter(stack: Stack, gateway: Gateway) -> Painter:
    return Painter(stack, gateway)


def test_an_image_is_found_by_the_prompt_that_its_file_alone_tells(
    painter: Painter,
) -> None:
    text = PARAMETERS.format(word="shimmering")
    asset = painter.image(png_with({"parameters": text}))
    told = painter.image(png_with({"parameters": text}), prompt="a plain field")

    found = painter.finds(asset, "the prompt", q="shimmering")
    (highlight,) = found["hits"][0]["highlights"]
    assert highlight["field"] == "prompt"
    painter.finds(told, "the job's own prompt", q="plain field")

    for asked in (
        {"sampler": "UniPC"},
        {"lora": "ink_wash"},
        {"hash": "c0d1994c73"},
        {"model": "realistic"},
        {"seed": "42", "steps": "10..20", "cfg": "..5"},
        {"width": "1", "megapixels": "..0.1", "generator": "automatic1111"},
    ):
        assert painter.search(scope="own", **asked)["found"] == 2, asked
    assert painter.search(scope="own", seed="43..")["found"] == 0
    assert painter.facet("generator") == {"automatic1111": 2}
    assert painter.facet("lora") == {"ink_wash": 2}
    assert painter.facet("extraction") == {"ok": 2}

    shown = painter.stack.get(f"/api/assets/{asset}", userId=painter.user).json
    assert (shown["generator"], shown["steps"], shown["seed"]) == (
        "automatic1111",
        15,
        42,
    )
    assert shown["negativePrompt"] == "monochrome"


def test_a_lora_is_found_by_its_trigger_word_and_base_model(painter: Painter) -> None:
    header, size = header_of(
        {"lora_unet_down_blocks_0_attn_to_q.lora_down.weight": (8, 320)},
        {
            "ss_base_model_version": "sd_v1",
            "ss_trigger_words": '["zibblequax"]',
            "ss_tag_frequency": '{"a": {"long hair": 7}}',
        },
    )
    asset = painter.lora(with_length(header) + bytes(size))

    painter.finds(asset, "the trigger word", q="zibblequax")

    assert painter.facet("baseModel") == {"sd_v1": 1}
    painter.finds(asset, "its base model", baseModel="sd_v1", rank="8")
    shown = painter.stack.get(f"/api/assets/{asset}", userId=painter.user).json
    assert shown["trigger"] == "zibblequax"
    assert shown["tagSuggestions"] == ["long hair"]
    assert shown["tags"] == []  # a person decides


def test_a_broken_file_is_counted_with_its_cause(painter: Painter) -> None:
    broken = painter.image(png_with({})[:20])
    painter.image(png_with({}))

    painter.finds(broken, "the cause", extraction="failed:corrupt")
    eventually(
        lambda: painter.facet("extraction") == {"failed:corrupt": 1, "ok": 1},
        seconds=SECONDS,
        what="both outcomes",
    )

    why = painter.stack.get(
        f"/api/assets/{broken}/why", userId=painter.user, q="duck"
    ).json
    stage = next(one for one in why["stages"] if one["stage"] == "extraction")
    assert stage["verdict"] == "failed"
    assert "corrupt" in stage["detail"]
    assert why["reason"] == "facts_unreadable"


@pytest.mark.parametrize(
    ("name", "value"), [("width", "wide"), ("seed", "1.5"), ("rank", "9..1")]
)
def test_a_range_that_is_none_is_told(painter: Painter, name: str, value: str) -> None:
    answer = painter.stack.get("/api/assets/search", **{name: value})

    assert answer.status == 400
    assert answer.json["field"] == name
