import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database

from catalog.repositories import sightings
from catalog.repositories.mongo.objects import MongoObjectRepository
from catalog.repositories.sightings import Settled, Sighting
from tests.fakes.objects import FakeObjects
from tests.torture.s3_mangler import (
    ViolationError,
    all_deliveries,
    all_orders,
    run,
)

SEED = int(os.environ.get("CATALOG_TEST_SEED", "0"))
HISTORIES = 100_000 if os.environ.get("CATALOG_TORTURE") == "full" else 500


@pytest.mark.parametrize("ends_deleted", [False, True])
def test_all_orders_of_six_events_end_in_the_last_state(
    *, ends_deleted: bool, mongo_database: Database[dict[str, Any]]
) -> None:
    assert all_orders(ends_deleted=ends_deleted) == 720
    on_servers = MongoObjectRepository(mongo_database)
    assert all_orders(on_servers, ends_deleted=ends_deleted) == 720


def test_six_events_arriving_in_any_order_end_in_the_state_of_the_bucket(
    mongo_database: Database[dict[str, Any]],
) -> None:
    assert all_deliveries() == 720
    assert all_deliveries(MongoObjectRepository(mongo_database)) == 720


def test_random_histories_end_in_the_state_of_the_bucket() -> None:
    for seed in range(SEED, SEED + HISTORIES):
        run(seed)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("is_outdated", lambda *_: False),
        ("is_same", lambda *_: True),
    ],
)
def test_a_rule_that_is_broken_is_caught(
    name: str, instead: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings, name, instead)

    with pytest.raises(ViolationError):
        _everything()


def test_looks_recorded_over_later_ones_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = FakeObjects.settle

    def careless(self: FakeObjects, seen: Iterable[Sighting]) -> Settled:
        self.between()
        now = [replace(one, known=self.known.get(one.found.key)) for one in seen]
        return honest(self, now)

    monkeypatch.setattr(FakeObjects, "settle", careless)

    with pytest.raises(ViolationError):
        _everything()


def test_events_that_leave_no_trace_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.fakes.objects.decide",
        lambda seen: sightings.decide(replace(seen, is_told=False)),
    )

    with pytest.raises(ViolationError):
        _everything()


def _everything() -> None:
    all_orders(ends_deleted=False)
    for seed in range(2_000):
        run(seed)
