"""A TCP proxy that does to connections what networks do, from one seed.

It runs an event loop in a thread of its own and forwards to one address. Faults are
drawn for it by ``Mischief``; each that really hit a connection is counted.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

Result = TypeVar("Result")


class Fault(StrEnum):
    """What happens to one connection."""

    RESET = "reset"
    """Both ends get a reset, at once."""
    HALF_CLOSE = "half-close"
    """The caller sees an end of file; the server never hears of it for a while."""
    STALL = "stall"
    """Nothing goes through, in either direction, for a while."""
    DELAY = "delay"
    """What goes through comes late."""
    ANSWER_LOST = "answer lost"
    """The server gets all of it and acts; its next answer becomes a reset."""


@dataclass(eq=False)
class _Link:
    """One connection of a caller, and its continuation to the server."""

    caller: asyncio.StreamWriter
    server: asyncio.StreamWriter
    open_gate: asyncio.Event
    delay_seconds: float = 0.0
    loses_answer: bool = False
    is_deaf: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    """Forwards a port; every method may be called by any thread."""

    def __init__(self, target_port: int, seed: int) -> None:
        """Listen to nothing yet.

        Args:
            target_port: On this machine.
            seed: Chooses connections and durations.
        """
        self.counts: Counter[Fault] = Counter()
        self.delay_seconds = 0.0
        self._target = target_port
        self._random = random.Random(seed)
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._server: asyncio.Server | None = None
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        self._server = self._do(
            asyncio.start_server(self._accept, "127.0.0.1", 0, limit=2**20)
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._do(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def strike(self, fault: Fault, *, longest_seconds: float = 4.0) -> bool:
        """Let a fault hit one connection, drawn from all that are open.

        Returns:
            Whether there was one.
        """
        return self._do(self._strike(fault, longest_seconds))

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    # --- in the loop ---------------------------------------------------------------

    async def _accept(
        self, reader: asyncio.StreamReader, caller: asyncio.StreamWriter
    ) -> None:
        try:
            back, server = await asyncio.open_connection(
                "127.0.0.1", self._target, limit=2**20
            )
        except OSError:
            _reset(caller)
            return
        gate = asyncio.Event()
        gate.set()
        link = _Link(caller, server, gate)
        self._links.add(link)
        link.tasks = [
            asyncio.create_task(self._pump(link, reader, server, is_answer=False)),
            asyncio.create_task(self._pump(link, back, caller, is_answer=True)),
        ]
        await asyncio.wait(link.tasks)
        self._links.discard(link)
        for end in (caller, server):
            end.close()

    async def _pump(
        self,
        link: _Link,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        passed_at = 0.0
        try:
            while data := await source.read(65536):
                await link.open_gate.wait()
                # A request or an answer comes late once, in however many pieces.
                is_new = self._loop.time() - passed_at > self.delay_seconds
                general = self.delay_seconds if is_new else 0.0
                if late := max(link.delay_seconds, general):
                    await asyncio.sleep(late)
                passed_at = self._loop.time()
                if is_answer and link.loses_answer:
                    self.counts[Fault.ANSWER_LOST] += 1
                    self._cut(link)
                    return
                if is_answer and link.is_deaf:
                    continue
                sink.write(data)
                await sink.drain()
            if not link.is_deaf:
                sink.write_eof()
        except (OSError, RuntimeError):
            self._cut(link)

    def _cut(self, link: _Link) -> None:
        _reset(link.caller)
        _reset(link.server)

    async def _strike(self, fault: Fault, longest_seconds: float) -> bool:
        links = sorted(self._links, key=id)
        if not links:
            return False
        link = self._random.choice(links)
        seconds = self._random.uniform(0.1, longest_seconds)
        match fault:
            case Fault.RESET:
                self._cut(link)
            case Fault.HALF_CLOSE:
                link.is_deaf = True
                try:
                    link.caller.write_eof()
                except (OSError, RuntimeError):
                    return False
                self._later(seconds, lambda: self._cut(link))
            case Fault.STALL:
                link.open_gate.clear()
                self._later(seconds, link.open_gate.set)
            case Fault.DELAY:
                link.delay_seconds = self._random.uniform(0.02, 0.2)
                self._later(seconds, lambda: setattr(link, "delay_seconds", 0.0))
            case Fault.ANSWER_LOST:
                link.loses_answer = True
                return True  # counted when there is an answer to lose
        self.counts[fault] += 1
        return True

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._loop.call_later(seconds, do)

    async def _shut_down(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            self._cut(link)
            for task in link.tasks:
                task.cancel()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
        await asyncio.sleep(0.05)  # transports close one turn of the loop later


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an end of file."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        try:
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        except OSError:
            return
    writer.transport.abort()
