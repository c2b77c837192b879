"""What people change is found so, at the latest with the token of the change."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pymongo.database import Database

from tests.e2e.stack import BUCKET_URL, Answer, Stack, eventually

Gateway = Database[dict[str, Any]]


def write_images(stack: Stack, gateway: Gateway, user: str, count: int = 2) -> str:
    job_id = str(uuid4())
    prefix = f"generated-images/{user}/{job_id}"
    for number in range(1, count + 1):
        stack.put_file(f"{prefix}/image_{number}.png", b"a picture")
    gateway["jobs"].insert_one(
        {
            "jobId": job_id,
            "userId": user,
            "type": "image-generation",
            "config": {"model": "flux-pro", "prompt": "a quokka at dusk"},
            "metadata": {"tags": ["dusk"]},
            "status": "completed",
            "createdAt": datetime(2025, 11, 20, tzinfo=UTC),
            "versions": [
                {
                    "version": 1,
                    "images": [
                        {"url": f"{BUCKET_URL}/{prefix}/image_{n}.png"}
                        for n in range(1, count + 1)
                    ],
                }
            ],
        }
    )
    eventually(lambda: _found(stack, user, q="quokka") == count)
    # The rows, which reads by id go by, follow the documents.
    eventually(lambda: len(stack.get("/api/images", userId=user).json) == count)
    return job_id


def _found(
    stack: Stack, user: str, after: Answer | None = None, **parameters: str
) -> int:
    if after is not None:
        parameters["waitFor"] = after.headers["x-catalog-token"]
        parameters["waitMs"] = "10000"
    answer = stack.get("/api/assets/search", userId=user, scope="own", **parameters)
    assert answer.status == 200, answer.body
    found: int = answer.json["found"]
    return found


def test_an_edit_is_found_with_its_token_and_survives_the_gateway(
    stack: Stack, gateway: Gateway
) -> None:
    user = f"editor-{uuid4()}"
    job_id = write_images(stack, gateway, user)
    path = f"/api/assets/{job_id}-2"
    before = stack.get(path, userId=user)
    assert before.status == 200

    changed = stack.send(
        "PATCH",
        path,
        {"userId": user, "name": "Marsupial", "tagsAdd": ["C++", "zoo"]},
        {"If-Match": before.headers["etag"]},
    )

    assert changed.status == 200, changed.body
    assert changed.json["tags"] == ["dusk", "C++", "zoo"]
    assert _found(stack, user, changed, q="marsupial") == 1
    assert _found(stack, user, tags="zoo,c++") == 1
    assert _found(stack, user, tags="dusk") == 2
    assert stack.get(path, userId=user).headers["etag"] == changed.headers["etag"]
    late = stack.send(
        "PATCH", path, {"userId": user, "name": "x"}, {"If-Match": '"old"'}
    )
    assert (late.status, late.json["code"]) == (412, "precondition_failed")
    # A gateway that writes its record anew takes nothing away.
    job = gateway["jobs"].find_one({"jobId": job_id})
    assert job is not None
    job["metadata"] = {"tags": ["night"]}
    gateway["jobs"].replace_one({"_id": job["_id"]}, job)
    eventually(lambda: _found(stack, user, tags="night") == 2)
    assert _found(stack, user, tags="night,zoo", q="marsupial") == 1


def test_what_is_thrown_away_is_not_found_and_restored_it_is_found_again(
    stack: Stack, gateway: Gateway
) -> None:
    user = f"thrower-{uuid4()}"
    job_id = write_images(stack, gateway, user)
    path = f"/api/assets/{job_id}-1"

    gone = stack.send("DELETE", f"{path}?userId={user}")

    assert gone.status == 200, gone.body
    assert _found(stack, user, gone, q="quokka") == 1
    assert stack.get(path, userId=user).status == 404
    why = stack.get(f"{path}/why", userId=user, q="quokka").json
    assert (why["isFound"], why["reason"]) == (False, "trashed")
    assert stack.get(f"{path}/why", userId="stranger", q="quokka").status == 404
    trash = stack.get("/api/trash", userId=user).json
    assert [one["assetId"] for one in trash["assets"]] == [f"{job_id}-1"]
    assert stack.get("/api/trash", userId="stranger").json["total"] == 0
    assert stack.send("POST", f"{path}/restore?userId=stranger").status == 404

    back = stack.send("POST", f"{path}/restore?userId={user}")

    assert back.status == 200, back.body
    assert _found(stack, user, back, q="quokka") == 2
    assert stack.get("/api/trash", userId=user).json["total"] == 0
    assert stack.get(path, userId=user).status == 200


def test_what_is_shared_is_found_by_whom_and_changed_by_editors(
    stack: Stack, gateway: Gateway
) -> None:
    owner, friend = f"ann-{uuid4()}", f"bob-{uuid4()}"
    job_id = write_images(stack, gateway, owner)
    path = f"/api/assets/{job_id}-1"

    def share(right: str | None) -> Answer:
        grants = [{"user": friend, "right": right}] if right else []
        return stack.send("PATCH", path, {"userId": owner, "sharing": grants})

    def shown(after: Answer, **parameters: str) -> int:
        token = after.headers["x-catalog-token"]
        answer = stack.get(
            "/api/assets/search",
            userId=friend,
            scope="shared",
            waitFor=token,
            waitMs="10000",
            **parameters,
        )
        found: int = answer.json["found"]
        return found

    shared = share("view")
    assert shared.status == 200, shared.body
    assert (shown(shared, q="quokka"), shown(shared, tags="dusk")) == (1, 1)
    rename = {"userId": friend, "name": "theirs"}
    assert stack.send("PATCH", path, rename).status == 403
    assert "sharing" not in stack.get(path, userId=friend).json
    assert shown(share("edit")) == 1
    assert stack.send("PATCH", path, rename).status == 200
    assert stack.send("PATCH", path, rename | {"sharing": []}).status == 403
    assert shown(share(None)) == 0
    assert stack.get(path, userId=friend).status == 404


def test_a_nested_tag_is_found_under_what_it_lies_under(
    stack: Stack, gateway: Gateway
) -> None:
    user = f"nester-{uuid4()}"
    job_id = write_images(stack, gateway, user)
    change = {"userId": user, "tagsAdd": ["Style/Anime/80s"]}

    changed = stack.send("PATCH", f"/api/assets/{job_id}-1", change)

    assert changed.json["tags"] == ["dusk", "Style/Anime/80s"]
    for tag in ("style", "style/anime", "STYLE/ANIME/80S"):
        assert _found(stack, user, changed, tags=tag) == 1
    assert _found(stack, user, tags="anime") == 0
    assert _found(stack, user, tagsNone="style") == 1
    facets = stack.get(
        "/api/assets/search", userId=user, scope="own", facets="tags"
    ).json["facets"]
    counted = {one["value"]: one["count"] for one in facets["tags"]}
    assert counted == {
        "dusk": 2,
        "style": 1,
        "style/anime": 1,
        "style/anime/80s": 1,
    }


def test_what_cannot_be_used_is_refused_by_name(stack: Stack, gateway: Gateway) -> None:
    user = f"sloppy-{uuid4()}"
    job_id = write_images(stack, gateway, user, 1)
    path = f"/api/assets/{job_id}-1"
    refused: dict[str, dict[str, Any]] = {
        "tags": {"tags": ["x"] * 201},
        "name": {"name": "n" * 201},
        "colour": {"colour": "red"},
        "isPublic": {"isPublic": "perhaps"},
        "tagsAdd.0": {"tagsAdd": ["a\0b"]},
    }

    for field, body in refused.items():
        answer = stack.send("PATCH", path, {"userId": user} | body)
        assert (answer.status, answer.json["field"]) == (400, field)
    assert stack.send("PATCH", path, {"userId": "stranger"}).status == 404
    other = stack.send("PATCH", f"{path}?userId={user}", {"userId": "other"})
    assert (other.status, other.json["field"]) == (400, "userId")
    assert _found(stack, user, tags="dusk") == 1
