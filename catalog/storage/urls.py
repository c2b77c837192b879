"""The forms that an address of our store takes, and what an ending says of content.

Pure functions: nothing here looks at a store.
"""

import re
from collections.abc import Callable, Collection
from urllib.parse import SplitResult, quote, unquote, urlsplit

from catalog.errors import InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.storage.keys import check_key

_REGION = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]{1,2}"
_AWS_HOST = re.compile(
    # Amazon S3 User Guide, "Methods for accessing a bucket", dual-stack, FIPS,
    # accelerate and website endpoints; the dash form is the legacy one.
    rf"s3(?:-fips|-accelerate|-external-1|-website|-website-{_REGION}|-{_REGION})?"
    rf"(?:\.dualstack)?(?:\.{_REGION})?\.amazonaws\.com(?:\.cn)?"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_S3_SCHEME = re.compile(r"s3[an]?://([^/?#]+)/(.*)", re.DOTALL | re.IGNORECASE)
_S3_QUERY = re.compile(r"\?[A-Za-z][\w.-]*=[^/]*\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}

DEFAULT_CONTENT_TYPE = "application/octet-stream"
_CONTENT_TYPES = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "csv": "text/csv",
    "flac": "audio/flac",
    "gif": "image/gif",
    "heic": "image/heic",
    "htm": "text/html",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "jxl": "image/jxl",
    "m4a": "audio/mp4",
    "md": "text/markdown",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "safetensors": DEFAULT_CONTENT_TYPE,
    "srt": "application/x-subrip",
    "svg": "image/svg+xml",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "toml": "application/toml",
    "txt": "text/plain; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xhtml": "application/xhtml+xml",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
}
_PASSIVE = frozenset(
    {
        DEFAULT_CONTENT_TYPE,
        "binary/octet-stream",
        "application/json",
        "application/x-ndjson",
        "application/x-subrip",
        "application/zip",
        "text/csv",
        "text/markdown",
        "text/plain",
        "text/vtt",
    }
)
_PASSIVE_KIND = re.compile(r"(?:image|audio|video)/[a-z0-9.-]+")


def content_type_of(key: str) -> str:
    """Tell the content type by the ending; ``application/octet-stream`` if unknown."""
    ending = key.rpartition("/")[2].rpartition(".")[2].lower()
    return _CONTENT_TYPES.get(ending, DEFAULT_CONTENT_TYPE)


def is_active_content(content_type: str | None) -> bool:
    """Decide whether a browser might run what is in it (SVG, HTML, XML, PDF, …).

    Such content must be served as an attachment. Only types known to be passive
    are passive: an unknown, malformed or absent type is active.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind not in _PASSIVE and not _PASSIVE_KIND.fullmatch(kind)


def content_disposition(file_name: str | None, *, is_attachment: bool) -> str:
    """Write a ``Content-Disposition`` header value (RFC 6266, RFC 8187).

    Args:
        file_name: Any text; path separators and control characters are replaced.
        is_attachment: Whether a browser must save, not show.

    Returns:
        ASCII, with ``filename*`` where the name is not plain.
    """
    kind = "attachment" if is_attachment else "inline"
    if not file_name:
        return kind
    name = re.sub(r"[\x00-\x1f\x7f-\x9f/\\]", "_", file_name)
    name = name.encode("utf-8", "replace").decode()
    plain = re.sub(r'[^ -~]|["%]', "_", name)
    if plain == name:
        return f'{kind}; filename="{plain}"'
    extended = quote(name, safe="")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{extended}"


def object_url(bucket: str, key: ObjectKey) -> str:
    """Write the public S3 address of an object, as the seed's records bear it."""
    return f"https://{bucket}.s3.amazonaws.com/{quote(key, safe='/')}"


def stored_url(store_url: str, key: str) -> str:
    """Write an address of a store that its ``parse_url`` reads.

    Args:
        store_url: ``ObjectStore.url``.
        key: Of an object.
    """
    # Keys in ``s3://`` are literal, those of other addresses encoded.
    path = key if store_url.startswith("s3://") else quote(key)
    return f"{store_url.rstrip('/')}/{path}"


def parse_store_url(
    url: object, *, buckets: Collection[str], endpoint_url: str | None = None
) -> ObjectKey | None:
    """Find the key that an S3 address of our store names.

    ``s3://`` keys are literal (the AWS tools do not decode them); the paths of
    ``https://`` addresses are percent-decoded, ``+`` is itself. Queries (signatures)
    and fragments are ignored.

    Args:
        url: Anything; what is not a text is foreign.
        buckets: Names that mean our store.
        endpoint_url: Endpoint other than AWS, if there is one.

    Returns:
        The key, or ``None`` for a foreign or unreadable address.
    """
    if not isinstance(url, str) or _CONTROL.search(url):
        return None
    if found := _S3_SCHEME.fullmatch(url):
        bucket, key = found.groups()
        return _checked(_S3_QUERY.sub("", key)) if bucket in buckets else None
    try:
        address = urlsplit(url)
        if address.scheme not in _DEFAULT_PORTS:
            return None
        path = _path_in_bucket(address, buckets, endpoint_url)
    except ValueError:  # a bad port, bracket or host
        return None
    return None if path is None else decoded_key(path)


def decoded_key(path: str) -> ObjectKey | None:
    """Percent-decode a path below a bucket; ``None`` if it is no valid key."""
    try:
        return _checked(unquote(path, errors="strict"))
    except UnicodeDecodeError:
        return None


def _checked(key: str) -> ObjectKey | None:
    try:
        return check_key(key)
    except InvalidObjectKeyError:
        return None


def _path_in_bucket(
    address: SplitResult, buckets: Collection[str], endpoint_url: str | None
) -> str | None:
    """Find the still encoded path below one of ``buckets``."""
    host = (address.hostname or "").rstrip(".")
    path = address.path
    port = address.port or _DEFAULT_PORTS[address.scheme]
    if port in _DEFAULT_PORTS.values():
        found = _path_at(host, path, buckets, _AWS_HOST.fullmatch)
        if found is not None:
            return found
    if endpoint_url is None:
        return None
    endpoint = urlsplit(endpoint_url)
    endpoint_port = endpoint.port or _DEFAULT_PORTS.get(endpoint.scheme)
    # Behind a proxy that ends TLS one store answers to both default ports.
    if port != endpoint_port and not {port, endpoint_port} <= {80, 443}:
        return None
    prefix = endpoint.path.rstrip("/")
    if not path.startswith(prefix + "/"):
        return None
    endpoint_host = endpoint.hostname or ""
    return _path_at(host, path.removeprefix(prefix), buckets, endpoint_host.__eq__)


def _path_at(
    host: str,
    path: str,
    buckets: Collection[str],
    is_store: Callable[[str], object],
) -> str | None:
    """Read a path-style or virtual-hosted address of one S3 server."""
    if is_store(host):
        bucket, _, rest = path.removeprefix("/").partition("/")
        return rest if unquote(bucket) in buckets else None
    for bucket in buckets:
        if host.startswith(f"{bucket}.") and is_store(host[len(bucket) + 1 :]):
            return path.removeprefix("/")
    return None
