"""Both stores held to one contract, and what only one of them can do."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen
from uuid import uuid4

import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer
from pytest_socket import enable_socket
from typing_extensions import override

from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidRequestError,
)
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectStore
from catalog.storage.directory import DirectoryObjectStore
from catalog.storage.s3 import S3Client, S3ObjectStore, connect_s3
from tests.contract.object_store_contract import KEY, ObjectStoreContract

BUCKET = "our-bucket"
SEED_BUCKET = "content-generation-assets"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def s3_client(credentials: None) -> Iterator[S3Client]:
    del credentials
    with mock_aws():
        yield connect_s3(None, "us-east-1")


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    enable_socket()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def filled(store: ObjectStore, objects: dict[ObjectKey, bytes]) -> ObjectStore:
    for key, content in objects.items():
        store.write(key, content)
    return store


def bucket_store(client: S3Client, name: str, url: str | None = None) -> S3ObjectStore:
    client.create_bucket(Bucket=name)  # type: ignore[attr-defined]
    return S3ObjectStore(name, client=client, endpoint_url=url, buckets=[SEED_BUCKET])


class TestDirectoryObjectStore(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        self.root_path = tmp_path / "böx 1%"

    @override
    def store_holding(self, objects: dict[ObjectKey, bytes]) -> ObjectStore:
        store = DirectoryObjectStore(self.root_path, buckets=[SEED_BUCKET])
        return filled(store, objects)


class TestS3ObjectStore(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def client(self, s3_client: S3Client) -> None:
        self.s3_client = s3_client

    @override
    def store_holding(self, objects: dict[ObjectKey, bytes]) -> ObjectStore:
        return filled(bucket_store(self.s3_client, BUCKET), objects)


def test_a_directory_that_is_gone_fails_the_check(tmp_path: Path) -> None:
    store = DirectoryObjectStore(tmp_path / "root")
    (tmp_path / "root").rmdir()

    with pytest.raises(DependencyUnavailableError):
        store.check()


def test_a_bucket_that_is_gone_fails_the_check_however_often_it_was_seen(
    s3_client: S3Client,
) -> None:
    store = bucket_store(s3_client, BUCKET)
    store.check()
    s3_client.delete_bucket(Bucket=BUCKET)  # type: ignore[attr-defined]

    with pytest.raises(DependencyRejectedError):
        store.check()


class TestS3ObjectStoreOverHttp:
    """The few behaviours that a connection can change."""

    @pytest.fixture
    def store(self, credentials: None, moto_url: str) -> S3ObjectStore:
        del credentials
        enable_socket()  # pytest-socket opens up after the fixtures only
        client = connect_s3(moto_url, "us-east-1", max_attempts=1)
        return bucket_store(client, f"b-{uuid4().hex[:8]}", moto_url)

    def test_ranges_large_files_and_odd_keys_survive(
        self, store: S3ObjectStore
    ) -> None:
        key = ObjectKey("temp/j/a b+ü%20.bin")
        content = bytes(range(256)) * 4096 * 18

        store.write(key, io.BytesIO(content))

        assert store.read(key) == content
        assert store.read(key, start=len(content) - 3) == content[-3:]
        assert store.read(key, start=len(content)) == b""
        assert [info.key for info in store.list("temp/j/a b")] == [key]

    def test_many_streams_left_early_do_not_use_up_the_pool(
        self, store: S3ObjectStore
    ) -> None:
        store.write(KEY, b"x" * 3_000_000)

        for _ in range(40):
            next(store.stream(KEY))

        assert store.head(KEY).size_bytes == 3_000_000

    def test_a_presigned_address_answers_with_our_headers(
        self, store: S3ObjectStore
    ) -> None:
        store.write(KEY, b"<svg/>")

        url = store.presign(
            KEY,
            expires_in=timedelta(hours=1),
            file_name="Bild ü.svg",
            content_type="image/svg+xml",
            is_attachment=True,
        )

        assert url is not None
        with urlopen(url, timeout=10) as answer:
            assert answer.read() == b"<svg/>"
            assert answer.headers["Content-Type"] == "image/svg+xml"
            disposition = answer.headers["Content-Disposition"]
        assert disposition.startswith("attachment; filename=")
        assert disposition.endswith("filename*=UTF-8''Bild%20%C3%BC.svg")
        query = parse_qs(urlsplit(url).query)
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert query["X-Amz-Expires"] == ["3600"]
        assert store.parse_url(url) == KEY

    def test_an_endpoint_without_a_server_is_unavailable(
        self, credentials: None
    ) -> None:
        del credentials
        client = connect_s3("http://127.0.0.1:9", "us-east-1", max_attempts=1)
        store = S3ObjectStore(BUCKET, client=client)

        with pytest.raises(DependencyUnavailableError):
            store.head(KEY)
        with pytest.raises(DependencyUnavailableError):
            store.read(KEY)
        with pytest.raises(DependencyUnavailableError):
            store.write(KEY, b"")
        with pytest.raises(DependencyUnavailableError):
            store.write(KEY, io.BytesIO(b""))
        with pytest.raises(DependencyUnavailableError):
            store.delete(KEY)
        with pytest.raises(DependencyUnavailableError):
            list(store.list())


def test_a_missing_bucket_is_not_taken_for_missing_objects(
    s3_client: S3Client,
) -> None:
    store = S3ObjectStore("nowhere", client=s3_client)

    with pytest.raises(DependencyRejectedError):
        store.head(KEY)
    with pytest.raises(DependencyRejectedError):
        store.read(KEY)
    with pytest.raises(DependencyRejectedError):
        list(store.list())
    with pytest.raises(DependencyRejectedError):
        store.write(KEY, b"")


def test_folder_markers_and_foreign_keys_of_a_bucket_are_not_listed(
    s3_client: S3Client,
) -> None:
    store = bucket_store(s3_client, BUCKET)
    for key in ["loras/", "a//b", KEY]:
        s3_client.put_object(Bucket=BUCKET, Key=key, Body=b"")

    assert [info.key for info in store.list()] == [KEY]


def test_a_content_type_that_was_stored_is_told(s3_client: S3Client) -> None:
    store = bucket_store(s3_client, BUCKET)

    store.write(KEY, b"", content_type="image/x-own")
    s3_client.put_object(Bucket=BUCKET, Key="a.webp", Body=b"")

    assert store.head(KEY).content_type == "image/x-own"
    assert store.head(ObjectKey("a.webp")).content_type == "image/webp"


@pytest.mark.parametrize("seconds", [0, 0.5, 604_801])
def test_s3_signs_for_one_second_to_seven_days(
    s3_client: S3Client, seconds: float
) -> None:
    store = S3ObjectStore(BUCKET, client=s3_client)

    with pytest.raises(InvalidRequestError):
        store.presign(KEY, expires_in=timedelta(seconds=seconds))


def test_an_s3_store_is_named_by_its_bucket(s3_client: S3Client) -> None:
    store = S3ObjectStore(BUCKET, client=s3_client)

    assert (store.store_id, store.url) == ("s3://our-bucket", "s3://our-bucket")
