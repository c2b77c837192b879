"""The freshness contract: a token after a write, and waiting until the index has it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from catalog.clock import Clock
from catalog.errors import (
    CatalogError,
    DependencyError,
    DependencyUnavailableError,
    InvalidRequestError,
)
from catalog.freshness import (
    PARAMETER,
    FreshnessToken,
    decode_token,
    encode_token,
    make_token,
)
from catalog.repositories.index_state import GenerationRepository, PositionReader

_LOG = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 10.0
"""Longest wait that a caller may ask for (``api.md``, General)."""

_ANSWER_SECONDS = 1.0
"""Time for one answer of MongoDB: a token holds up a write's answer no longer."""

_LOOK_SECONDS = 0.25
"""Time for one look at MongoDB, also for a caller who does not want to wait."""

_RETRY_SECONDS = 0.1
_TRUSTED_SECONDS = 5.0
"""How long the server that we stand on is taken for the same."""

_AHEAD_TICKS = 10 << 32
"""Ten seconds that a token may be ahead: a failover can set the server's time back."""

_NOTHING_KNOWN = -1

Answer = TypeVar("Answer")


class FreshnessService:
    """Gives out tokens and waits until the index has reached them.

    All waiters share one question to MongoDB at a time, which is asked only while
    somebody waits. Used from one event loop.
    """

    def __init__(
        self,
        feed: PositionReader,
        generations: GenerationRepository,
        clock: Clock,
        *,
        database: str,
        interval_seconds: float = 0.025,
    ) -> None:
        """Stand on the server's time and the indexer's checkpoint.

        Args:
            feed: Tells the server's present position.
            generations: Tell how far the serving generation is.
            clock: Tells how old our knowledge of the server is.
            database: Name of the database: a token of another one is refused.
            interval_seconds: Time between two looks while somebody waits.
        """
        self._feed = feed
        self._generations = generations
        self._clock = clock
        self._database = database
        self._interval = interval_seconds
        self._server: FreshnessToken | None = None
        self._server_read_at = 0.0
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._look: asyncio.Task[int] | None = None
        self._poller: asyncio.Task[None] | None = None
        # Threads of our own: a MongoDB that hangs must not use up everybody's.
        self._threads = _new_threads()

    async def issue(self) -> str:
        """Make a token of now: whoever waits for it sees all that was written before.

        Raises:
            DependencyUnavailableError: MongoDB did not answer in time; retryable.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return encode_token(await self._ask_server())
        except TimeoutError as exc:
            raise DependencyUnavailableError("mongodb", "no time was told") from exc

    async def wait(self, token: str, seconds: float) -> bool:
        """Wait until the index has what the token stands for.

        Args:
            token: As ``issue`` made it, here or in another process.
            seconds: How long at most; with 0 there is one look and no wait.

        Returns:
            Whether readers are answered by an index that has it. ``False`` also while
            MongoDB is away: then nobody knows.

        Raises:
            InvalidRequestError: It is no token, or one of another catalog, or lies in
                the future of this one's MongoDB.
        """
        wanted = decode_token(token)
        time = asyncio.get_running_loop().time
        deadline = time() + min(seconds, MAX_WAIT_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(deadline, time() + _LOOK_SECONDS)):
                if await self._is_reached(wanted):
                    return True
            async with asyncio.timeout_at(deadline):
                await self._reach(wanted.cluster_time)
                return True
        return False

    async def close(self) -> None:
        """Stop looking; idempotent, and what comes later begins anew."""
        tasks = [task for task in (self._poller, self._look) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._poller = self._look = None
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads = _new_threads()

    # --- whose token it is ---------------------------------------------------------

    async def _is_reached(self, wanted: FreshnessToken) -> bool:
        """Look once, and refuse what can never be reached; until MongoDB answers."""
        while True:
            try:
                await self._refuse_foreign(wanted)
                if await self._settled() >= wanted.cluster_time:
                    return True
                await self._refuse_future(wanted)
            except DependencyError as error:
                _LOG.debug("can't look", extra={"cause": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return False

    async def _refuse_foreign(self, wanted: FreshnessToken) -> None:
        server = self._server
        age = self._clock.monotonic() - self._server_read_at
        if server is None or age > _TRUSTED_SECONDS or not wanted.is_kin_of(server):
            server = await self._ask_server()
        if not wanted.is_kin_of(server):
            problem = (
                "It is a token of another catalog (another MongoDB replica set or "
                "database); a token is good where it was given out only."
            )
            raise InvalidRequestError(PARAMETER, problem)

    async def _refuse_future(self, wanted: FreshnessToken) -> None:
        server = self._server
        if server is None or wanted.cluster_time > server.cluster_time:
            server = await self._ask_server()
        if wanted.cluster_time > server.cluster_time + _AHEAD_TICKS:
            problem = (
                "It lies in the future of this catalog's MongoDB, which must have been "
                "restored from a backup since: what it stands for is not there."
            )
            raise InvalidRequestError(PARAMETER, problem)

    async def _ask_server(self) -> FreshnessToken:
        position = await self._in_thread(self._feed.current)
        server = make_token(position.replica_set, self._database, position.cluster_time)
        self._server, self._server_read_at = server, self._clock.monotonic()
        return server

    # --- how far the index is ------------------------------------------------------

    async def _reach(self, cluster_time: int) -> None:
        reached = asyncio.get_running_loop().create_future()
        self._waiting[reached] = cluster_time
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            await reached
        finally:
            del self._waiting[reached]

    async def _poll(self) -> None:
        while self._waiting:
            settled = await self._settled()
            for reached, wanted in self._waiting.items():
                if wanted <= settled and not reached.done():
                    reached.set_result(None)
            await asyncio.sleep(self._interval)

    async def _settled(self) -> int:
        """Ask how far the index is; questions at the same time are one."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._read_settled())
        # Shielded: one waiter who gives up must not end the others' question.
        return await asyncio.shield(self._look)

    async def _read_settled(self) -> int:
        try:
            # Bounded: a hanging server must not keep us from asking it again.
            async with asyncio.timeout(_ANSWER_SECONDS):
                _, settled = await self._in_thread(self._generations.settled)
        except (CatalogError, TimeoutError) as error:
            _LOG.debug("how far the index is, is not known", exc_info=error)
            return _NOTHING_KNOWN
        return settled

    async def _in_thread(self, question: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, question)


def _new_threads() -> ThreadPoolExecutor:
    """Make threads that start at their first question."""
    return ThreadPoolExecutor(4, thread_name_prefix="freshness")
