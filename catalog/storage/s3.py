"""The store as an S3 bucket, over boto3; works with any S3 endpoint."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any, BinaryIO, Protocol, cast

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from catalog.errors import (
    CatalogError,
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidObjectKeyError,
    InvalidRequestError,
    NotFoundError,
)
from catalog.models.ids import ObjectKey
from catalog.storage import lifecycle
from catalog.storage.base import ObjectInfo, ObjectStore
from catalog.storage.keys import check_key
from catalog.storage.urls import (
    content_disposition,
    content_type_of,
    parse_store_url,
)

PIECE_BYTES = 1024 * 1024
MAX_PRESIGN = timedelta(days=7)
"""Amazon S3 API reference, "Authenticating requests: using query parameters"."""

STORAGE = "storage"
_UNKNOWN_TYPES = frozenset({None, "", "binary/octet-stream"})
_TRANSFER = TransferConfig(
    multipart_threshold=16 * 1024 * 1024,
    multipart_chunksize=16 * 1024 * 1024,
    max_concurrency=4,
)
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_BUSY = frozenset(
    {
        "ExpiredToken",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "429",
    }
)
_OUR_MISTAKES = (
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
_SERVER_ERROR = 500
_UNKNOWN_CALLS = frozenset({"NotImplemented", "MethodNotAllowed"})
_RULE_OPTIONS = ("TransitionDefaultMinimumObjectSize",)


class S3Client(Protocol):
    """What we call of boto3's S3 client; the stubs exist only where tests run."""

    def head_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401, D102
        ...

    def head_bucket(self, **parameters: Any) -> object:  # noqa: ANN401, D102
        ...

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401, D102
        ...

    def put_object(self, **parameters: Any) -> object:  # noqa: ANN401, D102
        ...

    def upload_fileobj(self, *values: Any, **parameters: Any) -> None:  # noqa: ANN401, D102
        ...

    def copy(self, *values: Any, **parameters: Any) -> None:  # noqa: ANN401, D102
        ...

    def delete_object(self, **parameters: Any) -> object:  # noqa: ANN401, D102
        ...

    def get_paginator(self, name: str) -> Any:  # noqa: ANN401, D102
        ...

    def generate_presigned_url(self, *values: Any, **parameters: Any) -> str:  # noqa: ANN401, D102
        ...


class _RuleClient(Protocol):
    """What we call of it besides, once an hour."""

    def get_bucket_lifecycle_configuration(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        ...

    def put_bucket_lifecycle_configuration(self, **parameters: Any) -> object:  # noqa: ANN401
        ...


def connect_s3(
    endpoint_url: str | None, region: str, *, max_attempts: int = 3
) -> S3Client:
    """Make a client; opens no connection yet. Credentials come from boto3's chain.

    Args:
        endpoint_url: Endpoint other than AWS.
        region: Region of the bucket.
        max_attempts: How often a request is tried in all.

    Returns:
        A thread-safe client with bounded waits.
    """
    config = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        max_pool_connections=32,
        # Other servers than AWS often know neither bucket host names nor the newer
        # checksum trailers.
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.session.Session().client(
        "s3", endpoint_url=endpoint_url, region_name=region, config=config
    )
    return cast("S3Client", client)


class S3ObjectStore:
    """``ObjectStore`` over one bucket.

    Objects whose key is none of ours (folder markers, empty parts) are not listed.
    """

    def __init__(
        self,
        bucket: str,
        *,
        client: S3Client,
        endpoint_url: str | None = None,
        buckets: Collection[str] = (),
    ) -> None:
        """Look at a bucket through a client.

        Args:
            bucket: Its name.
            client: See ``connect_s3``.
            endpoint_url: The client's endpoint, to know our URLs by.
            buckets: Further names that mean this store in the URLs of job records.
        """
        self._bucket = bucket
        self._client = client
        self._endpoint_url = endpoint_url
        self._buckets = frozenset({bucket, *buckets})
        self._is_bucket_seen = False

    @property
    def store_id(self) -> str:
        """See ``ObjectStore.store_id``."""
        return f"s3://{self._bucket}"

    @property
    def url(self) -> str:
        """See ``ObjectStore.url``."""
        return f"s3://{self._bucket}"

    def head(self, key: ObjectKey) -> ObjectInfo:
        """See ``ObjectStore.head``."""
        check_key(key)
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except (ClientError, BotoCoreError) as exc:
            error = _translated(exc, key)
            if isinstance(error, NotFoundError):
                self._check_bucket()
            raise error from exc
        self._is_bucket_seen = True
        content_type = answer.get("ContentType")
        return ObjectInfo(
            key=key,
            size_bytes=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            modified_at=answer["LastModified"],
            content_type=content_type_of(key)
            if content_type in _UNKNOWN_TYPES
            else content_type,
        )

    def read(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """See ``ObjectStore.read``."""
        return b"".join(self.stream(key, start=start, length=length))

    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """See ``ObjectStore.stream``; one request: never a mixture of two contents."""
        check_key(key)
        pieces = self._pieces(key, max(start, 0), length)
        next(pieces)  # asks: errors belong to this call, not to the first piece
        return pieces

    def write(
        self,
        key: ObjectKey,
        content: bytes | BinaryIO,
        *,
        content_type: str | None = None,
    ) -> ObjectInfo:
        """See ``ObjectStore.write``; large files go in parts, seen when complete."""
        check_key(key)
        kind = {"ContentType": content_type or content_type_of(key)}
        try:
            if isinstance(content, bytes):
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=content, **kind
                )
            else:
                self._client.upload_fileobj(
                    _Unclosed(content),
                    self._bucket,
                    key,
                    ExtraArgs=kind,
                    Config=_TRANSFER,
                )
        except (ClientError, BotoCoreError, Boto3Error) as exc:
            raise _translated(exc, key) from exc
        return self.head(key)

    def copy(self, source: ObjectKey, target: ObjectKey) -> ObjectInfo:
        """See ``ObjectStore.copy``; large ones in parts, seen when complete."""
        return self._copy(self._bucket, source, target)

    def copy_from(
        self, other: ObjectStore, source: ObjectKey, target: ObjectKey
    ) -> ObjectInfo | None:
        """See ``CopiesFrom.copy_from``: out of another bucket of the same endpoint."""
        if not isinstance(other, S3ObjectStore) or other.endpoint != self.endpoint:
            return None
        bucket = other.store_id.removeprefix("s3://")
        return self._copy(bucket, source, target)

    @property
    def endpoint(self) -> str | None:
        """The server that has the bucket; ``None`` is AWS."""
        return self._endpoint_url

    def _copy(self, bucket: str, source: ObjectKey, target: ObjectKey) -> ObjectInfo:
        check_key(source)
        check_key(target)
        try:
            self._client.copy(
                {"Bucket": bucket, "Key": source},
                self._bucket,
                target,
                ExtraArgs={
                    "ContentType": content_type_of(target),
                    "MetadataDirective": "REPLACE",
                },
                Config=_TRANSFER,
            )
        except (ClientError, BotoCoreError, Boto3Error) as exc:
            raise _translated(exc, source) from exc
        return self.head(target)

    def delete(self, key: ObjectKey) -> None:
        """See ``ObjectStore.delete``."""
        check_key(key)
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        except (ClientError, BotoCoreError) as exc:
            error = _translated(exc, key)
            if not isinstance(error, NotFoundError):
                raise error from exc

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``ObjectStore.list``; S3 itself orders by the bytes of the keys."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        try:
            for page in pages:
                self._is_bucket_seen = True
                for row in page.get("Contents", ()):
                    with suppress(InvalidObjectKeyError):
                        yield ObjectInfo(
                            key=check_key(row["Key"]),
                            size_bytes=row["Size"],
                            etag=row["ETag"].strip('"'),
                            modified_at=row["LastModified"],
                        )
        except (ClientError, BotoCoreError) as exc:
            raise _translated(exc, prefix) from exc

    def expires_after(self, prefix: str) -> timedelta | None:
        """See ``ExpiresByRule.expires_after``; rules that also ask for tags are not."""
        return lifecycle.expires_after(self._rules(prefix).get("Rules", ()), prefix)

    def expire(self, prefix: str, after: timedelta) -> bool:
        """See ``ExpiresByRule.expire``."""
        found = self._rules(prefix)
        wanted = lifecycle.with_rule(
            found.get("Rules", ()), f"catalog-{prefix.strip('/')}", prefix, after
        )
        if wanted is None:
            return False
        # S3 knows only the whole: what is not sent again is gone.
        kept = {name: found[name] for name in _RULE_OPTIONS if name in found}
        try:
            self._rule_client.put_bucket_lifecycle_configuration(
                Bucket=self._bucket, LifecycleConfiguration={"Rules": wanted}, **kept
            )
        except (ClientError, BotoCoreError) as exc:
            raise _about_rules(exc, prefix) from exc
        return True

    def _rules(self, prefix: str) -> Mapping[str, Any]:
        try:
            return self._rule_client.get_bucket_lifecycle_configuration(
                Bucket=self._bucket
            )
        except (ClientError, BotoCoreError) as exc:
            if _code(exc) == "NoSuchLifecycleConfiguration":
                return {}
            raise _about_rules(exc, prefix) from exc

    @property
    def _rule_client(self) -> "_RuleClient":
        return cast("_RuleClient", self._client)

    def check(self) -> None:
        """See ``ObjectStore.check``."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except (ClientError, BotoCoreError) as exc:
            error = _translated(exc, "")
            if isinstance(error, NotFoundError):
                raise _no_bucket(self._bucket) from exc
            if not isinstance(error, DependencyRejectedError):
                raise error from exc
            # 403: the bucket is there, listing it is not ours.
        self._is_bucket_seen = True

    def presign(
        self,
        key: ObjectKey,
        *,
        expires_in: timedelta,
        file_name: str | None = None,
        content_type: str | None = None,
        is_attachment: bool = False,
    ) -> str | None:
        """See ``ObjectStore.presign``; costs 0.3 ms, so not for every row of a list.

        Raises:
            InvalidRequestError: ``expires_in`` is out of range.
        """
        check_key(key)
        if not timedelta(seconds=1) <= expires_in <= MAX_PRESIGN:
            raise InvalidRequestError(
                "expires", "A link must expire in 1 second to 7 days (604800 seconds)."
            )
        parameters = {"Bucket": self._bucket, "Key": key}
        if content_type is not None:
            parameters["ResponseContentType"] = content_type
        if file_name is not None or is_attachment:
            parameters["ResponseContentDisposition"] = content_disposition(
                file_name, is_attachment=is_attachment
            )
        try:
            return self._client.generate_presigned_url(
                "get_object",
                Params=parameters,
                ExpiresIn=int(expires_in.total_seconds()),
            )
        except (ClientError, BotoCoreError) as exc:
            raise _translated(exc, key) from exc

    def parse_url(self, url: str) -> ObjectKey | None:
        """See ``ObjectStore.parse_url``."""
        return parse_store_url(
            url, buckets=self._buckets, endpoint_url=self._endpoint_url
        )

    def _pieces(
        self, key: ObjectKey, start: int, length: int | None
    ) -> Iterator[bytes]:
        if length is not None and length <= 0:
            self.head(key)
            yield b""
            return
        last = "" if length is None else start + length - 1
        ranged = (
            {} if (start, length) == (0, None) else {"Range": f"bytes={start}-{last}"}
        )
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **ranged)
            with closing(answer["Body"]) as body:
                yield b""
                while piece := body.read(PIECE_BYTES):
                    yield piece
        except (ClientError, BotoCoreError) as exc:
            if _code(exc) != "InvalidRange":
                raise _translated(exc, key) from exc
            yield b""

    def _check_bucket(self) -> None:
        """Tell a missing object from a missing bucket, which HEAD does not."""
        if not self._is_bucket_seen:
            self.check()


class _Unclosed:
    """A file that s3transfer can't close: it is the caller's."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _code(exc: Exception) -> str:
    answer = exc.response if isinstance(exc, ClientError) else {}
    return str(answer.get("Error", {}).get("Code", ""))


def _about_rules(exc: Exception, prefix: str) -> CatalogError:
    """Translate, where a server that has no such rules is not one in trouble."""
    if _code(exc) in _UNKNOWN_CALLS:
        return DependencyRejectedError(STORAGE, str(exc))
    return _translated(exc, prefix)


def _no_bucket(name: str) -> DependencyRejectedError:
    return DependencyRejectedError(STORAGE, f"there is no bucket {name!r}")


def _translated(exc: Exception, key: str) -> CatalogError:
    """The one table from what boto3 raises to what the port promises."""
    if not isinstance(exc, ClientError):
        kind = (
            DependencyRejectedError
            if isinstance(exc, _OUR_MISTAKES)
            else DependencyUnavailableError
        )
        return kind(STORAGE, str(exc))
    code = _code(exc)
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _ABSENT:
        return NotFoundError("object", key)
    if code == "KeyTooLongError":
        return InvalidObjectKeyError("key", f"The object key {key!r} is too long.")
    if code in _BUSY or status >= _SERVER_ERROR:
        return DependencyUnavailableError(STORAGE, str(exc))
    return DependencyRejectedError(STORAGE, str(exc))
