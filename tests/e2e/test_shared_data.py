"""Real transcripts: every one is indexed and found by a phrase taken from it."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.e2e.stack import Stack, eventually

Record = dict[str, Any]

pytestmark = [pytest.mark.data, pytest.mark.timeout(600)]
OWNER = "librarian"


def _rows(folder: Path) -> Iterator[Record]:
    for path in sorted((folder / "transcripts").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _job(job_id: str, file_name: str, **version: str) -> Record:
    return {
        "jobId": job_id,
        "userId": OWNER,
        "type": "transcription",
        "status": "completed",
        "config": {},
        "sourceVideo": {"filename": file_name},
        "createdAt": datetime(2025, 3, 1, tzinfo=UTC),
        "versions": [{"version": 1, **version}],
    }


def _phrase(row: Record, choice: random.Random) -> str:
    """Five plain words that follow one another inside one paragraph."""
    paragraphs = [
        re.sub(r"^\*\*[^*]+:\*\*", "", paragraph)
        for paragraph in row["markdown"].split("\n")
        if not re.search(r"[\[\]<>#|`_*{}\\]|https?:|\d\d:\d\d", paragraph[40:])
    ]
    for words in (5, 3):
        plain = re.compile(rf"(?<=[ ])(?:[^\W\d_]{{2,}} ){{{words}}}")
        runs = [run for text in paragraphs for run in plain.findall(text[30:])]
        if runs:
            return str(choice.choice(runs)).strip()
    ideographs = re.findall(r"[\u4e00-\u9fff]{6}", row["markdown"])
    assert ideographs, f"{row['id']} has no plain phrase"
    return str(choice.choice(ideographs))


def _said(stack: Stack, phrase: str) -> list[Record]:
    """Jobs of the owner in whose recordings a phrase is said."""
    answer = stack.get(
        "/api/search/transcripts", userId=OWNER, q=f'"{phrase}"', limit=50
    ).json
    jobs: list[Record] = answer["jobs"]
    return jobs


@pytest.fixture(scope="module")
def library(
    stack: Stack, gateway: Database[Record], shared_data: Path
) -> Iterator[list[Record]]:
    rows = list(_rows(shared_data))
    jobs = []
    for row in rows:
        key = f"transcripts/{OWNER}/{row['id']}/transcript.txt"
        stack.put_file(key, row["markdown"].encode())
        jobs.append(
            _job(
                row["id"],
                f"{row['id']}.mp3",
                textUrl=f"s3://content-generation-assets/{key}",
            )
        )
    gateway["jobs"].insert_many(jobs)
    eventually(
        lambda: (
            stack.get("/api/assets/search", userId=OWNER, scope="own", perPage=1).json[
                "found"
            ]
            == len(rows)
        ),
        seconds=240,
        what="all transcripts are indexed",
    )
    yield rows
    gateway["jobs"].delete_many({"userId": OWNER})


def test_every_transcript_is_found_by_a_phrase_from_it(
    stack: Stack, library: list[Record]
) -> None:
    choice = random.Random(3)
    lost = []
    for row in library:
        phrase = _phrase(row, choice)
        if row["id"] not in {job["jobId"] for job in _said(stack, phrase)}:
            lost.append((row["id"], phrase))

    assert len(library) == 694
    assert lost == []


def test_timed_rows_give_moments_and_untimed_ones_null(
    stack: Stack, library: list[Record]
) -> None:
    after_time = re.compile(
        r"\\\[(\d\d):(\d\d):(\d\d)\.(\d\d)\\\] ((?:[^\W\d_]{2,} ){4}[^\W\d_]{2,})"
    )
    timed = next(row for row in library if after_time.search(row["markdown"]))
    hours, minutes, seconds, hundredths, said = after_time.findall(timed["markdown"])[0]
    untimed = next(
        row for row in library if row["n_timestamps"] == 0 and row["lang"] == "en"
    )

    def moments(row: Record, phrase: str) -> list[Record]:
        (found,) = [job for job in _said(stack, phrase) if job["jobId"] == row["id"]]
        return list(found["moments"])

    start_ms = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000
    start_ms += int(hundredths) * 10
    assert start_ms in {moment["startMs"] for moment in moments(timed, said)}
    phrase = _phrase(untimed, random.Random(5))
    assert {moment["startMs"] for moment in moments(untimed, phrase)} == {None}


def test_the_complete_assemblyai_response_gives_exact_moments(
    stack: Stack, gateway: Database[Record], shared_data: Path
) -> None:
    source = shared_data / "no_licence_stated/assemblyai/transcript_completed_full.json"
    response = json.loads(source.read_bytes())
    key = f"transcripts/{OWNER}/assembly-full/transcript.json"
    stack.put_file(key, source.read_bytes())
    gateway["jobs"].insert_one(
        _job(
            "assembly-full",
            "wildfires.mp3",
            transcriptUrl=f"s3://content-generation-assets/{key}",
        )
    )
    eventually(
        lambda: stack.get("/api/assets/assembly-full", userId=OWNER).status == 200
    )
    choice = random.Random(11)
    for utterance in response["utterances"]:
        words = utterance["words"]
        if len(words) < 6:
            continue
        first = choice.randrange(len(words) - 4)
        phrase = " ".join(word["text"] for word in words[first : first + 4])

        answer = eventually(partial(_said, stack, phrase))

        (found,) = [job for job in answer if job["jobId"] == "assembly-full"]
        at = words[first]["start"]
        assert any(
            moment["startMs"] <= at < moment["endMs"] and moment["atMs"] == at
            for moment in found["moments"]
        ), (phrase, at, found["moments"])
    gateway["jobs"].delete_one({"jobId": "assembly-full"})
