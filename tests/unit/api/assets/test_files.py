from email.utils import format_datetime

import pytest
from starlette.testclient import TestClient

from catalog.models.ids import ObjectKey
from catalog.storage.links import LinkSigner
from tests.fakes.catalog import NOW, FakeParts

KEY = ObjectKey("generated-images/u/j/image 1é.png")
CONTENT = bytes(range(256)) * 10


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.store.objects[KEY] = CONTENT
    made.store.objects["a/x.svg"] = b"<svg/>"
    made.store.objects["a/x.html"] = b"<b>"
    made.store.objects["a/x.txt"] = b"text"
    made.store.objects["a/empty.txt"] = b""
    return made


def link(
    parts: FakeParts, key: str = KEY, *, name: str | None = None, seconds: int = 3600
) -> str:
    signer = LinkSigner(b"secret", parts.clock)
    expires_at = int(NOW.timestamp()) + seconds
    return signer.path(ObjectKey(key), expires_at=expires_at, file_name=name)


def test_a_link_gives_the_bytes_with_all_that_describes_them(
    client: TestClient, parts: FakeParts
) -> None:
    answer = client.get(link(parts))

    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"].startswith('"')
    assert answer.headers["last-modified"] == "Sun, 01 Jun 2025 00:00:00 GMT"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "private, max-age=300"
    assert answer.headers["content-disposition"] == (
        "inline; filename=\"image 1_.png\"; filename*=UTF-8''image%201%C3%A9.png"
    )


def test_head_tells_the_same_without_the_bytes(
    client: TestClient, parts: FakeParts
) -> None:
    got, looked = client.get(link(parts)), client.head(link(parts))

    assert looked.status_code == 200
    assert looked.content == b""
    kept = {k: v for k, v in got.headers.items() if k != "x-request-id"}
    assert {k: looked.headers[k] for k in kept} == kept


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=2550-", 2550, 2559),
        ("bytes=-10", 2550, 2559),
        ("bytes=-99999", 0, 2559),
        ("bytes=0-99999", 0, 2559),
        ("Bytes = 5 - 6", 5, 6),
    ],
)
def test_a_range_is_cut_out(
    client: TestClient, parts: FakeParts, asked: str, start: int, end: int
) -> None:
    answer = client.get(link(parts), headers={"Range": asked})

    assert answer.status_code == 206
    assert answer.content == CONTENT[start : end + 1]
    assert answer.headers["content-range"] == f"bytes {start}-{end}/2560"
    assert answer.headers["content-length"] == str(end - start + 1)


@pytest.mark.parametrize("asked", ["bytes=2560-", "bytes=9999-10000", "bytes=-0"])
def test_a_range_outside_of_the_file_is_a_problem_that_tells_its_size(
    client: TestClient, parts: FakeParts, asked: str
) -> None:
    answer = client.get(link(parts), headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */2560"
    assert answer.json()["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "pages=1-2", "bytes=5-2", "bytes=-", "bytes=a-b", ""]
)
def test_what_is_no_single_range_gets_the_whole_file(
    client: TestClient, parts: FakeParts, asked: str
) -> None:
    answer = client.get(link(parts), headers={"Range": asked})

    assert answer.status_code == 200
    assert answer.content == CONTENT


def test_a_range_of_an_empty_file_cannot_be_satisfied(
    client: TestClient, parts: FakeParts
) -> None:
    address = link(parts, "a/empty.txt")

    assert client.get(address).content == b""
    assert client.get(address, headers={"Range": "bytes=0-"}).status_code == 416


def test_a_range_of_a_file_that_has_changed_gets_the_whole_new_file(
    client: TestClient, parts: FakeParts
) -> None:
    known = client.get(link(parts)).headers
    part = {"Range": "bytes=0-9"}

    def status(condition: str) -> int:
        headers = part | {"If-Range": condition}
        return client.get(link(parts), headers=headers).status_code

    assert status(known["etag"]) == 206
    assert status(known["last-modified"]) == 206
    assert status('"other"') == 200
    assert status(f"W/{known['etag']}") == 200
    assert status(format_datetime(NOW, usegmt=True)) == 200
    assert status("nonsense") == 200


def test_known_content_is_not_sent_again(client: TestClient, parts: FakeParts) -> None:
    known = client.get(link(parts)).headers

    def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.get(link(parts), headers=named)
        if answer.status_code == 304:
            assert answer.content == b""
            assert answer.headers["etag"] == known["etag"]
        return answer.status_code

    assert status(if_none_match=known["etag"]) == 304
    assert status(if_none_match=f'"x", W/{known["etag"]}') == 304
    assert status(if_none_match="*") == 304
    assert status(if_none_match='"x"') == 200
    assert status(if_modified_since=known["last-modified"]) == 304
    assert status(if_modified_since="Sat, 31 May 2025 00:00:00 GMT") == 200
    assert status(if_modified_since="nonsense") == 200
    assert status(if_none_match='"x"', if_modified_since=known["last-modified"]) == 200


@pytest.mark.parametrize("key", ["a/x.svg", "a/x.html"])
def test_active_content_is_saved_not_shown(
    client: TestClient, parts: FakeParts, key: str
) -> None:
    answer = client.get(link(parts, key))

    assert answer.headers["content-disposition"].startswith("attachment;")


def test_text_is_utf8(client: TestClient, parts: FakeParts) -> None:
    answer = client.get(link(parts, "a/x.txt"))

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("name", ['a"b\\c.txt', "x\r\nSet-Cookie: a=b", "名前.txt"])
def test_a_file_name_cannot_break_out_of_its_header(
    client: TestClient, parts: FakeParts, name: str
) -> None:
    answer = client.get(link(parts, "a/x.txt", name=name))

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].count('"') == 2


def test_a_forged_or_expired_link_is_refused(
    client: TestClient, parts: FakeParts
) -> None:
    good = link(parts, seconds=100)
    other_key = good.replace("generated-images", "loras")
    longer = good.replace(
        f"e={int(NOW.timestamp()) + 100}", f"e={int(NOW.timestamp()) + 999}"
    )

    bare = good.partition("?")[0]
    for forged in (other_key, longer, bare, good + "x", bare + "?e=a&s=b"):
        answer = client.get(forged)
        assert answer.status_code == 403
        assert answer.json()["code"] == "invalid_link"
    parts.clock.advance(100)
    assert client.get(good).status_code == 403
    assert client.head(good).status_code == 403


def test_a_file_that_is_gone_is_a_problem_that_says_so(
    client: TestClient, parts: FakeParts
) -> None:
    del parts.store.objects[KEY]

    answer = client.get(link(parts))

    assert answer.status_code == 404
    assert answer.json()["code"] == "file_missing"
