"""A foreign gateway writes a job and its files; the catalog finds them in a blink."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pymongo.database import Database

from tests.e2e.stack import BUCKET_URL, Stack, eventually, fetch

Gateway = Database[dict[str, Any]]
NOW = datetime(2025, 11, 20, 9, 30, tzinfo=UTC)


def _job(user: str, type_: str, **fields: object) -> dict[str, Any]:
    return {
        "jobId": str(uuid4()),
        "userId": user,
        "type": type_,
        "config": {},
        "status": "completed",
        "progress": 100,
        "createdAt": NOW,
        "completedAt": NOW,
    } | fields


def _said(stack: Stack, user: str, word: str) -> list[dict[str, Any]]:
    """Jobs in whose recordings a word is said, once their moments are there too."""
    answer = stack.get("/api/search/transcripts", userId=user, q=word).json
    jobs: list[dict[str, Any]] = answer["jobs"]
    return jobs if all(job["moments"] for job in jobs) else []


def test_a_lora_is_found_browsed_and_downloaded(stack: Stack, gateway: Gateway) -> None:
    user = f"maker-{uuid4()}"
    job = _job(
        user, "lora-training", config={"loraName": "zephyr_portrait", "trigger": "zph"}
    )
    key = f"loras/{user}/{job['jobId']}/v1/model.safetensors"
    job["versions"] = [
        {"version": 1, "modelUrl": f"{BUCKET_URL}/{key}", "createdAt": NOW}
    ]
    job["metadata"] = {"tags": ["avatar", "C++"], "description": "d", "isPublic": False}
    stack.put_file(key, b"weights of zephyr")

    gateway["jobs"].insert_one(job)
    hit = eventually(
        lambda: stack.get(
            "/api/assets/search", userId=user, scope="own", q="zefyr portrait"
        ).json["hits"],
        what="search finds the LoRA with a typo",
    )[0]
    (listed,) = eventually(lambda: stack.get("/api/loras", userId=user).json)
    link = stack.get(
        f"/api/assets/{job['jobId']}/download", userId=user, expires=600
    ).json

    assert hit["assetId"] == job["jobId"]
    assert hit["type"] == "lora"
    assert listed["loraId"] == job["jobId"]
    assert listed["name"] == "zephyr_portrait"
    assert listed["trigger"] == "zph"
    assert listed["versions"] == 1
    assert listed["tags"] == ["avatar", "C++"]
    assert fetch(listed["latestVersion"]["modelUrl"]).body == b"weights of zephyr"
    assert fetch(link["url"]).body == b"weights of zephyr"
    assert link["fileName"] == "model.safetensors"
    assert (
        stack.get("/api/assets/search", userId="stranger", q="zephyr").json["found"]
        == 0
    )
    assert stack.get(f"/api/assets/{job['jobId']}", userId="stranger").status == 404


def test_a_word_spoken_in_a_recording_is_found_with_its_moment(
    stack: Stack, gateway: Gateway
) -> None:
    user = f"speaker-{uuid4()}"
    job = _job(user, "transcription", sourceVideo={"filename": "harbour-talk.mp4"})
    key = f"transcripts/{user}/{job['jobId']}/transcript.json"
    job["versions"] = [
        {"version": 1, "transcriptUrl": f"s3://content-generation-assets/{key}"}
    ]
    texts = ["Welcome to the harbour.", "The lighthouse keeper counts narwhals."]
    response: dict[str, Any] = {
        "text": " ".join(texts),
        "audio_duration": 7,
        "utterances": [],
        "words": [],
    }
    for number, text in enumerate(texts):
        start = 1000 + 3000 * number
        words = [
            {"text": word, "start": start + 400 * n, "end": start + 400 * n + 350}
            for n, word in enumerate(text.split())
        ]
        response["words"] += words
        response["utterances"] += [
            {
                "speaker": "AB"[number],
                "text": text,
                "start": start,
                "end": words[-1]["end"],
                "words": words,
            }
        ]
    stack.put_file(key, json.dumps(response).encode())

    gateway["jobs"].insert_one(job)
    (found,) = eventually(
        lambda: _said(stack, user, "narwhals"),
        what="the spoken word is found",
    )

    assert found["jobId"] == job["jobId"]
    assert found["matches"] == 1
    (moment,) = found["moments"]
    assert (moment["startMs"], moment["endMs"]) == (4000, 5950)
    assert moment["atMs"] == 5600
    assert moment["speaker"] == "B"
    assert "<mark>narwhals</mark>" in moment["snippet"]
    (listed,) = eventually(lambda: stack.get("/api/transcripts", userId=user).json)
    assert listed["fileName"] == "harbour-talk.mp4"
    assert listed["wordCount"] == 9
    assert listed["duration"] == 7
    assert listed["speakers"] == 2


def test_images_follow_their_job_through_change_and_deletion(
    stack: Stack, gateway: Gateway
) -> None:
    user = f"painter-{uuid4()}"
    job = _job(
        user,
        "image-generation",
        config={"model": "flux-pro", "prompt": "quokka on a unicycle"},
    )
    keys = [f"generated-images/{user}/{job['jobId']}/image_{n}.png" for n in (1, 2, 3)]
    job["versions"] = [
        {
            "version": 1,
            "createdAt": NOW,
            "images": [
                {"url": f"{BUCKET_URL}/{k}", "s3Key": k, "width": 64, "height": 48}
                for k in keys
            ],
        }
    ]
    for key in keys:
        stack.put_file(key, b"\x89PNG " + key.encode())

    def found() -> list[str]:
        answer = stack.get("/api/assets/search", userId=user, q="quokka").json
        return sorted(hit["assetId"] for hit in answer["hits"])

    gateway["jobs"].insert_one(job)
    eventually(lambda: len(found()) == 3, what="three images are found")
    images = eventually(lambda: stack.get("/api/images", userId=user).json)
    gateway["jobs"].update_one(
        {"jobId": job["jobId"]}, {"$pop": {"versions.0.images": 1}}
    )
    eventually(lambda: len(found()) == 2, what="the removed image is gone")
    gateway["jobs"].delete_one({"jobId": job["jobId"]})
    eventually(lambda: found() == [], what="all images are gone")

    assert [i["imageId"] for i in sorted(images, key=lambda i: i["imageId"])] == [
        f"{job['jobId']}-{n}" for n in (1, 2, 3)
    ]
    assert {(i["width"], i["height"], i["model"]) for i in images} == {
        (64, 48, "flux-pro")
    }
    eventually(lambda: stack.get("/api/images", userId=user).json == [])


def test_a_record_may_name_an_object_before_it_is_there(
    stack: Stack, gateway: Gateway
) -> None:
    user = f"early-{uuid4()}"
    job = _job(user, "transcription", sourceVideo={"filename": "late.mp3"})
    key = f"transcripts/{user}/{job['jobId']}/transcript.txt"
    job["versions"] = [{"version": 1, "textUrl": f"{BUCKET_URL}/{key}"}]

    gateway["jobs"].insert_one(job)
    eventually(
        lambda: (
            stack.get("/api/assets/search", userId=user, q="late").json["found"] == 1
        ),
        what="the asset is listed although its text is missing",
    )
    stack.put_file(key, b"**Ada:** Nobody expects the axolotl.")

    (found,) = eventually(
        lambda: _said(stack, user, "axolotl"),
        what="the late text is found",
    )
    assert found["moments"][0]["startMs"] is None
    assert found["moments"][0]["speaker"] == "Ada"


def test_malformed_records_block_nobody(stack: Stack, gateway: Gateway) -> None:
    user = f"poison-{uuid4()}"
    good = _job(user, "lora-training", config={"loraName": "antidote"})
    good["versions"] = [
        {"version": 1, "modelUrl": "https://elsewhere.example/m.safetensors"}
    ]
    poison: list[dict[str, Any]] = [
        {"nothing": "here"},
        {"jobId": 7, "userId": None, "type": []},
        _job(user, "lora-training", versions="oops"),
        _job(user, "image-generation", versions=[{"images": [None, 3, {"url": {}}]}]),
        _job(user, "transcription", versions=[{"version": float("nan")}]),
        _job(user, "no-such-type", versions=[{"version": 1}]),
        _job(
            user, "lora-training", metadata=["x"], config=3, versions=[{"version": 1}]
        ),
        _job(user, "lora-training", createdAt="yesterday", versions=[{"version": 1}]),
    ]

    gateway["jobs"].insert_many([*poison, good])

    eventually(
        lambda: (
            stack.get("/api/assets/search", userId=user, q="antidote").json["found"]
            == 1
        )
    )
    assert stack.get("/api/jobs", userId=user).status == 200
    gateway["jobs"].delete_many({"_id": {"$in": [record["_id"] for record in poison]}})
