import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from threading import Event
from time import perf_counter
from typing import TypeVar

import pytest
from typing_extensions import override

from catalog.errors import DependencyUnavailableError, InvalidRequestError
from catalog.freshness import encode_token, make_token
from catalog.services.freshness import FreshnessService
from tests.fakes.administered import FakeChangeFeed, FakeGenerationRepository
from tests.fakes.catalog import FakeParts

AWAY = DependencyUnavailableError("mongodb", "refused")
NOW = 1_700_000_000 << 32
SECOND = 1 << 32

Result = TypeVar("Result")


class World:
    """A service over a server whose time is ``NOW``, and an index of it."""

    def __init__(self) -> None:
        self.feed = FakeChangeFeed(NOW)
        self.generations = FakeGenerationRepository()
        self.generations.settle(NOW)
        self.clock = FakeParts().clock

    @asynccontextmanager
    async def service(self) -> AsyncIterator[FreshnessService]:
        made = FreshnessService(
            self.feed,
            self.generations,
            self.clock,
            database="catalog",
            interval_seconds=0.005,
        )
        yield made
        await made.close()

    def run(self, act: Callable[[FreshnessService], Awaitable[Result]]) -> Result:
        async def within() -> Result:
            async with self.service() as service:
                return await act(service)

        return asyncio.run(within())

    def wait(self, token: str, seconds: float = 0.05) -> bool:
        return self.run(lambda service: service.wait(token, seconds))


@pytest.fixture
def world() -> World:
    return World()


def _token(time: int, *, replica_set: str = "rs", database: str = "catalog") -> str:
    return encode_token(make_token(replica_set, database, time))


def test_what_the_index_has_is_reached_at_once(world: World) -> None:
    started = perf_counter()

    assert world.wait(_token(NOW), 5.0)
    assert world.wait(_token(NOW - SECOND), 5.0)
    assert perf_counter() - started < 1


def test_what_the_index_lacks_is_not_reached_in_the_time_given(world: World) -> None:
    world.generations.settle(NOW - 1)
    started = perf_counter()

    assert not world.wait(_token(NOW), 0.1)
    assert 0.1 <= perf_counter() - started < 1


def test_the_wait_ends_when_the_index_gets_there(world: World) -> None:
    world.generations.settle(NOW - 1)

    async def wait_while_it_settles(service: FreshnessService) -> tuple[bool, bool]:
        waiting = asyncio.create_task(service.wait(_token(NOW), 10.0))
        await asyncio.sleep(0.05)
        was_done = waiting.done()
        world.generations.settle(NOW)
        return was_done, await waiting

    started = perf_counter()
    assert world.run(wait_while_it_settles) == (False, True)
    assert perf_counter() - started < 2


def test_a_token_of_now_covers_what_was_written_before_it(world: World) -> None:
    world.generations.settle(NOW - 1)

    token = world.run(lambda service: service.issue())

    assert token == _token(NOW)
    assert not world.wait(token)


def test_a_hundred_waiters_share_one_question_at_a_time(world: World) -> None:
    world.generations.settle(NOW - 1)

    async def wait_together(service: FreshnessService) -> list[bool]:
        return await asyncio.gather(
            *(service.wait(_token(NOW), 0.1) for _ in range(100))
        )

    assert world.run(wait_together) == [False] * 100
    assert world.generations.looks <= 30


def test_nobody_is_asked_while_nobody_waits(world: World) -> None:
    async def wait_and_rest(service: FreshnessService) -> int:
        world.generations.settle(NOW - 1)
        await service.wait(_token(NOW), 0.05)
        await asyncio.sleep(0.05)
        looks = world.generations.looks
        await asyncio.sleep(0.05)
        return world.generations.looks - looks

    assert world.run(wait_and_rest) == 0


def test_without_time_there_is_one_look(world: World) -> None:
    assert world.wait(_token(NOW), 0)
    world.generations.settle(NOW - 1)
    assert not world.wait(_token(NOW), 0)
    assert world.generations.looks == 2


@pytest.mark.parametrize("given", ["", "nonsense", "A" * 36])
def test_a_malformed_token_is_refused(world: World, given: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        world.wait(given)

    assert caught.value.field == "waitFor"


@pytest.mark.parametrize(
    "foreign",
    [_token(1, replica_set="other"), _token(1, database="other")],
    ids=["replica set", "database"],
)
def test_a_token_of_another_catalog_is_refused(world: World, foreign: str) -> None:
    with pytest.raises(InvalidRequestError, match="another catalog"):
        world.wait(foreign)


def test_a_token_from_the_future_of_a_restored_server_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequestError, match="restored from a backup"):
        world.wait(_token(NOW + 3600 * SECOND))


def test_a_token_that_a_failover_left_a_moment_ahead_is_waited_for(
    world: World,
) -> None:
    assert not world.wait(_token(NOW + SECOND))


def test_a_server_that_was_replaced_is_noticed(world: World) -> None:
    async def wait_twice(service: FreshnessService) -> bool:
        assert await service.wait(_token(NOW), 1.0)
        world.feed.replica_set = "restored elsewhere"
        world.clock.advance(6)
        return await service.wait(_token(NOW), 1.0)

    with pytest.raises(InvalidRequestError, match="another catalog"):
        world.run(wait_twice)


def test_while_mongodb_is_away_nothing_is_reached_and_nothing_fails(
    world: World,
) -> None:
    world.feed.fail_always(AWAY)
    world.generations.fail_always(AWAY)

    assert not world.wait(_token(NOW), 0.15)
    assert not world.wait(_token(NOW), 0)


def test_a_failover_while_waiting_is_survived(world: World) -> None:
    world.feed.fail_next(AWAY)
    world.generations.fail_next(AWAY, AWAY)

    assert world.wait(_token(NOW), 5.0)


def test_a_server_that_hangs_holds_nobody_longer_than_asked(world: World) -> None:
    release = Event()

    class Hanging(FakeGenerationRepository):
        @override
        def settled(self) -> tuple[int, int]:
            release.wait(10)
            return 0, 0

    world.generations = Hanging()
    started = perf_counter()
    try:
        assert not world.wait(_token(NOW), 0.3)
        assert perf_counter() - started < 2
    finally:
        release.set()


def test_without_a_generation_that_serves_nothing_is_reached(world: World) -> None:
    world.generations.records.clear()

    assert not world.wait(_token(NOW))


def test_a_write_is_not_held_up_when_no_token_can_be_had(world: World) -> None:
    world.feed.fail_always(AWAY)

    with pytest.raises(DependencyUnavailableError):
        world.run(lambda service: service.issue())


def test_one_waiter_who_leaves_does_not_end_the_others_wait(world: World) -> None:
    world.generations.settle(NOW - 1)

    async def leave_one(service: FreshnessService) -> bool:
        leaver = asyncio.create_task(service.wait(_token(NOW), 10.0))
        stayer = asyncio.create_task(service.wait(_token(NOW), 10.0))
        await asyncio.sleep(0.05)
        leaver.cancel()
        await asyncio.gather(leaver, return_exceptions=True)
        world.generations.settle(NOW)
        return await stayer

    assert world.run(leave_one)


def test_a_service_serves_a_second_event_loop_after_it_was_closed(
    world: World,
) -> None:
    service = FreshnessService(
        world.feed, world.generations, world.clock, database="catalog"
    )

    async def wait_and_close() -> bool:
        reached = await service.wait(_token(NOW), 1.0)
        await service.close()
        return reached

    assert asyncio.run(wait_and_close())
    assert asyncio.run(wait_and_close())
