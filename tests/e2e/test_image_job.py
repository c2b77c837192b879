"""An image is made by a job of ours on this machine, and found by its prompt."""

import json
from pathlib import Path
from typing import Any

import pytest

from processors.engines.artifacts import look_at_picture
from tests.e2e.stack import Stack, eventually, running_stack

LORA = "loras/ann/trained-elsewhere/v1/model.safetensors"


def _ended(stack: Stack, body: dict[str, Any]) -> dict[str, Any]:
    answer = stack.post("/api/images/generate", body)
    assert answer.status == 202, answer.json

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = stack.get(f"/api/jobs/{answer.json['jobId']}").json
        return job if job["status"] in {"completed", "failed"} else None

    return eventually(look, seconds=180, what="the end of the job")


@pytest.mark.timeout(400)
def test_images_made_here_are_found_by_their_prompt(
    tiny_model: Path, tmp_path: Path
) -> None:
    settings = {"CATALOG_LOCAL_IMAGE_MODEL": str(tiny_model)}
    inputs = {"prompt": "a crimson lighthouse", "width": 64, "height": 64, "seed": 5}
    body: dict[str, Any] = {"userId": "ann", "model": "local-diffusers"}
    with running_stack(tmp_path / "data", settings=settings) as stack:
        job = _ended(stack, body | {"inputs": inputs | {"numImages": 2}})
        hits = eventually(
            lambda: (
                found
                if len(found := _found(stack, "crimson lighthouse", "ann")) == 2
                else None
            ),
            what="both images in a search",
        )
        foreign = _found(stack, "crimson lighthouse", "bob")
        refused = _ended(stack, body | {"model": "flux-pro", "inputs": inputs})
        stack.put_file(LORA, _lora_of_another_family())
        use = {"path": f"s3://content-generation-assets/{LORA}"}
        misled = _ended(stack, body | {"inputs": inputs | {"loras": [use]}})

        assert job["status"] == "completed", job.get("error")
        (version,) = job["versions"]
        for image in version["images"]:
            picture = look_at_picture(stack.storage / image["s3Key"])
            assert (picture.content_type, picture.width) == ("image/png", 64)

    assert [image["seed"] for image in version["images"]] == [5, 6]
    assert version["provenance"]["engine"] == "local-diffusers"
    assert version["provenance"]["model"] == "tiny-random-stable-diffusion"
    assert {hit["assetId"] for hit in hits} == {
        f"{job['jobId']}-1",
        f"{job['jobId']}-2",
    }
    assert foreign == []
    assert refused["error"]["code"] == "invalid_input"
    assert "tiny-random-stable-diffusion" in refused["error"]["message"]
    assert misled["error"]["code"] == "invalid_input"
    assert "`inputs.loras.0.path`" in misled["error"]["message"]
    assert not misled["error"]["retryable"]


def _found(stack: Stack, words: str, user: str) -> list[dict[str, Any]]:
    answer = stack.get("/api/assets/search", q=words, userId=user, type="image")
    found: list[dict[str, Any]] = answer.json["hits"]
    return found


def _lora_of_another_family() -> bytes:
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    header = json.dumps({"transformer.x.to_k.lora_A.weight": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(16)
