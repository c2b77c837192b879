"""What rows say of their documents, held against the documents: pure functions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from typing_extensions import override

from catalog.models.ids import RootKey
from catalog.repositories.base import RootId, RowProof
from indexer.batching import slices
from indexer.live import Target

MISSING, GHOST, STALE = "missing", "ghost", "stale"
"""Kinds of difference: not there, there for no reason, there with other content."""

ROOT_FIELDS = ("root", "_hash")
"""What is compared of documents that stem from a root."""

TAG_FIELDS = ("acl", "owner", "key")
"""What is compared of tag documents."""


@dataclass(frozen=True, slots=True)
class TagSuspect:
    """A tag document that looked different, and what it is of.

    ``owner_key`` and ``tag_key`` are empty where the document does not tell.
    """

    kind: str
    owner_key: str = ""
    tag_key: str = ""


@dataclass(frozen=True, slots=True)
class WantedTag:
    """What an owner's tag must be like, and a root that bears it."""

    owner_key: str
    tag_key: str
    acl: frozenset[str]
    root: RootId


@dataclass(slots=True)
class Suspects:
    """What looked different, to be looked at again.

    Attributes:
        root_keys: With the kind of difference.
        tags: By id of the tag document.
        checked: Documents compared.
        rows: Rows compared.
        ghosts: Roots that had documents and no rows, in the whole of a comparison of
            which these may be a part.
    """

    root_keys: dict[RootKey, str] = field(default_factory=dict)
    tags: dict[str, TagSuspect] = field(default_factory=dict)
    checked: int = 0
    rows: int = 0
    ghosts: int = 0

    def add(self, other: "Suspects") -> None:
        """Take another slice's in."""
        self.root_keys |= other.root_keys
        self.tags |= other.tags
        self.checked += other.checked
        self.rows += other.rows
        self.ghosts += other.ghosts

    def parts(self, size: int) -> Iterator["Suspects"]:
        """Cut into parts of so many roots or tags, each knowing of the whole.

        Tags come last: those of roots that were mended are right again by then.
        """
        roots, tags = list(self.root_keys.items()), list(self.tags.items())
        for part in slices(roots, size):
            yield replace(self, root_keys=dict(part), tags={})
        for named in slices(tags, size):
            yield replace(self, root_keys={}, tags=dict(named))

    def __bool__(self) -> bool:
        """Whether there is anything to look at again."""
        return bool(self.root_keys or self.tags)

    def __len__(self) -> int:
        """How much there is to look at again."""
        return len(self.root_keys) + len(self.tags)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What differs.

    Attributes:
        roots: Whose documents are missing or stale.
        ghosts: Root keys of documents that nothing accounts for.
        ghost_tags: Ids of tag documents that no asset bears.
        kinds: How many differences there are by kind.
        samples: Some of them, readable.
    """

    roots: tuple[RootId, ...] = ()
    ghosts: tuple[RootKey, ...] = ()
    ghost_tags: tuple[str, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.roots and not self.ghosts and not self.ghost_tags

    @override
    def __str__(self) -> str:
        parts = [f"{len(self.roots)} roots", f"{len(self.ghosts)} ghosts"]
        return ", ".join([*parts, f"{len(self.ghost_tags)} ghost tags"])


def differences(
    target: Target,
    proofs: Iterable[RowProof],
    assets: Sequence[Mapping[str, Any]],
    segments: Sequence[Mapping[str, Any]],
) -> Suspects:
    """Compare documents with the rows that they should be of.

    Of a generation of another schema only ids can be compared: its content is
    another's. What one that we can't write into lacks proves nothing.

    Args:
        target: The generation.
        proofs: Rows of some roots or buckets, all of them.
        assets: Documents of the same, ``ROOT_FIELDS``.
        segments: Likewise.
    """
    rows: dict[str, RowProof] = {proof.document_id: proof for proof in proofs}
    found: dict[RootKey, str] = {}
    seen: set[str] = set()
    for document in assets:
        name = document["id"]
        row = rows.get(name)
        if row is None or not row.has_document:
            found.setdefault(_root_of(document), GHOST)
        elif name in seen or _is_stale(target, row, document):
            found.setdefault(row.root_key, STALE)
        seen.add(name)
    counts = _segment_counts(target, rows, segments, found)
    if target.is_writable:
        for name, row in rows.items():
            # Without a hash it is known not to be as it should: some was refused.
            if not row.has_document or not row.document_hash:
                continue
            if name not in seen or counts.get(name, 0) < row.segment_count:
                found.setdefault(row.root_key, MISSING)
    return Suspects(
        root_keys=found, checked=len(assets) + len(segments), rows=len(rows)
    )


def _segment_counts(
    target: Target,
    rows: Mapping[str, RowProof],
    segments: Sequence[Mapping[str, Any]],
    found: dict[RootKey, str],
) -> dict[str, int]:
    """Compare the segments; returns how many different ones each row has."""
    counts: dict[str, int] = {}
    seen: set[str] = set()
    for document in segments:
        name: str = document["id"]
        owner, _, number = name.rpartition("x")
        row = rows.get(owner)
        if row is None or not row.has_document:
            found.setdefault(_root_of(document), GHOST)
        elif not row.document_hash:
            continue  # partly refused: its numbers have gaps
        elif not number.isdecimal() or int(number) >= row.segment_count:
            # Perhaps left over from another root, whose job bore the same id once.
            found.setdefault(_root_of(document), GHOST)
        elif name in seen or _is_stale(target, row, document):
            found.setdefault(row.root_key, STALE)
        else:
            counts[owner] = counts.get(owner, 0) + 1
        seen.add(name)
    return counts


def _root_of(document: Mapping[str, Any]) -> RootKey:
    return RootKey(document.get("root") or "")


def _is_stale(target: Target, row: RowProof, document: Mapping[str, Any]) -> bool:
    if _root_of(document) != row.root_key:
        return True
    is_known = target.is_ours and bool(row.document_hash)
    return is_known and row.document_hash != document.get("_hash")


def tag_differences(
    target: Target,
    wanted: Mapping[str, WantedTag],
    held: Iterable[Mapping[str, Any]],
) -> dict[str, TagSuspect]:
    """Compare tag documents (``TAG_FIELDS``) with what rows bear, by document id."""
    found: dict[str, TagSuspect] = {}
    left = set(wanted)
    for document in held:
        name = str(document["id"])
        left.discard(name)
        tag = wanted.get(name)
        acl = set(document.get("acl") or ())
        if tag is None:
            owner, key = document.get("owner") or "", document.get("key") or ""
            found[name] = TagSuspect(GHOST, owner, key)
        elif not target.is_writable:
            if not acl <= tag.acl:
                found[name] = TagSuspect(STALE, tag.owner_key, tag.tag_key)
        elif tag.acl != acl:
            found[name] = TagSuspect(STALE, tag.owner_key, tag.tag_key)
    if target.is_writable:
        for name in left:
            tag = wanted[name]
            found[name] = TagSuspect(MISSING, tag.owner_key, tag.tag_key)
    return found
