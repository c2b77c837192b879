"""A filled set of indexes on the real engine."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import pytest

from catalog.models.asset import Asset
from catalog.models.ids import RootKey
from catalog.search.base import IndexName, SearchAnswer, SearchQuery
from catalog.search.generation import physical_name
from catalog.search.projection import documents_of, tag_document
from catalog.search.schema import schema_hash
from catalog.search.typesense.admin import TypesenseIndexAdmin
from catalog.search.typesense.reader import TypesenseSearchReader
from catalog.search.typesense.writer import TypesenseIndexWriter
from tests.servers import TypesenseServer

Result = TypeVar("Result")


class Engine:
    """Writes assets into generation 1 and asks them back."""

    def __init__(self, server: TypesenseServer, prefix: str) -> None:
        self.server = server
        self.prefix = prefix
        self.admin = TypesenseIndexAdmin(server.url, server.api_key, prefix)
        self.writer = TypesenseIndexWriter(server.url, server.api_key, prefix)

    def name(self, kind: IndexName, number: int = 1) -> str:
        return physical_name(self.prefix, kind, number, schema_hash())

    def create(self, number: int = 1) -> None:
        for kind in IndexName:
            self.admin.create(self.name(kind, number), kind)

    def point(self, number: int = 1) -> None:
        for kind in IndexName:
            self.admin.point(kind, self.name(kind, number))

    def fill(self, assets: Iterable[Asset], number: int = 1) -> None:
        acl_of_tags: dict[tuple[Any, str], set[str]] = defaultdict(set)
        documents: dict[IndexName, list[dict[str, Any]]] = defaultdict(list)
        for position, asset in enumerate(assets):
            projected = documents_of(
                asset,
                root_key=RootKey(f"{position:024x}"),
                sequence=1,
                generation=number,
            )
            if projected.document is not None:
                documents[IndexName.ASSETS].append(projected.document)
                documents[IndexName.SEGMENTS] += projected.segments
                for tag in asset.tags:
                    acl_of_tags[asset.user_id, tag].update(projected.document["acl"])
        for (owner, tag), acl in acl_of_tags.items():
            document = tag_document(owner, tag, acl, sequence=1, generation=number)
            documents[IndexName.TAGS].append(document)
        for kind, batch in documents.items():
            results = self.writer.upsert(self.name(kind, number), batch)
            assert not [result for result in results if result.error]

    def ask(
        self, question: Callable[[TypesenseSearchReader], Coroutine[Any, Any, Result]]
    ) -> Result:
        async def run() -> Result:
            reader = TypesenseSearchReader(
                self.server.url,
                self.server.api_key,
                self.prefix,
                timeout_seconds=10,
                cutoff_ms=5000,
            )
            try:
                return await question(reader)
            finally:
                await reader.close()

        return asyncio.run(run())

    def search(self, query: SearchQuery) -> SearchAnswer:
        return self.ask(lambda reader: reader.search(query))

    def names(self, query: SearchQuery) -> list[str]:
        return [hit.view["name"] for hit in self.search(query).hits]


@pytest.fixture
def engine(
    socket_enabled: None,  # noqa: ARG001  (this fixture connects)
    typesense_server: TypesenseServer,
    index_prefix: str,
) -> Engine:
    engine = Engine(typesense_server, index_prefix)
    engine.create()
    engine.point()
    return engine
