"""The demo of ``make run`` has a job of ours run for real."""

import json

from catalog.demo.transcribing import RECORDING, USER
from tests.e2e.stack import Stack, eventually

NAME = "News of the day"


def test_the_demos_recording_was_written_down_here_and_its_words_are_found(
    stack: Stack,
) -> None:
    jobs = stack.get("/api/jobs", userId=USER, type="transcription").json["jobs"]
    (job,) = [one for one in jobs if one.get("metadata", {}).get("name") == NAME]

    def look() -> dict[str, object] | None:
        # Other tests of this stack have recordings that everybody may see.
        answer = stack.get(
            "/api/assets/search", q="wildfires", userId=USER, scope="own"
        )
        hits = answer.json["hits"]
        mine = [hit for hit in hits if hit["assetId"] == job["jobId"]]
        return mine[0]["moments"][0] if mine else None

    moment = eventually(look, what="the recording in a search")

    truth = json.loads(RECORDING.with_suffix(".json").read_text())
    said_at = truth["words"]["wildfires"]["start_seconds"]
    assert job["status"] == "completed"
    assert job["versions"][0]["provenance"]["engine"] == "local-pocketsphinx"
    assert isinstance(moment["atMs"], int)
    assert abs(moment["atMs"] / 1000 - said_at) <= 0.5
