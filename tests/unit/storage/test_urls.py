import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.errors import InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.storage.keys import check_key
from catalog.storage.urls import (
    content_disposition,
    content_type_of,
    is_active_content,
    object_url,
    parse_store_url,
)

BUCKET = "content-generation-assets"
KEY = "loras/u/j/v1/model.safetensors"


@pytest.mark.parametrize(
    "url",
    [
        f"s3://{BUCKET}/{KEY}",
        f"S3://{BUCKET}/{KEY}",
        f"s3a://{BUCKET}/{KEY}",
        f"s3://{BUCKET}/{KEY}?versionId=abc",
        f"https://{BUCKET}.s3.amazonaws.com/{KEY}",
        f"https://{BUCKET}.S3.AmazonAWS.com:443/{KEY}",
        f"http://{BUCKET}.s3.amazonaws.com./{KEY}",
        f"https://{BUCKET}.s3.eu-central-1.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3-eu-west-1.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3.dualstack.us-gov-west-1.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3-accelerate.dualstack.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3-fips.us-east-1.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3.cn-north-1.amazonaws.com.cn/{KEY}",
        f"http://{BUCKET}.s3-website-us-east-1.amazonaws.com/{KEY}",
        f"https://s3.amazonaws.com/{BUCKET}/{KEY}",
        f"https://s3.us-east-2.amazonaws.com/{BUCKET}/{KEY}",
        f"https://s3-us-west-2.amazonaws.com/{BUCKET}/{KEY}",
        f"https://s3.dualstack.us-east-1.amazonaws.com/{BUCKET}/{KEY}",
        f"https://s3.us-east-1.amazonaws.com/{BUCKET}/{KEY}?X-Amz-Date=1&x=/../y#frag",
    ],
)
def test_every_aws_form_of_an_address_names_the_same_key(url: str) -> None:
    assert parse_store_url(url, buckets={BUCKET}) == KEY


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (f"http://localhost:9000/{BUCKET}/{KEY}", "http://localhost:9000"),
        (f"http://{BUCKET}.localhost:9000/{KEY}", "http://localhost:9000"),
        (f"https://store.example/{BUCKET}/{KEY}", "http://store.example"),
        (f"https://store.example/s3/{BUCKET}/{KEY}", "https://store.example/s3/"),
        (f"http://[::1]:9000/{BUCKET}/{KEY}", "http://[::1]:9000"),
        (f"https://{BUCKET}.s3.amazonaws.com/{KEY}", "http://localhost:9000"),
    ],
)
def test_an_own_endpoint_is_known_in_both_styles(url: str, endpoint: str) -> None:
    assert parse_store_url(url, buckets={BUCKET}, endpoint_url=endpoint) == KEY


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        KEY,
        None,
        7,
        b"s3://x/y",
        f"s3://other/{KEY}",
        f"s3://{BUCKET}",
        f"s3://{BUCKET}/",
        f"s3://{BUCKET}/a/../b",
        f"ftp://{BUCKET}.s3.amazonaws.com/{KEY}",
        f"https://{BUCKET}.s3.amazonaws.com",
        f"https://{BUCKET}.s3.amazonaws.com//{KEY}",
        f"https://{BUCKET}.s3.amazonaws.com/a/%2e%2e/b",
        f"https://{BUCKET}.s3.amazonaws.com/%FF",
        f"https://{BUCKET}.s3.amazonaws.com/a%00b",
        f"https://{BUCKET}.s3.amazonaws.com/a\nb",
        f"https://{BUCKET}.s3.amazonaws.com:8443/{KEY}",
        f"https://{BUCKET}.s3.amazonaws.com:99999/{KEY}",
        f"https://{BUCKET}.s3.amazonaws.com:port/{KEY}",
        f"https://{BUCKET}.s3.amazonaws.com@evil.example/{KEY}",
        f"https://{BUCKET}.s3.amazonaws.com.evil.example/{KEY}",
        f"https://evil{BUCKET}.s3.amazonaws.com/{KEY}",
        f"https://other.{BUCKET}.s3.amazonaws.com/{KEY}",
        f"https://s3.evil.amazonaws.com/{BUCKET}/{KEY}",
        f"https://s3.amazonaws.com/other/{KEY}",
        "https://[::1/x",
        "https://[zz]/x",
        "https://fal.media/files/x.png",
        f"file:///data/{KEY}",
    ],
)
def test_a_foreign_or_broken_address_names_no_key(url: object) -> None:
    assert parse_store_url(url, buckets={BUCKET}) is None


def test_another_port_than_the_endpoint_s_is_another_store() -> None:
    url = f"http://localhost:9001/{BUCKET}/{KEY}"

    assert (
        parse_store_url(url, buckets={BUCKET}, endpoint_url="http://localhost:9000")
        is None
    )


def test_paths_are_percent_decoded_and_a_plus_is_a_plus() -> None:
    url = f"https://{BUCKET}.s3.amazonaws.com/a%20b/c+d/%C3%A9%25/x%2Fy.png"

    assert parse_store_url(url, buckets={BUCKET}) == "a b/c+d/é%/x/y.png"


def test_an_s3_address_is_literal() -> None:
    assert parse_store_url("s3://b/a%20b c#1", buckets={"b"}) == "a%20b c#1"


def test_a_bucket_with_dots_is_found_in_a_host_name() -> None:
    url = "https://my.old.bucket.s3.amazonaws.com/k"

    assert parse_store_url(url, buckets={"bucket", "my.old.bucket"}) == "k"


@given(st.text(max_size=40))
@example("a?b=c#d %41+/ü")
def test_the_address_of_a_key_names_that_key(text: str) -> None:
    try:
        key = check_key(text)
    except InvalidObjectKeyError:
        return

    assert parse_store_url(object_url(BUCKET, ObjectKey(key)), buckets={BUCKET}) == key


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    for url in (text, f"s3://{text}", f"https://{text}", f"https://b.x/{text}"):
        parse_store_url(url, buckets={BUCKET}, endpoint_url="http://b.x")


@pytest.mark.parametrize(
    ("key", "content_type"),
    [
        ("a/model.safetensors", "application/octet-stream"),
        ("a/x.WEBP", "image/webp"),
        ("a/x.avif", "image/avif"),
        ("a/x.srt", "application/x-subrip"),
        ("a/x.vtt", "text/vtt; charset=utf-8"),
        ("a/x.txt", "text/plain; charset=utf-8"),
        ("a/x.png", "image/png"),
        ("a.png/x", "application/octet-stream"),
        ("a/x.unknown", "application/octet-stream"),
    ],
)
def test_the_ending_tells_the_content_type(key: str, content_type: str) -> None:
    assert content_type_of(key) == content_type


@pytest.mark.parametrize(
    "content_type",
    [
        "image/svg+xml",
        "Text/HTML; charset=utf-8",
        "application/xhtml+xml",
        "text/xml",
        "application/atom+xml",
        "text/javascript",
        "application/pdf",
        "multipart/x-mixed-replace",
        "text/plain, text/html",
        "unknown/unknown",
        "",
        None,
    ],
)
def test_what_a_browser_might_run_is_active(content_type: str | None) -> None:
    assert is_active_content(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "image/png",
        "audio/mpeg",
        "video/mp4",
        content_type_of("x.safetensors"),
        content_type_of("x.txt"),
        content_type_of("x.json"),
    ],
)
def test_pictures_sound_and_plain_text_are_passive(content_type: str) -> None:
    assert not is_active_content(content_type)


@pytest.mark.parametrize(
    ("name", "is_attachment", "header"),
    [
        (None, True, "attachment"),
        (None, False, "inline"),
        ("a b.png", False, 'inline; filename="a b.png"'),
        (
            'ü"\r\n.png',
            True,
            "attachment; filename=\"____.png\"; filename*=UTF-8''%C3%BC%22__.png",
        ),
        ("../x", True, 'attachment; filename=".._x"'),
    ],
)
def test_a_file_name_becomes_a_safe_header(
    name: str | None,
    is_attachment: bool,  # noqa: FBT001  (a case, not a flag)
    header: str,
) -> None:
    assert content_disposition(name, is_attachment=is_attachment) == header
