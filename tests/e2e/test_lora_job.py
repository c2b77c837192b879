"""From a video to a LoRA, from the LoRA to an image that is found: over HTTP alone."""

import struct
from pathlib import Path
from typing import Any

import pytest

from processors.engines.lora_header import read_header
from tests.e2e.stack import BUCKET_URL, Stack, eventually, running_stack
from tests.unit.processors.media.drawn import Pixels, draw_video, textured

VIDEO = "temp/upload-1/sea.mp4"
TINY = "tiny-random-stable-diffusion"


def _scene(number: int) -> Pixels:
    """Four pictures, each for a second."""
    return textured(number // 10)


def _ended(stack: Stack, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = stack.post(path, {"userId": "ann"} | body)
    assert answer.status == 202, answer.json

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = stack.get(f"/api/jobs/{answer.json['jobId']}").json
        return job if job["status"] in {"completed", "failed"} else None

    return eventually(look, seconds=180, what="the end of the job")


def _found(stack: Stack, words: str, **narrowed: str) -> list[dict[str, Any]]:
    answer = stack.get("/api/assets/search", q=words, userId="ann", **narrowed)
    found: list[dict[str, Any]] = answer.json["hits"]
    return found


def _listed(stack: Stack, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.get(f"/api/assets/{what}", userId="ann").json
    return found


@pytest.mark.timeout(400)
def test_a_lora_is_trained_on_a_video_used_and_found(
    tiny_model: Path, tmp_path: Path
) -> None:
    settings = {"CATALOG_LOCAL_IMAGE_MODEL": str(tiny_model)}
    video = draw_video(tmp_path / "sea.mp4", _scene, 40)
    training: dict[str, Any] = {
        "videoUrl": f"{BUCKET_URL}/{VIDEO}",
        "loraName": "Harbour style",
        "trigger": "hrbr",
        "steps": 10,
        "rank": 2,
        "metadata": {"tags": ["harbour"], "description": "Blocks of colour"},
    }
    with running_stack(tmp_path / "data", settings=settings) as stack:
        stack.put_file(VIDEO, video.read_bytes())
        made = _ended(stack, "/api/lora/train", training)
        assert made["status"] == "completed", made.get("error")
        lora = eventually(
            lambda: _found(stack, "Harbour style", type="lora")[0], what="the LoRA"
        )
        dataset = eventually(lambda: _listed(stack, "datasets")[0], what="the dataset")
        files = {
            path.relative_to(stack.storage).as_posix(): path
            for path in stack.storage.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
        header, problem = read_header(
            files[f"loras/ann/{made['jobId']}/v1/model.safetensors"]
        )
        caption = files[f"datasets/ann/{made['jobId']}/captions/0001.txt"].read_text()
        inputs = {
            "prompt": "a vermilion windmill",
            "width": 64,
            "height": 64,
            "numInferenceSteps": 4,
            "seed": 5,
        }
        drawn = _ended(
            stack,
            "/api/images/generate",
            {"model": TINY, "inputs": inputs | {"loras": [{"path": lora["assetId"]}]}},
        )
        hit = eventually(
            lambda: _found(stack, "vermilion windmill", model=TINY)[0],
            what="the image in a search",
        )
        detail = stack.get(f"/api/assets/{hit['assetId']}", userId="ann").json
        used = stack.get(f"/api/assets/{lora['assetId']}", userId="ann").json["usedIn"]
        made_with = _found(stack, "", uses=lora["assetId"])
        trained_on = _found(stack, "", uses=dataset["datasetId"])
        foreign = stack.get("/api/assets/search", uses=lora["assetId"], userId="bob")
        stack.put_file("temp/upload-1/noise.mp4", struct.pack("<64I", *range(64)))
        noise = f"{BUCKET_URL}/temp/upload-1/noise.mp4"
        refused = _ended(stack, "/api/lora/train", training | {"videoUrl": noise})

    assert lora["assetId"] == made["jobId"]
    assert made["versions"][0]["provenance"]["engine"] == "local-diffusers"
    assert made["versions"][0]["provenance"]["model"] == TINY
    assert made["versions"][0]["provenance"]["dataset"]["images"] == 4
    assert (dataset["images"], dataset["captions"]) == (4, 4)
    assert caption == "hrbr, Blocks of colour, harbour\n"
    assert problem == ""
    assert header["__metadata__"]["ss_sd_model_name"] == TINY
    assert not [key for key in files if key.startswith(f"temp/{made['jobId']}/")]
    assert drawn["status"] == "completed", drawn.get("error")
    assert hit["assetId"] == f"{drawn['jobId']}-1"
    assert detail["uses"] == [made["jobId"]]
    assert [one["assetId"] for one in used["assets"]] == [hit["assetId"]]
    assert [one["assetId"] for one in made_with] == [hit["assetId"]]
    assert [one["assetId"] for one in trained_on] == [lora["assetId"]]
    assert foreign.json["found"] == 0
    assert refused["error"]["code"] == "source_unreadable"
    assert refused["error"]["message"].startswith("videoUrl: ")
