"""Databases, buckets and exports, on real servers: as they were, once, nothing lost."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from bson import ObjectId
from moto.server import ThreadedMotoServer
from pymongo import MongoClient
from pymongo.database import Database

from tests.integration.estates.here import Here
from tests.unit.estates.estate import lora, make_estate, png, put, transcript

MAY = datetime(2025, 5, 1, 12, 0, tzinfo=UTC)
JUNE = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
BUCKET = "https://content-generation-assets.s3.amazonaws.com"


@pytest.fixture
def gateway(
    mongo_client: MongoClient[dict[str, Any]], mongo_database: Database[Any]
) -> Iterator[Database[Any]]:
    """The platform's own database, beside the catalog's."""
    name = f"{mongo_database.name}_gateway"
    yield mongo_client[name]
    mongo_client.drop_database(name)


def _job(job_id: str, kind: str, **more: object) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "jobId": job_id,
        "userId": "ann",
        "type": kind,
        "config": {"loraName": job_id, "odd": {"$kept": [1, 2.5, None]}},
        "versions": [{"version": 1, "createdAt": MAY}],
        "status": "completed",
        "createdAt": MAY,
        **more,
    }


def _objects() -> dict[str, bytes]:
    return {
        "loras/ann/l-1/v1/model.safetensors": lora(),
        "loras/ann/l-1/v1/config.json": b"{}",
        "generated-images/ann/i-1/image_1.png": png("a quay"),
        "transcripts/bob/t-1/transcript.json": transcript("A word"),
        "temp/l-1/left.bin": b"passing",
        "elsewhere/notes.bin": b"not ours",
    }


def _fill(gateway: Database[Any]) -> None:
    source = {"url": f"{BUCKET}/uploads/talk.mp3", "filename": "talk.mp3"}
    gateway["jobs"].insert_many(
        [
            _job("l-1", "lora-training"),
            _job(
                "i-1",
                "image-generation",
                versions=[{"version": 1, "images": [{"url": "", "width": 1}]}],
            ),
            _job("t-1", "transcription", userId="bob", sourceVideo=source),
            {"_id": "broken", "type": 7},
        ]
    )


def _take(here: Here, mongo_uri: str, gateway: Database[Any], *options: str) -> Any:  # noqa: ANN401
    known = ("--mongo", mongo_uri, "--mongo-db", gateway.name, "--yes")
    return here.run("import", *known, *options)


def test_a_database_and_a_directory_are_taken_over_as_they_are(
    here: Here, mongo_uri: str, gateway: Database[Any], tmp_path: Path
) -> None:
    _fill(gateway)
    root = tmp_path / "bucket"
    for key, content in _objects().items():
        put(root, key, content)
    put(root, "uploads/talk.mp3", b"sound")

    code, said = _take(here, mongo_uri, gateway, "--directory", str(root))

    assert code == 4, "one record can't be read"
    assert [one["path"] for one in said if one["event"] == "problem"] == ["broken"]
    copied = [job for job in gateway["jobs"].find() if job["_id"] != "broken"]
    assert sorted(here.jobs(), key=str) == sorted(copied, key=str)
    wanted = {k: c for k, c in _objects().items() if k[:5] not in {"temp/", "elsew"}}
    assert here.files() == wanted | {"uploads/talk.mp3": b"sound"}

    code, said = _take(here, mongo_uri, gateway, "--directory", str(root))

    assert said[0]["new"] == {
        "jobs": {"count": 0, "bytes": 0},
        "objects": {"count": 0, "bytes": 0},
    }
    assert (said[-1]["jobs"], said[-1]["files"]) == (0, 0)


def test_only_a_newer_record_replaces_ours_and_never_one_that_we_run(
    here: Here, mongo_uri: str, gateway: Database[Any]
) -> None:
    gateway["jobs"].insert_many(
        [_job(name, "lora-training", updatedAt=MAY) for name in ("a", "b", "c")]
    )
    ours = here.database["jobs"]
    ours.insert_one(_job("a", "lora-training", updatedAt=JUNE, config={"our": 1}))
    older = datetime(2025, 4, 1, tzinfo=UTC)
    past: dict[str, Any] = {"createdAt": older, "versions": []}
    ours.insert_one(_job("b", "lora-training", **past, config={"our": 2}))
    ours.insert_one(_job("c", "lora-training", **past, config={"our": 3}))
    here.database["queue"].insert_one({"_id": "c", "state": "done"})
    record_id = ours.find_one({"jobId": "b"})["_id"]  # type: ignore[index]

    _, said = _take(here, mongo_uri, gateway)

    found = {job["jobId"]: job for job in here.jobs()}
    assert found["a"]["config"] == {"our": 1}
    assert found["b"]["config"]["loraName"] == "b"
    assert found["b"]["_id"] == record_id
    assert found["c"]["config"] == {"our": 3}
    assert said[-1]["jobs"] == 1
    assert here.files() == {}, "without files only records are taken over"


def test_records_that_get_in_each_others_way_are_all_taken_over(
    here: Here, mongo_uri: str, gateway: Database[Any]
) -> None:
    taken = ObjectId()
    here.database["jobs"].insert_one(_job("ours", "lora-training", _id=taken))
    gateway["jobs"].insert_many(
        [
            _job("twice", "lora-training", updatedAt=MAY),
            _job("theirs", "lora-training", _id=taken),
            _job("twice", "lora-training", updatedAt=JUNE, config={"newer": True}),
            _job("last", "lora-training"),
        ]
    )

    _take(here, mongo_uri, gateway)
    before = here.jobs()
    _, said = _take(here, mongo_uri, gateway)

    found = {job["jobId"]: job for job in before}
    assert sorted(job["jobId"] for job in before) == ["last", "ours", "theirs", "twice"]
    assert found["twice"]["config"] == {"newer": True}
    assert found["ours"]["_id"] == taken
    assert said[-1]["jobs"] == 0
    assert here.jobs() == before


def test_a_user_that_no_key_can_hold_is_misuse(here: Here, tmp_path: Path) -> None:
    for user in ("..", "a/b", "\x00"):
        known = ("--directory", str(tmp_path), "--yes")
        assert here.run("import", "--user", user, *known)[0] == 2
    assert here.run("import", "--directory", str(tmp_path), "--yes")[0] == 2


def test_another_content_under_the_same_key_is_told_and_kept(
    here: Here, mongo_uri: str, gateway: Database[Any], tmp_path: Path
) -> None:
    key = "loras/ann/l-1/v1/model.safetensors"
    put(here.store, key, lora(1))
    put(tmp_path / "bucket", key, lora(2))

    bucket = str(tmp_path / "bucket")
    code, said = _take(here, mongo_uri, gateway, "--directory", bucket)

    assert code == 4
    assert here.files() == {key: lora(1)}
    assert "another content" in said[-2]["reason"]


def test_a_bucket_is_taken_over_and_copied_by_the_server(
    here: Here,
    mongo_uri: str,
    gateway: Database[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fill(gateway)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        settings = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "CATALOG_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "CATALOG_STORAGE": "s3://ours",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        client = boto3.client(
            "s3",
            endpoint_url=settings["CATALOG_S3_ENDPOINT_URL"],
            region_name="us-east-1",
        )
        for bucket in ("ours", "theirs"):
            client.create_bucket(Bucket=bucket)
        for key, content in _objects().items():
            client.put_object(Bucket="theirs", Key=key, Body=content)
        client.put_object(Bucket="theirs", Key="out/x.png", Body=png("a bare one"))
        client.put_object(Bucket="theirs", Key="out/y.png", Body=b"no image")

        _, said = _take(here, mongo_uri, gateway, "--bucket", "theirs")
        assert any("CATALOG_STORAGE_BUCKETS" in note for note in said[0]["notes"])
        assert said[-1]["files"] == 4
        book = list(here.database["import_items"].find({"kind": "object"}))
        assert len(book) == 4
        assert not any("sha256" in item for item in book), "the server copied"
        _, again = _take(here, mongo_uri, gateway, "--bucket", "theirs")
        bare = ("--bucket", "theirs", "--prefix", "out", "--user", "eve", "--yes")
        code, taken = here.run("import", *bare)
        _, repeated = here.run("import", *bare)

        listed = client.list_objects_v2(Bucket="ours")["Contents"]
    finally:
        server.stop()
    assert (again[-1]["jobs"], again[-1]["files"]) == (0, 0)
    assert code == 4
    assert [one["path"] for one in taken if one["event"] == "problem"] == ["y.png"]
    assert (taken[-1]["jobs"], repeated[-1]["jobs"]) == (1, 0)
    keys = {one["Key"] for one in listed}
    assert {key for key in _objects() if key.startswith(("l", "g", "tr"))} < keys
    assert len([key for key in keys if key.endswith("/x.png")]) == 1


def test_an_export_comes_back_the_same(
    here: Here, mongo_uri: str, mongo_client: MongoClient[Any], tmp_path: Path
) -> None:
    make_estate(tmp_path / "estate")
    here.take(tmp_path / "estate")
    job_id = here.jobs()[0]["jobId"]
    person = {"_id": job_id, "tagsAdded": ["löwe", "a$b"], "description": "Ours"}
    here.database["annotations"].insert_many(
        [person, {"_id": f"{job_id}-1", "name": "One"}, {"_id": "other", "name": "No"}]
    )
    here.database["collections"].insert_one({"_id": "c", "userId": "ann", "n": 1})
    here.database["collection_members"].insert_one({"_id": "c/x", "owner": "ann"})
    here.database["jobs"].insert_one(_job("bobs", "lora-training", userId="bob"))
    out = tmp_path / "export"

    code, said = here.run("export", "--user", "ann", "--to", str(out))

    assert code == 0
    assert said[-1]["counts"] == {
        "files": 12,
        "jobs": 6,
        "annotations": 2,
        "collections": 1,
        "collection_members": 1,
    }
    exported = {
        p.relative_to(out / "files").as_posix(): p.read_bytes()
        for p in (out / "files").rglob("*")
        if p.is_file()
    }
    assert exported == here.files()
    lines = (out / "files.jsonl").read_text().splitlines()
    assert len(lines) == len(exported)
    before = {p: p.stat().st_mtime_ns for p in (out / "files").rglob("*.*")}
    here.run("export", "--user", "ann", "--to", str(out))
    assert {p: p.stat().st_mtime_ns for p in before} == before, (
        "nothing is fetched twice"
    )

    other = Here(
        mongo_uri,
        mongo_client[f"{here.database.name}_b"],
        tmp_path / "store-b",
        here.capsys,
        here.monkeypatch,
    )
    try:
        known = ("import", "--directory", str(out), "--yes")
        code, said = other.run(*known)

        assert code == 0, said
        ours = [job for job in here.jobs() if job["userId"] == "ann"]
        assert other.jobs() == ours
        assert other.files() == here.files()
        assert list(other.database["annotations"].find().sort("_id")) == [
            person,
            {"_id": f"{job_id}-1", "name": "One"},
        ]
        assert other.database["collections"].count_documents({}) == 1
        assert other.database["collection_members"].count_documents({}) == 1
        _, said = other.run(*known)
        assert (said[-1]["jobs"], said[-1]["files"]) == (0, 0)
    finally:
        mongo_client.drop_database(other.database.name)


def test_a_damaged_export_is_refused_or_named(here: Here, tmp_path: Path) -> None:
    put(tmp_path / "in", "a.png", png("one", 1))
    put(tmp_path / "in", "b.png", png("two", 2))
    here.take(tmp_path / "in")
    out = tmp_path / "export"
    here.run("export", "--user", "ann", "--to", str(out))
    here.database["import_items"].drop()
    file = next((out / "files").rglob("a.png"))
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    store = dict(here.files())
    for path in here.store.rglob("*.png"):
        path.unlink()

    code, said = here.run("import", "--directory", str(out), "--yes")

    assert code == 4
    assert "damaged" in said[-2]["reason"]
    assert [key[-5:] for key in here.files()] == ["b.png"]
    assert len(store) == 2

    manifest = json.loads((out / "manifest.json").read_text())
    manifest["lists"]["jobs.jsonl"][1] = "0" * 64
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AssertionError, match="the export is damaged"):
        here.run("import", "--directory", str(out), "--yes")
