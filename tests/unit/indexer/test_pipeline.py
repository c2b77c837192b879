"""What follows a batch happens in order, however long its rows take."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, cast

import pytest
from typing_extensions import override

from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import RootKey
from indexer.apply import AppliedBatch, Applier
from indexer.health import Health
from indexer.live import LiveSet
from indexer.pass_mode import LIVE
from indexer.pipeline import Pipeline
from indexer.prepared import Prepared
from indexer.steady import Steady
from tests.unit.indexer.world import START

BATCH = AppliedBatch(1, 1, 0, 1, (RootKey("a"),), frozenset("a"), 7)


class Later(Executor):
    """Keeps what it is given; the test says when it is done."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    @override
    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> "Future[Any]":
        self.futures.append(Future())
        return self.futures[-1]


class Applying:
    """Of ``Applier`` what a pipeline calls."""

    def write(self, prepared: Prepared, mode: object, *, after: object) -> object:
        del prepared, mode, after
        return object()

    def record(self, pass_: object) -> AppliedBatch:
        raise AssertionError(pass_)


class Steadily:
    """Of ``Steady`` what a batch that failed needs."""

    def run(self, act: Callable[[], object]) -> object:
        return act()

    def barrier(self, targets: Sequence[object]) -> None:
        del targets

    def apply(self, *_: object, **__: object) -> AppliedBatch:
        return BATCH


class NoTargets:
    targets = ()


@pytest.fixture
def pool() -> Later:
    return Later()


@pytest.fixture
def pipeline(pool: Later) -> Pipeline:
    return Pipeline(
        applier=cast("Applier", Applying()),
        live=cast("LiveSet", NoTargets()),
        steady=cast("Steady", Steadily()),
        health=Health(ManualClock(START)),
        make_pool=lambda _workers, _name: pool,
        on_written=lambda _: None,
    )


def apply(pipeline: Pipeline, told: list[str]) -> None:
    pipeline.apply(
        ["root"],
        mode=LIVE,
        settled=lambda _batch: told.append("batch"),
        prepared=Prepared(7, (), 1),
    )


def test_what_follows_nothing_happens_at_once(pipeline: Pipeline) -> None:
    told: list[str] = []

    pipeline.then(lambda: told.append("position"))

    assert told == ["position"]


def test_what_follows_a_batch_waits_for_its_rows_and_holds_nothing_up(
    pipeline: Pipeline, pool: Later
) -> None:
    told: list[str] = []
    apply(pipeline, told)

    pipeline.then(lambda: told.append("position 1"))
    pipeline.then(lambda: told.append("position 2"))
    before = list(told)
    pool.futures[0].set_result(BATCH)
    pipeline.finish()

    assert before == []
    assert told == ["batch", "position 1", "position 2"]
    assert pipeline.is_idle


def test_what_follows_a_batch_that_is_done_happens_at_once(
    pipeline: Pipeline, pool: Later
) -> None:
    told: list[str] = []
    apply(pipeline, told)
    pool.futures[0].set_result(BATCH)

    pipeline.then(lambda: told.append("position"))

    assert told == ["batch", "position"]


def test_what_follows_a_batch_that_failed_waits_until_it_is_applied_again(
    pipeline: Pipeline, pool: Later
) -> None:
    told: list[str] = []
    apply(pipeline, told)

    pipeline.then(lambda: told.append("position"))
    pool.futures[0].set_exception(DependencyUnavailableError("mongodb", "away"))
    pipeline.finish()

    assert told == ["batch", "position"]
