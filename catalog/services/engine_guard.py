"""A circuit breaker around the search engine: when it is away, nobody waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from catalog.access import MACHINE_OWNER
from catalog.errors import CatalogError, DependencyUnavailableError
from catalog.search.base import SearchQuery, SearchReader

_LOG = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_PROBE = SearchQuery(asker=MACHINE_OWNER, per_page=1, with_moments=False)


class EngineGuard:
    """Asks the engine, or refuses at once while it is known to be away.

    Two failures in a row open the circuit. While it is open no question reaches the
    engine; a background task asks a cheap one of its own every ``probe_seconds`` and
    closes the circuit at the first answer, so that no caller ever waits for a probe.
    Used from one event loop.
    """

    def __init__(
        self,
        reader: SearchReader,
        *,
        tolerated_failures: int = 1,
        probe_seconds: float = 2.0,
    ) -> None:
        """Stand on the engine's reader.

        Args:
            reader: The engine.
            tolerated_failures: Failures in a row that do not open the circuit yet (a
                single slow question must not degrade everybody's).
            probe_seconds: Time between two probes.
        """
        self._reader = reader
        self._tolerated = tolerated_failures
        self._probe_seconds = probe_seconds
        self._failures = 0
        self._cause = ""
        self._prober: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the engine is known to be away."""
        return self._failures > self._tolerated

    async def ask(
        self, question: Callable[[SearchReader], Awaitable[Answer]]
    ) -> Answer:
        """Put one question to the engine.

        Raises:
            DependencyUnavailableError: It is away, too slow or still loading; at
                once while the circuit is open; retryable.
            InvalidQueryError: The engine can't use the question.
        """
        if self.is_open:
            self._keep_probing()
            raise DependencyUnavailableError("typesense", self._cause)
        try:
            answer = await question(self._reader)
        except DependencyUnavailableError as error:
            self._fail(error)
            raise
        self._failures = 0
        return answer

    async def close(self) -> None:
        """Stop probing; idempotent."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)
            self._prober = None

    def _fail(self, error: DependencyUnavailableError) -> None:
        was_open = self.is_open
        self._failures += 1
        self._cause = error.detail
        if self.is_open and not was_open:
            _LOG.warning("search engine away", extra={"cause": error.detail})
            self._keep_probing()

    def _keep_probing(self) -> None:
        if self._prober is None or self._prober.done():
            self._prober = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        while self.is_open:
            await asyncio.sleep(self._probe_seconds)
            try:
                await self._reader.search(_PROBE)
            except DependencyUnavailableError as error:
                self._cause = error.detail
                continue
            except CatalogError:
                # It answered, if only to refuse: it is there.
                _LOG.debug("the probe was refused", exc_info=True)
            self._failures = 0
            _LOG.info("search engine back")
