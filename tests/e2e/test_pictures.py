"""An image that somebody else puts into the store gets its thumbnail by itself."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image
from pymongo.database import Database

from tests.e2e.stack import Answer, Stack, eventually, fetch

NOW = datetime(2025, 11, 27, tzinfo=UTC)


def drawn(colour: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (800, 400), colour).save(file, "png")
    return file.getvalue()


def colour_of(answer: Answer) -> Any:  # noqa: ANN401
    return Image.open(BytesIO(answer.body)).convert("RGB").getpixel((9, 9))


@pytest.mark.timeout(180)
def test_a_foreign_image_is_shown_soon_and_anew_when_it_changes(
    stack: Stack, gateway: Database[dict[str, Any]]
) -> None:
    job, user = uuid4().hex, f"painter-{uuid4().hex[:8]}"
    key = f"generated-images/{user}/{job}/image_1.png"
    stack.put_file(key, drawn("red"))
    gateway["jobs"].insert_one(
        {
            "jobId": job,
            "userId": user,
            "type": "image-generation",
            "config": {"model": "flux-pro", "prompt": "a red field"},
            "versions": [{"version": 1, "images": [{"s3Key": key}], "createdAt": NOW}],
            "status": "completed",
            "createdAt": NOW,
        }
    )
    url = f"/api/assets/{job}-1/thumbnail"

    def shown(colour: tuple[int, int, int], **parameters: object) -> Answer | None:
        answer = stack.get(url, **parameters)
        assert answer.status in {200, 404}, answer.body
        is_made = answer.status == 200 and "etag" in answer.headers
        return answer if is_made and colour_of(answer) == colour else None

    first = eventually(
        lambda: shown((255, 0, 0), userId=user), seconds=90, what="the thumbnail"
    )
    assert Image.open(BytesIO(first.body)).size == (256, 128)
    assert (stack.storage / key.replace(".png", "_thumb.png")).is_file()
    listed = eventually(
        lambda: stack.get("/api/images", userId=user).json[0]["thumbnailUrl"],
        what="its address in lists",
    )
    assert fetch(listed).body == first.body
    large = stack.get(url, userId=user, size=512)
    assert Image.open(BytesIO(large.body)).size == (512, 256)
    lasting = fetch(f"{stack.api}{first.headers['content-location']}&userId={user}")
    assert "immutable" in lasting.headers["cache-control"]
    assert stack.get(url, userId="somebody-else").status == 404
    picture = stack.get(f"/api/assets/{job}-1", userId=user).json["picture"]
    assert (picture["width"], picture["height"]) == (800, 400)

    stack.put_file(key, drawn("blue"))
    again = eventually(
        lambda: shown((0, 0, 255), userId=user), seconds=60, what="the new thumbnail"
    )
    assert again.headers["etag"] != first.headers["etag"]


@pytest.mark.timeout(180)
def test_a_broken_image_gets_a_sign_and_a_cause(
    stack: Stack, gateway: Database[dict[str, Any]]
) -> None:
    job, user = uuid4().hex, f"painter-{uuid4().hex[:8]}"
    key = f"generated-images/{user}/{job}/image_1.png"
    stack.put_file(key, drawn("red")[:80])
    gateway["jobs"].insert_one(
        {
            "jobId": job,
            "userId": user,
            "type": "image-generation",
            "versions": [{"version": 1, "images": [{"s3Key": key}], "createdAt": NOW}],
            "status": "completed",
            "createdAt": NOW,
        }
    )
    picture = eventually(
        lambda: stack.get(f"/api/assets/{job}-1", userId=user).json["picture"],
        seconds=90,
        what="the cause",
    )
    assert picture["cause"] == "corrupt"
    answer = stack.get(f"/api/assets/{job}-1/thumbnail", userId=user)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "private, max-age=10"
    assert Image.open(BytesIO(answer.body)).size == (256, 256)
