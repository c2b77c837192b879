"""What rows say of their documents: the expectation that the index is held against."""

from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener, CommandStartedEvent
from typing_extensions import override

from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetRow
from catalog.models.ids import RootKey
from catalog.repositories.base import RowProof, RowRepository
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.rows import MongoRowRepository
from tests.integration.repositories.rows import row

Mongo = Database[dict[str, Any]]

ALL = range(256)
MANY = 300
"""Rows; more than the 101 that MongoDB gives with its first answer."""


@pytest.fixture
def kept(database: Mongo) -> RowRepository:
    ensure_indexes(database)
    return MongoRowRepository(database)


def proven(number: int, **made: Any) -> AssetRow:  # noqa: ANN401  (as `row` takes)
    return replace(
        row(f"a{number}", root=number, **made),
        document_hash=f"h{number}",
        segment_count=number,
        sequence=2**61 + number,
    )


def test_a_proof_says_what_the_documents_of_a_row_bear(kept: RowRepository) -> None:
    shown, trashed = proven(1), proven(2, is_trashed=True)
    kept.replace([shown, trashed])

    proofs = sorted(kept.proofs(ALL), key=lambda proof: proof.segment_count)

    assert proofs == [
        RowProof(shown.document_id, 1, shown.root_key, "h1", 1, 2**61 + 1, True),  # noqa: FBT003
        RowProof(trashed.document_id, 2, trashed.root_key, "h2", 2, 2**61 + 2, False),  # noqa: FBT003
    ]


def test_each_row_is_in_the_bucket_of_its_root(kept: RowRepository) -> None:
    rows = [proven(number) for number in range(MANY)]
    kept.replace(rows)

    by_bucket = {b: list(kept.proofs(range(b, b + 1))) for b in ALL}

    assert sum(map(len, by_bucket.values())) == MANY
    for bucket, proofs in by_bucket.items():
        assert {int(proof.root_key[-2:], 16) for proof in proofs} <= {bucket}
    halves = [*kept.proofs(range(128)), *kept.proofs(range(128, 256))]
    assert {proof.document_id for proof in halves} == {one.document_id for one in rows}


def test_proofs_are_of_one_moment(kept: RowRepository) -> None:
    """What is written while they are read belongs to the next pass."""
    rows = [proven(number) for number in range(MANY)]
    kept.replace(rows)
    stream = kept.proofs(ALL)
    read = [next(stream)]

    kept.replace([replace(one, document_hash="later") for one in rows[:-1]])
    kept.replace([proven(MANY)], delete=[rows[-1].document_id])
    read += stream

    assert {(proof.document_id, proof.document_hash) for proof in read} == {
        (one.document_id, one.document_hash) for one in rows
    }


@pytest.mark.parametrize(
    ("command", "code"),
    [("find", 246), ("getMore", 239), ("getMore", 246), ("getMore", 43)],
)
def test_a_snapshot_that_is_gone_is_asked_for_again(
    kept: RowRepository,
    fail_point: Any,  # noqa: ANN401
    command: str,
    code: int,
) -> None:
    """An index was being made, or somebody read for longer than MongoDB remembers."""
    kept.replace([proven(number) for number in range(MANY)])
    fail_point(command, code)

    with pytest.raises(DependencyUnavailableError):
        list(kept.proofs(ALL))

    assert len(list(kept.proofs(ALL))) == MANY


def test_proofs_of_roots_are_those_of_all_their_rows(kept: RowRepository) -> None:
    first, second = row("a", root=1), row("b", root=1)
    kept.replace([first, second, row("c", root=2)])

    proofs = kept.proofs_of([first.root_key, RootKey("00" * 16)])

    assert {p.document_id for p in proofs} == {first.document_id, second.document_id}
    assert kept.proofs_of([]) == ()


class Reads(CommandListener):
    """Notes how strictly each look was asked for."""

    def __init__(self) -> None:
        self.levels: list[str | None] = []

    @override
    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find":
            self.levels.append(event.command.get("readConcern", {}).get("level"))

    @override
    def succeeded(self, event: object) -> None:
        pass

    @override
    def failed(self, event: object) -> None:
        pass


def test_nothing_is_proven_by_what_a_failover_may_take_back(
    mongo_uri: str, database: Mongo
) -> None:
    reads = Reads()
    with MongoClient[dict[str, Any]](mongo_uri, event_listeners=[reads]) as client:
        kept = MongoRowRepository(client[database.name])
        kept.proofs_of([RootKey("00" * 16)])
        list(kept.proofs(ALL))

    assert reads.levels == ["majority", "snapshot"]
