"""Row ``fault-proxy``: the indexer's connections suffer, to both servers at once."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import Mongod
from tests.torture.outcome import Outcome, pause
from tests.torture.proxy import Fault, Proxy
from tests.torture.world import World, running_world

_EVERY_SECONDS = 0.12
_AFTERMATH_SECONDS = 30.0
"""Nothing was killed: what is under way may have to run into its own time-outs."""


@contextmanager
def running_proxy(target_port: int, seed: int) -> Iterator[Proxy]:
    proxy = Proxy(target_port, seed)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def fault_proxy(seed: int, folder: Path, *, faults: int = 200) -> Outcome:
    """Hit the connections until so many faults have really happened."""
    draw = random.Random(seed)
    with (
        running_world(World(folder, seed)) as world,
        running_proxy(world.typesense.port, seed) as to_typesense,
        running_proxy(world.mongod.port, seed + 1) as to_mongod,
    ):
        world.indexer = world.indexer_with(
            {
                "CATALOG_TYPESENSE_URL": f"http://127.0.0.1:{to_typesense.port}",
                "CATALOG_MONGO_URI": Mongod.uri_at(to_mongod.port),
            }
        )
        world.begin()
        proxies = (to_typesense, to_typesense, to_mongod)
        with world.gateway.writing():
            while (done := _count(to_typesense, to_mongod)) < faults:
                draw.choice(proxies).strike(draw.choice(list(Fault)))
                pause(draw.uniform(0.0, 2 * _EVERY_SECONDS))
                world.indexer.check()
        settled = world.settle(_AFTERMATH_SECONDS)
        world.indexer.check()
        world.demand_rate()
        kinds = to_typesense.counts + to_mongod.counts
        figures = world.figures() | {kind.value: kinds[kind] for kind in Fault}
        return Outcome(done, settled, figures)


def _count(*proxies: Proxy) -> int:
    return sum(proxy.counts.total() for proxy in proxies)
