import asyncio

import pytest

from catalog.access import MACHINE_OWNER
from catalog.errors import DependencyUnavailableError, InvalidQueryError
from catalog.search.base import SearchAnswer, SearchQuery
from catalog.services.engine_guard import EngineGuard
from tests.fakes.search import FakeSearchReader

AWAY = DependencyUnavailableError("typesense", "refused")
QUERY = SearchQuery(asker=MACHINE_OWNER, words="avatar")


async def ask(guard: EngineGuard) -> SearchAnswer:
    return await guard.ask(lambda reader: reader.search(QUERY))


async def fail(guard: EngineGuard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(DependencyUnavailableError):
            await ask(guard)


def test_two_failures_in_a_row_spare_the_engine_further_questions() -> None:
    reader = FakeSearchReader()
    reader.fail_always(AWAY)

    async def scenario() -> None:
        guard = EngineGuard(reader, probe_seconds=60)
        await fail(guard, 10)
        await guard.close()

    asyncio.run(scenario())

    assert len(reader.queries) == 2


def test_one_failure_between_answers_opens_nothing() -> None:
    reader = FakeSearchReader()

    async def scenario() -> bool:
        guard = EngineGuard(reader)
        for _ in range(5):
            reader.fail_next(AWAY)
            await fail(guard, 1)
            await ask(guard)
        return guard.is_open

    assert not asyncio.run(scenario())
    assert len(reader.queries) == 10


def test_the_engine_is_asked_again_after_a_probe_was_answered() -> None:
    reader = FakeSearchReader()
    reader.fail_always(AWAY)

    async def scenario() -> SearchAnswer:
        guard = EngineGuard(reader, probe_seconds=0.001)
        await fail(guard, 2)
        await asyncio.sleep(0.02)
        assert guard.is_open
        reader.fail_always(None)
        for _ in range(1000):
            if not guard.is_open:
                break
            await asyncio.sleep(0.001)
        answer = await ask(guard)
        await guard.close()
        return answer

    assert asyncio.run(scenario()) == reader.answer
    assert reader.queries[-1] == QUERY


def test_an_engine_that_refuses_the_probe_is_there() -> None:
    reader = FakeSearchReader()
    reader.fail_next(AWAY, AWAY, InvalidQueryError("q", "No."))

    async def scenario() -> SearchAnswer:
        guard = EngineGuard(reader, probe_seconds=0.001)
        await fail(guard, 2)
        for _ in range(1000):
            if not guard.is_open:
                break
            await asyncio.sleep(0.001)
        return await ask(guard)

    assert asyncio.run(scenario()) == reader.answer


def test_a_refused_question_says_nothing_about_the_engine() -> None:
    reader = FakeSearchReader()
    reader.fail_always(InvalidQueryError("q", "No."))

    async def scenario() -> bool:
        guard = EngineGuard(reader)
        for _ in range(5):
            with pytest.raises(InvalidQueryError):
                await ask(guard)
        return guard.is_open

    assert not asyncio.run(scenario())
