"""The ports that write and administer indexes, held to by the real engine."""

import urllib.request
from collections.abc import Iterator

import orjson
import pytest

from catalog.clock import Clock, ManualClock
from catalog.errors import (
    ConflictError,
    DependencyRejectedError,
    DependencyUnavailableError,
    NotFoundError,
)
from catalog.models.ids import RootKey
from catalog.search.base import Document, IndexAdmin, IndexName, IndexWriter
from catalog.search.generation import alias_name, physical_name
from catalog.search.projection import documents_of
from catalog.search.schema import (
    BARRIER_ID,
    barrier_document,
    schema_hash,
    schema_of,
)
from catalog.search.typesense.admin import TypesenseIndexAdmin
from catalog.search.typesense.writer import TypesenseIndexWriter
from tests.servers import TypesenseServer, free_port
from tests.unit.search.assets import THEN, a_transcript, an_image

pytestmark = pytest.mark.usefixtures("socket_enabled")  # fixtures connect too
OTHER_ROOT = RootKey("f" * 24)


def root_of(number: int) -> RootKey:
    return RootKey(f"{number:024x}")


def a_document(number: int, *, sequence: int = 1) -> Document:
    projected = documents_of(
        an_image(f"job-{number}-1"),
        root_key=root_of(number),
        sequence=sequence,
        generation=1,
    )
    assert projected.document is not None
    return projected.document


@pytest.fixture
def admin(typesense_server: TypesenseServer, index_prefix: str) -> IndexAdmin:
    return TypesenseIndexAdmin(
        typesense_server.url, typesense_server.api_key, index_prefix
    )


@pytest.fixture
def writer(typesense_server: TypesenseServer, index_prefix: str) -> IndexWriter:
    return TypesenseIndexWriter(
        typesense_server.url, typesense_server.api_key, index_prefix
    )


@pytest.fixture
def index(admin: IndexAdmin, index_prefix: str) -> Iterator[str]:
    name = physical_name(index_prefix, IndexName.ASSETS, 1, schema_hash())
    admin.create(name, IndexName.ASSETS)
    yield name
    admin.drop(name)


def ids_in(admin: IndexAdmin, index: str) -> set[str]:
    return {document["id"] for document in admin.export(index, ["_seq"])}


# --- writing -------------------------------------------------------------------------


def test_documents_are_written_whole_and_again(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    first = a_document(1) | {"prompt": "gone later"}

    results = writer.upsert(index, [first, a_document(2)])
    writer.upsert(index, [a_document(1)])

    assert [result.document_id for result in results] == [
        first["id"],
        a_document(2)["id"],
    ]
    assert all(result.error is None for result in results)
    exported = {d["id"]: d for d in admin.export(index, ["prompt", "view"])}
    assert "prompt" not in exported[first["id"]]
    assert exported[first["id"]]["view"]["name"] == "A garden"
    assert admin.count(index) == 2


def test_nothing_to_write_writes_nothing(writer: IndexWriter, index: str) -> None:
    assert writer.upsert(index, []) == []


def test_more_than_one_request_of_documents_is_answered_in_order(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    documents = [a_document(number) for number in range(2_050)]

    results = writer.upsert(index, documents)

    assert [r.document_id for r in results] == [d["id"] for d in documents]
    assert admin.count(index) == 2_050


def test_each_refused_document_is_paired_with_its_own_error(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    bad: dict[int, Document] = {
        1: a_document(1) | {"created_at": 1.5},
        3: a_document(3) | {"acl": None},
        5: a_document(5) | {"name": "\ud800"},
        6: a_document(6) | {"duration": float("nan")},
        8: a_document(8) | {"created_at": 2**70},
        9: a_document(9) | {"id": "a/../b"},
        11: a_document(11) | {"view": {"bytes": object()}},
    }
    documents = [bad.get(number, a_document(number)) for number in range(13)]

    results = writer.upsert(index, documents)

    assert [r.document_id for r in results] == [d["id"] for d in documents]
    assert {n for n, r in enumerate(results) if r.error is not None} == set(bad)
    assert {n for n, r in enumerate(results) if r.is_poison} == set(bad)
    good = {d["id"] for n, d in enumerate(documents) if n not in bad}
    assert ids_in(admin, index) == good


def test_only_poison_is_sent_nowhere(writer: IndexWriter, index: str) -> None:
    (result,) = writer.upsert(index, [a_document(1) | {"name": "\udfff"}])

    assert result.is_poison


def test_documents_with_line_ends_stay_one_line(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    document = a_document(1) | {"prompt": "two\n\nlines\r\n\u2028more"}

    (result,) = writer.upsert(index, [document])

    assert result.error is None
    assert admin.export(index, ["prompt"])[0]["prompt"] == document["prompt"]


def test_deleting_takes_these_and_spares_others(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    documents = [a_document(number) for number in range(130)]
    writer.upsert(index, documents)

    writer.delete(index, [d["id"] for d in documents[:120]] + ["absent"])
    writer.delete(index, [])

    assert ids_in(admin, index) == {d["id"] for d in documents[120:]}


def test_deleting_what_is_older_spares_the_new_and_other_roots(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    big = 1_763_000_000 << 32
    old, new, other = a_document(1), a_document(2, sequence=big), a_document(3)
    writer.upsert(index, [old, new | {"root": root_of(1)}, other])

    deleted = writer.delete_older(index, [root_of(1), OTHER_ROOT], big)

    assert deleted == 1
    assert ids_in(admin, index) == {new["id"], other["id"]}


def test_documents_of_roots_are_counted_per_index(
    admin: IndexAdmin, writer: IndexWriter, index: str, index_prefix: str
) -> None:
    segments = physical_name(index_prefix, IndexName.SEGMENTS, 1, schema_hash())
    admin.create(segments, IndexName.SEGMENTS)
    projected = documents_of(
        a_transcript("job-9", ["one", "two", "three"]),
        root_key=root_of(9),
        sequence=1,
        generation=1,
    )
    assert projected.document is not None
    writer.upsert(index, [projected.document, a_document(1)])
    writer.upsert(segments, projected.segments)

    assert writer.count_of_roots([index, segments], [root_of(9)]) == [1, 3]
    assert writer.count_of_roots([index], [root_of(9), root_of(1)]) == [2]
    assert writer.count_of_roots([index], []) == [0]


def test_a_missing_index_is_named(writer: IndexWriter, index_prefix: str) -> None:
    missing = physical_name(index_prefix, IndexName.ASSETS, 99, schema_hash())

    for act in (
        lambda: writer.upsert(missing, [a_document(1)]),
        lambda: writer.delete(missing, ["a"]),
        lambda: writer.delete_older(missing, [OTHER_ROOT], 1),
        lambda: writer.count_of_roots([missing], [OTHER_ROOT]),
        lambda: writer.barrier(missing),
    ):
        with pytest.raises(NotFoundError) as caught:
            act()
        assert caught.value.identifier == missing


def test_nothing_is_written_through_an_alias(
    admin: IndexAdmin, writer: IndexWriter, index: str, index_prefix: str
) -> None:
    admin.point(IndexName.ASSETS, index)

    with pytest.raises(DependencyRejectedError):
        writer.upsert(alias_name(index_prefix, IndexName.ASSETS), [a_document(1)])

    assert admin.count(index) == 0


@pytest.mark.parametrize("unsafe", ["a]", "a,b", "`a`", "", "a b", "x" * 65])
def test_an_unsafe_id_is_never_sent(
    writer: IndexWriter, index: str, unsafe: str
) -> None:
    with pytest.raises(DependencyRejectedError):
        writer.delete(index, [unsafe])
    with pytest.raises(DependencyRejectedError):
        writer.delete_older(index, [RootKey(unsafe)], 1)


# --- the barrier ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", IndexName)
def test_a_barrier_passes_and_leaves_nothing(
    admin: IndexAdmin, writer: IndexWriter, index_prefix: str, kind: IndexName
) -> None:
    name = physical_name(index_prefix, kind, 3, schema_hash())
    admin.create(name, kind)

    writer.barrier(name)
    writer.barrier(name)

    assert admin.count(name) == 0
    assert admin.export(name, []) == []


def test_a_barrier_waits_for_a_dead_engine_no_longer_than_it_may(
    index_prefix: str,
) -> None:
    clock = ManualClock(THEN)
    gone = TypesenseIndexWriter(
        f"http://127.0.0.1:{free_port()}",
        "key",
        index_prefix,
        clock=clock,
        barrier_seconds=5,
    )
    name = physical_name(index_prefix, IndexName.ASSETS, 1, schema_hash())

    with pytest.raises(DependencyUnavailableError):
        gone.barrier(name)

    waiting: Clock = clock
    assert 5 <= waiting.monotonic() < 8


# --- administering -------------------------------------------------------------------


def test_the_engine_tells_its_version(admin: IndexAdmin) -> None:
    assert admin.engine_version() == "0.24.1"


@pytest.mark.parametrize("kind", IndexName)
def test_creating_twice_is_creating_once(
    admin: IndexAdmin, index_prefix: str, kind: IndexName
) -> None:
    name = physical_name(index_prefix, kind, 2, schema_hash())

    admin.create(name, kind)
    admin.create(name, kind)

    assert admin.physical() == (name,)
    assert admin.count(name) == 0


def test_an_index_with_other_fields_is_a_conflict(
    admin: IndexAdmin, typesense_server: TypesenseServer, index_prefix: str
) -> None:
    name = physical_name(index_prefix, IndexName.TAGS, 2, schema_hash())
    schema = schema_of(IndexName.TAGS, name)
    schema["fields"][0]["facet"] = True
    request = urllib.request.Request(
        f"{typesense_server.url}/collections",
        data=orjson.dumps(schema),
        headers={"X-TYPESENSE-API-KEY": typesense_server.api_key},
    )
    with urllib.request.urlopen(request, timeout=10):
        pass

    with pytest.raises(ConflictError, match="label has facet=True"):
        admin.create(name, IndexName.TAGS)


def test_an_alias_is_swapped_and_read_back(
    admin: IndexAdmin, index: str, index_prefix: str
) -> None:
    second = physical_name(index_prefix, IndexName.ASSETS, 2, schema_hash())
    admin.create(second, IndexName.ASSETS)

    assert admin.resolve(IndexName.ASSETS) is None
    admin.point(IndexName.ASSETS, index)
    assert admin.resolve(IndexName.ASSETS) == index
    admin.point(IndexName.ASSETS, second)

    assert admin.resolve(IndexName.ASSETS) == second
    assert admin.physical() == (index, second)


def test_an_alias_never_points_at_nothing_or_at_another_kind(
    admin: IndexAdmin, index: str, index_prefix: str
) -> None:
    missing = physical_name(index_prefix, IndexName.ASSETS, 9, schema_hash())

    with pytest.raises(NotFoundError):
        admin.point(IndexName.ASSETS, missing)
    with pytest.raises(DependencyRejectedError):
        admin.point(IndexName.TAGS, index)

    assert admin.resolve(IndexName.ASSETS) is None


def test_dropping_refuses_an_alias_and_spares_what_it_points_at(
    admin: IndexAdmin, index: str, index_prefix: str
) -> None:
    admin.point(IndexName.ASSETS, index)

    with pytest.raises(DependencyRejectedError):
        admin.drop(alias_name(index_prefix, IndexName.ASSETS))

    assert admin.physical() == (index,)


def test_dropping_what_is_gone_is_fine(admin: IndexAdmin, index_prefix: str) -> None:
    name = physical_name(index_prefix, IndexName.ASSETS, 9, schema_hash())

    admin.drop(name)
    with pytest.raises(NotFoundError):
        admin.count(name)
    with pytest.raises(NotFoundError):
        admin.export(name, [])


def test_indexes_of_another_prefix_are_not_ours(
    admin: IndexAdmin,
    typesense_server: TypesenseServer,
    index_prefix: str,
) -> None:
    neighbour = TypesenseIndexAdmin(
        typesense_server.url, typesense_server.api_key, f"{index_prefix}x_"
    )
    theirs = physical_name(f"{index_prefix}x_", IndexName.TAGS, 1, schema_hash())
    neighbour.create(theirs, IndexName.TAGS)

    assert admin.physical() == ()
    with pytest.raises(DependencyRejectedError):
        admin.drop(theirs)


def test_fields_are_told_as_the_engine_has_them(
    admin: IndexAdmin, index: str, index_prefix: str
) -> None:
    fields = admin.fields(index)

    assert fields["_seq"] == ("int64", False)
    assert fields["acl"] == ("string[]", False)
    assert fields["prompt"] == ("string", True)
    with pytest.raises(NotFoundError):
        admin.fields(physical_name(index_prefix, IndexName.TAGS, 9, schema_hash()))


def test_an_index_that_hides_an_alias_is_told(
    admin: IndexAdmin, typesense_server: TypesenseServer, index: str, index_prefix: str
) -> None:
    admin.point(IndexName.ASSETS, index)
    assert admin.shadowed_aliases() == ()
    alias = alias_name(index_prefix, IndexName.TAGS)
    for name in (alias, f"{alias}_of_others"):
        request = urllib.request.Request(
            f"{typesense_server.url}/collections",
            data=orjson.dumps(schema_of(IndexName.TAGS, name)),
            headers={"X-TYPESENSE-API-KEY": typesense_server.api_key},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    assert admin.shadowed_aliases() == (alias,)


# --- exporting -----------------------------------------------------------------------


def test_an_export_of_buckets_has_these_and_no_others(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    documents = [a_document(n) | {"_bucket": n} for n in range(256)]
    writer.upsert(index, documents)
    ids = [d["id"] for d in documents]

    def exported(buckets: range) -> set[str]:
        return {d["id"] for d in admin.export(index, ["_seq"], buckets=buckets)}

    assert exported(range(1)) == {ids[0]}
    assert exported(range(255, 256)) == {ids[255]}
    assert exported(range(16, 32)) == set(ids[16:32])
    assert exported(range(256)) == set(ids)
    assert exported(range(7, 7)) == set()


def test_an_export_by_id_or_root_has_these_and_no_others(
    admin: IndexAdmin, writer: IndexWriter, index: str
) -> None:
    documents = [a_document(number) for number in range(120)]
    writer.upsert(index, documents)
    wanted = [d["id"] for d in documents[:100]]

    by_id = admin.export(index, ["_hash"], ids=wanted)
    by_root = admin.export(index, ["_hash"], roots=[root_of(3), root_of(7)])

    assert {d["id"]: d["_hash"] for d in by_id} == {
        d["id"]: d["_hash"] for d in documents[:100]
    }
    assert {d["id"] for d in by_root} == {documents[3]["id"], documents[7]["id"]}
    assert admin.export(index, [], ids=["absent"]) == []
    assert admin.export(index, [], ids=[]) == []
    assert admin.export(index, [], roots=[]) == []


@pytest.mark.parametrize("unsafe", ["a]", "a,b", "`a`", "", "x] || id:!=[y"])
def test_an_export_by_an_unsafe_id_is_refused(
    admin: IndexAdmin, index: str, unsafe: str
) -> None:
    with pytest.raises(DependencyRejectedError):
        admin.export(index, [], ids=[unsafe])
    with pytest.raises(DependencyRejectedError):
        admin.export(index, [], roots=[RootKey(unsafe)])


def test_a_field_that_an_index_lacks_is_no_missing_index(
    admin: IndexAdmin, writer: IndexWriter, index_prefix: str
) -> None:
    tags = physical_name(index_prefix, IndexName.TAGS, 1, schema_hash())
    admin.create(tags, IndexName.TAGS)

    for act in (
        lambda: admin.export(tags, [], roots=[OTHER_ROOT]),
        lambda: writer.delete_older(tags, [OTHER_ROOT], 1),
        lambda: writer.count_of_roots([tags], [OTHER_ROOT]),
    ):
        with pytest.raises(DependencyRejectedError):
            act()


def test_no_export_has_the_barriers_document(
    admin: IndexAdmin, typesense_server: TypesenseServer, index: str
) -> None:
    request = urllib.request.Request(
        f"{typesense_server.url}/collections/{index}/documents",
        data=orjson.dumps(barrier_document(IndexName.ASSETS)),
        headers={"X-TYPESENSE-API-KEY": typesense_server.api_key},
    )
    with urllib.request.urlopen(request, timeout=10):
        pass

    assert admin.count(index) == 1
    assert admin.export(index, []) == []
    assert admin.export(index, [], buckets=range(256)) == []
    assert admin.export(index, [], ids=[BARRIER_ID]) == []


def test_an_engine_that_is_away_is_unavailable(index_prefix: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    admin = TypesenseIndexAdmin(url, "key", index_prefix)
    writer = TypesenseIndexWriter(url, "key", index_prefix)
    name = physical_name(index_prefix, IndexName.ASSETS, 1, schema_hash())

    for act in (
        admin.engine_version,
        admin.physical,
        lambda: admin.export(name, []),
        lambda: writer.upsert(name, [a_document(1)]),
        lambda: writer.count_of_roots([name], [OTHER_ROOT]),
    ):
        with pytest.raises(DependencyUnavailableError):
            act()
