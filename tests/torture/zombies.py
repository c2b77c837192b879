"""Row ``zombie-leader``: a leader is stopped beyond its lease and wakes up again.

Two indexers contend. Whoever leads is stopped (SIGSTOP) in the middle of its work, the
other one takes over and works on, and then the first one is woken: whatever it was
about to write must be refused, and the index must equal the record in the end.
"""

import os
import re
import signal
import time
from pathlib import Path

from tests.torture.outcome import Outcome, Violation, pause
from tests.torture.world import World, running_world

LEASE_SECONDS = 3
_TAKEOVER_SECONDS = LEASE_SECONDS + 5.0
_ROUND = 5
_PROCESS = re.compile(r".*:(\d+):[0-9a-f]+")


def zombie_leader(seed: int, folder: Path, *, handovers: int = 15) -> Outcome:
    """Stop and wake leaders under writes."""
    with running_world(World(folder, seed)) as world:
        settings = {"CATALOG_LEASE_SECONDS": str(LEASE_SECONDS)}
        world.indexer = world.indexer_with(settings)
        other = world.indexer_with(settings)
        world.begin()
        other.start()
        worst, left = 0.0, handovers
        try:
            while left:
                with world.gateway.writing():
                    for _ in range(min(_ROUND, left)):
                        worst = max(worst, _hand_over(world))
                        left -= 1
                    since = time.monotonic()
                world.settle(since=since)
                world.indexer.check()
                other.check()
        finally:
            other.kill()
        figures = {**world.figures(), "worst takeover, s": round(worst, 2)}
        return Outcome(handovers, world.worst_settle, figures)


def _hand_over(world: World) -> float:
    """Stop whoever leads until the other one does; returns how long that took."""
    pause(world.random.uniform(0.3, 1.5))
    epoch, process = _leader(world)
    os.kill(process, signal.SIGSTOP)
    stopped_at = time.monotonic()
    try:
        while _leader(world)[0] <= epoch:
            if time.monotonic() - stopped_at > _TAKEOVER_SECONDS:
                message = f"nobody took over within {_TAKEOVER_SECONDS} s"
                raise Violation(message)
            pause(0.05)
        seconds = time.monotonic() - stopped_at
        pause(world.random.uniform(0.0, 2.0))
    finally:
        os.kill(process, signal.SIGCONT)
    pause(world.random.uniform(0.0, 1.0))
    return seconds


def _leader(world: World) -> tuple[int, int]:
    """Epoch and process id of whoever holds the lease."""
    lease = world.gateway.database["index_lease"].find_one() or {}
    match = _PROCESS.fullmatch(lease.get("owner", ""))
    if match is None:
        return 0, 0
    return int(lease["epoch"]), int(match[1])
