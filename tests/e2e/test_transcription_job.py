"""A recording is uploaded, transcribed by a job of ours, and found by its words."""

import json
from pathlib import Path

import pytest

from catalog.demo.transcribing import RECORDING
from tests.e2e.stack import BUCKET_URL, eventually, running_stack

KEY = "temp/upload-1/wildfires.wav"


@pytest.mark.timeout(240)
def test_words_of_a_recording_are_found_at_their_moment(tmp_path: Path) -> None:
    truth = json.loads(RECORDING.with_suffix(".json").read_text())
    with running_stack(tmp_path / "data") as stack:
        stack.put_file(KEY, RECORDING.read_bytes())

        answer = stack.post(
            "/api/transcribe",
            {
                "userId": "ann",
                "upload": f"{BUCKET_URL}/{KEY}",
                "metadata": {"tags": ["news"]},
            },
        )
        accepted = answer.json
        job = eventually(
            lambda: (
                found
                if (found := stack.get(f"/api/jobs/{accepted['jobId']}").json)["status"]
                in {"completed", "failed"}
                else None
            ),
            seconds=120,
            what="the end of the job",
        )
        hit = eventually(
            lambda: stack.get("/api/assets/search", q="wildfires", userId="ann").json[
                "hits"
            ][0],
            what="the transcript in a search",
        )
        foreign = stack.get("/api/assets/search", q="wildfires", userId="bob").json

    assert answer.status == 202
    assert job["status"] == "completed", job.get("error")
    assert [one["version"] for one in job["versions"]] == [1]
    assert job["versions"][0]["provenance"]["engine"] == "local-pocketsphinx"
    address = job["versions"][0]["transcriptUrl"]
    assert address.startswith("s3://content-generation-assets/transcripts/ann/")
    assert hit["assetId"] == accepted["jobId"]
    assert foreign["hits"] == []
    said_at = truth["words"]["wildfires"]["start_seconds"]
    assert abs(hit["moments"][0]["atMs"] / 1000 - said_at) <= 0.5
