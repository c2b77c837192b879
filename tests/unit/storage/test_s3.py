"""What S3 may answer besides the truth; the contract suite covers the rest."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
)
from typing_extensions import override

from catalog.errors import (
    CatalogError,
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidObjectKeyError,
    NotFoundError,
)
from catalog.models.ids import ObjectKey
from catalog.storage.s3 import S3ObjectStore

KEY = ObjectKey("loras/u/j/v1/model.safetensors")


def refusal(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Operation",
    )


class FailingBody(io.BytesIO):
    """A body whose connection breaks after the first piece."""

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
        return super().read(size)


class FailingClient:
    """A client of which every call fails in the same way."""

    def __init__(self, error: Exception, *, body: io.BytesIO | None = None) -> None:
        self._error = error
        self._body = body

    def head_object(self, **_: object) -> dict[str, Any]:
        raise self._error

    def head_bucket(self, **_: object) -> object:
        raise self._error

    def get_object(self, **_: object) -> dict[str, Any]:
        if self._body is None:
            raise self._error
        return {"Body": self._body}

    def put_object(self, **_: object) -> object:
        raise self._error

    def upload_fileobj(self, *_values: object, **_: object) -> None:
        raise self._error

    def copy(self, *_values: object, **_: object) -> None:
        raise self._error

    def delete_object(self, **_: object) -> object:
        raise self._error

    def get_paginator(self, name: str) -> "FailingClient":
        del name
        return self

    def paginate(self, **_: object) -> object:
        def pages() -> Iterator[dict[str, Any]]:
            yield {}
            raise self._error

        return pages()

    def generate_presigned_url(self, *_values: object, **_: object) -> str:
        raise self._error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal("SlowDown", 503), DependencyUnavailableError),
        (refusal("InternalError", 500), DependencyUnavailableError),
        (refusal("503", 503), DependencyUnavailableError),
        (refusal("RequestTimeout", 400), DependencyUnavailableError),
        (refusal("AccessDenied", 403), DependencyRejectedError),
        (refusal("NoSuchBucket", 404), DependencyRejectedError),
        (refusal("KeyTooLongError", 400), InvalidObjectKeyError),
        (ReadTimeoutError(endpoint_url="x"), DependencyUnavailableError),
        (BotoCoreError(), DependencyUnavailableError),
        (NoCredentialsError(), DependencyRejectedError),
    ],
)
def test_every_failure_has_a_name_of_ours(
    error: Exception, expected: type[CatalogError]
) -> None:
    store = S3ObjectStore("b", client=FailingClient(error))

    for use in (
        lambda: store.head(KEY),
        lambda: store.read(KEY),
        lambda: store.write(KEY, b""),
        lambda: store.write(KEY, io.BytesIO()),
        lambda: store.copy(KEY, KEY),
        lambda: store.delete(KEY),
        lambda: list(store.list()),
    ):
        with pytest.raises(expected) as caught:
            use()
        assert caught.value.__cause__ is error


def test_a_body_that_breaks_off_is_no_content() -> None:
    client = FailingClient(BotoCoreError(), body=FailingBody(b"x" * 10))
    store = S3ObjectStore("b", client=client)

    with pytest.raises(DependencyUnavailableError):
        store.read(KEY)


def test_a_missing_object_is_missing_for_a_delete_only_silently() -> None:
    store = S3ObjectStore("b", client=FailingClient(refusal("NoSuchKey", 404)))

    store.delete(KEY)
    with pytest.raises(NotFoundError):
        store.read(KEY)


def test_a_listing_that_breaks_off_says_so_after_what_it_gave() -> None:
    listing = S3ObjectStore("b", client=FailingClient(refusal("SlowDown", 503))).list()

    with pytest.raises(DependencyUnavailableError):
        next(listing)
