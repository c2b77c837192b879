from typing import Any

import pytest

from catalog.search.base import IndexName
from catalog.search.schema import (
    BARRIER_ID,
    FIELDS,
    barrier_document,
    differences,
    schema_hash,
    schema_of,
)


def answered(kind: IndexName) -> dict[str, Any]:
    schema = schema_of(kind, "x")
    extra = {"index": True, "infix": False, "locale": "", "sort": True}
    schema["fields"] = [extra | field for field in schema["fields"]]
    return schema | {"num_documents": 0, "metadata": {}, "synonym_sets": []}


@pytest.mark.parametrize("kind", IndexName)
def test_what_newer_servers_add_is_no_difference(kind: IndexName) -> None:
    assert differences(kind, answered(kind)) == ()


def test_a_dropped_attribute_is_a_difference() -> None:
    schema = answered(IndexName.ASSETS)
    schema["fields"][0]["type"] = "auto"
    del schema["fields"][1]
    schema["token_separators"] = []
    schema["fields"].append({"name": "stray"})

    problems = "; ".join(differences(IndexName.ASSETS, schema))

    assert "root has type='auto'" in problems
    assert "name is missing" in problems
    assert "token_separators" in problems
    assert "stray is not ours" in problems


def test_the_hash_is_eight_hex_digits_and_stable() -> None:
    assert len(schema_hash()) == 8
    assert schema_hash() == schema_hash()
    int(schema_hash(), 16)


def test_a_minus_is_never_indexed() -> None:
    for kind in IndexName:
        schema = schema_of(kind, "x")
        assert "-" not in schema["symbols_to_index"]
        assert "id" not in [field["name"] for field in schema["fields"]]


@pytest.mark.parametrize("kind", IndexName)
def test_a_barrier_document_is_complete_and_out_of_sight(kind: IndexName) -> None:
    document = barrier_document(kind)

    assert document["id"] == BARRIER_ID
    assert document["acl"] == []
    assert document["_seq"] == -1
    assert not document.get("root")
    needed = {field.name for field in FIELDS[kind] if not field.optional}
    assert needed <= set(document)
