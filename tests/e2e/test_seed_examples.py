"""Every ``curl`` line of the seed design runs as printed and answers sensibly."""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.e2e.stack import Stack, fetch

SEED_LINES = {
    "loras": r"""curl "http://localhost:5000/api/jobs?userId=user123&type=lora-training&status=completed" | jq '.jobs[] | {name: .config.loraName, modelUrl: .versions[-1].modelUrl}'""",
    "images": r"""curl "http://localhost:5000/api/jobs?userId=user123&type=image-generation&status=completed" | jq '.jobs[] | {model: .config.model, images: .versions[0].images}'""",
    "transcripts": r"""curl "http://localhost:5000/api/jobs?userId=user123&type=transcription&status=completed" | jq '.jobs[] | {file: .sourceVideo.filename, textUrl: .versions[0].textUrl}'""",
    "counts": r"""curl "http://localhost:5000/api/jobs?userId=user123" | jq '[.jobs[] | .type] | group_by(.) | map({type: .[0], count: length})'""",
}


def _shell(stack: Stack, line: str) -> str:
    if shutil.which("curl") is None or shutil.which("jq") is None:
        if os.environ.get("CI"):
            pytest.fail("curl and jq must be installed in CI")
        pytest.skip("curl and jq are not installed")
    line = line.replace("http://localhost:5000", stack.api)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _objects(text: str) -> list[Any]:
    decoder, position, found = json.JSONDecoder(), 0, []
    while position < len(text.rstrip()):
        value, position = decoder.raw_decode(text, position)
        found.append(value)
        while position < len(text) and text[position].isspace():
            position += 1
    return found


def test_all_completed_loras(stack: Stack) -> None:
    loras = _objects(_shell(stack, SEED_LINES["loras"]))

    assert "jesse_avatar" in {lora["name"] for lora in loras}
    assert all(lora["modelUrl"].endswith("model.safetensors") for lora in loras)


def test_all_generated_images(stack: Stack) -> None:
    images = _objects(_shell(stack, SEED_LINES["images"]))

    assert images
    assert all(image["model"] and image["images"][0]["url"] for image in images)


def test_all_transcripts(stack: Stack) -> None:
    transcripts = _objects(_shell(stack, SEED_LINES["transcripts"]))

    assert "podcast-ep-01.mp3" in {t["file"] for t in transcripts}
    assert all(t["textUrl"].endswith("transcript.txt") for t in transcripts)


def test_count_of_assets_by_type(stack: Stack) -> None:
    (counts,) = _objects(_shell(stack, SEED_LINES["counts"]))

    by_type = {entry["type"]: entry["count"] for entry in counts}
    assert by_type.keys() == {"lora-training", "image-generation", "transcription"}
    total = stack.get("/api/jobs", userId="user123").json["total"]
    assert sum(by_type.values()) == total


def test_plain_seed_calls(stack: Stack) -> None:
    jobs = _objects(
        _shell(stack, 'curl "http://localhost:5000/api/jobs?userId=user123"')
    )
    job_id = jobs[0]["jobs"][0]["jobId"]

    (job,) = _objects(_shell(stack, f"curl http://localhost:5000/api/jobs/{job_id}"))
    (typed,) = _objects(
        _shell(
            stack,
            'curl "http://localhost:5000/api/jobs?userId=user123&type=lora-training"',
        )
    )

    assert job["jobId"] == job_id
    assert {j["type"] for j in typed["jobs"]} == {"lora-training"}


def test_the_event_stream_of_a_final_job_says_so_and_ends(stack: Stack) -> None:
    job = stack.get("/api/jobs", userId="user123", status="completed").json["jobs"][0]

    text = _shell(
        stack, f'curl -sN "http://localhost:5000/api/stream/job/{job["jobId"]}"'
    )

    assert "event: status" in text
    assert "event: done" in text


@pytest.mark.parametrize(
    "path",
    [
        "/api/assets/search?userId=user123&q=avatar",
        "/api/loras?userId=user123",
        "/api/images?userId=user123",
        "/api/transcripts?userId=user123",
        "/api/assets/loras?userId=user123",
        "/api/assets/images?userId=user123",
        "/api/assets/transcripts?userId=user123",
        "/api/jobs?userId=user123&from=2025-01-01&to=2030-12-31",
        "/api/jobs?userId=user123&sort=createdAt&order=desc",
        "/api/assets/search?tags=avatar,headshot",
        "/api/search/transcripts?userId=user123&q=wildfires",
    ],
)
def test_proposed_calls_find_something(stack: Stack, path: str) -> None:
    answer = fetch(f"{stack.api}{path}")

    assert answer.status == 200
    content = answer.json
    if isinstance(content, dict):
        content = content.get("hits", content.get("jobs"))
    assert content


def test_wildfires_come_with_the_moment(stack: Stack) -> None:
    answer = stack.get("/api/search/transcripts", userId="user123", q="wildfires").json

    moment = answer["jobs"][0]["moments"][0]
    assert "<mark>" in moment["snippet"]
    assert moment["startMs"] <= moment["atMs"] < moment["endMs"]
    assert answer["index"]["generation"] >= 1


def test_a_download_link_in_the_seed_shape_works(stack: Stack) -> None:
    (lora,) = [
        entry
        for entry in stack.get("/api/loras", userId="user123").json
        if entry["name"] == "jesse_avatar"
    ]

    answer = stack.get(f"/api/assets/{lora['loraId']}/download", expires=3600).json

    assert answer["expiresAt"].endswith("Z")
    content = fetch(answer["url"])
    assert content.status == 200
    assert len(content.body) == answer["sizeBytes"]
