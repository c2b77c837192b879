"""Sharing through HTTP on the real stack: grants, groups, links."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pymongo.database import Database

from tests.e2e.stack import BUCKET_URL, Answer, Stack, eventually
from tests.e2e.test_editing import write_images

Gateway = Database[dict[str, Any]]


def _read(
    stack: Stack, path: str, user: str, after: Answer | None = None, **params: str
) -> Any:  # noqa: ANN401  (whatever the API answered)
    if after is not None:
        params |= {"waitFor": after.headers["x-catalog-token"], "waitMs": "10000"}
    answer = stack.get(path, userId=user, **params)
    assert answer.status == 200, answer.body
    return answer.json


def _seen(stack: Stack, user: str, after: Answer | None = None) -> dict[str, int]:
    """Count what a user sees of the quokka, every way that there is."""
    found = _read(
        stack, "/api/assets/search", user, after, q="quokka", facets="tags,type"
    )
    counted = {one["value"]: one["count"] for one in found["facets"]["type"]}
    tags = {one["value"]: one["count"] for one in found["facets"]["tags"]}
    shared = _read(stack, "/api/assets/search", user, q="quokka", scope="shared")
    listed = stack.get("/api/images", userId=user, scope="shared")
    said = _read(stack, "/api/search/transcripts", user, q="quokka")
    completed = _read(stack, "/api/suggest", user, q="dus")
    return {
        "hits": len(found["hits"]),
        "found": found["found"],
        "images": counted.get("image", 0),
        "tagged": tags.get("dusk", 0),
        "shared": shared["found"],
        "listed": len(listed.json),
        "counted": int(listed.headers["x-total-count"]),
        "said": said["found"],
        "suggested": sum(one["count"] for one in completed["tags"]),
    }


def _write_talk(stack: Stack, gateway: Gateway, user: str) -> str:
    job_id = str(uuid4())
    key = f"transcripts/{user}/{job_id}/transcript.json"
    said = b'{"text": "a quokka at the sea", "utterances": [{"text": "a quokka at the '
    said += b'sea", "start": 100, "end": 900, "speaker": "A"}]}'
    stack.put_file(key, said)
    gateway["jobs"].insert_one(
        {
            "jobId": job_id,
            "userId": user,
            "type": "transcription",
            "config": {},
            "metadata": {"name": "talk"},
            "status": "completed",
            "createdAt": datetime(2025, 11, 20, tzinfo=UTC),
            "versions": [{"version": 1, "transcriptUrl": f"{BUCKET_URL}/{key}"}],
        }
    )
    path = "/api/search/transcripts"
    eventually(lambda: _read(stack, path, user, q="quokka")["found"] == 1)
    return job_id


_OF_OWNERS = {"userId", "jobId", "files", "downloadUrl", "imageUrl"}
NOTHING = dict.fromkeys(
    ("hits", "found", "images", "tagged", "shared", "listed", "counted", "said"), 0
) | {"suggested": 0}


def test_a_group_sees_what_it_was_given_everywhere_and_then_nothing(
    stack: Stack, gateway: Gateway
) -> None:
    ann, bob, eve = (f"{name}-{uuid4()}" for name in ("ann", "bob", "eve"))
    pictures = write_images(stack, gateway, ann)
    talk = _write_talk(stack, gateway, ann)
    made = stack.post("/api/groups", {"userId": ann, "name": "t", "members": [bob]})
    assert made.status == 201, made.body
    group = made.json["groupId"]
    assert _seen(stack, bob) == NOTHING

    given: list[Answer] = []
    for job_id in (pictures, talk):
        grant = {"userId": ann, "group": group, "right": "edit"}
        given.append(stack.post(f"/api/assets/{job_id}/sharing", grant))
        assert given[-1].status == 200, given[-1].body

    everything = {"hits": 3, "found": 3, "images": 2, "tagged": 2, "shared": 3}
    everything |= {"listed": 2, "counted": 2, "said": 1, "suggested": 2}
    assert _seen(stack, bob, given[-1]) == everything
    assert _seen(stack, eve, given[-1]) == NOTHING
    path = f"/api/assets/{pictures}-1"
    assert "sharing" not in stack.get(path, userId=bob).json
    assert stack.get(path, userId=ann).json["sharing"] == [
        {"group": group, "right": "edit"}
    ]
    # Who may edit does so, named by the body; and shares nothing.
    edit = stack.send("PATCH", path, {"userId": bob, "tagsAdd": ["bob was here"]})
    assert edit.status == 200, edit.body
    assert stack.get(f"{path}/sharing", userId=bob).status == 403
    wish = {"userId": bob, "user": eve}
    assert stack.post(f"{path}/sharing", wish).status == 403
    assert stack.post(f"{path}/sharing", {"userId": eve, "user": eve}).status == 404

    # Who leaves the group sees nothing at once: no index is asked.
    leave = {"userId": bob, "membersRemove": [bob]}
    assert stack.send("PATCH", f"/api/groups/{group}", leave).status == 200
    assert _seen(stack, bob) == NOTHING
    assert stack.get(path, userId=bob).status == 404
    add = {"userId": ann, "membersAdd": [bob]}
    assert stack.send("PATCH", f"/api/groups/{group}", add).status == 200
    assert _seen(stack, bob) == everything

    for job_id in (pictures, talk):
        place = f"/api/assets/{job_id}/sharing/group/{group}?userId={ann}"
        given.append(stack.send("DELETE", place))
        assert (given[-1].status, given[-1].json["sharing"]) == (200, [])
    assert _seen(stack, bob, given[-1]) == NOTHING


def test_the_sharing_of_one_image(stack: Stack, gateway: Gateway) -> None:
    ann, bob = (f"{name}/{uuid4()}" for name in ("ann", "bob"))
    job_id = write_images(stack, gateway, ann)
    path = f"/api/assets/{job_id}-1/sharing"
    empty = stack.get(path, userId=ann)
    assert empty.json == {"assetId": f"{job_id}-1", "sharing": []}

    put = {"userId": ann, "sharing": [{"user": bob}]}
    tag = {"If-Match": empty.headers["etag"]}
    shared = stack.send("PUT", path, put, tag)

    assert shared.status == 200, shared.body
    assert stack.send("PUT", path, put, tag).status == 412
    assert _read(stack, "/api/images", bob, shared, scope="shared")[0]["imageId"] == (
        f"{job_id}-1"
    )
    assert stack.get(f"/api/assets/{job_id}-2", userId=bob).status == 404
    listed = stack.get("/api/shares", userId=ann).json
    assert [one["assetId"] for one in listed["shares"]] == [f"{job_id}-1"]
    assert listed["shares"][0]["sharing"] == [{"user": bob, "right": "view"}]
    record = gateway["annotations"].find_one({"_id": f"{job_id}-1"})
    assert record is not None
    assert record["sharedWith"] == [bob]
    bad = {"userId": ann, "sharing": [{"user": bob}, {"right": "view"}]}
    refused = stack.send("PUT", path, bad)
    assert (refused.status, refused.json["field"]) == (400, "sharing.1")
    gone = stack.send("DELETE", f"{path}/user/{bob}?userId={ann}")
    assert (gone.status, gone.json["sharing"]) == (200, [])
    assert stack.send("DELETE", f"{path}/user/{bob}?userId={ann}").status == 404
    assert _read(stack, "/api/images", bob, gone, scope="shared") == []


def test_a_link_opens_what_it_names_until_it_is_revoked(
    stack: Stack, gateway: Gateway
) -> None:
    ann, eve = (f"{name}-{uuid4()}" for name in ("ann", "eve"))
    job_id = write_images(stack, gateway, ann)
    wish = {"userId": ann, "assets": [f"{job_id}-2"], "password": "correct horse"}
    assert stack.post("/api/shares", wish | {"userId": eve}).status == 400

    made = stack.post("/api/shares", wish)

    assert made.status == 201, made.body
    url = made.json["url"].removeprefix(stack.api)
    assert made.json["token"] in url
    locked = stack.get(url)
    assert (locked.status, locked.json["code"]) == (401, "password_required")
    refused = stack.post(f"{url}/unlock", {"password": "wrong"})
    assert refused.status == 401, refused.body
    unlocked = stack.post(f"{url}/unlock", {"password": "correct horse"})
    assert unlocked.status == 200, unlocked.body
    cookie = {"Cookie": unlocked.headers["set-cookie"].partition(";")[0]}
    assert f"Path={url}" in unlocked.headers["set-cookie"]
    for session in (cookie, {"X-Share-Session": unlocked.json["session"]}):
        (shown,) = stack.send("GET", url, headers=session).json["assets"]
        assert shown["assetId"] == f"{job_id}-2"
        assert not _OF_OWNERS & set(shown)
    inside = f"{url}/assets/{job_id}"
    listed = stack.send("GET", url, headers=cookie).json["assets"]
    assert [stack.send("GET", f"{inside}-2", headers=cookie).json] == listed
    picture = stack.send("GET", f"{inside}-2/thumbnail", headers=cookie)
    assert picture.headers["content-type"].startswith("image/")
    assert picture.body != b"a picture"
    for other in ("-1", "", "-2/download"):
        assert stack.send("GET", inside + other, headers=cookie).status == 404

    path = f"/api/shares/{made.json['shareId']}"
    change = {"userId": ann, "right": "download", "password": None}
    changed = stack.send("PATCH", path, change)
    assert (changed.json["hasPassword"], changed.json["uses"]) == (False, 1)
    assert stack.get(path, userId=eve).status == 404
    told = stack.get(f"{inside}-2/download").json
    assert told["fileName"] == "image_2.png"
    assert stack.get(told["url"].removeprefix(stack.api)).body == b"a picture"

    # What is thrown away vanishes from the link; what is revoked is as if never made.
    binned = stack.send("DELETE", f"/api/assets/{job_id}-2?userId={ann}")
    assert _read(stack, "/api/assets/search", ann, binned, q="quokka")["found"] == 1
    assert stack.get(url).json["assets"] == []
    assert stack.send("DELETE", f"{path}?userId={ann}").status == 204
    ended, never = stack.get(url), stack.get(f"{url}x")
    assert ended.status == never.status == 404
    assert ended.json["detail"] == never.json["detail"]
    kept = stack.get("/api/shares", userId=ann).json["shares"][0]
    assert (kept["state"], "token" in kept) == ("revoked", False)


@pytest.mark.parametrize(
    ("path", "field"), [("/api/groups", "members"), ("/api/shares", "assets")]
)
def test_hostile_names_are_refused_by_name(stack: Stack, path: str, field: str) -> None:
    for odd in ("x" * 600, 5, {"$where": "1"}, None):
        body = {"userId": "eve", "name": "n", field: [odd]}
        refused = stack.post(path, body)

        assert refused.status == 400, refused.body
        assert refused.json["field"].startswith(field)
