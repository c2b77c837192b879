"""The demo of ``make run`` has a job of ours run for real."""

import json
from typing import Any

from catalog.demo.transcribing import RECORDING, USER
from tests.e2e.stack import Stack, eventually

NAME = "News of the day"


def test_the_demos_recording_is_written_down_here_and_its_words_are_found(
    stack: Stack,
) -> None:
    def ended() -> dict[str, Any] | None:
        jobs = stack.get("/api/jobs", userId=USER, type="transcription").json["jobs"]
        (job,) = [one for one in jobs if one.get("metadata", {}).get("name") == NAME]
        return job if job["status"] in {"completed", "failed"} else None

    job = eventually(ended, seconds=120, what="the end of the demo's job")

    def found() -> dict[str, Any] | None:
        # Other tests of this stack have recordings that everybody may see.
        answer = stack.get(
            "/api/assets/search", q="wildfires", userId=USER, scope="own"
        )
        (hit,) = [h for h in answer.json["hits"] if h["assetId"] == job["jobId"]]
        moments: list[dict[str, Any]] = hit["moments"]
        return moments[0]

    assert job["status"] == "completed", job.get("error")
    moment = eventually(found, what="the recording in a search")

    truth = json.loads(RECORDING.with_suffix(".json").read_text())
    said_at = truth["words"]["wildfires"]["start_seconds"]
    assert job["versions"][0]["provenance"]["engine"] == "local-pocketsphinx"
    assert abs(moment["atMs"] / 1000 - said_at) <= 0.5
