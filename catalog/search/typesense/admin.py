"""``IndexAdmin`` over the official client."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import orjson
import urllib3
from typesense.exceptions import ObjectAlreadyExists, ObjectNotFound
from typesense.types.collection import CollectionCreateSchema

from catalog.errors import (
    CatalogError,
    ConflictError,
    DependencyRejectedError,
    DependencyUnavailableError,
    NotFoundError,
)
from catalog.models.ids import RootKey
from catalog.search.base import IndexName
from catalog.search.generation import alias_name, parse_physical
from catalog.search.schema import BARRIER_ID, differences, schema_of
from catalog.search.typesense.client import (
    NAME,
    check_safe,
    close_clients,
    index_of,
    is_about_a_field,
    open_client,
    translated,
)

_EXPORT_BLOCK_BYTES = 1 << 18
_REFUSED = frozenset({400, 401, 403, 404})


class TypesenseIndexAdmin:
    """See ``IndexAdmin``."""

    def __init__(
        self,
        url: str,
        api_key: str,
        prefix: str,
        *,
        timeout_seconds: float = 10.0,
        export_timeout_seconds: float = 120.0,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Address of the server.
            api_key: Its admin key.
            prefix: Of our aliases and indexes; others are never touched.
            timeout_seconds: For everything but exports.
            export_timeout_seconds: Longest silence within an export.
        """
        self._url = url.rstrip("/")
        self._prefix = prefix
        self._client = open_client(url, api_key, timeout_seconds=timeout_seconds)
        weakref.finalize(self, close_clients, self._client)
        self._headers = {"X-TYPESENSE-API-KEY": api_key, "Accept-Encoding": "identity"}
        self._exports = urllib3.PoolManager(
            timeout=urllib3.Timeout(
                connect=timeout_seconds, read=export_timeout_seconds
            ),
            retries=False,
            maxsize=8,  # exports run beside each other, none waits for another
        )

    def engine_version(self) -> str:
        """See ``IndexAdmin.engine_version``."""
        with translated():
            answer: Mapping[str, Any] = self._client.debug.retrieve()
        return str(answer["version"])

    def create(self, index: str, kind: IndexName) -> None:
        """See ``IndexAdmin.create``."""
        self._check(index, kind)
        schema = cast("CollectionCreateSchema", schema_of(kind, index))
        is_new = True
        with translated(index):
            try:
                self._client.collections.create(schema)
            except ObjectAlreadyExists:
                is_new = False
            answered: Mapping[str, Any] = index_of(self._client, index).retrieve()
        problems = differences(kind, answered)
        if not problems:
            return
        detail = f"{index}: {'; '.join(problems)}"
        if is_new:  # attributes that it doesn't know are dropped without a word
            raise DependencyRejectedError(NAME, detail)
        raise ConflictError(f"The index exists with other fields: {detail}")

    def drop(self, index: str) -> None:
        """See ``IndexAdmin.drop``.

        The engine would take an alias's name for that of what it points at.
        """
        self._check(index)
        with translated(index):
            aliases = self._client.aliases.retrieve()["aliases"]
            if any(alias["name"] == index for alias in aliases):
                raise ConflictError(f"{index} is an alias; drop the index by its name.")
            try:
                index_of(self._client, index).delete()
            except ObjectNotFound:
                return

    def resolve(self, kind: IndexName) -> str | None:
        """See ``IndexAdmin.resolve``."""
        alias = alias_name(self._prefix, kind)
        with translated(alias):
            try:
                return self._client.aliases[alias].retrieve()["collection_name"]
            except ObjectNotFound:
                return None

    def point(self, kind: IndexName, index: str) -> None:
        """See ``IndexAdmin.point``.

        Raises:
            ConflictError: An index bears the alias's name and would hide it.
            NotFoundError: There is no such index (the engine wouldn't mind).
        """
        self._check(index, kind)
        alias = alias_name(self._prefix, kind)
        names = self._names()
        if alias in names:
            raise ConflictError(f"An index is named {alias} and hides the alias.")
        if index not in names:
            raise NotFoundError("index", index)
        with translated(index):
            self._client.aliases.upsert(alias, {"collection_name": index})
        if self.resolve(kind) != index:
            raise DependencyUnavailableError(NAME, f"{alias} does not show {index} yet")

    def physical(self) -> tuple[str, ...]:
        """See ``IndexAdmin.physical``."""
        return tuple(sorted(name for name in self._names() if self._is_ours(name)))

    def count(self, index: str) -> int:
        """See ``IndexAdmin.count``."""
        self._check(index)
        with translated(index):
            return int(index_of(self._client, index).retrieve()["num_documents"])

    def fields(self, index: str) -> Mapping[str, tuple[str, bool]]:
        """See ``IndexAdmin.fields``."""
        self._check(index)
        with translated(index):
            answered: Mapping[str, Any] = index_of(self._client, index).retrieve()
        return {
            field["name"]: (str(field["type"]), bool(field.get("optional")))
            for field in answered["fields"]
        }

    def shadowed_aliases(self) -> tuple[str, ...]:
        """See ``IndexAdmin.shadowed_aliases``."""
        names = self._names()
        aliases = (alias_name(self._prefix, kind) for kind in IndexName)
        return tuple(alias for alias in aliases if alias in names)

    def export(
        self,
        index: str,
        fields: Sequence[str],
        *,
        buckets: range | None = None,
        ids: Sequence[str] | None = None,
        roots: Sequence[RootKey] | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        """See ``IndexAdmin.export``; ``id`` is always among the fields."""
        self._check(index)
        asked = {"include_fields": ",".join(dict.fromkeys(["id", *fields]))}
        named = ids if ids is not None else roots
        if named is not None:
            if not named:
                return []
            check_safe(named)
            field = "id" if ids is not None else "root"
            asked["filter_by"] = f"{field}:=[{','.join(named)}]"
        elif buckets is not None:
            asked["filter_by"] = f"_bucket:[{buckets.start}..{buckets.stop - 1}]"
        documents: list[Mapping[str, Any]] = []
        for line in self._export_lines(index, asked):
            document = orjson.loads(line)
            if "id" not in document:  # from 30 on, errors stand inside the stream
                raise DependencyUnavailableError(NAME, line.decode(errors="replace"))
            if document["id"] != BARRIER_ID:
                documents.append(document)
        return documents

    def _export_lines(self, index: str, asked: dict[str, str]) -> Iterator[bytes]:
        # The official client returns one string: twice the memory, all at once.
        try:
            answer = self._exports.request(
                "GET",
                f"{self._url}/collections/{index}/documents/export",
                fields=asked,
                headers=self._headers,
                preload_content=False,
            )
            try:
                if answer.status != 200:  # noqa: PLR2004  (HTTP's OK)
                    raise _refusal(index, answer.status, answer.data)
                rest = b""
                for block in answer.stream(_EXPORT_BLOCK_BYTES):
                    *lines, rest = (rest + block).split(b"\n")
                    yield from filter(None, lines)
                if rest:
                    yield rest
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as exc:
            raise DependencyUnavailableError(NAME, f"export broke off: {exc}") from exc

    def _names(self) -> set[str]:
        with translated():
            return {index["name"] for index in self._client.collections.retrieve()}

    def _is_ours(self, index: str) -> bool:
        parsed = parse_physical(index)
        return parsed is not None and parsed.prefix == self._prefix

    def _check(self, index: str, kind: IndexName | None = None) -> None:
        parsed = parse_physical(index)
        if parsed is None or parsed.prefix != self._prefix:
            raise DependencyRejectedError(NAME, f"{index!r} is not one of our indexes")
        if kind is not None and parsed.kind is not kind:
            raise DependencyRejectedError(NAME, f"{index!r} is not of kind {kind}")


def _refusal(index: str, status: int, body: bytes) -> CatalogError:
    """Translate an export's answer; its errors bypass the official client."""
    detail = f"export answered {status}: {body[:200].decode(errors='replace')}"
    if status == 404 and not is_about_a_field(detail):  # noqa: PLR2004  (HTTP's not found)
        return NotFoundError("index", index)
    if status in _REFUSED:
        return DependencyRejectedError(NAME, detail)
    return DependencyUnavailableError(NAME, detail)
