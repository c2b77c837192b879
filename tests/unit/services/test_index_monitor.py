import asyncio
from datetime import timedelta

from typing_extensions import override

from catalog.errors import DependencyUnavailableError
from catalog.services.index_monitor import UNKNOWN, IndexMonitor, IndexState
from tests.fakes.catalog import FakeIndexStatusRepository, FakeParts, index_status

AWAY = DependencyUnavailableError("mongodb", "refused")


class CountingStatuses(FakeIndexStatusRepository):
    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    @override
    def check(self) -> None:
        self.reads += 1
        super().check()


def test_many_questions_cost_one_read() -> None:
    statuses = CountingStatuses()
    statuses.status = index_status(lag_ms=12, generation=3)

    async def ask_often() -> set[IndexState]:
        monitor = IndexMonitor(statuses, FakeParts().clock)
        states = {await monitor.current() for _ in range(100)}
        await monitor.close()
        return states

    assert asyncio.run(ask_often()) == {IndexState(lag_ms=12, generation=3)}
    assert statuses.reads == 1


def test_the_heartbeat_is_read_again_while_somebody_asks() -> None:
    statuses = FakeIndexStatusRepository()

    async def ask_twice() -> IndexState:
        monitor = IndexMonitor(statuses, FakeParts().clock, interval_seconds=0.001)
        await monitor.current()
        statuses.status = index_status(lag_ms=77)
        state = await monitor.current()
        for _ in range(1000):
            if state.lag_ms == 77:
                break
            await asyncio.sleep(0.001)
            state = await monitor.current()
        await monitor.close()
        return state

    assert asyncio.run(ask_twice()).lag_ms == 77


def test_nobody_asking_stops_the_reads_and_the_next_question_reads_anew() -> None:
    statuses = CountingStatuses()
    clock = FakeParts().clock

    async def rest() -> tuple[int, int, int | None]:
        monitor = IndexMonitor(
            statuses, clock, interval_seconds=0.001, idle_seconds=5.0
        )
        await monitor.current()
        clock.advance(6)
        await asyncio.sleep(0.05)
        resting = statuses.reads
        await asyncio.sleep(0.02)
        still_resting = statuses.reads
        statuses.status = index_status(lag_ms=5, beat_at=clock.now())
        state = await monitor.current()
        await monitor.close()
        return resting, still_resting, state.lag_ms

    resting, still_resting, lag_ms = asyncio.run(rest())

    assert resting == still_resting
    assert lag_ms == 5


def test_a_silent_indexer_lags_by_its_silence() -> None:
    statuses = FakeIndexStatusRepository()
    clock = FakeParts().clock
    clock.advance(timedelta(seconds=40).total_seconds())

    async def ask() -> IndexState:
        monitor = IndexMonitor(statuses, clock)
        state = await monitor.current()
        await monitor.close()
        return state

    assert asyncio.run(ask()) == IndexState(lag_ms=40_000, generation=1)


def test_without_any_heartbeat_ever_no_generation_serves() -> None:
    statuses = FakeIndexStatusRepository()
    statuses.status = None

    async def ask() -> IndexState:
        monitor = IndexMonitor(statuses, FakeParts().clock)
        state = await monitor.current()
        await monitor.close()
        return state

    assert asyncio.run(ask()) == IndexState(lag_ms=None, generation=0)


def test_what_cannot_be_read_is_unknown_not_zero() -> None:
    statuses = FakeIndexStatusRepository()
    statuses.fail_always(AWAY)

    async def ask() -> IndexState:
        monitor = IndexMonitor(statuses, FakeParts().clock)
        state = await monitor.current()
        await monitor.close()
        return state

    assert asyncio.run(ask()) == UNKNOWN


def test_a_monitor_serves_a_second_event_loop() -> None:
    statuses = FakeIndexStatusRepository()
    monitor = IndexMonitor(statuses, FakeParts().clock)

    first = asyncio.run(monitor.current())
    second = asyncio.run(monitor.current())

    assert first == second == IndexState(lag_ms=0, generation=1)


def test_a_glance_reads_once_and_follows_nothing() -> None:
    statuses = CountingStatuses()
    statuses.status = index_status(lag_ms=12, generation=3)

    async def glance_and_rest() -> tuple[object, IndexState, int]:
        monitor = IndexMonitor(statuses, FakeParts().clock, interval_seconds=0.001)
        status, state = await monitor.glance()
        await asyncio.sleep(0.05)
        await monitor.close()
        return status, state, statuses.reads

    assert asyncio.run(glance_and_rest()) == (
        statuses.status,
        IndexState(lag_ms=12, generation=3),
        1,
    )


def test_a_glance_at_what_is_followed_anyway_costs_no_read() -> None:
    statuses = CountingStatuses()

    async def follow_and_glance() -> int:
        monitor = IndexMonitor(statuses, FakeParts().clock)
        await monitor.current()
        for _ in range(10):
            await monitor.glance()
        await monitor.close()
        return statuses.reads

    assert asyncio.run(follow_and_glance()) == 1


def test_a_glance_without_mongodb_knows_nothing_not_what_it_once_knew() -> None:
    statuses = FakeIndexStatusRepository()

    async def glance_twice() -> tuple[object, IndexState]:
        monitor = IndexMonitor(statuses, FakeParts().clock)
        await monitor.glance()
        statuses.fail_always(AWAY)
        return await monitor.glance()

    assert asyncio.run(glance_twice()) == (None, UNKNOWN)
