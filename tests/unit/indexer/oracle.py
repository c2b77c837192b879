"""The oracle: an independent, simple rebuild of what the index must hold."""

from collections.abc import Mapping
from typing import Any

from catalog.describe import describe
from catalog.models.ids import ObjectKey
from catalog.search.base import Document, IndexName
from catalog.search.projection import (
    documents_of,
    minimal_document,
    tag_document,
)
from tests.unit.indexer.world import World, root_key_of
from tests.unit.indexer.world_engine import is_refused

Contents = Mapping[IndexName, Mapping[str, Mapping[str, Any]]]
"""By kind of index and id: documents, without what tells when they were written."""

_OF_ITS_TIME = {"_seq", "_gen"}


def expected_index(world: World) -> Contents:
    """What the index must hold, made from the record alone."""
    assets: dict[str, Document] = {}
    segments: dict[str, Document] = {}
    tags: dict[str, tuple[Any, str, set[str]]] = {}
    for root in world.jobs:
        root_key = root_key_of(root)
        for asset in describe(world.bundle(root), ObjectKey).assets:
            made = documents_of(asset, root_key=root_key, sequence=0, generation=0)
            if made.document is None:
                continue
            # By another road than the indexer's: every prefix that ends at a slash.
            for label in dict.fromkeys(
                "/".join(tag.split("/")[:end])
                for tag in asset.tags
                for end in range(1, tag.count("/") + 2)
            ):
                one = tag_document(asset.user_id, label, (), sequence=0, generation=0)
                _, _, acl = tags.setdefault(one["id"], (asset.user_id, label, set()))
                acl.update(made.document["acl"])
            document: Document | None = made.document
            if is_refused(made.document):
                document = minimal_document(
                    asset, "bad", root_key=root_key, sequence=0, generation=0
                )
            if document is not None and not is_refused(document):
                assets[asset.document_id] = _timeless(document)
            for segment in made.segments:
                if not is_refused(segment):
                    segments[segment["id"]] = _timeless(segment)
    return {
        IndexName.ASSETS: assets,
        IndexName.SEGMENTS: segments,
        IndexName.TAGS: {
            tag_id: _timeless(tag_document(user, label, acl, sequence=0, generation=0))
            for tag_id, (user, label, acl) in tags.items()
        },
    }


def actual_index(world: World) -> Contents:
    """What readers find behind the aliases."""
    return {
        kind: {
            identifier: _timeless(document)
            for identifier, document in world.indexes[world.aliases[kind]].items()
        }
        for kind in IndexName
    }


def difference(expected: Contents, actual: Contents) -> str:
    """Say what differs; empty when nothing does."""
    said = []
    for kind, wanted in expected.items():
        held = actual[kind]
        missing = sorted(wanted.keys() - held.keys())
        ghosts = sorted(held.keys() - wanted.keys())
        stale = sorted(k for k in wanted.keys() & held.keys() if wanted[k] != held[k])
        if missing or ghosts or stale:
            said.append(f"{kind}: missing {missing}, ghosts {ghosts}, stale {stale}")
    return "; ".join(said)


def _timeless(document: Document) -> Document:
    return {k: v for k, v in document.items() if k not in _OF_ITS_TIME}
