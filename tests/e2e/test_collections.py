"""Collections through HTTP on the real stack: the seed's calls, and what is shared."""

from typing import Any
from uuid import uuid4

from pymongo.database import Database

from tests.e2e.stack import Answer, Stack, eventually
from tests.e2e.test_editing import write_images

Gateway = Database[dict[str, Any]]


def _found(
    stack: Stack, user: str, after: Answer | None = None, **parameters: str
) -> dict[str, Any]:
    if after is not None:
        parameters |= {"waitFor": after.headers["x-catalog-token"], "waitMs": "10000"}
    answer = stack.get("/api/assets/search", userId=user, **parameters)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_the_seeds_calls_and_search_within(stack: Stack, gateway: Gateway) -> None:
    user = f"curator-{uuid4()}"
    first = write_images(stack, gateway, user)
    second = write_images(stack, gateway, user)

    made = stack.post(
        "/api/collections",
        {
            "userId": user,
            "name": "SEO Workshop Campaign",
            "description": "All assets for Dec 2025 workshop",
            "assets": [{"type": "image-generation", "jobId": first}],
        },
    )

    assert made.status == 201, made.body
    assert made.json["assetCount"] == 2
    identifier = made.json["collectionId"]
    (listed,) = stack.get("/api/collections", userId=user).json["collections"]
    assert listed["countsByType"] == {"image": 2}
    assert listed["name"] == "SEO Workshop Campaign"
    within = _found(
        stack, user, made, collection=identifier, q="quokka", facets="inCollection,tags"
    )
    assert within["found"] == 2
    assert within["facets"]["inCollection"] == [{"value": "some", "count": 2}]
    assert _found(stack, user, collection="none", scope="own")["found"] == 2
    path = f"/api/collections/{identifier}/assets"
    added = stack.post(path, {"userId": user, "assets": [{"assetId": f"{second}-2"}]})
    assert (added.status, added.json["added"]) == (200, 1), added.body
    order = {"userId": user, "assets": [f"{second}-2"], "before": f"{first}-1"}
    assert stack.post(f"{path}/order", order).status == 200
    shown = stack.get(path, userId=user, limit=2)
    assert [one["assetId"] for one in shown.json] == [f"{second}-2", f"{first}-1"]
    assert shown.headers["x-total-count"] == "3"
    assert 'rel="next"' in shown.headers["link"]

    # What is thrown away neither shows nor counts, until it comes back.
    gone = stack.send("DELETE", f"/api/assets/{first}-1?userId={user}")
    assert _found(stack, user, gone, collection=identifier)["found"] == 2
    counted = stack.get(f"/api/collections/{identifier}", userId=user)
    assert counted.json["assetCount"] == 2
    back = stack.send("POST", f"/api/assets/{first}-1/restore?userId={user}")
    assert _found(stack, user, back, collection=identifier)["found"] == 3
    eventually(
        lambda: (
            stack.get(f"/api/collections/{identifier}", userId=user).json["assetCount"]
            == 3
        )
    )

    removed = stack.send("DELETE", path, {"userId": user, "assets": [f"{second}-2"]})
    assert _found(stack, user, removed, collection=identifier)["found"] == 2
    deleted = stack.send("DELETE", f"/api/collections/{identifier}?userId={user}")
    assert deleted.status == 204
    assert _found(stack, user, deleted, collection="none", scope="own")["found"] == 4
    assert stack.get(f"/api/collections/{identifier}", userId=user).status == 404


def test_a_shared_collection_opens_its_owners_assets_and_no_others(
    stack: Stack, gateway: Gateway
) -> None:
    owner, friend, third = (f"{name}-{uuid4()}" for name in ("ann", "bob", "cyd"))
    mine = write_images(stack, gateway, owner)
    theirs = write_images(stack, gateway, third)
    made = stack.post(
        "/api/collections",
        {"userId": owner, "name": "c", "assets": [{"jobId": mine}]},
    )
    path = f"/api/collections/{made.json['collectionId']}"
    sneaky = stack.post(
        "/api/collections",
        {"userId": owner, "name": "c", "assets": [{"jobId": theirs}]},
    )
    assert (sneaky.status, sneaky.json["field"]) == (400, "assets.0")
    assert _found(stack, friend, made, q="quokka")["found"] == 0
    assert stack.get(path, userId=friend).status == 404

    shared = stack.send("PATCH", path, {"userId": owner, "sharing": [{"user": friend}]})

    assert shared.status == 200, shared.body
    assert _found(stack, friend, shared, q="quokka")["found"] == 2
    assert _found(stack, friend, shared, scope="shared")["found"] == 2
    assert stack.get(f"/api/assets/{mine}-1", userId=friend).status == 200
    assert stack.get(f"/api/assets/{theirs}-1", userId=friend).status == 404
    assert len(stack.get(f"{path}/assets", userId=friend).json) == 2
    assert "sharing" not in stack.get(path, userId=friend).json
    write = {"userId": friend, "assets": [f"{mine}-1"]}
    assert stack.send("DELETE", f"{path}/assets", write).status == 403
    assert _found(stack, third, shared, q="quokka", scope="shared")["found"] == 0

    withdrawn = stack.send("PATCH", path, {"userId": owner, "sharing": []})

    assert _found(stack, friend, withdrawn, q="quokka")["found"] == 0
    assert stack.get(path, userId=friend).status == 404
