from collections.abc import Mapping
from typing import Any

from catalog.models.ids import DocumentId, RootKey
from catalog.repositories.base import RowProof
from catalog.search.base import IndexName
from indexer.comparison import (
    GHOST,
    MISSING,
    STALE,
    Suspects,
    TagSuspect,
    WantedTag,
    differences,
    tag_differences,
)
from indexer.live import Target

OURS = Target(1, {kind: kind.value for kind in IndexName})
OTHERS = Target(1, OURS.names, is_ours=False)
FROZEN = Target(1, OURS.names, is_ours=False, is_writable=False)

Document = Mapping[str, Any]


def row(
    name: str = "i1",
    root: str = "r1",
    *,
    hash_: str = "h",
    segments: int = 0,
    has_document: bool = True,
) -> RowProof:
    return RowProof(
        DocumentId(name),
        f"root of {root}",
        RootKey(root),
        hash_,
        segments,
        1,
        has_document,
    )


def document(name: str = "i1", root: str = "r1", hash_: str = "h") -> Document:
    return {"id": name, "root": root, "_hash": hash_}


def found(
    *rows: RowProof,
    assets: tuple[Document, ...] = (),
    segments: tuple[Document, ...] = (),
    target: Target = OURS,
) -> dict[RootKey, str]:
    return differences(target, rows, assets, segments).root_keys


def test_what_agrees_is_not_told_of() -> None:
    assets = (document(),)
    segments = (document("i1x0"), document("i1x1"))

    compared = differences(OURS, [row(segments=2)], assets, segments)

    assert not compared
    assert (compared.checked, compared.rows) == (3, 1)


def test_a_document_that_is_not_there_is_missing() -> None:
    assert found(row()) == {"r1": MISSING}


def test_a_document_without_a_row_is_a_ghost() -> None:
    assert found(assets=(document(root="r9"),)) == {"r9": GHOST}


def test_a_document_of_a_trashed_asset_is_a_ghost() -> None:
    trashed = row(has_document=False)

    assert found(trashed) == {}
    assert found(trashed, assets=(document(),)) == {"r1": GHOST}
    assert found(trashed, segments=(document("i1x0"),)) == {"r1": GHOST}


def test_other_content_is_stale() -> None:
    assert found(row(), assets=(document(hash_="other"),)) == {"r1": STALE}
    without_hash = {"id": "i1", "root": "r1"}
    assert found(row(), assets=(without_hash,)) == {"r1": STALE}


def test_a_document_of_another_root_is_stale_where_its_row_is() -> None:
    assert found(row(), assets=(document(root="r9"),)) == {"r1": STALE}


def test_every_segment_is_looked_for() -> None:
    asset, first, second = document(), document("i1x0"), document("i1x1")
    whole = row(segments=2)

    assert found(whole, assets=(asset,), segments=(first,)) == {"r1": MISSING}
    late = document("i1x2")
    too_many = found(whole, assets=(asset,), segments=(first, second, late))
    assert too_many == {"r1": GHOST}
    instead = found(whole, assets=(asset,), segments=(first, late))
    assert instead == {"r1": GHOST}
    stale = document("i1x1", hash_="other")
    assert found(whole, assets=(asset,), segments=(first, stale)) == {"r1": STALE}


def test_a_segment_with_a_name_of_another_kind_is_a_ghost() -> None:
    for name in ("i1xx", "i1x-1", "i1x1.5", "i1x"):
        strange = found(row(), assets=(document(),), segments=(document(name),))
        assert strange == {"r1": GHOST}
    assert found(segments=(document("nonsense", root="r9"),)) == {"r9": GHOST}


def test_one_that_is_there_twice_is_stale() -> None:
    assert found(row(), assets=(document(), document())) == {"r1": STALE}
    twice = (document("i1x0"), document("i1x0"))
    assert found(row(segments=2), assets=(document(),), segments=twice) == {"r1": STALE}


def test_what_is_known_to_be_refused_is_left_alone() -> None:
    refused = row(hash_="", segments=3)

    assert found(refused) == {}
    minimal = document(hash_="minimal")
    assert found(refused, assets=(minimal,), segments=(document("i1x7"),)) == {}


def test_of_another_schema_only_the_ids_count() -> None:
    other = (document(hash_="another projection"),)

    assert found(row(), assets=other, target=OTHERS) == {}
    assert found(row(), target=OTHERS) == {"r1": MISSING}
    assert found(assets=other, target=OTHERS) == {"r1": GHOST}


def test_what_an_index_lacks_that_takes_nothing_proves_nothing() -> None:
    assert found(row(segments=1), target=FROZEN) == {}
    assert found(assets=(document(),), target=FROZEN) == {"r1": GHOST}


WANTED = {"g1": WantedTag("ann", "beach", frozenset({"a", "b"}), "root")}


def tag(name: str, *acl: str) -> Document:
    return {"id": name, "acl": list(acl), "owner": "ann", "key": "beach"}


def test_tags_are_compared_with_everybody_who_may_see_them() -> None:
    assert tag_differences(OURS, WANTED, [tag("g1", "b", "a")]) == {}
    assert tag_differences(OURS, WANTED, []) == {
        "g1": TagSuspect(MISSING, "ann", "beach")
    }
    for acl in (("a",), ("a", "b", "c")):
        assert tag_differences(OURS, WANTED, [tag("g1", *acl)]) == {
            "g1": TagSuspect(STALE, "ann", "beach")
        }
    assert tag_differences(OURS, {}, [tag("g9", "a")]) == {
        "g9": TagSuspect(GHOST, "ann", "beach")
    }


def test_a_tag_of_an_index_that_takes_nothing_may_only_tell_too_little() -> None:
    assert tag_differences(FROZEN, WANTED, []) == {}
    assert tag_differences(FROZEN, WANTED, [tag("g1", "a")]) == {}
    assert tag_differences(FROZEN, WANTED, [tag("g1", "a", "c")]) == {
        "g1": TagSuspect(STALE, "ann", "beach")
    }


def test_parts_have_all_there_is_the_tags_last_and_know_of_the_whole() -> None:
    whole = Suspects(
        root_keys={RootKey(f"r{n}"): GHOST for n in range(5)},
        tags={"g1": TagSuspect(STALE)},
        checked=70,
        rows=60,
        ghosts=5,
    )

    parts = list(whole.parts(2))

    assert [len(part.root_keys) for part in parts] == [2, 2, 1, 0]
    assert [len(part.tags) for part in parts] == [0, 0, 0, 1]
    assert {key for part in parts for key in part.root_keys} == set(whole.root_keys)
    assert {(p.checked, p.rows, p.ghosts) for p in parts} == {(70, 60, 5)}
